package interop

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func everything(t *testing.T) *configuration {
	t.Helper()
	var c configuration
	c.addLocal()
	c.addAWS(t)
	c.addKMIP(t)
	return &c
}

// A key that one side rewraps, from every kind of wrapping to every other and to its own, is read by both.
func TestRewrap(t *testing.T) {
	c := everything(t)
	h, p := both(t, c)
	text := document(t, bson.D{{Key: "v", Value: "457-55-5462"}}).Lookup("v")
	for _, from := range c.wrappings {
		for _, to := range c.wrappings {
			t.Run(from.name+" to "+to.name, func(t *testing.T) {
				key := h.create(t, from)
				want, err := h.encrypt(t, text, deterministic, bson.E{Key: "keyId", Value: key})
				if err != nil {
					t.Fatal(err)
				}
				p.rewrap(t, key, &to)
				readable(t, h, p, want, text)
				h.rewrap(t, key, &from)
				readable(t, h, p, want, text)
			})
		}
		t.Run(from.name+" to itself", func(t *testing.T) {
			key := p.create(t, from)
			want, err := p.encrypt(t, text, deterministic, bson.E{Key: "keyId", Value: key})
			if err != nil {
				t.Fatal(err)
			}
			for _, side := range []side{h, p, h} {
				side.rewrap(t, key, nil)
				readable(t, h, p, want, text)
			}
		})
	}
}

func readable(t *testing.T, h *here, p *peer, sealed bson.Binary, want bson.RawValue) {
	t.Helper()
	for _, side := range []side{h, p} {
		side.forget(t)
		if got, err := side.decrypt(t, sealed); err != nil || !got.Equal(want) {
			t.Errorf("%T reads %v, %v", side, got, err)
		}
	}
}

func TestAltNames(t *testing.T) {
	var c configuration
	c.addLocal()
	h, p := both(t, &c)
	if _, err := h.ce.EnsureKeyVault(t.Context()); err != nil {
		t.Fatal(err)
	}
	text := document(t, bson.D{{Key: "v", Value: "457-55-5462"}}).Lookup("v")
	for i, maker := range []side{h, p} {
		first, second, added := fmt.Sprint("first", i), fmt.Sprint("second", i), fmt.Sprint("ajouté ", i)
		key := maker.create(t, c.wrappings[0], first, second)
		for j, adder := range []side{h, p} {
			adder.addAltName(t, key, added+fmt.Sprint(j))
		}
		for _, name := range []string{first, second, added + "0", added + "1"} {
			for _, side := range []side{h, p} {
				if got := side.byAltName(t, name); got == nil || !got.Equal(key) {
					t.Errorf("%T made, %T finds %v by %q", maker, side, got, name)
				}
			}
			seal(t, h, p, text, deterministic, bson.E{Key: "keyAltName", Value: name}, true)
		}
		if _, err := h.ce.RemoveKeyAltName(t.Context(), key, first); err != nil {
			t.Fatal(err)
		}
		if got := p.byAltName(t, first); got != nil {
			t.Errorf("libmongocrypt finds %v by a removed name", got)
		}
	}
	for _, side := range []side{h, p} {
		if got := side.byAltName(t, "none"); got != nil {
			t.Errorf("%T finds %v by a name of no key", side, got)
		}
	}
}

// The documents in the key vault have the same fields of the same types in the same order, whoever made or rewrapped them.
func TestKeyDocuments(t *testing.T) {
	c := everything(t)
	h, p := both(t, c)
	for i, w := range c.wrappings {
		t.Run(w.name, func(t *testing.T) {
			mine, theirs := h.create(t, w, fmt.Sprint("mine", i)), p.create(t, w, fmt.Sprint("your", i))
			if diff := cmp.Diff(shape(t, h, theirs), shape(t, h, mine)); diff != "" {
				t.Errorf("made (-libmongocrypt +fieldcrypt):\n%s", diff)
			}
			h.rewrap(t, mine, &w)
			p.rewrap(t, theirs, &w)
			if diff := cmp.Diff(shape(t, h, theirs), shape(t, h, mine)); diff != "" {
				t.Errorf("rewrapped (-libmongocrypt +fieldcrypt):\n%s", diff)
			}
		})
	}
	mine, theirs := h.create(t, c.wrappings[0]), p.create(t, c.wrappings[0])
	if diff := cmp.Diff(shape(t, h, theirs), shape(t, h, mine)); diff != "" {
		t.Errorf("without alt names (-libmongocrypt +fieldcrypt):\n%s", diff)
	}
}

// shape lists the fields with their types and lengths, and the master key's values but for the KMIP server's names.
func shape(t *testing.T, h *here, key bson.Binary) (lines []string) {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(h.uri))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Disconnect(context.Background()) }()
	database, collection, _ := strings.Cut(h.namespace, ".")
	doc, err := client.Database(database).Collection(collection).FindOne(t.Context(), bson.D{{Key: "_id", Value: key}}).Raw()
	if err != nil {
		t.Fatal(err)
	}
	elements, err := doc.Elements()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range elements {
		lines = append(lines, fmt.Sprintf("%s: %s of %d bytes", e.Key(), e.Value().Type, len(e.Value().Value)))
	}
	fields, err := doc.Lookup("masterKey").Document().Elements()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range fields {
		value := e.Value().String()
		if e.Key() == "keyId" {
			value = e.Value().Type.String()
		}
		lines = append(lines, "masterKey."+e.Key()+": "+value)
	}
	return lines
}
