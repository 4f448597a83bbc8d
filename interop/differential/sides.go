package main

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/interop/differential/draw"
	"github.com/fieldcrypt/fieldcrypt/interop/differential/libmongocrypt"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// sides are fieldcrypt and libmongocrypt on one key vault, with the schemas of the collections in commands. They are for one goroutine at a time.
type sides struct {
	vault     *vault
	own       *draw.Schema // of draw.Collection; nil: there are none
	other     *draw.Schema // of draw.Other
	schemas   map[string]*schema.Schema
	explicit  *fieldcrypt.ClientEncryption
	automatic [2]*fieldcrypt.AutoEncryption // with the rewrite Minimal, and Exact
	library   *libmongocrypt.Library
	theirs    *libmongocrypt.Crypt // nil: not there
}

func open(v *vault, library *libmongocrypt.Library, own, other *draw.Schema) (*sides, error) {
	s := &sides{vault: v, library: library, own: own, other: other, schemas: map[string]*schema.Schema{}}
	providers := map[string]map[string]any{"local": {"key": v.master}}
	opts := fieldcrypt.AutoEncryptionOptions{KmsProviders: providers, Undecryptable: fieldcrypt.Fail, SchemaMap: map[string]any{}}
	var local []draw.E
	for name, drawn := range s.collections() {
		origin := schema.Local
		if drawn.Remote {
			origin = schema.Remote
		} else {
			opts.SchemaMap[name] = drawn.Document
			local = append(local, draw.E{Key: name, Value: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: drawn.Document}})
		}
		var err error
		if s.schemas[name], err = schema.Parse(drawn.Document, origin); err != nil {
			return nil, fmt.Errorf("a schema was drawn that fieldcrypt refuses: %w", err)
		}
	}
	var err error
	if s.explicit, err = fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{KmsProviders: providers, KeyVault: v.store}); err != nil {
		return nil, err
	}
	for i := range s.automatic {
		opts.Rewrite = analyze.Rewrite(i)
		if s.automatic[i], err = fieldcrypt.NewAutoEncryption(opts, v.store, s); err != nil {
			return nil, err
		}
	}
	if library == nil {
		return s, nil
	}
	o := libmongocrypt.Options{MasterKey: v.master, DataKeys: v.documents}
	if len(local) > 0 {
		o.SchemaMap = bson.Raw(draw.Document(local...).Value)
	}
	if s.theirs, err = library.New(o); err != nil {
		return nil, err
	}
	return s, s.warm()
}

// warm has libmongocrypt load all data keys: what it answers depends on whether it has a key already.
func (s *sides) warm() error {
	for n := range draw.AltNames {
		if _, err := s.theirs.EncryptValue(alone(draw.Int(n)), payload.Random.String(), libmongocrypt.Key{AltName: draw.AltName(n)}); err != nil {
			return err
		}
	}
	return nil
}

func (s *sides) close() {
	_ = s.explicit.Close(context.Background())
	for _, e := range s.automatic {
		e.Close()
	}
	if s.theirs != nil {
		s.theirs.Close()
	}
}

// older says whether libmongocrypt is from before 1.10; 1.7 is what Debian 12 has.
func older(library *libmongocrypt.Library) bool {
	if library == nil {
		return false
	}
	_, minor, _ := strings.Cut(library.Version(), ".")
	minor, _, _ = strings.Cut(minor, ".")
	return len(minor) == 1
}

func (s *sides) collections() map[string]*draw.Schema {
	if s.own == nil {
		return nil
	}
	return map[string]*draw.Schema{draw.Database + "." + draw.Collection: s.own, draw.Database + "." + draw.Other: s.other}
}

// ListCollections is the server's answer about the collections that have their schema there.
func (s *sides) ListCollections(context.Context, string, bson.Raw) ([]bson.Raw, error) {
	return s.infos(), nil
}

func (s *sides) infos() (found []bson.Raw) {
	for _, name := range []string{draw.Collection, draw.Other} {
		if info := s.info(name); info != nil {
			found = append(found, info)
		}
	}
	return found
}

func (s *sides) info(name string) bson.Raw {
	drawn := s.collections()[draw.Database+"."+name]
	if drawn == nil || !drawn.Remote {
		return nil
	}
	validator := draw.Document(draw.E{Key: "$jsonSchema", Value: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: drawn.Document}})
	return bson.Raw(draw.Document(draw.E{Key: "name", Value: draw.String(name)}, draw.E{Key: "type", Value: draw.String("collection")},
		draw.E{Key: "options", Value: draw.Document(draw.E{Key: "validator", Value: validator})}).Value)
}
