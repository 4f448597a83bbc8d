package fieldcrypt_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// aviary collects what leaves the library in words, and looks for secrets in it.
type aviary struct {
	t       *testing.T
	secrets map[string][]byte
	said    bytes.Buffer
	heard   map[string]bool
	errors  int
}

func (a *aviary) err(err error) {
	if err == nil {
		return
	}
	a.errors++
	if a.heard[err.Error()] {
		return
	}
	a.heard[err.Error()] = true
	fmt.Fprintf(&a.said, "%v\n%+v\n", err, err)
	for ; err != nil; err = errors.Unwrap(err) {
		fmt.Fprintf(&a.said, "%#v\n", err)
	}
}

// fails notes the error of a call that must have one.
func (a *aviary) fails(_ any, err error) {
	a.t.Helper()
	if err == nil {
		a.t.Error("a call that should fail did not")
	}
	a.err(err)
}

// check looks for every window of 12 bytes of every secret, raw and in the usual encodings.
func (a *aviary) check() {
	const window = 12
	text := a.said.String()
	lower := strings.ToLower(text)
	for name, secret := range a.secrets {
		for i := 0; i+window <= len(secret); i++ {
			w := secret[i : i+window]
			quoted := fmt.Sprintf("%+q", w)
			for _, form := range []string{
				string(w), base64.StdEncoding.EncodeToString(w), base64.URLEncoding.EncodeToString(w),
				strings.Trim(fmt.Sprint(w), "[]"), quoted[1 : len(quoted)-1],
			} {
				if strings.Contains(text, form) {
					a.t.Fatalf("%s shows in %q", name, around(text, form))
				}
			}
			if form := hex.EncodeToString(w); strings.Contains(lower, form) || strings.Contains(strings.ReplaceAll(lower, ", 0x", ""), form) {
				a.t.Fatalf("%s shows as hex", name)
			}
		}
	}
}

func around(text, part string) string {
	at := strings.Index(text, part)
	return text[max(0, at-80):min(len(text), at+len(part)+80)]
}

// No error text and no log line, at any level, holds plaintext, key bytes or ciphertext bytes.
func TestNothingSecretInErrorsAndLogs(t *testing.T) {
	plaintext := "canary-4111111111111111-plaintext-that-must-not-sing"
	material := bytes.Repeat([]byte("\x01key material\xfe "), 7)[:96]
	a := &aviary{t: t, heard: map[string]bool{}, secrets: map[string][]byte{"plaintext": []byte(plaintext), "data key": material, "master key": master(1)}}
	logger := slog.New(slog.NewTextHandler(&a.said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx := t.Context()

	store := newVault()
	insertKey(t, store, payload.KeyID{1}, material)
	ce, err := fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{KeyVault: store, KmsProviders: providers(), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ce.Close(ctx) }()
	id := payload.KeyID{1}.Binary()
	sealed := sealWith(t, ce, id, plaintext)
	tampered := bytes.Clone(sealed.Data)
	tampered[len(tampered)-1] ^= 1
	lost := bytes.Clone(sealed.Data)
	lost[2] ^= 1
	a.secrets["ciphertext"] = sealed.Data[18:]
	if wrapped, err := ce.GetKey(ctx, id); err == nil {
		a.secrets["wrapped key"] = wrapped.KeyMaterial
	}

	// Explicit.
	for _, bad := range [][]byte{tampered, lost, sealed.Data[:40], sealed.Data[1:], append([]byte{0}, sealed.Data...), append([]byte{7}, sealed.Data...)} {
		a.fails(ce.Decrypt(ctx, bson.Binary{Subtype: 6, Data: bad}))
		a.fails(ce.Decrypt(ctx, bson.Binary{Subtype: 5, Data: bad}))
	}
	for _, opts := range []fieldcrypt.EncryptOptions{{}, {KeyID: &id}, {KeyID: &sealed, Algorithm: det}, {KeyAltName: "nobody", Algorithm: det}} {
		a.fails(ce.Encrypt(ctx, value(t, plaintext), opts))
	}
	for _, v := range []bson.RawValue{value(t, sealed), {Type: bson.TypeString, Value: []byte(plaintext)}, {Type: 0x42, Value: []byte(plaintext)}, {Type: bson.TypeInt32, Value: []byte(plaintext)}} {
		a.fails(ce.Encrypt(ctx, v, fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: random}))
	}
	a.fails(ce.CreateDataKey(ctx, "local", fieldcrypt.DataKeyOptions{KeyMaterial: material[:95]}))
	a.fails(ce.CreateDataKey(ctx, "nobody", fieldcrypt.DataKeyOptions{KeyMaterial: material}))

	// Configuration.
	for _, key := range []any{master(1)[:95], string(master(1)), base64.StdEncoding.EncodeToString(master(1)[:90]), bson.Binary{Subtype: 9, Data: master(1)}, []any{master(1), make(chan int)}} {
		a.fails(fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{
			KeyVault: store, Logger: logger, KmsProviders: map[string]map[string]any{"local": {"key": key}},
		}))
	}

	// Commands: plaintext in every place, refused or not, whole or cut.
	schemas := employees(id, id)
	keep := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: schemas, Logger: logger}, store, nil)
	fail := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: schemas, Logger: logger, Undecryptable: fieldcrypt.Fail}, store, nil)
	both := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: schemas, Logger: logger,
		Migrating: map[string]schema.Migration{"hr.employees": schema.ReadBothWritePlain}}, store, nil)
	for _, cmd := range canaryCommands(plaintext, sealed) {
		whole := raw(t, cmd)
		_, err := keep.Encrypt(ctx, "hr", whole)
		a.err(err)
		_, err = both.Encrypt(ctx, "hr", whole)
		a.err(err)
		for n := 0; n < len(whole); n += 7 {
			_, err := keep.Encrypt(ctx, "hr", whole[:n])
			a.err(err)
		}
	}

	// Replies.
	for _, content := range [][]byte{sealed.Data, tampered, lost, sealed.Data[:30]} {
		whole := raw(t, reply(bson.D{{Key: "plain", Value: plaintext}, {Key: "v", Value: bson.Binary{Subtype: 6, Data: content}}}))
		for _, e := range []*fieldcrypt.AutoEncryption{keep, fail} {
			for n := len(whole); n > 0; n -= 11 {
				_, err := e.Decrypt(ctx, whole[:n])
				a.err(err)
			}
		}
	}
	a.kms(store, logger, sealed)
	if a.errors < 100 {
		t.Errorf("only %d errors: the test has lost its object", a.errors)
	}
	a.check()
}

