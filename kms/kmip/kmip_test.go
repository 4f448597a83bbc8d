package kmip_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/goleak"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/kmip"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/kmip"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The KMIP data key of the MongoDB driver specification "Client Side Encryption", and what it unwraps to: the plaintext that the
// specification's ciphertexts open with.
const (
	specMaterial = "eUYDyB0HuWb+lQgUwO+6qJQyTTDTY2gp9FbemL7ZFo0pvr0x6rm6Ff9OVUTGH6HyMKipaeHdiIJU1dzsLwvqKvi7Beh+U4iaIWX/K0oEg1GOsJc0+Z/in8gNHbGUYLmycHViM3LES3kdt7FdFSUl5rEBHrM71yoNEXImz17QJWMGOuT4x6yoi2pvnaRJwfrI4DjpmnnTrDMac92jgZehbg=="
	specDataKey  = "vwlCDQz1I7KvRMEAd/JqJMqhb96vY80Hw9lKq3/evQGuX89eeqsBOXBjrs+gBnBJu0Ve+v0r9Zp5i6+jpK/2BrxexmZ0vscdEq9jbalbH049Qa12cStA9JAZVfZfKX1z"
)

func run(t testing.TB, o mock.Options) *mock.Server {
	t.Helper()
	s, err := mock.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func open(t testing.TB, id, endpoint string, options *tls.Config) kms.Provider {
	t.Helper()
	set, err := kms.Open(map[string]map[string]any{id: {"endpoint": endpoint}}, kmip.Type{TLS: map[string]*tls.Config{id: options}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := set.Provider(id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func openDefault(t testing.TB, s *mock.Server) kms.Provider {
	t.Helper()
	return open(t, "kmip", s.Addr(), s.ClientTLS())
}

func doc(t testing.TB, pairs ...any) bson.Raw {
	t.Helper()
	d := bson.D{}
	for i := 0; i < len(pairs); i += 2 {
		d = append(d, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func unbase64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// dataKey is 96 bytes that no other text contains.
func dataKey() []byte { return bytes.Repeat([]byte("CANARYdataKEY+/!"), 6) }

func TestUnwrapSpecificationKey(t *testing.T) {
	p := openDefault(t, run(t, mock.Options{}))
	stored := doc(t, "provider", "kmip", "keyId", mock.SpecSecretID)
	got, err := p.UnwrapKey(t.Context(), stored, unbase64(t, specMaterial))
	if err != nil || !bytes.Equal(got, unbase64(t, specDataKey)) {
		t.Errorf("not the data key; error %v", err)
	}
	damaged := unbase64(t, specMaterial)
	damaged[20] ^= 1
	if _, err := p.UnwrapKey(t.Context(), stored, damaged); !errors.Is(err, payload.ErrAuthentication) || errors.Is(err, kms.ErrDenied) {
		t.Errorf("damaged: %v", err)
	}
}

func TestRoundTrip(t *testing.T) {
	for name, tt := range map[string]struct {
		id        string
		masterKey bson.Raw // ADDR is the server
		stored    string
		size      int
		calls     []mock.Call
	}{
		"new secret": {"kmip", nil, `{"keyId": "new-3"}`, 160, []mock.Call{
			{Operation: "Register", Version: "1.0"}, {Operation: "Activate", ID: "new-3", Version: "1.0"}, {Operation: "Get", ID: "new-3", Version: "1.0"},
			{Operation: "Get", ID: "new-3", Version: "1.0"}}},
		"known secret": {"kmip:b", doc(t, "keyId", "1"), `{"keyId": "1"}`, 160, []mock.Call{
			{Operation: "Get", ID: "1", Version: "1.0"}, {Operation: "Get", ID: "1", Version: "1.0"}}},
		"not delegated": {"kmip", doc(t, "delegated", false, "keyId", "1"), `{"keyId": "1"}`, 160, []mock.Call{
			{Operation: "Get", ID: "1", Version: "1.0"}, {Operation: "Get", ID: "1", Version: "1.0"}}},
		"new key": {"kmip", doc(t, "delegated", true), `{"delegated": true,"keyId": "new-3"}`, 128, []mock.Call{
			{Operation: "Create", Version: "1.2"}, {Operation: "Activate", ID: "new-3", Version: "1.2"}, {Operation: "Encrypt", ID: "new-3", Version: "1.2"},
			{Operation: "Decrypt", ID: "new-3", Version: "1.2"}}},
		"known key, another order": {"kmip", doc(t, "keyId", "11", "delegated", true), `{"delegated": true,"keyId": "11"}`, 128, []mock.Call{
			{Operation: "Encrypt", ID: "11", Version: "1.2"}, {Operation: "Decrypt", ID: "11", Version: "1.2"}}},
	} {
		s := run(t, mock.Options{
			Secrets: map[string][]byte{"1": mock.SpecSecret()},
			Keys:    map[string][]byte{"11": make([]byte, 32)},
		})
		p := open(t, tt.id, s.Addr(), s.ClientTLS())
		w, err := p.WrapKey(t.Context(), tt.masterKey, dataKey())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if w.MasterKey.String() != tt.stored || len(w.KeyMaterial) != tt.size {
			t.Errorf("%s: got masterKey %s and %d bytes, want %s and %d", name, w.MasterKey, len(w.KeyMaterial), tt.stored, tt.size)
		}
		got, err := p.UnwrapKey(t.Context(), w.MasterKey, w.KeyMaterial)
		if err != nil || !bytes.Equal(got, dataKey()) {
			t.Errorf("%s: not the data key; error %v", name, err)
		}
		if diff := cmp.Diff(tt.calls, s.Calls()); diff != "" {
			t.Errorf("%s: requests (-want +got):\n%s", name, diff)
		}
	}
}

func TestEndpointOfTheMasterKey(t *testing.T) {
	s := run(t, mock.Options{})
	p := open(t, "kmip", "nobody.invalid", s.ClientTLS())
	w, err := p.WrapKey(t.Context(), doc(t, "keyId", "1", "endpoint", s.Addr()), dataKey())
	if want := `{"endpoint": "` + s.Addr() + `","keyId": "1"}`; err != nil || w.MasterKey.String() != want {
		t.Errorf("got %s, %v; want %s", w.MasterKey, err, want)
	}
}

func TestFieldErrors(t *testing.T) {
	const canary = "CANARY"
	for name, tt := range map[string]struct {
		config bson.Raw
		want   string
	}{
		"nothing":        {nil, `field "endpoint" is required`},
		"empty":          {doc(t), `field "endpoint" is required`},
		"empty endpoint": {doc(t, "endpoint", ""), `field "endpoint" is empty`},
		"not text":       {doc(t, "endpoint", 1), `field "endpoint" must be text, got 32-bit integer`},
		"unknown":        {doc(t, "endpoint", "a", "password", canary), "unexpected field: 'password' in the kmip kmsProviders entry, expected endpoint"},
		"twice":          {doc(t, "endpoint", "a", "endpoint", "b"), `field "endpoint" is given twice`},
		"scheme":         {doc(t, "endpoint", "https://a"), "is not host[:port]"},
		"path":           {doc(t, "endpoint", "a/b"), "is not host[:port]"},
		"user":           {doc(t, "endpoint", "u@a"), "is not host[:port]"},
		"no host":        {doc(t, "endpoint", ":5696"), "is not host[:port]"},
		"no port":        {doc(t, "endpoint", "a:"), "the port is not"},
		"port 0":         {doc(t, "endpoint", "a:0"), "the port is not"},
		"port 65536":     {doc(t, "endpoint", "a:65536"), "the port is not"},
	} {
		p, err := kmip.Type{}.Open(kms.ID{Type: "kmip"}, tt.config)
		if err == nil || p != nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	for _, endpoint := range []string{"a", "a:5696", "127.0.0.1", "[::1]", "[::1]:1", "kms.example.org"} {
		if _, err := (kmip.Type{}).Open(kms.ID{Type: "kmip"}, doc(t, "endpoint", endpoint)); err != nil {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

func TestMasterKeyErrors(t *testing.T) {
	s := run(t, mock.Options{})
	p := openDefault(t, s)
	for name, tt := range map[string]struct {
		masterKey bson.Raw
		want      string
	}{
		"unknown":        {doc(t, "keyId", "1", "region", "x"), "unexpected field: 'region' in the kmip masterKey, expected endpoint, delegated, keyId"},
		"empty keyId":    {doc(t, "keyId", ""), `field "keyId" is empty`},
		"keyId number":   {doc(t, "keyId", 1), `field "keyId" must be text`},
		"delegated text": {doc(t, "keyId", "1", "delegated", "true"), `field "delegated" must be a boolean, got string`},
		"empty endpoint": {doc(t, "keyId", "1", "endpoint", ""), `field "endpoint" is empty`},
		"bad endpoint":   {doc(t, "keyId", "1", "endpoint", "a b"), "is not host[:port]"},
		"malformed":      {bson.Raw{1, 2}, "malformed BSON"},
	} {
		_, wrapErr := p.WrapKey(t.Context(), tt.masterKey, dataKey())
		_, unwrapErr := p.UnwrapKey(t.Context(), tt.masterKey, make([]byte, 160))
		for _, err := range []error{wrapErr, unwrapErr} {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want %q", name, err, tt.want)
			}
		}
	}
	if _, err := p.UnwrapKey(t.Context(), doc(t), make([]byte, 160)); err == nil || !strings.Contains(err.Error(), `field "keyId" is required`) {
		t.Errorf("unwrap without keyId: %v", err)
	}
	if _, err := p.WrapKey(t.Context(), doc(t, "provider", "kmip"), dataKey()); err == nil || !strings.Contains(err.Error(), "unexpected field: 'provider'") {
		t.Errorf("provider in the user's masterKey: %v", err)
	}
	if _, err := p.WrapKey(t.Context(), nil, dataKey()[1:]); err == nil {
		t.Error("wrapped 95 bytes")
	}
	for _, n := range []int{0, 15, 16, 112, 127, 129, 144, 160} {
		if _, err := p.UnwrapKey(t.Context(), doc(t, "keyId", "11", "delegated", true), make([]byte, n)); err == nil {
			t.Errorf("unwrapped %d bytes", n)
		}
	}
	if n := len(s.Calls()); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

func TestConcurrentUse(t *testing.T) {
	p := openDefault(t, run(t, mock.Options{}))
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			w, err := p.WrapKey(t.Context(), doc(t, "delegated", i%2 == 0), dataKey())
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := p.UnwrapKey(t.Context(), w.MasterKey, w.KeyMaterial); err != nil || !bytes.Equal(got, dataKey()) {
				t.Errorf("not the data key; error %v", err)
			}
		})
	}
	wg.Wait()
}

func TestTLSOptions(t *testing.T) {
	const prohibited = "insecure TLS options prohibited"
	for name, options := range map[string]*tls.Config{
		"insecure":      {InsecureSkipVerify: true},
		"TLS 1.1":       {MinVersion: tls.VersionTLS11},
		"up to TLS 1.1": {MaxVersion: tls.VersionTLS11},
	} {
		_, err := kmip.Type{TLS: map[string]*tls.Config{"kmip": options}}.Open(kms.ID{Type: "kmip"}, doc(t, "endpoint", "a"))
		if err == nil || !strings.Contains(err.Error(), prohibited) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	s := run(t, mock.Options{})
	stranger := s.ClientTLS()
	stranger.Certificates = nil
	trusting := s.ClientTLS()
	trusting.RootCAs = run(t, mock.Options{}).ClientTLS().RootCAs
	for name, options := range map[string]*tls.Config{"no client certificate": stranger, "another authority": trusting, "no options": nil} {
		_, err := open(t, "kmip", s.Addr(), options).WrapKey(t.Context(), nil, dataKey())
		var e *kms.Error
		if !errors.As(err, &e) || e.Temporary() || errors.Is(err, kms.ErrDenied) || !strings.Contains(e.Message, "certificate") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if n := len(s.Calls()); n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}

// Driver specification, prose test 11, case of named providers: each has the options under its own id, and no others'.
func TestTLSOptionsAreUsed(t *testing.T) {
	s := run(t, mock.Options{})
	stranger := s.ClientTLS()
	stranger.Certificates = nil
	fields := map[string]any{"endpoint": s.Addr()}
	set, err := kms.Open(map[string]map[string]any{"kmip": fields, "kmip:prod": fields, "kmip:stranger": fields},
		kmip.Type{TLS: map[string]*tls.Config{"kmip:prod": s.ClientTLS(), "kmip:stranger": stranger}})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"kmip": "certificate signed by unknown authority", "kmip:prod": "", "kmip:stranger": "certificate required"} {
		p, err := set.Provider(id)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.WrapKey(t.Context(), doc(t, "keyId", mock.SpecSecretID), dataKey())
		var e *kms.Error
		if (err == nil) != (want == "") || want != "" && (!errors.As(err, &e) || e.Temporary() || !strings.Contains(e.Message, want)) {
			t.Errorf("%s: got %v, want %q", id, err, want)
		}
	}
}

func TestNotPrinted(t *testing.T) {
	s := run(t, mock.Options{})
	p := openDefault(t, s)
	held := struct{ p any }{p}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s", p, p, p, p), fmt.Sprintf("%v %+v %#v %s", held, held, held, held)} {
		if strings.Contains(text, "Certificate") {
			t.Errorf("the TLS options in %s", text)
		}
	}
}
