package fieldcrypt_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// info is what listCollections says of a collection with this validator.
func info(name string, validator bson.D) bson.D {
	return bson.D{{Key: "name", Value: name}, {Key: "type", Value: "collection"}, {Key: "options", Value: bson.D{{Key: "validator", Value: validator}}}}
}

func jsonSchema(s bson.D) bson.E { return bson.E{Key: "$jsonSchema", Value: s} }

func TestRemoteSchema(t *testing.T) {
	store := newVault()
	id := newKey(t, explicit(t, store), "local")
	encrypts := object(bson.D{{Key: "ssn", Value: encryptField("string", det, bson.A{id})}})
	plain := object(bson.D{{Key: "ssn", Value: bson.D{{Key: "bsonType", Value: "string"}}}})
	sibling := bson.E{Key: "n", Value: bson.D{{Key: "$gt", Value: 1}}}
	for name, tc := range map[string]struct {
		infos  []bson.D
		sealed bool
		want   string // of the error
	}{
		"encrypts":             {[]bson.D{info("c", bson.D{jsonSchema(encrypts)})}, true, ""},
		"with siblings":        {[]bson.D{info("c", bson.D{sibling, jsonSchema(encrypts), sibling})}, true, ""},
		"encrypts nothing":     {[]bson.D{info("c", bson.D{jsonSchema(plain)})}, false, ""},
		"no schema":            {[]bson.D{info("c", bson.D{sibling})}, false, ""},
		"no options":           {[]bson.D{{{Key: "name", Value: "c"}}}, false, ""},
		"no such collection":   {nil, false, ""},
		"another collection":   {[]bson.D{info("d", bson.D{jsonSchema(encrypts)})}, false, ""},
		"nested, plain":        {[]bson.D{info("c", bson.D{{Key: "$and", Value: bson.A{bson.D{jsonSchema(plain)}}}})}, false, ""},
		"nested, encrypts":     {[]bson.D{info("c", bson.D{{Key: "$and", Value: bson.A{bson.D{jsonSchema(encrypts)}}}})}, false, "below another operator"},
		"schema twice":         {[]bson.D{info("c", bson.D{jsonSchema(encrypts), jsonSchema(plain)})}, false, "duplicate `$jsonSchema` fields found for collection"},
		"answered twice":       {[]bson.D{info("c", bson.D{}), info("c", bson.D{})}, false, "answered twice"},
		"nameless":             {[]bson.D{{{Key: "type", Value: "collection"}}}, false, "without a name"},
		"validator is text":    {[]bson.D{{{Key: "name", Value: "c"}, {Key: "options", Value: bson.D{{Key: "validator", Value: "x"}}}}}, false, `"validator"`},
		"options is text":      {[]bson.D{{{Key: "name", Value: "c"}, {Key: "options", Value: "x"}}}, false, `"options"`},
		"view":                 {[]bson.D{{{Key: "name", Value: "c"}, {Key: "type", Value: "view"}}}, false, "cannot auto encrypt a view: db.c"},
		"queryable encryption": {[]bson.D{{{Key: "name", Value: "c"}, {Key: "options", Value: bson.D{{Key: "encryptedFields", Value: bson.D{}}}}}}, false, "Queryable Encryption is not supported"},
		"bad schema":           {[]bson.D{info("c", bson.D{jsonSchema(object(bson.D{{Key: "a", Value: encryptField("bool", det, bson.A{id})}}))})}, false, "db.c"},
	} {
		t.Run(name, func(t *testing.T) {
			server := &collections{infos: map[string][]bson.D{"db.c": tc.infos}}
			e := automatic(t, fieldcrypt.AutoEncryptionOptions{}, store, server)
			cmd := raw(t, bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "ssn", Value: "1"}}}})
			for range 2 {
				got, err := e.Encrypt(t.Context(), "db", cmd)
				switch {
				case tc.want != "":
					if err == nil || !strings.Contains(err.Error(), tc.want) {
						t.Errorf("got %v, want %q", err, tc.want)
					}
				case err != nil:
					t.Error(err)
				case (payloadAt(got, "filter", "ssn") != nil) != tc.sealed:
					t.Errorf("got %v, want sealed %t", got, tc.sealed)
				}
			}
			want := []string{`db {"name": "c"}`} // also that there is no schema is remembered
			if tc.want != "" {
				want = append(want, want[0]) // errors are not
			}
			if diff := cmp.Diff(want, server.calls()); diff != "" {
				t.Errorf("listCollections (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRemoteSchemaErrorTypes(t *testing.T) {
	var refused *analyze.RefusedError
	var bad *schema.Error
	cmd := raw(t, bson.D{{Key: "find", Value: "c"}})
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{}, newVault(), &collections{infos: map[string][]bson.D{"db.c": {{{Key: "name", Value: "c"}, {Key: "type", Value: "view"}}}}})
	if _, err := e.Encrypt(t.Context(), "db", cmd); !errors.As(err, &refused) || refused.Rule != "view" {
		t.Errorf("view: got %#v", err)
	}
	e = automatic(t, fieldcrypt.AutoEncryptionOptions{}, newVault(), &collections{infos: map[string][]bson.D{
		"db.c": {info("c", bson.D{jsonSchema(object(bson.D{{Key: "a", Value: bson.D{{Key: "encrypt", Value: bson.D{{Key: "nonsense", Value: 1}}}}}}))})},
	}})
	if _, err := e.Encrypt(t.Context(), "db", cmd); !errors.As(err, &bad) {
		t.Errorf("schema: got %#v", err)
	}
	server := &collections{err: errors.New("unplugged")}
	if _, err := automatic(t, fieldcrypt.AutoEncryptionOptions{}, newVault(), server).Encrypt(t.Context(), "db", cmd); !errors.Is(err, server.err) {
		t.Errorf("server: got %#v", err)
	}
	if _, err := automatic(t, fieldcrypt.AutoEncryptionOptions{}, newVault(), nil).Encrypt(t.Context(), "db", cmd); err == nil {
		t.Error("a collection that nothing is known of was let through")
	}
}

