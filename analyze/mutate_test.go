package analyze_test

import (
	"iter"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// mutations gives doc with one thing changed, everywhere in turn: a value to something that may hold constants of encrypted fields, a name
// to one that means something else, or an element twice.
func mutations(t testing.TB, doc []byte) iter.Seq[[]byte] {
	filter := bson.D{{Key: "ssn", Value: "x"}, {Key: "address", Value: bson.D{{Key: "zip", Value: "x"}}}}
	values := []any{
		"x", nil, int64(123456789), filter, bson.A{filter}, bson.A{"x"}, bson.D{{Key: "$eq", Value: "x"}}, bson.D{{Key: "$set", Value: filter}},
		bson.D{{Key: "zip", Value: "x"}}, bson.D{{Key: "$elemMatch", Value: filter}}, bson.Binary{Data: []byte("x")}, bson.D{{Key: "$exists", Value: "x"}},
	}
	var raws []bson.RawValue
	for _, e := range elements(t, marshal(t, bson.D{{Key: "v", Value: values}})) {
		for _, v := range elements(t, e.Value) {
			raws = append(raws, v.RawValue())
		}
	}
	names := []string{
		"ssn", "phone", "address", "address.zip", "address.p_x", "address.0.zip", "card.no", "m", "m.x", "plain", "ssn.$", "x.$[i].ssn", "$.ssn", "",
		"$eq", "$in", "$not", "$exists", "$elemMatch", "$and", "$set", "$unset", "$push", "$rename", "$expr", "filter", "q", "u", "hint",
	}
	return func(yield func([]byte) bool) { mutateIn(doc, raws, names, yield) }
}

func mutateIn(doc []byte, values []bson.RawValue, names []string, yield func([]byte) bool) bool {
	it := bsonraw.Iterate(doc)
	for at := 4; it.Next(); at += len(it.Element.Raw) {
		e := it.Element
		with := func(element []byte) bool {
			out, start := bsonraw.Begin(nil)
			out = append(append(append(out, doc[4:at]...), element...), doc[at+len(e.Raw):len(doc)-1]...)
			return yield(bsonraw.End(out, start))
		}
		for _, v := range values {
			if !with(bsonraw.AppendValue(nil, e.Key, v)) {
				return false
			}
		}
		for _, name := range names {
			if !with(bsonraw.AppendValue(nil, name, e.RawValue())) {
				return false
			}
		}
		if !with(append(append([]byte(nil), e.Raw...), e.Raw...)) {
			return false
		}
		inner := func(d []byte) bool {
			return with(bsonraw.AppendValue(nil, e.Key, bson.RawValue{Type: e.Type, Value: d}))
		}
		if e.IsContainer() && !mutateIn(e.Value, values, names, inner) {
			return false
		}
	}
	return true
}

// Whatever is let through of commands that are almost right holds no value of an encrypted field.
func TestMutatedCommands(t *testing.T) {
	compiled, places := parseSchema(t, fuzzSchema), fuzzPlaces()
	accepted, refused := 0, 0
	for _, original := range goldenCommands(t) {
		for cmd := range mutations(t, original) {
			target, err := analyze.Classify("db", cmd)
			if err != nil || target.Disposition != analyze.Analysed {
				continue
			}
			schemas := map[string]*schema.Schema{}
			for _, ns := range target.Namespaces {
				schemas[ns] = nil
			}
			schemas[target.Namespaces[0]] = compiled
			for _, rewrite := range []analyze.Rewrite{analyze.Minimal, analyze.Exact} {
				res, err := analyze.Command(nil, target, cmd, schemas, &recorder{}, analyze.Options{Rewrite: rewrite})
				if err != nil {
					refused++
					continue
				}
				accepted++
				if err := bsonraw.Validate(res.Command); err != nil {
					t.Fatalf("%v of %v", err, bson.Raw(cmd))
				}
				auditor{t, places}.command(res.Command)
				if t.Failed() {
					t.Fatal(bson.Raw(cmd))
				}
			}
		}
	}
	t.Logf("%d accepted, %d refused", accepted, refused)
	if accepted*8 < refused {
		t.Error("too few commands are accepted for the property to mean anything")
	}
}
