package fieldcrypt_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// held is a server whose next answer is made at once but arrives late.
type held struct {
	*collections
	asked   chan struct{}
	release chan struct{}
}

func (h *held) ListCollections(ctx context.Context, db string, filter bson.Raw) ([]bson.Raw, error) {
	found, err := h.collections.ListCollections(ctx, db, filter)
	if h.asked != nil {
		close(h.asked)
		h.asked = nil
		select {
		case <-h.release:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return found, err
}

func holdNext(c *collections) (h *held, asked chan struct{}) {
	asked = make(chan struct{})
	return &held{collections: c, asked: asked, release: make(chan struct{})}, asked
}

// staffSchema encrypts ssn; its data key is in store.
func staffSchema(t *testing.T, store *vault) bson.D {
	return object(bson.D{{Key: "ssn", Value: encryptField("string", det, bson.A{newKey(t, explicit(t, store), "local")})}})
}

func findIn(t *testing.T, coll string) bson.Raw {
	return raw(t, bson.D{{Key: "find", Value: coll}, {Key: "filter", Value: bson.D{{Key: "ssn", Value: "1"}}}})
}

// The driver appends the database that a command goes to after encryption; the schema must be that one's.
func TestCommandForAnotherDatabaseIsRefused(t *testing.T) {
	store := newVault()
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: map[string]any{"db.c": staffSchema(t, store)}}, store, &collections{})
	insert := func(named any) error {
		_, err := e.Encrypt(t.Context(), "db", raw(t, bson.D{
			{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "ssn", Value: "1"}}}}, {Key: "$db", Value: named},
		}))
		return err
	}
	if err := insert("db"); err != nil {
		t.Errorf("the same database: %v", err)
	}
	for _, named := range []any{"dbx", "", 1, bson.D{}} {
		var refused *analyze.RefusedError
		if err := insert(named); !errors.As(err, &refused) || refused.Rule != "command-two-databases" {
			t.Errorf("$db %v: got %v", named, err)
		}
	}
}

// A collMod that gives a collection a schema with less encryption is judged by the one in force.
func TestCollModCannotHideTheSchema(t *testing.T) {
	store := newVault()
	encrypts := staffSchema(t, store)
	server := &collections{infos: map[string][]bson.D{"db.c": {info("c", bson.D{jsonSchema(encrypts)})}}}
	compares := bson.E{Key: "ssn", Value: bson.D{{Key: "$ne", Value: "1"}}}
	properties := append(bson.D{{Key: "phone", Value: encrypts[1].Value.(bson.D)[0].Value}}, encrypts[1].Value.(bson.D)...)
	for name, tt := range map[string]struct {
		validator bson.D
		passes    bool
	}{
		"no encryption":         {bson.D{jsonSchema(object(bson.D{}))}, false},
		"that and a comparison": {bson.D{jsonSchema(object(bson.D{})), compares}, false},
		"values in the schema":  {bson.D{jsonSchema(object(bson.D{{Key: "ssn", Value: bson.D{{Key: "enum", Value: bson.A{"1"}}}}}))}, false},
		"the same":              {bson.D{jsonSchema(encrypts)}, true},
		"one field more":        {bson.D{jsonSchema(object(properties))}, true},
	} {
		e := automatic(t, fieldcrypt.AutoEncryptionOptions{}, store, server)
		_, err := e.Encrypt(t.Context(), "db", raw(t, bson.D{{Key: "collMod", Value: "c"}, {Key: "validator", Value: tt.validator}}))
		if (err == nil) != tt.passes {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// "No schema" from before a create, or a rename, must not be believed after it.
func TestOldAnswerIsNotRemembered(t *testing.T) {
	store := newVault()
	encrypts := staffSchema(t, store)
	for name, change := range map[string]bson.D{
		"create":           {{Key: "create", Value: "c"}, {Key: "validator", Value: bson.D{jsonSchema(encrypts)}}},
		"renameCollection": {{Key: "renameCollection", Value: "db.old"}, {Key: "to", Value: "db.c"}},
	} {
		t.Run(name, func(t *testing.T) {
			server, asked := holdNext(&collections{infos: map[string][]bson.D{}})
			e := automatic(t, fieldcrypt.AutoEncryptionOptions{}, store, server)
			done := make(chan error)
			go func() {
				_, err := e.Encrypt(context.Background(), "db", findIn(t, "c"))
				done <- err
			}()
			<-asked
			if _, err := e.Encrypt(t.Context(), "db", raw(t, change)); err != nil {
				t.Fatal(err)
			}
			close(server.release)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			// Between the analysis of the command and its end on the server there is still no schema.
			if _, err := e.Encrypt(t.Context(), "db", findIn(t, "c")); err != nil {
				t.Fatal(err)
			}
			server.infos["db.c"] = []bson.D{info("c", bson.D{jsonSchema(encrypts)})}
			got, err := e.Encrypt(t.Context(), "db", findIn(t, "c"))
			if err != nil || payloadAt(got, "filter", "ssn") == nil {
				t.Errorf("the schema is not seen: got %v, %v", got, err)
			}
		})
	}
}

func TestCloseEndsSchemaLookups(t *testing.T) {
	server, asked := holdNext(&collections{})
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{}, newVault(), server)
	done := make(chan error)
	go func() {
		_, err := e.Encrypt(context.Background(), "db", findIn(t, "c"))
		done <- err
	}()
	<-asked
	e.Close()
	select {
	case err := <-done:
		if !errors.Is(err, mongo.ErrClientDisconnected) {
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the look-up goes on after Close")
	}
}

// After another process shredded a key, its name is given to a new one here: what is encrypted by that name is the new key's.
func TestNewKeyTakesOverItsName(t *testing.T) {
	store := newVault()
	ce := explicit(t, store)
	encrypt := func() payload.KeyID {
		sealed, err := ce.Encrypt(t.Context(), value(t, "v"), fieldcrypt.EncryptOptions{KeyAltName: "patient", Algorithm: random})
		if err != nil {
			t.Fatal(err)
		}
		c, err := payload.ParseCiphertext(sealed.Data)
		if err != nil {
			t.Fatal(err)
		}
		return c.KeyID
	}
	old := newKey(t, ce, "local", "patient")
	if got := encrypt(); got != payload.KeyID(old.Data) {
		t.Fatalf("encrypted with %s", got)
	}
	if _, err := store.Delete(t.Context(), payload.KeyID(old.Data)); err != nil {
		t.Fatal(err)
	}
	fresh := newKey(t, ce, "local", "patient")
	if got := encrypt(); got != payload.KeyID(fresh.Data) {
		t.Errorf("a new key has the name, but encrypted with %s", got)
	}
	if _, err := store.RemoveKeyAltName(t.Context(), payload.KeyID(fresh.Data), "patient"); err != nil {
		t.Fatal(err)
	}
	third := newKey(t, ce, "local")
	if _, err := ce.AddKeyAltName(t.Context(), third, "patient"); err != nil {
		t.Fatal(err)
	}
	if got := encrypt(); got != payload.KeyID(third.Data) {
		t.Errorf("the name was given to a third key, but encrypted with %s", got)
	}
	if _, err := ce.GetKey(t.Context(), old); !errors.Is(err, mongo.ErrNoDocuments) {
		t.Errorf("a deleted key: got %v", err)
	}
}
