package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/mockmongo"
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

// diagnosed is what doctor says of a server whose collection d.c has these options, by check and what it is about.
func diagnosed(t *testing.T, opts mockmongo.Options, options bson.D, args ...string) (code int, found map[string]diagnosis, left map[string]int) {
	t.Helper()
	s, err := mockmongo.Run(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if options != nil {
		s.Put("d.c", options)
	}
	text, err := bson.MarshalExtJSON(bson.D{{Key: "d.c", Value: field("ssn", "Random")}}, false, false)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "schemas.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := runWith("", append([]string{"doctor", "--uri", s.URI(), "--schema-map", file}, args...)...)
	if code != exitOK && code != exitRefused {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	found = map[string]diagnosis{}
	for line := range strings.Lines(stdout) {
		var d struct{ Check, About, Status, Detail, Advice string }
		if err := bson.UnmarshalExtJSON([]byte(line), false, &d); err != nil {
			t.Fatal(err)
		}
		found[strings.TrimSpace(d.Check+" "+d.About)] = diagnosis{status: status(d.Status), detail: d.Detail, advice: d.Advice}
		if d.Status == "failed" && d.Advice == "" {
			t.Errorf("%s does not say what to do", line)
		}
	}
	return code, found, s.Collections()
}

func TestDoctorDrift(t *testing.T) {
	for _, test := range []struct {
		options bson.D
		want    status
		words   string
	}{
		{bson.D{}, passed, "1 encrypted field; the collection has no"},
		{nil, noted, "does not exist yet"},
		{validator(field("ssn", "Random")), passed, "as in the collection's validator"},
		{validator(field("ssn", "Deterministic")), failed, "do not agree on ssn (conflicting-algorithm)"},
		{validator(field("other", "Random")), failed, "do not agree on other (extra)"},
		{validator(bson.D{{Key: "bsonType", Value: "object"}}), noted, "encrypts less than the schema: ssn"},
		{validator(bson.D{{Key: "properties", Value: bson.D{{Key: "ssn", Value: bson.D{{Key: "encrypt", Value: 5}}}}}}), failed, "the collection's own schema"},
		{bson.D{{Key: "validator", Value: bson.D{{Key: "$and", Value: bson.A{bson.D{{Key: "$jsonSchema", Value: field("ssn", "Random")}}}}}}}, failed, "below another operator"},
		{bson.D{{Key: "viewOn", Value: "x"}}, failed, "it is a view"},
	} {
		code, found, _ := diagnosed(t, mockmongo.Options{}, test.options)
		if got := found["schema d.c"]; got.status != test.want || !strings.Contains(got.detail, test.words) || (code == exitRefused) != (test.want == failed) {
			t.Errorf("%v: exit code %d, got %+v", test.options, code, got)
		}
	}
}

// Without --probe nothing is written; with it, what the server really does counts, and nothing stays behind.
func TestDoctorEnforcement(t *testing.T) {
	enforcing, keeping := mockmongo.Options{Enforce: true}, mockmongo.Options{}
	whole := validator(field("ssn", "Random"))
	refusing := mockmongo.Options{Intercept: func(cmd bson.Raw) bson.D {
		if first, _ := cmd.IndexErr(0); first.Key() == "create" {
			return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: int32(13)}, {Key: "codeName", Value: "Unauthorized"}, {Key: "errmsg", Value: "not authorized"}}
		}
		return nil
	}}
	picky := bson.D{{Key: "validator", Value: bson.D{{Key: "$jsonSchema", Value: append(field("ssn", "Random"), bson.E{Key: "required", Value: bson.A{"name"}})}}}}
	for _, test := range []struct {
		name    string
		server  mockmongo.Options
		options bson.D
		args    []string
		want    status
		words   string
	}{
		{"no validator", enforcing, bson.D{}, []string{"--probe"}, noted, "does not know which fields"},
		{"no collection", enforcing, nil, []string{"--probe"}, skipped, "does not exist yet"},
		{"not tried", enforcing, whole, nil, noted, "not tried"},
		{"warn", enforcing, validator(field("ssn", "Random"), bson.E{Key: "validationAction", Value: "warn"}), []string{"--probe"}, noted, "validationAction warn"},
		{"moderate", enforcing, validator(field("ssn", "Random"), bson.E{Key: "validationLevel", Value: "moderate"}), nil, noted, "validationLevel moderate"},
		{"enforced", enforcing, whole, []string{"--probe"}, passed, "tried: the server refuses plaintext in 1 encrypted field"},
		{"other conditions", enforcing, picky, []string{"--probe"}, passed, "tried: the server refuses"},
		{"kept only", keeping, whole, []string{"--probe"}, failed, "tried: the server took plaintext in ssn"},
		{"another field", enforcing, validator(field("other", "Random")), []string{"--probe"}, failed, "tried: the server took plaintext in ssn"},
		{"may not", refusing, whole, []string{"--probe"}, failed, "not authorized"},
	} {
		_, found, left := diagnosed(t, test.server, test.options, test.args...)
		if got := found["enforcement d.c"]; got.status != test.want || !strings.Contains(got.detail, test.words) {
			t.Errorf("%s: got %+v", test.name, got)
		}
		delete(left, "d.c")
		if len(left) > 0 {
			t.Errorf("%s: left behind: %v", test.name, left)
		}
	}
}