func TestSchemaMapComesBeforeTheServer(t *testing.T) {
	store := newVault()
	id := newKey(t, explicit(t, store), "local")
	server := &collections{}
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: employees(id, id)}, store, server)
	if got, err := e.Encrypt(t.Context(), "hr", raw(t, find(bson.D{{Key: "ssn", Value: "1"}}))); err != nil || payloadAt(got, "filter", "ssn") == nil {
		t.Errorf("got %v, %v", got, err)
	}
	if calls := server.calls(); len(calls) != 0 {
		t.Errorf("listCollections was called: %v", calls)
	}
}

func TestSeveralCollections(t *testing.T) {
	store := newVault()
	id := newKey(t, explicit(t, store), "local")
	encrypts := object(bson.D{{Key: "ssn", Value: encryptField("string", det, bson.A{id})}})
	server := &collections{infos: map[string][]bson.D{"db.b": {info("b", bson.D{jsonSchema(encrypts)})}}}
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{}, store, server)
	lookup := func(to, foreignField string) bson.Raw {
		return raw(t, bson.D{{Key: "aggregate", Value: "a"}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$lookup", Value: bson.D{
			{Key: "from", Value: to}, {Key: "localField", Value: "x"}, {Key: "foreignField", Value: foreignField}, {Key: "as", Value: "z"},
			{Key: "pipeline", Value: bson.A{bson.D{{Key: "$match", Value: bson.D{{Key: "ssn", Value: "1"}}}}}},
		}}}}}, {Key: "cursor", Value: bson.D{}}})
	}
	var refused *analyze.RefusedError
	if _, err := e.Encrypt(t.Context(), "db", lookup("b", "ssn")); !errors.As(err, &refused) {
		t.Errorf("a join by an encrypted field of another collection: got %v", err)
	}
	if got, err := e.Encrypt(t.Context(), "db", lookup("b", "y")); err != nil || payloadAt(got, "pipeline", "0", "$lookup", "pipeline", "0", "$match", "ssn") == nil {
		t.Errorf("a pipeline inside a $lookup into an encrypted collection: got %v, %v", got, err)
	}
	cmd := lookup("c", "y")
	if got, err := e.Encrypt(t.Context(), "db", cmd); err != nil || &got[0] != &cmd[0] {
		t.Errorf("a $lookup between plain collections: got %v, %v", got, err)
	}
	want := []string{`db {"name": {"$in": ["a","b"]}}`, `db {"name": "c"}`}
	if diff := cmp.Diff(want, server.calls()); diff != "" {
		t.Errorf("listCollections (-want +got):\n%s", diff)
	}
}

