package mongodriver

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.uber.org/goleak"

	"github.com/fieldcrypt/fieldcrypt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func minimal() fieldcrypt.AutoEncryptionOptions {
	return fieldcrypt.AutoEncryptionOptions{
		KeyVaultNamespace: "keyvault.datakeys",
		KmsProviders:      map[string]map[string]any{"local": {"key": bytes.Repeat([]byte{1}, 96)}},
	}
}

// nowhere is a server that nobody listens at.
func nowhere() *options.ClientOptions {
	return options.Client().ApplyURI("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50")
}

func TestSetAutoEncryptionSetsTheHook(t *testing.T) {
	opts := nowhere()
	if err := SetAutoEncryption(opts, minimal()); err != nil {
		t.Fatal(err)
	}
	h, ok := installed(opts).(*hook)
	if !ok || h.BypassAutoEncryption() {
		t.Fatalf("the driver's options have %T for a hook: it has moved", installed(opts))
	}
	if installed(&h.clients.options) != nil {
		t.Error("the internal client would encrypt too")
	}
	client, err := mongo.Connect(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Disconnect(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := h.clients.lookup(); !errors.Is(err, mongo.ErrClientDisconnected) {
		t.Errorf("after Disconnect, the hook is not closed: %v", err)
	}
}

func TestRefusedOptions(t *testing.T) {
	used := nowhere()
	if err := SetAutoEncryption(used, minimal()); err != nil {
		t.Fatal(err)
	}
	with := func(change func(*fieldcrypt.AutoEncryptionOptions)) fieldcrypt.AutoEncryptionOptions {
		o := minimal()
		change(&o)
		return o
	}
	for name, tc := range map[string]struct {
		client *options.ClientOptions
		opts   fieldcrypt.AutoEncryptionOptions
		want   string
	}{
		"nil":                {nil, minimal(), "must not be nil"},
		"driver's own":       {nowhere().SetAutoEncryptionOptions(options.AutoEncryption()), minimal(), "AutoEncryptionOptions"},
		"twice":              {used, minimal(), "already"},
		"no namespace":       {nowhere(), with(func(o *fieldcrypt.AutoEncryptionOptions) { o.KeyVaultNamespace = "" }), "KeyVaultNamespace"},
		"no collection":      {nowhere(), with(func(o *fieldcrypt.AutoEncryptionOptions) { o.KeyVaultNamespace = "db." }), "KeyVaultNamespace"},
		"no kms":             {nowhere(), with(func(o *fieldcrypt.AutoEncryptionOptions) { o.KmsProviders = nil }), "no kms provider set"},
		"namespace in error": {nowhere(), with(func(o *fieldcrypt.AutoEncryptionOptions) { o.SchemaMap = map[string]any{"x": bson.D{}} }), `"x"`},
	} {
		t.Run(name, func(t *testing.T) {
			err := SetAutoEncryption(tc.client, tc.opts)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestConnectLeavesTheOptionsAlone(t *testing.T) {
	opts := nowhere().SetMaxPoolSize(0).SetMinPoolSize(3)
	for range 2 { // the same options serve again
		client, err := Connect(opts, minimal())
		if err != nil {
			t.Fatal(err)
		}
		if installed(opts) != nil || *opts.MinPoolSize != 3 {
			t.Error("Connect changed its argument")
		}
		if err := client.Disconnect(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := Connect(options.Client().ApplyURI("nonsense"), minimal()); err == nil {
		t.Error("a bad URI was accepted")
	}
}

func TestExplicitMethodsAreErrors(t *testing.T) {
	h := &hook{}
	ctx := t.Context()
	calls := map[string]func() error{
		"CreateDataKey": func() error { _, err := h.CreateDataKey(ctx, "local", nil); return err },
		"EncryptExplicit": func() error {
			_, _, err := h.EncryptExplicit(ctx, bsoncore.Value{}, nil)
			return err
		},
		"EncryptExplicitExpression": func() error { _, err := h.EncryptExplicitExpression(ctx, nil, nil); return err },
		"DecryptExplicit":           func() error { _, err := h.DecryptExplicit(ctx, 6, nil); return err },
		"RewrapDataKey":             func() error { _, err := h.RewrapDataKey(ctx, nil, nil); return err },
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, errExplicit) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
