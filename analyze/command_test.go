package analyze_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// The texts that the public driver tests look for in refusals (MongoDB specifications, client-side-encryption/tests).
func TestPublicErrorTexts(t *testing.T) {
	schemas := map[string]*schema.Schema{"db.people": parseSchema(t, fuzzSchema), "db.other": nil}
	for _, c := range []struct{ cmd, text string }{
		{`{"find": "people", "filter": {"phone": "1"}}`, "Cannot query on fields encrypted with the randomized encryption"},
		{`{"find": "people", "filter": {"ssn": {"$gt": "1"}}}`, "Invalid match expression operator on encrypted field"},
		{`{"find": "people", "filter": {"phone": {"$gt": "1"}}}`, "Invalid match expression operator on encrypted field"},
		{`{"find": "people", "filter": {"ssn": {"$type": "string"}}}`, "Invalid match expression operator on encrypted field"},
		{`{"find": "people", "filter": {"$where": "1"}}`, "Unsupported match expression operator for encryption"},
		{`{"find": "people", "filter": {"$text": {}}}`, "Unsupported match expression operator for encryption"},
		{`{"find": "people", "filter": {"ssn": null}}`, "Illegal equality to null predicate for encrypted field"},
		{`{"find": "people", "filter": {"ssn": {"$in": [null]}}}`, "Illegal equality to null inside $in against an encrypted field"},
		{`{"find": "people", "filter": {"ssn": 5}}`, "Cannot encrypt element of type: int"},
		{`{"insert": "people", "documents": [{"ssn": ["1"]}]}`, "Cannot encrypt element of type: array"},
		{`{"insert": "people", "documents": [{"secret": {"$timestamp": {"t": 0, "i": 0}}, "keyname": "k"}]}`, "A command that inserts cannot supply Timestamp(0, 0) for an encrypted"},
		{`{"distinct": "people", "key": "phone"}`, "Cannot query on fields encrypted with the randomized encryption"},
		{`{"distinct": "people", "key": "secret"}`, "The distinct key is not allowed to be marked for encryption with a non-UUID keyId"},
		{`{"update": "people", "updates": [{"q": {}, "u": {"$set": {"secret": "1"}}}]}`, "A non-static (JSONPointer) keyId is not supported."},
		{`{"update": "people", "updates": [{"q": {}, "u": {"$rename": {"ssn": "x"}}}]}`, "$rename between two encrypted fields must have the same metadata or both be unencrypted"},
		{`{"update": "people", "updates": [{"q": {}, "u": {"$inc": {"ssn": 1}}}]}`, "$inc and $mul not allowed on encrypted values"},
		{`{"update": "people", "updates": [{"q": {}, "u": {"$max": {"ssn": 1}}}]}`, "$max and $min not allowed on encrypted values"},
		{`{"update": "people", "updates": [{"q": {}, "u": {"$currentDate": {"ssn": true}}}]}`, "$currentDate not allowed on encrypted values"},
		{`{"update": "people", "updates": [{"q": {}, "u": {"$pullAll": {"ssn": ["1"]}}}]}`, "$pullAll not allowed on encrypted values"},
		{`{"update": "people", "updates": [{"q": {}, "u": {"$set": {"ssn.$": "1"}}}]}`, "Cannot encrypt fields below '$' positional update operator"},
		{`{"update": "people", "updates": [{"q": {}, "u": {"$set": {"ssn.$[i].x": "1"}}}]}`, "Array update operations not allowed on encrypted values"},
		{`{"create": "people", "validator": {"ssn": "1"}}`, "Comparison to encrypted fields not supported"},
		{`{"aggregate": "people", "pipeline": [{"$densify": {}}]}`, "Aggregation stage $densify is not allowed or supported with automatic encryption."},
		{`{"aggregate": "other", "pipeline": [{"$lookup": {"from": "people", "localField": "a", "foreignField": "ssn", "as": "x"}}]}`, "Pipeline over an encrypted collection cannot reference additional collections"},
		{`{"aggregate": "people", "pipeline": [{"$lookup": {"from": "elsewhere", "as": "x", "pipeline": []}}]}`, "Missing encryption schema for namespace: db.elsewhere"},
		{`{"mapReduce": "people"}`, "command not supported for auto encryption: mapReduce"},
		{`{"aggregate": 1, "pipeline": []}`, "non-collection command not supported for auto encryption: aggregate"},
		{`{"find": ""}`, "empty collection name on command: find"},
	} {
		cmd := extJSON(t, c.cmd)
		target, err := analyze.Classify("db", cmd)
		if err == nil {
			_, err = analyze.Command(nil, target, cmd, schemas, analyze.Markings{}, analyze.Options{})
		}
		if refused := (*analyze.RefusedError)(nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: got %v, want %q", c.cmd, err, c.text)
		}
	}
}

// Markings of the public driver tests ("basic", "keyAltName"), byte by byte.
func TestMarkingBytes(t *testing.T) {
	const key = `"keyId": [{"$uuid": "00000000-0000-0000-0000-000000000000"}]`
	for _, c := range []struct{ options, marking string }{
		{`"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic", "bsonType": "string", ` + key,
			"ADQAAAAQYQABAAAABWtpABAAAAAEAAAAAAAAAAAAAAAAAAAAAAJ2AAgAAABzdHJpbmcwAAA="},
		{`"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random", "keyId": "/altname"`,
			"ACsAAAAQYQACAAAAAmthAAgAAABhbHRuYW1lAAJ2AAgAAABzdHJpbmcwAAA="},
	} {
		s := parseSchema(t, `{"bsonType": "object", "properties": {"encrypted_string": {"encrypt": {`+c.options+`}}}}`)
		cmd := extJSON(t, `{"insert": "c", "documents": [{"_id": 1, "encrypted_string": "string0", "altname": "altname"}]}`)
		res, err := run(cmd, s, analyze.Markings{}, analyze.Minimal)
		if err != nil {
			t.Fatal(err)
		}
		_, got := res.Command.Lookup("documents", "0", "encrypted_string").Binary()
		if encoded := base64.StdEncoding.EncodeToString(got); encoded != c.marking {
			t.Errorf("got %s, want %s", encoded, c.marking)
		}
	}
}