func TestCreateAndCollMod(t *testing.T) {
	store := newVault()
	id := newKey(t, explicit(t, store), "local")
	encrypts := object(bson.D{{Key: "ssn", Value: encryptField("string", det, bson.A{id})}})
	server := &collections{infos: map[string][]bson.D{}}
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{}, store, server)
	encrypt := func(cmd bson.D) (bson.Raw, error) { return e.Encrypt(t.Context(), "db", raw(t, cmd)) }
	query := bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "ssn", Value: "1"}}}}

	if got, err := encrypt(query); err != nil || payloadAt(got, "filter", "ssn") != nil {
		t.Errorf("before create: got %v, %v", got, err)
	}
	if _, err := encrypt(bson.D{{Key: "create", Value: "c"}, {Key: "validator", Value: bson.D{jsonSchema(encrypts)}}}); err != nil {
		t.Errorf("create: %v", err)
	}
	server.infos["db.c"] = []bson.D{info("c", bson.D{jsonSchema(encrypts)})}
	if got, err := encrypt(query); err != nil || payloadAt(got, "filter", "ssn") == nil {
		t.Errorf("after create, the new schema does not hold at once: got %v, %v", got, err)
	}
	if _, err := encrypt(bson.D{{Key: "create", Value: "other"}}); err != nil {
		t.Errorf("create: %v", err)
	}
	if _, err := encrypt(bson.D{{Key: "create", Value: "q"}, {Key: "encryptedFields", Value: bson.D{}}}); err == nil {
		t.Error("create with encryptedFields was let through")
	}
	if n := len(server.calls()); n != 2 {
		t.Errorf("listCollections was called %d times, want twice, for the finds", n)
	}
}

// A collMod that takes one field out of what additionalProperties encrypts must not compare that field with a value on the way.
func TestCollModThatEncryptsLess(t *testing.T) {
	store := newVault()
	field := encryptField("string", det, bson.A{newKey(t, explicit(t, store), "local")})
	all := bson.D{{Key: "bsonType", Value: "object"}, {Key: "additionalProperties", Value: field}}
	less := append(all, bson.E{Key: "properties", Value: bson.D{{Key: "a", Value: bson.D{{Key: "bsonType", Value: "string"}}}}})
	server := &collections{infos: map[string][]bson.D{"db.c": {info("c", bson.D{jsonSchema(all)})}}}
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{}, store, server)
	_, err := e.Encrypt(t.Context(), "db", raw(t, bson.D{{Key: "collMod", Value: "c"}, {Key: "validator", Value: bson.D{jsonSchema(less), {Key: "a", Value: "secret"}}}}))
	var refused *analyze.RefusedError
	if !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
}

// A validator that encrypts less than the schema map must not carry values of encrypted fields to the server.
func TestSchemaMapRulesOverTheCommandsValidator(t *testing.T) {
	store := newVault()
	ssn := encryptField("string", det, bson.A{newKey(t, explicit(t, store), "local")})
	encrypts := object(bson.D{{Key: "ssn", Value: ssn}})
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: map[string]any{"db.c": encrypts}}, store, nil)
	compares := bson.E{Key: "ssn", Value: bson.D{{Key: "$ne", Value: "457-55-5462"}}}
	for name, tt := range map[string]struct {
		validator bson.D
		passes    bool
	}{
		"the same schema":                {bson.D{jsonSchema(encrypts)}, true},
		"a schema without encryption":    {bson.D{jsonSchema(object(bson.D{}))}, false},
		"that and a comparison":          {bson.D{jsonSchema(object(bson.D{})), compares}, false},
		"the same schema and comparison": {bson.D{jsonSchema(encrypts), compares}, false},
	} {
		for _, command := range []string{"create", "collMod"} {
			_, err := e.Encrypt(t.Context(), "db", raw(t, bson.D{{Key: command, Value: "c"}, {Key: "validator", Value: tt.validator}}))
			var refused *analyze.RefusedError
			if (err == nil) != tt.passes || err != nil && !errors.As(err, &refused) {
				t.Errorf("%s with %s: got %v", command, name, err)
			}
		}
	}
}

