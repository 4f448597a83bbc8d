package cli

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
)

var toVault = []string{"--provider", "vault", "--master-key", `{"keyName": "fields"}`}

// dataKey is what the program shows of a data key.
type dataKey struct {
	ID struct {
		UUID string `json:"$uuid"`
	} `json:"_id"`
	KeyAltNames []string
	MasterKey   map[string]any
}

func decoded[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// The whole life of data keys, through the program alone.
func TestLifeOfAKey(t *testing.T) {
	u := newUser(t, nil)
	index := decoded[map[string]string](t, u.ok(t, "ensure-vault"))
	if index["keyVault"] != u.keyVault || index["index"] != "sparse" && index["index"] != "partial" {
		t.Errorf("got %v", index)
	}
	u.fails(t, 2, "--provider: expected one of", "create")
	u.fails(t, 2, "expected one document", "create", "--master-key", "{} {}")
	hr := decoded[dataKey](t, u.ok(t, append([]string{"create", "--alt-name", "hr", "--alt-name", "pay"}, toVault...)...))
	if diff := cmp.Diff(map[string]any{"provider": "vault", "keyName": "fields"}, hr.MasterKey); diff != "" {
		t.Error(diff)
	}
	id := u.ok(t, "create", "--provider", "local", "--quiet")

	shown := decoded[dataKey](t, u.ok(t, "show", hr.ID.UUID))
	if diff := cmp.Diff(hr, shown); diff != "" {
		t.Error(diff)
	}
	if got := u.ok(t, "get-by-name", "pay", "--quiet"); got != hr.ID.UUID {
		t.Errorf("got %s", got)
	}
	if got := strings.Fields(u.ok(t, "list", "--quiet")); len(got) != 2 {
		t.Errorf("got %v", got)
	}
	if got := u.ok(t, "list", "--quiet", "--filter", `{"masterKey.provider": "local"}`); got != id {
		t.Errorf("got %v", got)
	}
	renamed := decoded[dataKey](t, u.ok(t, "alt-name", "add", hr.ID.UUID, "people"))
	renamed = decoded[dataKey](t, u.ok(t, "alt-name", "remove", renamed.ID.UUID, "hr"))
	if diff := cmp.Diff([]string{"pay", "people"}, renamed.KeyAltNames); diff != "" {
		t.Error(diff)
	}
	u.fails(t, 1, "there is no such data key", "get-by-name", "hr")
	u.fails(t, 1, "there is no such data key", "alt-name", "add", "2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e", "x")

	u.fails(t, 2, `Rewrap 2 data keys of `+u.keyVault+`?: standard input is not a terminal`, "rewrap", "--all", "--provider", "local:two")
	u.fails(t, 1, "1 of 2 are not there, nothing was changed", "rewrap", id, "2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e", "--yes")
	if got, want := u.ok(t, "rewrap", id), `{"matched":1,"rewrapped":1,"notRewrapped":[]}`; got != want {
		t.Errorf("got %s", got)
	}
	if got, want := u.ok(t, "rewrap", "--all", "--provider", "local:two", "--yes"), `{"matched":2,"rewrapped":2,"notRewrapped":[]}`; got != want {
		t.Errorf("got %s", got)
	}
	u.ok(t, append([]string{"rewrap", "--filter", `{"masterKey.provider": "local:two"}`, "--yes"}, toVault...)...)
	if got := decoded[map[string]any](t, u.ok(t, "check")); got["documents"] != 2.0 || got["complete"] != true {
		t.Errorf("got %v", got)
	}

	u.fails(t, 2, "Delete 1 data key of", "delete", id)
	u.fails(t, 1, "there is no such data key, nothing was changed", "delete", "2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e", "--yes")
	if got, want := u.ok(t, "delete", id, "--yes"), `{"_id":{"$uuid":"`+id+`"},"deleted":1}`; got != want {
		t.Errorf("got %s", got)
	}
	receipt := decoded[map[string]any](t, u.ok(t, "shred", "--alt-name", "pay", "--yes", "--requested-by", "request 17", "--key-expiration", "0"))
	if receipt["keyId"] != hr.ID.UUID || receipt["requestedBy"] != "request 17" || receipt["verified"] != true || receipt["cachesExpire"] != nil {
		t.Errorf("got %v", receipt)
	}
	if code, stdout, stderr := u.run(t, "list"); code != 0 || stdout != "" || !strings.Contains(stderr, "no data keys in") {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
}

// Destroying several keys can be run again after it stopped half-way: those that are gone keep no other, but are told.
func TestDestroyAgain(t *testing.T) {
	u := newUser(t, nil)
	const never = "2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e"
	for verb, done := range map[string]string{"delete": `"deleted":1}`, "shred": `"verified":true`} {
		var ids []string
		for range 3 {
			ids = append(ids, u.ok(t, "create", "--provider", "local", "--quiet"))
		}
		u.ok(t, verb, ids[1], "--yes") // what the run before did
		args := append([]string{verb, "--alt-name", "nobody", "--yes", never}, ids...)
		u.fails(t, 2, verb[1:]+" 2 data keys of "+u.keyVault+" (3 more not found)?", append(slices.Clone(args[:3]), args[4:]...)...)
		code, stdout, stderr := u.run(t, args...)
		if code != 1 || strings.Count(stdout, done) != 2 || !strings.Contains(stdout, ids[0]) || !strings.Contains(stdout, ids[2]) {
			t.Errorf("%s: %d %s%s", verb, code, stdout, stderr)
		}
		for _, want := range []string{"alt name nobody", never, ids[1], "there is no such data key; 2 others destroyed", "hint: if a run before"} {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: no %q in %s", verb, want, stderr)
			}
		}
		u.fails(t, 1, "nothing was changed", args...)
	}
	if left := u.ok(t, "list", "--quiet"); left != "" {
		t.Errorf("left: %s", left)
	}
}

// What check finds is output, and code 3.
func TestCheckFinds(t *testing.T) {
	u := newUser(t, nil)
	id := u.ok(t, "create", "--provider", "local", "--quiet")
	if err := os.Remove(u.dir + "/master.key"); err != nil {
		t.Fatal(err)
	}
	u.ok(t, "generate-local", "master.key", "--quiet")
	code, stdout, _ := u.run(t, "check")
	type report struct {
		Counts   map[string]int
		Findings []struct {
			Problem, Provider, Reason string
			KeyID                     map[string]string
		}
	}
	got := decoded[report](t, stdout)
	if diff := cmp.Diff(map[string]int{"cannot unwrap": 1, "missing unique index": 1}, got.Counts); code != 3 || diff != "" {
		t.Error(code, diff)
	}
	if f := got.Findings[0]; f.KeyID["$uuid"] != id || f.Provider != "local" || !strings.Contains(f.Reason, "HMAC validation failure") {
		t.Errorf("got %+v", f)
	}
	if code, stdout, _ = u.run(t, "check", "--quiet"); code != 3 || stdout != id+"\n" {
		t.Errorf("%d %q", code, stdout)
	}
}

// A document that is no data key does not take the others away, and can be shredded all the same.
func TestDocumentThatIsNoKey(t *testing.T) {
	u := newUser(t, nil)
	u.ok(t, "create", "--provider", "local")
	client, err := mongo.Connect(options.Client().ApplyURI(u.uri))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(t.Context())
	db, coll, _ := strings.Cut(u.keyVault, ".")
	broken := bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}
	if _, err := client.Database(db).Collection(coll).InsertOne(t.Context(), bson.D{{Key: "_id", Value: broken}, {Key: "note", Value: "CANARY"}}); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := u.run(t, "list", "--quiet")
	if code != 1 || strings.Count(stdout, "\n") != 1 || !strings.Contains(stderr, "1 document of "+u.keyVault+" cannot be read") {
		t.Errorf("%d %q %q", code, stdout, stderr)
	}
	u.fails(t, 1, "look at them with another client", "show", "30313233-3435-3637-3839-616263646566")
	u.fails(t, 1, "look at them with another client", "rewrap", "--all", "--yes")
	u.ok(t, "shred", "30313233-3435-3637-3839-616263646566", "--yes")
	u.ok(t, "list")
}