// kms adds what a key vault and KMS under another master key say.
func (a *aviary) kms(store *vault, logger *slog.Logger, sealed bson.Binary) {
	other := fieldcrypt.AutoEncryptionOptions{
		KmsProviders: map[string]map[string]any{"local": {"key": master(99)}}, KmsTypes: []kms.Type{&fakeKMS{}}, Logger: logger,
	}
	e := automatic(a.t, other, store, nil)
	a.fails(e.Decrypt(a.t.Context(), raw(a.t, reply(bson.D{{Key: "v", Value: sealed}}))))
	ce, err := fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{KeyVault: store, KmsProviders: other.KmsProviders, Logger: logger})
	if err != nil {
		a.t.Fatal(err)
	}
	a.fails(ce.Decrypt(a.t.Context(), sealed))
	a.fails(ce.RewrapManyDataKey(a.t.Context(), bson.D{}, fieldcrypt.RewrapManyDataKeyOptions{}))
	_ = ce.Close(a.t.Context())
}

func canaryCommands(plaintext string, sealed bson.Binary) []bson.D {
	var cmds []bson.D
	for _, op := range []string{"$eq", "$gt", "$in", "$regex", "$not", "$type", "$nonsense", "$elemMatch", "$exists", "$mod", "$text", "$where"} {
		for _, field := range []string{"ssn", "phone", "notes", "notes.below", "plain"} {
			for _, v := range []any{plaintext, bson.A{plaintext}, bson.D{{Key: "$gt", Value: plaintext}}, nil, sealed} {
				cmds = append(cmds, find(bson.D{{Key: field, Value: bson.D{{Key: op, Value: v}}}}))
			}
		}
		cmds = append(cmds, find(bson.D{{Key: op, Value: plaintext}}))
	}
	for _, v := range []any{plaintext, bson.A{plaintext}, bson.D{{Key: "x", Value: plaintext}}, nil, sealed, bson.Regex{Pattern: plaintext}, bson.JavaScript(plaintext)} {
		for _, owner := range []any{"nobody", 5, bson.D{{Key: "x", Value: plaintext}}, nil} {
			doc := bson.D{{Key: "ssn", Value: v}, {Key: "phone", Value: v}, {Key: "notes", Value: v}, {Key: "owner", Value: owner}}
			cmds = append(cmds, insert(doc),
				bson.D{{Key: "update", Value: "employees"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: doc}, {Key: "u", Value: bson.D{{Key: "$set", Value: doc}}}}}}},
				bson.D{{Key: "update", Value: "employees"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{}}, {Key: "u", Value: bson.D{{Key: "$push", Value: doc}}}}}}},
				bson.D{{Key: "findAndModify", Value: "employees"}, {Key: "query", Value: bson.D{}}, {Key: "update", Value: doc}},
				bson.D{{Key: "delete", Value: "employees"}, {Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: doc}}}}},
				bson.D{{Key: "aggregate", Value: "employees"}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$match", Value: doc}}, bson.D{{Key: "$group", Value: doc}}}}},
				bson.D{{Key: "find", Value: "employees"}, {Key: plaintext[:6], Value: v}},
				bson.D{{Key: "mapReduce", Value: "employees"}, {Key: "query", Value: doc}},
			)
		}
	}
	return cmds
}
