package main

import (
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

func TestDoctorTLS(t *testing.T) {
	for uri, want := range map[string]status{
		"mongodb://127.0.0.1:1/": passed, "mongodb://localhost,[::1]:5/": passed, "mongodb://db.example.org/": failed, "mongodb://localhost,db.example.org/": failed,
		"mongodb://db.example.org/?tls=true": passed, "mongodb://db.example.org/?tls=true&tlsInsecure=true": failed,
	} {
		p := &patient{server: &server{uri: uri}}
		if got := p.tls(t.Context()); got[0].status != want || want == failed && got[0].advice == "" {
			t.Errorf("%s: got %+v", uri, got)
		}
	}
}

func TestDoctorClock(t *testing.T) {
	asked := time.UnixMilli(1_700_000_000_000)
	told := asked.Add(time.Second)
	for off, want := range map[time.Duration]status{0: passed, 500 * time.Millisecond: passed, -4 * time.Second: passed, 7 * time.Second: noted, -6 * time.Second: noted, 2 * time.Minute: failed, -time.Hour: failed} {
		p := &patient{hello: hello{LocalTime: asked.Add(off), asked: asked, told: told}}
		if got := p.clock(t.Context()); got[0].status != want {
			t.Errorf("%s: got %+v", off, got)
		}
	}
	if got := (&patient{}).clock(t.Context()); got[0].status != skipped {
		t.Errorf("got %+v", got)
	}
}

// field is a schema with one encrypted field.
func field(name, algorithm string) bson.D {
	return bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D{{Key: name, Value: bson.D{{Key: "encrypt", Value: bson.D{
		{Key: "bsonType", Value: "string"}, {Key: "algorithm", Value: "AEAD_AES_256_CBC_HMAC_SHA_512-" + algorithm}, {Key: "keyId", Value: bson.A{someID.Binary()}},
	}}}}}}}
}

func validator(schema any, more ...bson.E) bson.D {
	return append(bson.D{{Key: "validator", Value: bson.D{{Key: "$jsonSchema", Value: schema}}}}, more...)
}

func TestDoctorDrift(t *testing.T) {
	own, err := schema.Parse(bsonOf(t, field("ssn", "Random")), schema.Local)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		options bson.D
		want    status
		words   string
	}{
		{bson.D{}, passed, "1 encrypted field; the collection has no"},
		{validator(field("ssn", "Random")), passed, "as in the collection's validator"},
		{validator(field("ssn", "Deterministic")), failed, "differ"},
		{validator(field("other", "Random")), failed, "differ"},
		{validator(bson.D{{Key: "bsonType", Value: "object"}}), noted, "encrypts less"},
		{validator(bson.D{{Key: "properties", Value: bson.D{{Key: "ssn", Value: bson.D{{Key: "encrypt", Value: 5}}}}}}), failed, "unusable"},
	} {
		got := compare(own, bsonOf(t, test.options))
		if got[0].status != test.want || !strings.Contains(got[0].detail, test.words) {
			t.Errorf("%v: got %+v", test.options, got)
		}
	}
}

func TestDoctorEnforcement(t *testing.T) {
	for _, test := range []struct {
		options bson.D
		want    status
	}{
		{bson.D{}, noted},
		{validator(bson.D{{Key: "bsonType", Value: "object"}}), noted},
		{validator(field("ssn", "Random")), passed},
		{validator(field("ssn", "Random"), bson.E{Key: "validationLevel", Value: "strict"}, bson.E{Key: "validationAction", Value: "error"}), passed},
		{validator(field("ssn", "Random"), bson.E{Key: "validationAction", Value: "warn"}), noted},
		{validator(field("ssn", "Random"), bson.E{Key: "validationLevel", Value: "moderate"}), noted},
	} {
		if got := enforced(bsonOf(t, test.options)); got[0].status != test.want {
			t.Errorf("%v: got %+v", test.options, got)
		}
	}
}

func TestDoctorHelp(t *testing.T) {
	cmd := newDoctor()
	for _, check := range checks {
		if !strings.Contains(cmd.Long, "  "+check.name+" ") {
			t.Errorf("the help lacks %s", check.name)
		}
	}
	for _, long := range []string{cmd.Long, newEncrypt().Long, newDecrypt().Long} {
		for line := range strings.Lines(long) {
			if len([]rune(line)) > 82 {
				t.Errorf("wide line %q", line)
			}
		}
	}
}
