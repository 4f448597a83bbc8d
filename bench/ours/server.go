package ours

import (
	"bytes"
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/bench/measure"
	"github.com/fieldcrypt/fieldcrypt/mongodriver"
)

// endToEnd is what an application does: the official driver on a server.
func endToEnd(t measure.Task) (func(int) ([]byte, error), func(), error) {
	ctx := context.Background()
	client, err := connect(t)
	if err != nil {
		return nil, nil, err
	}
	free := func() { // the server may have stopped meanwhile, which is where sessions are ended
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_ = client.Disconnect(ctx)
	}
	coll := client.Database(t.Database).Collection(t.Collection)
	if t.Operation == measure.Insert {
		return func(i int) ([]byte, error) {
			id := bson.NewObjectID()
			_, err := coll.InsertOne(ctx, bson.Raw(measure.WithID(t.Inputs[i%len(t.Inputs)], id)))
			return id[:], err
		}, free, nil
	}
	return func(int) ([]byte, error) {
		cursor, err := coll.Find(ctx, bson.D{})
		if err != nil {
			return nil, err
		}
		var docs []bson.Raw
		if err := cursor.All(ctx, &docs); err != nil {
			return nil, err
		}
		var out [][]byte
		for _, d := range docs {
			out = append(out, d)
		}
		return bytes.Join(out, nil), nil
	}, free, nil
}

func connect(t measure.Task) (*mongo.Client, error) {
	opts := options.Client().ApplyURI(t.URI)
	if t.Plain {
		return mongo.Connect(opts)
	}
	var schemas map[string]any
	if err := bson.Unmarshal(t.SchemaMap, &schemas); err != nil {
		return nil, err
	}
	return mongodriver.Connect(opts, fieldcrypt.AutoEncryptionOptions{KeyVaultNamespace: t.KeyVault, KmsProviders: providers(t), SchemaMap: schemas})
}