var errNoKey = errors.New("no key")

type failing struct{}

func (failing) Seal([]byte, *schema.Encrypted, bson.RawValue) ([]byte, error) { return nil, errNoKey }

func TestSealerErrorNamesTheField(t *testing.T) {
	cmd := extJSON(t, `{"insert": "c", "documents": [{"address": {"zip": "12345"}}]}`)
	_, err := run(cmd, parseSchema(t, fuzzSchema), failing{}, analyze.Minimal)
	if !errors.Is(err, errNoKey) || !strings.Contains(err.Error(), "address.zip") || strings.Contains(err.Error(), "12345") {
		t.Errorf("got %v", err)
	}
}

// A target that no classification gave is not let through.
func TestZeroTargetIsRefused(t *testing.T) {
	cmd := extJSON(t, `{"insert": "c", "documents": [{"ssn": "1"}]}`)
	for _, target := range []analyze.Target{{}, {Disposition: analyze.Analysed}} {
		if res, err := analyze.Command(nil, target, cmd, nil, analyze.Markings{}, analyze.Options{}); err == nil {
			t.Errorf("%v: got %v", target, res.Command)
		}
	}
}

// Names come from outside too: a refusal stays short and on one line.
func TestRefusalsAreShort(t *testing.T) {
	long := strings.Repeat("a\n", 100_000)
	s := parseSchema(t, fuzzSchema)
	for _, cmd := range []bson.D{
		{{Key: long, Value: 1}},
		{{Key: "find", Value: "c"}, {Key: long, Value: 1}},
		{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "$" + long, Value: 1}}}},
		{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "ssn." + long, Value: 1}}}},
	} {
		_, err := run(marshal(t, cmd), s, analyze.Markings{}, analyze.Minimal)
		if err == nil || len(err.Error()) > 4000 || strings.Contains(err.Error(), "\n") {
			t.Errorf("got an error of %d bytes", len(err.Error()))
		}
	}
}

// Each field of a command is compared with those before it, so there may not be any number of them.
func TestCommandWithManyFieldsIsRefused(t *testing.T) {
	cmd := bson.D{{Key: "find", Value: "c"}}
	for i := range 100_000 {
		cmd = append(cmd, bson.E{Key: fmt.Sprint("f", i), Value: 1})
	}
	raw, err := bson.Marshal(cmd)
	if err != nil {
		t.Fatal(err)
	}
	var refused *analyze.RefusedError
	if _, err := analyze.Classify("db", raw); !errors.As(err, &refused) || refused.Rule != "command-too-many-fields" {
		t.Errorf("got %v", err)
	}
}

func TestNamespaces(t *testing.T) {
	for _, c := range []struct{ cmd, want string }{
		{`{"find": "a"}`, "db.a"},
		{`{"find": "a.b", "$db": "other"}`, "other.a.b"},
		{`{"explain": {"find": "a"}}`, "db.a"},
		{`{"create": "v", "viewOn": "a", "pipeline": [{"$lookup": {"from": "b", "pipeline": [{"$unionWith": "c"}]}}, {"$unionWith": {"coll": "a"}}]}`, "db.v db.a db.b db.c"},
		{`{"collMod": "v", "pipeline": [{"$facet": {"x": [{"$graphLookup": {"from": "b"}}]}}]}`, "db.v db.b"},
		{`{"aggregate": "a", "pipeline": [{"$lookup": {"from": "b"}}, {"$lookup": {"from": "a"}}, {"$lookup": {"from": "b"}}, {"$merge": {"into": {"db": "x", "coll": "y"}}}]}`, "db.a db.b x.y"},
		{`{"explain": {"aggregate": "a", "pipeline": [{"$out": {"db": "x", "coll": "y"}}]}}`, "db.a x.y"},
		{`{"bulkWrite": 1, "ops": [], "nsInfo": [{"ns": "db.b"}, {"ns": "x.a.c"}, {"ns": "db.b"}]}`, "db.b x.a.c db.b"},
		{`{"explain": {"bulkWrite": 1, "ops": [], "nsInfo": [{"ns": "db.b"}, {"ns": "db.b"}]}}`, "db.b db.b"},
	} {
		target, err := analyze.Classify("db", extJSON(t, c.cmd))
		if got := strings.Join(target.Namespaces, " "); err != nil || got != c.want {
			t.Errorf("%s: got %s and %v, want %s", c.cmd, got, err, c.want)
		}
	}
}

// Many collections are listed once each, like few.
func TestNamespacesOfLongPipelines(t *testing.T) {
	var stages bson.A
	for i := range 90 {
		stages = append(stages, bson.D{{Key: "$unionWith", Value: fmt.Sprint("c", i%30)}})
	}
	target, err := analyze.Classify("db", marshal(t, bson.D{{Key: "aggregate", Value: "own"}, {Key: "pipeline", Value: stages}}))
	if err != nil || len(target.Namespaces) != 31 || target.Namespaces[30] != "db.c29" {
		t.Errorf("got %v and %v", target.Namespaces, err)
	}
}