// Errors of server and KMS say what to do, and never hold a secret.
func TestErrors(t *testing.T) {
	u := newUser(t, func(_ context.Context, c vault.Call) *vault.Answer {
		if strings.Contains(c.Path, "repeats") {
			return &vault.Answer{Status: 400, Errors: []string{"bad token " + c.Token + " and more"}}
		}
		return nil
	})
	u.ok(t, "ensure-vault")
	u.ok(t, append([]string{"create", "--alt-name", "hr"}, toVault...)...)
	u.fails(t, 1, "data key has that alt name", append([]string{"create", "--alt-name", "hr"}, toVault...)...)
	u.fails(t, 1, "fieldcrypt: creating a data key: ", "create", "--provider", "vault", "--master-key", `{"keyName": "nosuch"}`)
	u.fails(t, 1, "fieldcrypt: creating a data key: ", "create", "--provider", "vault", "--master-key", `{"keyName": "repeats"}`)
	u.fails(t, 1, "hint: add the provider to the file of --kms-providers", "create", "--provider", "aws", "--master-key", `{"region": "r", "key": "k"}`)

	u.kms.Forbid("transit", "fields")
	u.fails(t, 1, "hint: the KMS refuses these credentials", "rewrap", "--all")
	u.kms.Close()
	u.fails(t, 1, "hint: this may pass: try again", "create", "--provider", "vault", "--master-key", `{"keyName": "fields"}`)

	down := "mongodb://user:" + canaryPassword + "@127.0.0.1:1/?serverSelectionTimeoutMS=200"
	for _, args := range [][]string{
		{"ensure-vault"}, {"create", "--provider", "local"}, {"list"}, {"show", "2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e"}, {"get-by-name", "hr"},
		{"alt-name", "add", "2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e", "x"}, {"alt-name", "remove", "2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e", "x"},
		{"rewrap", "--all", "--yes"}, {"delete", "2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e", "--yes"}, {"shred", "--alt-name", "hr", "--yes", "--json"}, {"check", "--json"},
	} {
		u.fails(t, 1, "hint: is the server running", append(args, "--uri", down)...)
	}
}

// A master key names a host that is nobody's yet: only who is told to goes there.
func TestForeignEndpoint(t *testing.T) {
	u := newUser(t, nil)
	u.write(t, "kms.json", `{"kmip": {"endpoint": "127.0.0.1:1"}}`)
	create := []string{"create", "--master-key", `{"endpoint": "kms.example.invalid"}`}
	u.fails(t, 1, "hint: if the host is yours, allow it with --kms-endpoint", create...)
	for _, allowed := range []string{"kms.example.invalid", "*.example.invalid:5696"} {
		_, _, stderr := u.run(t, append(create, "--kms-endpoint", "kms.example.org", "--kms-endpoint", allowed)...)
		if !strings.Contains(stderr, `at "kms.example.invalid:5696"`) { // there it was looked for
			t.Errorf("%s: got %s", allowed, stderr)
		}
	}
}
