package cryptd_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/cryptd"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// wideSchema encrypts 5 fields, one of them in an inner document.
const wideSchema = `{"bsonType": "object", "encryptMetadata": {"keyId": [{"$uuid": "11111111-1111-1111-1111-111111111111"}], "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"},
	"properties": {"ssn": {"encrypt": {"bsonType": "string"}}, "account": {"encrypt": {"bsonType": "long"}},
	"phone": {"encrypt": {"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}},
	"card": {"encrypt": {"bsonType": "object", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}},
	"address": {"bsonType": "object", "properties": {"zip": {"encrypt": {"bsonType": "string"}}}}}}`

// request makes a request of a command with one schema.
func request(t testing.TB, cmd bson.D, schema string) bson.Raw {
	t.Helper()
	doc, err := bson.Marshal(append(slices.Clone(cmd), bson.E{Key: "jsonSchema", Value: extJSON(t, schema)}, bson.E{Key: "isRemoteSchema", Value: false}))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func findRequest(t testing.TB) bson.Raw {
	return request(t, bson.D{{Key: "find", Value: "people"}, {Key: "filter", Value: bson.D{{Key: "ssn", Value: "457-55-5462"}}}, {Key: "$db", Value: "db"}}, wideSchema)
}

// insertRequest inserts a document of 20 fields, 5 of them encrypted.
func insertRequest(t testing.TB) bson.Raw {
	doc := bson.D{
		{Key: "_id", Value: 1}, {Key: "ssn", Value: "457-55-5462"}, {Key: "account", Value: int64(7)}, {Key: "phone", Value: "555 1234"},
		{Key: "card", Value: bson.D{{Key: "no", Value: "4000"}}}, {Key: "address", Value: bson.D{{Key: "zip", Value: "12345"}, {Key: "city", Value: "x"}}},
	}
	for f := range 14 {
		doc = append(doc, bson.E{Key: fmt.Sprintf("somefield%d", f), Value: "some value"})
	}
	return request(t, bson.D{{Key: "insert", Value: "people"}, {Key: "documents", Value: bson.A{doc}}, {Key: "$db", Value: "db"}}, wideSchema)
}

func BenchmarkAnalyze(b *testing.B) {
	for _, bench := range []struct {
		name    string
		request bson.Raw
	}{
		{"find", findRequest(b)}, {"insert", insertRequest(b)},
		{"plain", request(b, bson.D{{Key: "find", Value: "plain"}, {Key: "$db", Value: "db"}}, "{}")},
	} {
		b.Run(bench.name, func(b *testing.B) {
			var a cryptd.Analyzer
			var dst []byte
			b.SetBytes(int64(len(bench.request)))
			b.ReportAllocs()
			for b.Loop() {
				answer, err := a.Analyze(dst[:0], "db", bench.request)
				if err != nil {
					b.Fatal(err)
				}
				dst = answer
			}
		})
	}
}

// What an analysis allocates besides the answer are the names of the command and its collection, and their list. One buffer serves most answers.
func TestAnalysingAllocatesNames(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes a sync.Pool forget, so that more is allocated")
	}
	const names, buffer = 2, 1
	for _, request := range []bson.Raw{findRequest(t), insertRequest(t)} {
		var a cryptd.Analyzer
		for _, tt := range []struct {
			dst  []byte
			most float64
		}{{make([]byte, 0, 10*len(request)), names}, {nil, names + buffer}} {
			allocs := testing.AllocsPerRun(100, func() {
				if _, err := a.Analyze(tt.dst, "db", request); err != nil {
					t.Fatal(err)
				}
			})
			if allocs > tt.most {
				t.Errorf("%v allocations, at most %v were expected", allocs, tt.most)
			}
		}
	}
}

func TestAnswerIsAppended(t *testing.T) {
	request := findRequest(t)
	want, err := new(cryptd.Analyzer).Analyze(nil, "db", request)
	if err != nil {
		t.Fatal(err)
	}
	for room := range 3 * len(request) {
		dst := append(make([]byte, 0, room), "before"...)
		got, err := new(cryptd.Analyzer).Analyze(dst, "db", request)
		if err != nil || !bytes.Equal(got, want) || string(dst) != "before" {
			t.Fatalf("with room for %d bytes: %v, %v", room, got, err)
		}
	}
}

func TestOK(t *testing.T) {
	got, err := (&cryptd.Analyzer{OK: true}).Analyze(nil, "db", findRequest(t))
	if err != nil {
		t.Fatal(err)
	}
	if ok, isDouble := got.Lookup("ok").DoubleOK(); !isDouble || ok != 1 || got.Validate() != nil {
		t.Errorf("got %v", got)
	}
}

func TestRelaxationIsPassedOn(t *testing.T) {
	sorted := request(t, bson.D{{Key: "find", Value: "people"}, {Key: "sort", Value: bson.D{{Key: "ssn", Value: 1}}}}, wideSchema)
	if _, err := new(cryptd.Analyzer).Analyze(nil, "db", sorted); err == nil {
		t.Error("a sort by an encrypted field was let through")
	}
	if _, err := (&cryptd.Analyzer{Allow: analyze.AllowSort}).Analyze(nil, "db", sorted); err != nil {
		t.Error(err)
	}
}

