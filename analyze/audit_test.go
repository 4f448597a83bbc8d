package analyze_test

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// auditor walks a command that was let through and knows nothing of operators: names with a dollar sign lead nowhere.
type auditor struct {
	rapid.TB
	root *place
}

func (a auditor) command(cmd bson.Raw) {
	for _, e := range elements(a, cmd) {
		if !e.IsContainer() {
			continue // the command's name, or an option
		}
		switch string(e.Key) {
		case "explain":
			a.command(e.Value)
		case "updates", "deletes":
			for _, statement := range elements(a, e.Value) {
				a.command(statement.Value)
			}
		case "ops":
			a.operations(e)
		case "pipeline":
			a.pipeline(e)
		case "indexes":
			a.indexes(e)
		case "documents", "document":
			a.stored(top(a.root), e)
		case "update", "u", "updateMods":
			a.update(e)
		case "filter", "query", "q", "validator", "min", "max", "$match":
			a.filter(top(a.root), e, true)
		case "sort", "hint", "$sort":
			a.filter(top(a.root), e, false)
		case "projection", "fields":
			a.projection(e)
		}
	}
}

// operations checks those of a bulkWrite that are for the first collection.
func (a auditor) operations(list bsonraw.Element) {
	for _, op := range elements(a, list.Value) {
		if n, isInteger := elements(a, op.Value)[0].RawValue().AsInt64OK(); isInteger && n == 0 {
			a.command(op.Value)
		}
	}
}

func (a auditor) indexes(list bsonraw.Element) {
	for _, index := range elements(a, list.Value) {
		for _, e := range elements(a, index.Value) {
			switch string(e.Key) {
			case "key", "weights":
				a.filter(top(a.root), e, false)
			case "partialFilterExpression":
				a.filter(top(a.root), e, true)
			}
		}
	}
}

// pipeline checks the stages that see the collection's own documents: up to the first that makes others of them. What is compared with
// a field that is no longer what the schema says, only drawn pipelines tell.
func (a auditor) pipeline(list bsonraw.Element) {
	for _, stage := range elements(a, list.Value) {
		e := elements(a, stage.Value)[0]
		switch name := string(e.Key); name {
		case "$match", "$sort":
			a.command(stage.Value)
		case "$limit", "$skip", "$sample":
		case "$facet":
			for _, branch := range elements(a, e.Value) {
				a.pipeline(branch)
			}
			return
		case "$geoNear":
			a.command(e.Value)
			return
		case "$lookup", "$graphLookup", "$unionWith", "$collStats", "$indexStats":
			return
		default:
			a.comparisons(e)
			if name != "$redact" {
				return
			}
		}
	}
}

// projection checks that of a find: what it gives a field is no value of the field, unless it is compared with it.
func (a auditor) projection(e bsonraw.Element) {
	for _, field := range elements(a, e.Value) {
		a.comparisons(field)
		if field.Type == bson.TypeEmbeddedDocument {
			for _, op := range elements(a, field.Value) {
				if string(op.Key) == "$elemMatch" {
					a.filter(top(a.root).path(string(field.Key)), op, true)
				}
			}
		}
	}
}

// comparisons checks every comparison in e: beside the path of an encrypted field there is nothing but another path, or what is encrypted.
func (a auditor) comparisons(e bsonraw.Element) {
	if !e.IsContainer() {
		return
	}
	inner := elements(a, e.Value)
	switch string(e.Key) {
	case "$literal", "$const":
		return
	case "$eq", "$ne", "$in":
		for i, operand := range inner {
			if e.Type == bson.TypeArray && len(inner) == 2 && a.isSecret(operand) {
				a.beside(inner[1-i])
			}
		}
	}
	for _, operand := range inner {
		if e.Type == bson.TypeArray {
			operand.Key = nil // whatever it is, servers do not look
		}
		a.comparisons(operand)
	}
}

// isSecret says whether e is the path of an encrypted field.
func (a auditor) isSecret(e bsonraw.Element) bool {
	text, _ := e.RawValue().StringValueOK()
	path, isPath := strings.CutPrefix(text, "$")
	for _, variable := range []string{"$ROOT.", "$CURRENT."} {
		path = strings.TrimPrefix(path, variable)
	}
	return isPath && !strings.HasPrefix(path, "$") && top(a.root).path(path).secret()
}

// beside checks what stands beside the path of an encrypted field.
func (a auditor) beside(e bsonraw.Element) {
	if e.IsContainer() {
		for _, inner := range elements(a, e.Value) {
			a.beside(inner)
		}
		return
	}
	text, _ := e.RawValue().StringValueOK()
	if _, encrypted := bsonraw.EncryptedPayload(e.Type, e.Value); !encrypted && !strings.HasPrefix(text, "$") {
		a.Errorf("a %v is in clear beside an encrypted field", e.Type)
	}
}

// filter checks everything in e, which stands at w. Where numbers are directions, they may be any.
func (a auditor) filter(w where, e bsonraw.Element, numbers bool) {
	if !e.IsContainer() {
		a.leaf(w, e, numbers)
		return
	}
	for _, inner := range elements(a, e.Value) {
		if name := string(inner.Key); name == "$expr" && len(w.paths[0]) == 0 {
			a.comparisons(inner)
		} else if strings.HasPrefix(name, "$") || e.Type == bson.TypeArray {
			a.filter(w, inner, numbers)
		} else {
			a.filter(w.path(name), inner, numbers)
		}
	}
}

func (a auditor) update(e bsonraw.Element) {
	all := elements(a, e.Value)
	if len(all) == 0 || !strings.HasPrefix(string(all[0].Key), "$") {
		a.stored(top(a.root), e)
		return
	}
	for _, operator := range all {
		if string(operator.Key) == "$rename" {
			continue // names, not values
		}
		for _, modification := range elements(a, operator.Value) {
			a.stored(top(a.root).updated(string(modification.Key)), modification)
		}
	}
}

// stored checks a stored value. All its names are literal.
func (a auditor) stored(w where, e bsonraw.Element) {
	if !e.IsContainer() {
		a.leaf(w, e, true)
		return
	}
	for _, inner := range elements(a, e.Value) {
		if e.Type == bson.TypeArray {
			a.stored(w, inner)
		} else {
			a.stored(w.field(string(inner.Key)), inner)
		}
	}
}

func (a auditor) leaf(w where, e bsonraw.Element, numbers bool) {
	if w.secret() && !harmless(e, numbers) {
		a.Errorf("a %v is in clear at %v", e.Type, w)
	}
}

func harmless(e bsonraw.Element, numbers bool) bool {
	v := e.RawValue()
	switch e.Type {
	case bson.TypeNull, bson.TypeBoolean:
		return true
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		n, _ := v.AsInt64OK()
		return !numbers || n == 0 || n == 1
	case bson.TypeString:
		return slices.Contains([]string{"", "hashed", "text", "2d", "2dsphere"}, v.StringValue())
	}
	_, encrypted := bsonraw.EncryptedPayload(e.Type, e.Value)
	return encrypted
}

func elements(t rapid.TB, doc []byte) (all []bsonraw.Element) {
	it := bsonraw.Iterate(doc)
	for it.Next() {
		all = append(all, it.Element)
	}
	if it.Err != nil {
		t.Fatal(it.Err)
	}
	return all
}