// A view's definition is stored in clear, so it may not be made over a collection that encrypts.
func TestViewsOverEncryptedCollectionsAreRefused(t *testing.T) {
	store := newVault()
	encrypts := object(bson.D{{Key: "ssn", Value: encryptField("string", det, bson.A{newKey(t, explicit(t, store), "local")})}})
	server := &collections{infos: map[string][]bson.D{"db.c": {info("c", bson.D{jsonSchema(encrypts)})}}}
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{}, store, server)
	view := func(source string) error {
		_, err := e.Encrypt(t.Context(), "db", raw(t, bson.D{
			{Key: "create", Value: "v"}, {Key: "viewOn", Value: source},
			{Key: "pipeline", Value: bson.A{bson.D{{Key: "$match", Value: bson.D{{Key: "ssn", Value: "457-55-5462"}}}}}},
		}))
		return err
	}
	var refused *analyze.RefusedError
	if err := view("c"); !errors.As(err, &refused) || refused.Rule != "create-view" {
		t.Errorf("over an encrypted collection: got %v", err)
	}
	if err := view("plain"); err != nil {
		t.Errorf("over another: %v", err)
	}
}

func TestSchemaIsAskedForOnce(t *testing.T) {
	store := newVault()
	server := &collections{}
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{}, store, server)
	cmd := raw(t, bson.D{{Key: "find", Value: "c"}})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := e.Encrypt(t.Context(), "db", cmd); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(server.calls()); n != 1 {
		t.Errorf("listCollections was called %d times, want once", n)
	}
}

// An engine whose look-ups go through the client it serves must not wait for itself.
func TestLookupsThroughTheEngineItself(t *testing.T) {
	store := newVault()
	id := newKey(t, explicit(t, store), "local")
	encrypted := object(bson.D{{Key: "_id", Value: encryptField("binData", det, bson.A{id})}})
	loop := &loopback{t: t, Store: store, server: &collections{infos: map[string][]bson.D{}}}
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: employees(id, id)}, loop, loop)
	loop.engine = e
	got, err := e.Encrypt(t.Context(), "hr", raw(t, find(bson.D{{Key: "ssn", Value: "1"}})))
	if err != nil || payloadAt(got, "filter", "ssn") == nil {
		t.Fatalf("got %v, %v", got, err)
	}

	// A server that says that the key vault itself is encrypted, with keys of the key vault.
	loop = &loopback{t: t, Store: store, server: &collections{infos: map[string][]bson.D{"kv.keys": {info("keys", bson.D{jsonSchema(encrypted)})}}}}
	e = automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: employees(id, id)}, loop, loop)
	loop.engine = e
	if _, err := e.Encrypt(t.Context(), "hr", raw(t, find(bson.D{{Key: "ssn", Value: "1"}}))); err == nil || !strings.Contains(err.Error(), "its keys cannot be read") {
		t.Errorf("an encrypted key vault: got %v", err)
	}
}

// loopback is key vault and metadata behind the client that an engine serves.
type loopback struct {
	keyvault.Store
	t      *testing.T
	server *collections
	engine *fieldcrypt.AutoEncryption
}

func (l *loopback) ListCollections(ctx context.Context, db string, filter bson.Raw) ([]bson.Raw, error) {
	l.roundTrip(ctx, db, bson.D{{Key: "listCollections", Value: 1}, {Key: "filter", Value: filter}})
	return l.server.ListCollections(ctx, db, filter)
}

func (l *loopback) Fetch(ctx context.Context, ids []payload.KeyID, altNames []string) ([]*keyvault.DataKey, error) {
	err := l.roundTrip(ctx, "kv", bson.D{{Key: "find", Value: "keys"}, {Key: "filter", Value: bson.D{{Key: "_id", Value: ids[0].Binary()}}}})
	if err != nil {
		return nil, err
	}
	return l.Store.Fetch(ctx, ids, altNames)
}

// roundTrip sends a command through the engine, with a reply that has a ciphertext in it.
func (l *loopback) roundTrip(ctx context.Context, db string, cmd bson.D) error {
	if _, err := l.engine.Encrypt(ctx, db, raw(l.t, cmd)); err != nil {
		return err
	}
	answer := raw(l.t, bson.D{{Key: "v", Value: bson.Binary{Subtype: 6, Data: append([]byte{1, 9}, make([]byte, 80)...)}}})
	if got, err := l.engine.Decrypt(ctx, answer); err != nil || &got[0] != &answer[0] {
		l.t.Errorf("the reply to a look-up was not left alone: %v, %v", got, err)
	}
	return nil
}
