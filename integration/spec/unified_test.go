package spec

import (
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
)

// unifiedFile is a file of the driver specification "Unified Test Format".
type unifiedFile struct {
	Description       string
	SchemaVersion     string           `bson:"schemaVersion"`
	RunOnRequirements bson.RawValue    `bson:"runOnRequirements"` // csfle: true
	CreateEntities    []bson.Raw       `bson:"createEntities"`
	InitialData       []collectionData `bson:"initialData"`
	Tests             []bson.Raw
}

type collectionData struct {
	Database   string `bson:"databaseName"`
	Collection string `bson:"collectionName"`
	Documents  []bson.Raw
}

type unifiedTest struct {
	Description  string
	SkipReason   string `bson:"skipReason"`
	Operations   []bson.Raw
	ExpectEvents []bson.Raw `bson:"expectEvents"`
	Outcome      []collectionData
}

func parseUnified(t *testing.T, doc bson.Raw) (keys []bson.Raw, tests []specTest) {
	t.Helper()
	var file unifiedFile
	if err := strictly(doc, &file); err != nil {
		t.Fatal(err)
	}
	for _, c := range file.InitialData {
		keys = append(keys, c.Documents...)
	}
	for _, raw := range file.Tests {
		var test unifiedTest
		if err := strictly(raw, &test); err != nil {
			t.Fatal(err)
		}
		tests = append(tests, specTest{test.Description, test.SkipReason, func(t *testing.T, s *server) { file.run(t, s, &test) }})
	}
	return keys, tests
}

func (f *unifiedFile) run(t *testing.T, s *server, test *unifiedTest) {
	for _, c := range f.InitialData {
		s.fill(t, c.Database, c.Collection, nil, s.kms.rewrapped(t, c.Documents))
	}
	m := matcher{expect: s.expect}
	e := newEntities(t, s, f.CreateEntities)
	ctx := limited(t)
	s.act()
	for i, raw := range test.Operations {
		var op unifiedOperation
		if err := strictly(raw, &op); err != nil {
			t.Fatal(err)
		}
		result, err := op.run(ctx, e)
		if err := op.check(m, result, err); err != nil {
			t.Errorf("operation %d, %s: %v", i+1, op.Name, err)
		}
	}
	for _, raw := range test.ExpectEvents {
		if err := e.checkEvents(m, raw); err != nil {
			t.Error(err)
		}
	}
	for _, c := range test.Outcome {
		s.checkStored(t, m, c.Database, c.Collection, c.Documents)
	}
}

// entities are what operations act on, by their names.
type entities struct {
	clients     map[string]*mongo.Client
	monitors    map[string]*monitor // by client
	encryptions map[string]*fieldcrypt.ClientEncryption
	databases   map[string]*mongo.Database
	collections map[string]*mongo.Collection
}

// entity is one of createEntities: of its fields one is set.
type entity struct {
	Client *struct {
		ID            string
		ObserveEvents []string `bson:"observeEvents"` // of which expectEvents has commandStartedEvent alone
	}
	ClientEncryption *encryptionEntity `bson:"clientEncryption"`
	Database         *struct {
		ID, Client string
		Name       string `bson:"databaseName"`
	}
	Collection *struct {
		ID, Database string
		Name         string `bson:"collectionName"`
	}
}

type encryptionEntity struct {
	ID   string
	Opts struct {
		Client       string   `bson:"keyVaultClient"`
		Namespace    string   `bson:"keyVaultNamespace"`
		KmsProviders bson.Raw `bson:"kmsProviders"`
	} `bson:"clientEncryptionOpts"`
}

func newEntities(t *testing.T, s *server, list []bson.Raw) *entities {
	t.Helper()
	e := &entities{
		map[string]*mongo.Client{}, map[string]*monitor{}, map[string]*fieldcrypt.ClientEncryption{},
		map[string]*mongo.Database{}, map[string]*mongo.Collection{},
	}
	for _, raw := range list {
		var entity entity
		if err := strictly(raw, &entity); err != nil {
			t.Fatal(err)
		}
		switch {
		case entity.Client != nil:
			id, m := entity.Client.ID, &monitor{}
			e.clients[id], e.monitors[id] = connect(t, options.Client().ApplyURI(s.proxy.URI()).SetMonitor(m.command())), m
		case entity.ClientEncryption != nil:
			e.addEncryption(t, s.kms, entity.ClientEncryption)
		case entity.Database != nil:
			e.databases[entity.Database.ID] = e.clients[entity.Database.Client].Database(entity.Database.Name)
		case entity.Collection != nil:
			e.collections[entity.Collection.ID] = e.databases[entity.Collection.Database].Collection(entity.Collection.Name)
		}
	}
	return e
}

func (e *entities) addEncryption(t *testing.T, kms *services, entity *encryptionEntity) {
	t.Helper()
	ce, err := fieldcrypt.NewClientEncryption(e.clients[entity.Opts.Client], fieldcrypt.ClientEncryptionOptions{
		KeyVaultNamespace: entity.Opts.Namespace,
		KmsProviders:      kms.providers(t, entity.Opts.KmsProviders),
		KmsTypes:          kms.types(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ce.Close(context.Background()) })
	e.encryptions[entity.ID] = ce
}

// checkEvents compares the commands of one client.
func (e *entities) checkEvents(m matcher, raw bson.Raw) error {
	var expect struct {
		Client string
		Events []bson.Raw
	}
	if err := strictly(raw, &expect); err != nil {
		return err
	}
	var want []expectedEvent
	for _, raw := range expect.Events {
		var event struct {
			Started *bson.Raw `bson:"commandStartedEvent"`
		}
		var fields struct {
			Name    string `bson:"commandName"`
			DB      string `bson:"databaseName"`
			Command bson.Raw
		}
		if err := strictly(raw, &event); err != nil {
			return err
		}
		if err := strictly(*event.Started, &fields); err != nil {
			return err
		}
		want = append(want, expectedEvent{fields.Name, fields.DB, fields.Command})
	}
	return m.matchEvents(want, e.monitors[expect.Client].seen())
}
