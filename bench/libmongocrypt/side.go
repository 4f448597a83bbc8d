//go:build cse

package main

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/version"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/mongocrypt"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/mongocrypt/options"

	"github.com/fieldcrypt/fieldcrypt/bench/measure"
)

type side struct{}

var _ measure.Side = side{}

func (side) Name() string {
	return fmt.Sprintf("libmongocrypt %s, Go driver %s", mongocrypt.Version(), version.Driver)
}

func (side) Open(t measure.Task) (func(int) ([]byte, error), func(), error) {
	switch t.Operation {
	case measure.FirstReply:
		return first(t)
	case measure.Insert, measure.Find:
		return endToEnd(t)
	}
	crypt, err := open(t)
	if err != nil {
		return nil, nil, err
	}
	do, err := operation(crypt, t)
	if err == nil && t.Operation == measure.DecryptValue {
		err = measure.Fill(t, do)
	}
	return do, crypt.Close, err
}

func operation(crypt driver.Crypt, t measure.Task) (func(int) ([]byte, error), error) {
	ctx := context.Background()
	input := func(i int) []byte { return t.Inputs[i%len(t.Inputs)] }
	switch t.Operation {
	case measure.EncryptValue:
		opts := options.ExplicitEncryption().SetKeyID(bson.Binary{Subtype: bson.TypeBinaryUUID, Data: t.KeyID}).SetAlgorithm(t.Algorithm)
		return func(i int) ([]byte, error) {
			_, content, err := crypt.EncryptExplicit(ctx, bsoncore.Value{Type: bsoncore.Type(t.Type), Data: input(i)}, opts)
			return content, err
		}, nil
	case measure.DecryptValue:
		return func(i int) ([]byte, error) {
			v, err := crypt.DecryptExplicit(ctx, bson.TypeBinaryEncrypted, input(i))
			return v.Data, err
		}, nil
	case measure.EncryptCommand:
		return func(i int) ([]byte, error) { return crypt.Encrypt(ctx, t.Database, input(i)) }, nil
	case measure.DecryptReply:
		return func(i int) ([]byte, error) { return crypt.Decrypt(ctx, input(i)) }, nil
	}
	return nil, fmt.Errorf("libmongocrypt does not %s", t.Operation)
}

// first makes a client each time.
func first(t measure.Task) (func(int) ([]byte, error), func(), error) {
	ctx := context.Background()
	return func(i int) ([]byte, error) {
		crypt, err := open(t)
		if err != nil {
			return nil, err
		}
		defer crypt.Close()
		return crypt.Decrypt(ctx, t.Inputs[i%len(t.Inputs)])
	}, func() {}, nil
}

// open makes what a client makes, with answers from memory in the place of servers.
func open(t measure.Task) (driver.Crypt, error) {
	vault, err := newVault(t.DataKeys)
	if err != nil {
		return nil, err
	}
	providers, err := bson.Marshal(bson.D{{Key: "local", Value: bson.D{{Key: "key", Value: bson.Binary{Data: t.MasterKey}}}}})
	if err != nil {
		return nil, err
	}
	opts := &options.MongoCryptOptions{KmsProviders: providers, CryptSharedLibDisabled: true}
	if len(t.SchemaMap) > 0 {
		if err := bson.Unmarshal(t.SchemaMap, &opts.LocalSchemaMap); err != nil {
			return nil, err
		}
	}
	mongoCrypt, err := mongocrypt.NewMongoCrypt(opts)
	if err != nil {
		return nil, err
	}
	return driver.NewCrypt(&driver.CryptOptions{
		MongoCrypt: mongoCrypt,
		KeyFn:      vault.find,
		MarkFn:     func(context.Context, string, bsoncore.Document) (bsoncore.Document, error) { return t.Analysis, nil },
	}), nil
}

// vault answers as the key vault's server would.
type vault map[[16]byte]bsoncore.Document

func newVault(docs [][]byte) (vault, error) {
	v := make(vault, len(docs))
	for _, doc := range docs {
		id, err := bsoncore.Document(doc).LookupErr("_id")
		if err != nil {
			return nil, err
		}
		_, content := id.Binary()
		v[[16]byte(content)] = doc
	}
	return v, nil
}

// find answers {$or: [{_id: {$in: [id, …]}}, …]}.
func (v vault) find(_ context.Context, filter bsoncore.Document) ([]bsoncore.Document, error) {
	ids, err := filter.LookupErr("$or", "0", "_id", "$in")
	if err != nil {
		return nil, fmt.Errorf("what it asks the key vault for is not known: %w", err)
	}
	values, err := ids.Array().Values()
	if err != nil {
		return nil, err
	}
	var found []bsoncore.Document
	for _, id := range values {
		if _, content := id.Binary(); len(content) == 16 {
			found = append(found, v[[16]byte(content)])
		}
	}
	return found, nil
}
