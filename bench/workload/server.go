package workload

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

// Server is the group of what is measured on servers.
const Server = "server"

// OnServer are the workloads on a server with this name; what they leave there is in a database of their own. mongocryptd is the daemon's URI.
func OnServer(name, uri, mongocryptd string) []Workload {
	s := site{uri: uri, mongocryptd: mongocryptd}
	one := func(what string, build func(plain bool) (*Built, error)) Workload {
		return Workload{Group: Server, Name: name + ": " + what, Goroutines: 1, build: func() (*Built, error) {
			if err := s.clear(); err != nil {
				return nil, err
			}
			b, err := build(false)
			if err != nil {
				return nil, err
			}
			b.Unencrypted, err = build(true)
			return b, err
		}}
	}
	return []Workload{one("insert, 5 of 20 fields", s.insert), one("find, 100 documents of 5 fields", s.find)}
}

type site struct{ uri, mongocryptd string }

const serverDatabase = "fieldcrypt_bench"

func (s site) insert(plain bool) (*Built, error) {
	b, err := s.task(measure.Insert, plain)
	if err != nil {
		return nil, err
	}
	input, err := bson.Marshal(employee(0)[1:]) // without its _id
	if err != nil {
		return nil, err
	}
	b.Task.Inputs, b.Plain = [][]byte{input}, [][]byte{input}
	b.Stored = func(id []byte) (doc bson.Raw, err error) {
		err = s.use(func(ctx context.Context, c *mongo.Client) (err error) {
			doc, err = c.Database(b.Task.Database).Collection(b.Task.Collection).FindOne(ctx, bson.D{{Key: "_id", Value: bson.ObjectID(id)}}).Raw()
			return err
		})
		return doc, err
	}
	return b, nil
}

func (s site) find(plain bool) (*Built, error) {
	b, err := s.task(measure.Find, plain)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, d := range employees(100) {
		doc, err := bson.Marshal(d)
		if err != nil {
			return nil, err
		}
		all = append(all, doc)
	}
	b.Plain, b.Task.Inputs = [][]byte{bytes.Join(all, nil)}, [][]byte{nil}
	return b, s.store(b.Task)
}

// clear drops what an earlier workload left, and makes the key vault.
func (s site) clear() error {
	vault, err := NewVault(1)
	if err != nil {
		return err
	}
	return s.use(func(ctx context.Context, c *mongo.Client) error {
		db := c.Database(serverDatabase)
		if err := db.Drop(ctx); err != nil {
			return err
		}
		_, err := db.Collection("__keyVault").InsertOne(ctx, bson.Raw(vault.Documents[0]))
		return err
	})
}

func (s site) task(operation measure.Operation, plain bool) (*Built, error) {
	vault, err := NewVault(1)
	if err != nil {
		return nil, err
	}
	t := task(operation, vault, allCores)
	t.Database, t.Collection, t.KeyVault = serverDatabase, collection, serverDatabase+".__keyVault"
	t.URI, t.Mongocryptd, t.Plain = s.uri, s.mongocryptd, plain
	if plain {
		t.Collection = "unencrypted"
	}
	t.SchemaMap, err = bson.Marshal(bson.D{{Key: serverDatabase + "." + collection, Value: schema(vault.IDs[0])}})
	return &Built{Task: t, Vault: vault}, err
}

// store puts employees where the task finds them.
func (s site) store(t measure.Task) error {
	if t.Plain {
		return s.use(func(ctx context.Context, c *mongo.Client) error { return storeBy(ctx, c, t) })
	}
	var schemas map[string]any
	if err := bson.Unmarshal(t.SchemaMap, &schemas); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
	defer cancel()
	c, err := mongodriver.Connect(options.Client().ApplyURI(s.uri), fieldcrypt.AutoEncryptionOptions{
		KeyVaultNamespace: t.KeyVault, KmsProviders: map[string]map[string]any{"local": {"key": t.MasterKey}}, SchemaMap: schemas,
	})
	if err != nil {
		return err
	}
	defer func() { _ = c.Disconnect(ctx) }()
	return storeBy(ctx, c, t)
}

func storeBy(ctx context.Context, c *mongo.Client, t measure.Task) error {
	_, err := c.Database(t.Database).Collection(t.Collection).InsertMany(ctx, employees(100))
	return err
}

const serverTimeout = time.Minute

// use runs f with a client that does not encrypt.
func (s site) use(f func(context.Context, *mongo.Client) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
	defer cancel()
	c, err := mongo.Connect(options.Client().ApplyURI(s.uri))
	if err != nil {
		return err
	}
	defer func() { _ = c.Disconnect(ctx) }()
	return f(ctx, c)
}
