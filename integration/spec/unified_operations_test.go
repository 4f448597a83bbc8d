package spec

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

type unifiedOperation struct {
	Name         string
	Object       string
	Arguments    bson.Raw
	ExpectResult bson.RawValue `bson:"expectResult"`
	ExpectError  *struct {
		IsClientError bool `bson:"isClientError"`
	} `bson:"expectError"`
}

// unifiedArguments are those of all operations.
type unifiedArguments struct {
	Filter      bson.Raw
	ID          bson.Binary
	KeyAltName  string `bson:"keyAltName"`
	KmsProvider string `bson:"kmsProvider"`
	Opts        struct {
		KeyAltNames []string    `bson:"keyAltNames"`
		KeyMaterial bson.Binary `bson:"keyMaterial"`
		MasterKey   bson.Raw    `bson:"masterKey"`
		Provider    string
	}
	Pipeline   []bson.Raw
	Projection bson.Raw
	Sort       bson.Raw
}

// masterKey is nil, and not an empty document, where the file has none.
func (a *unifiedArguments) masterKey() any {
	if a.Opts.MasterKey == nil {
		return nil
	}
	return a.Opts.MasterKey
}

func (op *unifiedOperation) run(ctx context.Context, e *entities) (any, error) {
	var a unifiedArguments
	if op.Arguments != nil {
		if err := strictly(op.Arguments, &a); err != nil {
			return nil, err
		}
	}
	if coll := e.collections[op.Object]; coll != nil {
		switch op.Name {
		case "find":
			opts := options.Find()
			if a.Projection != nil {
				opts.SetProjection(a.Projection)
			}
			if a.Sort != nil {
				opts.SetSort(a.Sort)
			}
			return all(ctx)(coll.Find(ctx, a.Filter, opts))
		case "aggregate":
			return all(ctx)(coll.Aggregate(ctx, a.Pipeline))
		}
	}
	if ce := e.encryptions[op.Object]; ce != nil {
		return onEncryption(ctx, ce, op.Name, &a)
	}
	return nil, errHarness("operation " + op.Name + " on " + op.Object)
}

func onEncryption(ctx context.Context, ce *fieldcrypt.ClientEncryption, name string, a *unifiedArguments) (any, error) {
	switch name {
	case "createDataKey":
		return ce.CreateDataKey(ctx, a.KmsProvider, fieldcrypt.DataKeyOptions{
			MasterKey: a.masterKey(), KeyAltNames: a.Opts.KeyAltNames, KeyMaterial: a.Opts.KeyMaterial.Data,
		})
	case "deleteKey":
		n, err := ce.DeleteKey(ctx, a.ID)
		return bson.M{"deletedCount": n}, err
	case "getKey":
		return orNull(ce.GetKey(ctx, a.ID))
	case "getKeyByAltName":
		return orNull(ce.GetKeyByAltName(ctx, a.KeyAltName))
	case "getKeys":
		keys, err := ce.GetKeys(ctx)
		return append([]*keyvault.DataKey{}, keys...), err
	case "addKeyAltName":
		return orNull(ce.AddKeyAltName(ctx, a.ID, a.KeyAltName))
	case "removeKeyAltName":
		return orNull(ce.RemoveKeyAltName(ctx, a.ID, a.KeyAltName))
	case "rewrapManyDataKey":
		r, err := ce.RewrapManyDataKey(ctx, a.Filter, fieldcrypt.RewrapManyDataKeyOptions{
			Provider: a.Opts.Provider, MasterKey: a.masterKey(),
			Overwrite: true, // the files have the filter {_id}; by default it also has what the key was
		})
		if err != nil || r.BulkWriteResult == nil {
			return bson.M{}, err
		}
		return bson.M{"bulkWriteResult": bson.M{
			"insertedCount": r.InsertedCount, "matchedCount": r.MatchedCount, "modifiedCount": r.ModifiedCount,
			"deletedCount": r.DeletedCount, "upsertedCount": r.UpsertedCount, "upsertedIds": bson.M{},
		}}, err
	}
	return nil, errHarness("operation " + name)
}

// orNull makes the error that this module returns for a missing key the null that the specification has for it.
func orNull(key *keyvault.DataKey, err error) (any, error) {
	if errors.Is(err, keyvault.ErrNotFound) {
		return nil, nil
	}
	return key, err
}

// check compares what an operation returned.
func (op *unifiedOperation) check(m matcher, result any, err error) error {
	var unknown errHarness
	if errors.As(err, &unknown) {
		return err
	}
	if op.ExpectError != nil {
		var server mongo.ServerError
		if err == nil || errors.As(err, &server) == op.ExpectError.IsClientError {
			return fmt.Errorf("got error %v, want one of the client: %t", err, op.ExpectError.IsClientError)
		}
		return nil
	}
	if err != nil || op.ExpectResult.Type == 0 {
		return err
	}
	got, err := valueOf(result)
	if err != nil {
		return err
	}
	return m.root(op.ExpectResult, got)
}