func TestDoctorKinds(t *testing.T) {
	for _, test := range []struct {
		hosts string
		info  bson.D
		want  string
	}{
		{"c.cluster-x.eu-west-1.docdb.amazonaws.com:27017", bson.D{{Key: "version", Value: "5.0.0"}}, "Amazon DocumentDB"},
		{"x.global.mongocluster.cosmos.azure.com", bson.D{}, "Azure DocumentDB (Cosmos DB for MongoDB vCore)"},
		{"x.mongo.cosmos.azure.com:10255", bson.D{}, "Azure Cosmos DB for MongoDB (RU)"},
		{"h", bson.D{{Key: "version", Value: "7"}, {Key: "ferretdb", Value: bson.D{}}}, "FerretDB 2, on the DocumentDB extension"},
		{"h", bson.D{{Key: "version", Value: "7"}, {Key: "ferretdbVersion", Value: "v1.24.2"}}, "FerretDB 1"},
		{"a-shard-00-00.abc.mongodb.net:27017,a-shard-00-01.abc.mongodb.net:27017", bson.D{{Key: "modules", Value: bson.A{"enterprise"}}}, "MongoDB Atlas"},
		{"h,docdb.amazonaws.com.example.org", bson.D{{Key: "modules", Value: bson.A{"enterprise"}}, {Key: "storageEngines", Value: bson.A{}}}, "MongoDB Enterprise"},
		{"h", bson.D{{Key: "modules", Value: bson.A{}}, {Key: "storageEngines", Value: bson.A{}}}, "MongoDB Community"},
		{"h", bson.D{{Key: "version", Value: "5.0.0"}, {Key: "ok", Value: 1.0}}, "mongo-java-server"},
		{"h", bson.D{{Key: "version", Value: "5.0.0"}, {Key: "gitVersion", Value: "x"}}, "a server that does not say its name"},
		{"h", nil, "a server that does not say its name"},
	} {
		var info bson.Raw
		if test.info != nil {
			info = bsonOf(t, test.info)
		}
		if got := kindOf(test.hosts, info); got != test.want {
			t.Errorf("%s %v: got %s, want %s", test.hosts, test.info, got, test.want)
		}
	}
}

// A server before hello is greeted in its own words, and told apart from one that nobody may use.
func TestDoctorOldServers(t *testing.T) {
	refuse := func(names ...string) func(bson.Raw) bson.D {
		return func(cmd bson.Raw) bson.D {
			if first, _ := cmd.IndexErr(0); slices.Contains(names, first.Key()) {
				return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: int32(59)}, {Key: "codeName", Value: "CommandNotFound"}, {Key: "errmsg", Value: "no such command"}}
			}
			return nil
		}
	}
	code, found, _ := diagnosed(t, mockmongo.Options{Greeting: refuse("hello")}, bson.D{})
	if code != exitOK || found["connection"].status != passed || found["clock"].status != passed {
		t.Errorf("%d %+v", code, found)
	}
	code, found, _ = diagnosed(t, mockmongo.Options{Greeting: refuse("hello", "isMaster")}, bson.D{})
	if code != exitRefused || found["connection"].status != failed || len(found) != 1 {
		t.Errorf("%d %+v", code, found)
	}
}

// What is found of the analysers is told apart from other people's.
func TestDoctorAnalysis(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	t.Setenv("LD_LIBRARY_PATH", "")
	p := &patient{}
	if got := p.analysis(t.Context())[0]; got.status != noted || got.about != "mongocryptd" {
		t.Errorf("got %+v", got)
	}
	for _, name := range []string{"mongocryptd", libraryName()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	got := p.analysis(t.Context())
	if d := got[0]; d.status != passed || !strings.Contains(d.detail, "not fieldcrypt's") {
		t.Errorf("got %+v", d)
	}
	if d := got[len(got)-1]; d.about != "crypt_shared" || d.status != passed || !strings.HasSuffix(d.detail, libraryName()+": not fieldcrypt's") {
		t.Errorf("got %+v", d)
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
