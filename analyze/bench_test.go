package analyze_test

import (
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// BenchmarkCommand measures the analysis of commands that are classified, with markings, into a buffer that is used again.
func BenchmarkCommand(b *testing.B) {
	insert := func(n int) bson.D {
		var docs bson.A
		for i := range n {
			doc := bson.D{{Key: "_id", Value: i}, {Key: "ssn", Value: "457-55-5462"}, {Key: "phone", Value: "555 1234"}}
			for f := range 17 {
				doc = append(doc, bson.E{Key: fmt.Sprintf("somefield%d", f), Value: "some value"})
			}
			docs = append(docs, doc)
		}
		return bson.D{{Key: "insert", Value: "people"}, {Key: "documents", Value: docs}, {Key: "$db", Value: "db"}}
	}
	find := bson.D{{Key: "find", Value: "people"}, {Key: "filter", Value: bson.D{{Key: "ssn", Value: "457-55-5462"}}}, {Key: "$db", Value: "db"}}
	update := bson.D{{Key: "update", Value: "people"}, {Key: "updates", Value: bson.A{bson.D{
		{Key: "q", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "u", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "phone", Value: "555"}, {Key: "name", Value: "x"}}}}},
	}}}, {Key: "$db", Value: "db"}}
	people := parseSchema(b, fuzzSchema)
	for _, bench := range []struct {
		name   string
		cmd    bson.D
		schema *schema.Schema
	}{
		{"insert-1-document", insert(1), people}, {"insert-100-documents", insert(100), people},
		{"find-equality", find, people}, {"update-set", update, people},
		{"no-encryption-find", find, nil}, {"no-encryption-insert-100", insert(100), nil},
	} {
		for _, rewrite := range []analyze.Rewrite{analyze.Minimal, analyze.Exact} {
			b.Run(fmt.Sprintf("%s/%d", bench.name, rewrite), func(b *testing.B) {
				cmd := marshal(b, bench.cmd)
				schemas := map[string]*schema.Schema{"db.people": bench.schema}
				dst := make([]byte, 0, 2*len(cmd)+1024)
				target, err := analyze.Classify("db", cmd)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(cmd)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := analyze.Command(dst, target, cmd, schemas, analyze.Markings{}, analyze.Options{Rewrite: rewrite}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkClassify(b *testing.B) {
	cmd := marshal(b, bson.D{{Key: "find", Value: "people"}, {Key: "filter", Value: bson.D{{Key: "ssn", Value: "457-55-5462"}}}, {Key: "$db", Value: "db"}})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := analyze.Classify("db", cmd); err != nil {
			b.Fatal(err)
		}
	}
}

// Clients that encrypt one collection must not pay for it on all others.
func TestNoEncryptionAllocatesNothing(t *testing.T) {
	cmd := marshal(t, bson.D{{Key: "find", Value: "people"}, {Key: "filter", Value: bson.D{{Key: "ssn", Value: "457-55-5462"}}}})
	target, err := analyze.Classify("db", cmd)
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]*schema.Schema{"db.people": parseSchema(t, `{"bsonType": "object"}`)}
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := analyze.Command(nil, target, cmd, schemas, analyze.Markings{}, analyze.Options{}); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