func TestErrorsKeepTheirType(t *testing.T) {
	var refused *analyze.RefusedError
	var bad *schema.Error
	for text, as := range map[string]any{
		`{"find": "c"}`: &refused,
		`{"find": "c", "sort": {"a": 1}, "jsonSchema": {"bsonType": "object", "properties": {"a": {"encrypt": {"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random", "keyId": "/k"}}}}, "isRemoteSchema": true}`: &refused,
		`{"find": "c", "jsonSchema": {"encrypt": 1}, "isRemoteSchema": true}`:                                       &bad,
		`{"find": "c", "csfleEncryptionSchemas": {"db.c": {"jsonSchema": {"encrypt": 1}, "isRemoteSchema": true}}}`: &bad,
	} {
		if _, err := new(cryptd.Analyzer).Analyze(nil, "db", extJSON(t, text)); !errors.As(err, as) {
			t.Errorf("%s: %T", text, err)
		}
	}
}

// What no driver sends: truncated, doubled, too long.
func TestHostileRequests(t *testing.T) {
	whole := findRequest(t)
	for n := range whole {
		if got, err := new(cryptd.Analyzer).Analyze(nil, "db", whole[:n]); err == nil {
			t.Fatalf("the first %d bytes of a request gave %v", n, got)
		}
	}
	for _, name := range []string{"jsonSchema", "isRemoteSchema", "csfleEncryptionSchemas", "encryptionInformation", "$db", "filter"} {
		doc, err := bson.Marshal(bson.D{{Key: "find", Value: "c"}, {Key: name, Value: 1}, {Key: name, Value: 1}})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := new(cryptd.Analyzer).Analyze(nil, "db", doc); err == nil {
			t.Errorf("%s twice gave %v", name, got)
		}
	}
	for _, db := range []string{"", "db"} {
		doc := extJSON(t, `{"find": "c", "$db": "", "jsonSchema": {}, "isRemoteSchema": true}`)
		if got, err := new(cryptd.Analyzer).Analyze(nil, db, doc); err == nil {
			t.Errorf("an empty $db gave %v", got)
		}
	}
	if _, err := new(cryptd.Analyzer).Analyze(nil, "", extJSON(t, `{"find": "c", "jsonSchema": {}, "isRemoteSchema": true}`)); err == nil {
		t.Error("a request without a database was answered")
	}
}

// A short value becomes a marking of fifty bytes: a request at its limit must not become an answer of gigabytes.
func TestLengthsAreBounded(t *testing.T) {
	if got, err := new(cryptd.Analyzer).Analyze(nil, "db", make([]byte, 48_000_001)); err == nil || cryptd.Describe(err).Code != 10334 {
		t.Errorf("a request that is too long: %v, %v", got, err)
	}
	list, start := bsonraw.Begin(nil)
	for range 1_000_000 {
		list = bsonraw.AppendValue(list, "0", bson.RawValue{Type: bson.TypeString, Value: []byte{1, 0, 0, 0, 0}})
	}
	list = bsonraw.End(list, start)
	in, err := bson.Marshal(bson.D{{Key: "$in", Value: bson.RawValue{Type: bson.TypeArray, Value: list}}})
	if err != nil {
		t.Fatal(err)
	}
	many := request(t, bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "ssn", Value: bson.Raw(in)}}}}, wideSchema)
	_, err = new(cryptd.Analyzer).Analyze(nil, "db", many)
	if err == nil || cryptd.Describe(err).Code != 10334 {
		t.Errorf("a million values in %d bytes: %v", len(many), err)
	}
}

// An analyzer serves many connections at once.
func TestConcurrentUse(t *testing.T) {
	var a cryptd.Analyzer
	requests := goldenRequests(t)
	want := make([]string, len(requests))
	for i, request := range requests {
		want[i] = outcome(new(cryptd.Analyzer), request)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i, request := range requests {
				if got := outcome(&a, request); got != want[i] {
					t.Errorf("got %s, want %s", got, want[i])
				}
			}
		})
	}
	wg.Wait()
}

func outcome(a *cryptd.Analyzer, request bson.Raw) string {
	answer, err := a.Analyze(nil, "db", request)
	if err != nil {
		return fmt.Sprint(cryptd.Describe(err))
	}
	return string(answer)
}

// Every failure has a number, a name and a text, and the text no value.
func TestFailures(t *testing.T) {
	for _, request := range goldenRequests(t) {
		_, err := new(cryptd.Analyzer).Analyze(nil, "db", request)
		if err == nil {
			continue
		}
		f := cryptd.Describe(err)
		if f.Code == 0 || f.CodeName == "" || f.Message == "" || strings.Contains(f.Message, "457-55-5462") {
			t.Errorf("%+v", f)
		}
	}
	if f := cryptd.Internal(); f.Code != 1 || f.CodeName != "InternalError" {
		t.Errorf("%+v", f)
	}
	short := binary.LittleEndian.AppendUint32(nil, 4)
	if _, err := new(cryptd.Analyzer).Analyze(nil, "db", short); cryptd.Describe(err).CodeName != "InvalidBSON" {
		t.Errorf("%+v", cryptd.Describe(err))
	}
}
