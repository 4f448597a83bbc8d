package analyze_test

import (
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// free is a Sealer that costs nothing.
type free struct{}

func (free) Seal(dst []byte, _ *schema.Encrypted, _ bson.RawValue) ([]byte, error) {
	return append(dst, 1), nil
}

// wideSchema encrypts 5 fields, one of them in an inner document.
const wideSchema = `{"bsonType": "object", "encryptMetadata": {"keyId": [{"$uuid": "11111111-1111-1111-1111-111111111111"}], "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"},
	"properties": {"ssn": {"encrypt": {"bsonType": "string"}}, "account": {"encrypt": {"bsonType": "long"}},
	"phone": {"encrypt": {"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}},
	"card": {"encrypt": {"bsonType": "object", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}},
	"address": {"bsonType": "object", "properties": {"zip": {"encrypt": {"bsonType": "string"}}}}}}`

// wideDocument has 20 fields, 5 of them encrypted.
func wideDocument(id int) bson.D {
	doc := bson.D{
		{Key: "_id", Value: id}, {Key: "ssn", Value: "457-55-5462"}, {Key: "account", Value: int64(7)}, {Key: "phone", Value: "555 1234"},
		{Key: "card", Value: bson.D{{Key: "no", Value: "4000"}}}, {Key: "address", Value: bson.D{{Key: "zip", Value: "12345"}, {Key: "city", Value: "x"}}},
	}
	for f := range 14 {
		doc = append(doc, bson.E{Key: fmt.Sprintf("somefield%d", f), Value: "some value"})
	}
	return doc
}

func wideInsert(n int) bson.D {
	var docs bson.A
	for i := range n {
		docs = append(docs, wideDocument(i))
	}
	return bson.D{{Key: "insert", Value: "people"}, {Key: "documents", Value: docs}, {Key: "$db", Value: "db"}}
}

// everyday are the commands of the benchmarks.
func everyday() []struct {
	name string
	cmd  bson.D
} {
	equality := bson.D{{Key: "ssn", Value: "457-55-5462"}}
	set := bson.D{{Key: "$set", Value: bson.D{{Key: "phone", Value: "555"}, {Key: "name", Value: "x"}}}}
	several := bson.D{{Key: "$or", Value: bson.A{bson.D{{Key: "address.zip", Value: bson.D{{Key: "$in", Value: bson.A{"1", "2"}}}}}, equality}}, {Key: "name", Value: "x"}}
	return []struct {
		name string
		cmd  bson.D
	}{
		{"insert-1-document", wideInsert(1)}, {"insert-100-documents", wideInsert(100)},
		{"find-equality", bson.D{{Key: "find", Value: "people"}, {Key: "filter", Value: equality}, {Key: "$db", Value: "db"}}},
		{"find-several", bson.D{{Key: "find", Value: "people"}, {Key: "filter", Value: several}, {Key: "sort", Value: bson.D{{Key: "name", Value: 1}}}, {Key: "$db", Value: "db"}}},
		{"update-set", bson.D{{Key: "update", Value: "people"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: equality}, {Key: "u", Value: set}}}}, {Key: "$db", Value: "db"}}},
		{"delete-equality", bson.D{{Key: "delete", Value: "people"}, {Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: equality}, {Key: "limit", Value: 1}}}}, {Key: "$db", Value: "db"}}},
		{"bulk-write", bson.D{{Key: "bulkWrite", Value: 1}, {Key: "ops", Value: bson.A{
			bson.D{{Key: "insert", Value: 0}, {Key: "document", Value: wideDocument(1)}},
			bson.D{{Key: "update", Value: 0}, {Key: "filter", Value: equality}, {Key: "updateMods", Value: set}},
		}}, {Key: "nsInfo", Value: bson.A{bson.D{{Key: "ns", Value: "db.people"}}}}}},
	}
}

var rewrites = []analyze.Rewrite{analyze.Minimal, analyze.Exact}

// BenchmarkCommand measures the analysis of commands that are classified, without the cost of sealing, into a buffer that is used again.
func BenchmarkCommand(b *testing.B) {
	people := parseSchema(b, wideSchema)
	for _, bench := range everyday() {
		for _, rewrite := range rewrites {
			b.Run(fmt.Sprintf("%s/%d", bench.name, rewrite), func(b *testing.B) { benchmarkCommand(b, bench.cmd, people, free{}, rewrite) })
		}
	}
	b.Run("markings", func(b *testing.B) { benchmarkCommand(b, wideInsert(1), people, analyze.Markings{}, analyze.Minimal) })
	b.Run("no-encryption", func(b *testing.B) { benchmarkCommand(b, wideInsert(100), nil, free{}, analyze.Minimal) })
}

func benchmarkCommand(b *testing.B, doc bson.D, s *schema.Schema, sealer analyze.Sealer, rewrite analyze.Rewrite) {
	cmd := marshal(b, doc)
	schemas := map[string]*schema.Schema{"db.people": s}
	dst := make([]byte, 0, 2*len(cmd)+1024)
	target, err := analyze.Classify("db", cmd)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(cmd)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := analyze.Command(dst, target, cmd, schemas, sealer, analyze.Options{Rewrite: rewrite}); err != nil {
			b.Fatal(err)
		}
	}
}

// Analysing is a walk: all that it writes is the output, into the buffer of the caller.
func TestAnalysingAllocatesNothing(t *testing.T) {
	schemas := map[string]*schema.Schema{"db.people": parseSchema(t, wideSchema)}
	for _, c := range everyday() {
		for _, rewrite := range rewrites {
			cmd := marshal(t, c.cmd)
			dst := make([]byte, 0, 2*len(cmd)+1024)
			target, err := analyze.Classify("db", cmd)
			if err != nil {
				t.Fatal(err)
			}
			allocs := testing.AllocsPerRun(100, func() {
				if res, err := analyze.Command(dst, target, cmd, schemas, free{}, analyze.Options{Rewrite: rewrite}); err != nil || !res.HasPlaceholders {
					t.Fatal(err, "or nothing was sealed")
				}
			})
			if allocs != 0 {
				t.Errorf("%s in rewrite %d: %v allocations", c.name, rewrite, allocs)
			}
		}
	}
}

// A buffer that is used again and again stays as large as it is.
func TestBufferKeepsItsCapacity(t *testing.T) {
	cmd := marshal(t, everyday()[2].cmd)
	target, err := analyze.Classify("db", cmd)
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]*schema.Schema{"db.people": parseSchema(t, wideSchema)}
	dst := []byte("before")
	dst = append(make([]byte, 0, 1000), dst...)
	res, err := analyze.Command(dst, target, cmd, schemas, free{}, analyze.Options{})
	if err != nil || cap(res.Command) != cap(dst)-len(dst) || string(dst) != "before" {
		t.Errorf("got a command of capacity %d in a buffer of %d, and %v", cap(res.Command), cap(dst), err)
	}
}

// What Classify gives are two allocations, names and their list.
func TestClassifyAllocatesItsResult(t *testing.T) {
	for _, c := range everyday()[:4] {
		cmd := marshal(t, c.cmd)
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := analyze.Classify("db", cmd); err != nil {
				t.Fatal(err)
			}
		})
		if allocs > 2 {
			t.Errorf("%s: %v allocations", c.name, allocs)
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
