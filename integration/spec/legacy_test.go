package spec

import (
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/mongodriver"
)

// legacyFile is a file of the legacy format: that of the driver specification "Transactions", with schemas and keys.
type legacyFile struct {
	RunOn      bson.RawValue `bson:"runOn"` // versions: see server
	Database   string        `bson:"database_name"`
	Collection string        `bson:"collection_name"`
	Data       []bson.Raw
	Schema     bson.Raw   `bson:"json_schema"`
	Keys       []bson.Raw `bson:"key_vault_data"`
	Tests      []bson.Raw
}

type legacyTest struct {
	Description   string
	SkipReason    string `bson:"skipReason"`
	ClientOptions struct {
		AutoEncryptOpts bson.Raw `bson:"autoEncryptOpts"`
	} `bson:"clientOptions"`
	Operations   []bson.Raw
	Expectations []struct {
		Started expectedEvent `bson:"command_started_event"`
	}
	Outcome struct {
		Collection *struct{ Data []bson.Raw }
	}
}

func parseLegacy(t *testing.T, doc bson.Raw) (keys []bson.Raw, tests []specTest) {
	t.Helper()
	var file legacyFile
	if err := strictly(doc, &file); err != nil {
		t.Fatal(err)
	}
	for _, raw := range file.Tests {
		var test legacyTest
		if err := strictly(raw, &test); err != nil {
			t.Fatal(err)
		}
		tests = append(tests, specTest{test.Description, test.SkipReason, func(t *testing.T, s *server) { file.run(t, s, &test) }})
	}
	return file.Keys, tests
}

func (f *legacyFile) run(t *testing.T, s *server, test *legacyTest) {
	s.fill(t, f.Database, f.Collection, f.Schema, f.Data)
	s.fill(t, "keyvault", "datakeys", nil, f.Keys)
	ctx := limited(t)

	var m monitor
	client, err := f.connect(t, s, &m, test.ClientOptions.AutoEncryptOpts)
	if err == nil {
		defer func() { _ = client.Disconnect(context.Background()) }()
	}
	s.act()
	for i, raw := range test.Operations {
		var op legacyOperation
		if err := strictly(raw, &op); err != nil {
			t.Fatal(err)
		}
		// A schemaMap is compiled when the client is made, and an unusable one refused there; mongocryptd refuses it at the first operation. So
		// an error of the client is the error of each of its operations.
		result, opErr := any(nil), err
		if err == nil {
			result, opErr = op.run(ctx, &legacyRun{client: client, direct: s.direct, db: f.Database, collection: f.Collection})
		}
		if err := op.check(result, opErr); err != nil {
			t.Errorf("operation %d, %s: %v", i+1, op.Name, err)
		}
	}
	if test.Expectations != nil {
		var want []expectedEvent
		for _, e := range test.Expectations {
			want = append(want, e.Started)
		}
		if err := legacy.matchEvents(want, m.seen()); err != nil {
			t.Error(err)
		}
	}
	if test.Outcome.Collection != nil {
		s.checkStored(t, legacy, f.Database, f.Collection, test.Outcome.Collection.Data)
	}
}

// connect makes the client under test. Its pool is bounded, as the driver's is by default, so look-ups go through an internal client,
// which the monitor sees as well.
func (f *legacyFile) connect(t *testing.T, s *server, m *monitor, autoEncryptOpts bson.Raw) (*mongo.Client, error) {
	t.Helper()
	var file struct {
		KmsProviders         bson.Raw            `bson:"kmsProviders"`
		KeyVaultNamespace    string              `bson:"keyVaultNamespace"`
		SchemaMap            map[string]bson.Raw `bson:"schemaMap"`
		BypassAutoEncryption bool                `bson:"bypassAutoEncryption"`
		ExtraOptions         bson.Raw            `bson:"extraOptions"` // about mongocryptd, which there is none of
	}
	if err := strictly(autoEncryptOpts, &file); err != nil {
		t.Fatal(err)
	}
	opts := fieldcrypt.AutoEncryptionOptions{
		KeyVaultNamespace:    "keyvault.datakeys",
		KmsProviders:         s.kms.providers(t, file.KmsProviders),
		KmsTypes:             s.kms.types(),
		BypassAutoEncryption: file.BypassAutoEncryption,
		Undecryptable:        fieldcrypt.Fail,
		Rewrite:              analyze.Exact,
		SchemaMap:            map[string]any{},
	}
	if file.KeyVaultNamespace != "" {
		opts.KeyVaultNamespace = file.KeyVaultNamespace
	}
	for namespace, schema := range file.SchemaMap {
		opts.SchemaMap[namespace] = schema
	}
	return mongodriver.Connect(options.Client().ApplyURI(s.proxy.URI()).SetMonitor(m.command()), opts)
}

// check compares what an operation returned. Without an expected result, any success is right.
func (op *legacyOperation) check(result any, err error) error {
	if doc, ok := op.Result.DocumentOK(); ok {
		if text, lookupErr := doc.LookupErr("errorContains"); lookupErr == nil {
			return checkErrorContains(text.StringValue(), err)
		}
	}
	if err != nil || op.Result.Type == 0 {
		return err
	}
	got, err := valueOf(result)
	if err != nil {
		return err
	}
	return legacy.root(op.Result, got)
}
