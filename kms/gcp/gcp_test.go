package gcp_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/goleak"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/gcp"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/gcp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const accessToken = "ya29.CANARYaccessTOKEN"

// account is the same for all tests, for RSA keys are slow to make.
var account = sync.OnceValue(func() *mock.Account {
	a, err := mock.NewAccount("csfle@devprod-drivers.iam.gserviceaccount.com")
	if err != nil {
		panic(err)
	}
	return a
})

func privateKey(t testing.TB) []byte {
	t.Helper()
	der, err := account().PrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func run(t testing.TB, o mock.Options) *mock.Server {
	t.Helper()
	o.Tokens = append(o.Tokens, accessToken)
	s, err := mock.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// inProcess asks a server without a network: what it does takes no time on a fake clock.
type inProcess struct{ *mock.Server }

func (s inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	r = r.Clone(r.Context())
	r.Host = r.URL.Host
	if r.Body == nil {
		r.Body = http.NoBody
	}
	s.ServeHTTP(w, r)
	return w.Result(), nil
}

func open(t testing.TB, typ gcp.Type, id string, fields map[string]any) kms.Provider {
	t.Helper()
	set, err := kms.Open(map[string]map[string]any{id: fields}, typ)
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
	return open(t, gcp.Type{HTTPClient: s.HTTPClient()}, "gcp:prod", map[string]any{"accessToken": accessToken})
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

// specKey is the master key of the specification's tests, with more fields.
func specKey(t testing.TB, more ...any) bson.Raw {
	t.Helper()
	return doc(t, append([]any{"projectId", "devprod-drivers", "location", "global", "keyRing", "key-ring-csfle", "keyName", "key-name-csfle"}, more...)...)
}

// dataKey is 96 bytes that no other text contains.
func dataKey() []byte { return bytes.Repeat([]byte("CANARYdataKEY+/!"), 6) }

func TestRoundTrip(t *testing.T) {
	const spec = `"projectId": "devprod-drivers","location": "global","keyRing": "key-ring-csfle","keyName": "key-name-csfle"`
	versions := []mock.Key{{Name: mock.SpecKeyName, Versions: []mock.State{mock.Enabled, mock.Enabled}}}
	der := privateKey(t)
	for name, tt := range map[string]struct {
		id        string
		fields    map[string]any
		options   mock.Options
		masterKey bson.Raw
		stored    string
		host      string // of Cloud KMS
		wrapName  string // after the key's name
	}{
		"access token": {"gcp:prod", map[string]any{"accessToken": accessToken}, mock.Options{}, specKey(t),
			`{` + spec + `}`, "cloudkms.googleapis.com", ""},
		"service account, another order": {"gcp", map[string]any{"email": account().Email, "privateKey": der}, mock.Options{},
			doc(t, "keyName", "key-name-csfle", "keyRing", "key-ring-csfle", "location", "global", "projectId", "devprod-drivers"),
			`{` + spec + `}`, "cloudkms.googleapis.com", ""},
		"service account in base64, another token endpoint": {"gcp:b", map[string]any{"email": account().Email, "privateKey": base64.StdEncoding.EncodeToString(der), "endpoint": "oauth2.example.org:443"},
			mock.Options{TokenHost: "oauth2.example.org", Hosts: []string{"oauth2.example.org"}}, specKey(t), `{` + spec + `}`, "cloudkms.googleapis.com", ""},
		"version": {"gcp:prod", map[string]any{"accessToken": accessToken}, mock.Options{Keys: versions}, specKey(t, "keyVersion", "1"),
			`{` + spec + `,"keyVersion": "1"}`, "cloudkms.googleapis.com", "/cryptoKeyVersions/1"},
		"endpoint and version": {"gcp:prod", map[string]any{"accessToken": accessToken}, mock.Options{Hosts: []string{"kms.example.org"}, Ports: []string{"8443"}},
			specKey(t, "endpoint", "kms.example.org:8443", "keyVersion", "1"),
			`{` + spec + `,"keyVersion": "1","endpoint": "kms.example.org:8443"}`, "kms.example.org:8443", "/cryptoKeyVersions/1"},
		"default endpoint with scheme and port": {"gcp:prod", map[string]any{"accessToken": accessToken}, mock.Options{}, specKey(t, "endpoint", "https://cloudkms.googleapis.com:443/"),
			`{` + spec + `,"endpoint": "https://cloudkms.googleapis.com:443/"}`, "cloudkms.googleapis.com", ""},
	} {
		tt.options.Account = account()
		s := run(t, tt.options)
		p := open(t, gcp.Type{HTTPClient: s.HTTPClient(), Endpoints: []string{"kms.example.org"}}, tt.id, tt.fields)
		w, err := p.WrapKey(t.Context(), tt.masterKey, dataKey())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if w.MasterKey.String() != tt.stored {
			t.Errorf("%s: got masterKey %s, want %s", name, w.MasterKey, tt.stored)
		}
		got, err := p.UnwrapKey(t.Context(), withProvider(t, tt.id, w.MasterKey), w.KeyMaterial)
		if err != nil || !bytes.Equal(got, dataKey()) {
			t.Errorf("%s: not the data key; error %v", name, err)
		}
		calls := s.Calls()
		wrap, unwrap := calls[len(calls)-2], calls[len(calls)-1]
		if wrap.Host != tt.host || wrap.Operation != "encrypt" || wrap.Name != mock.SpecKeyName+tt.wrapName {
			t.Errorf("%s: asked %+v", name, wrap)
		}
		if unwrap.Host != tt.host || unwrap.Operation != "decrypt" || unwrap.Name != mock.SpecKeyName {
			t.Errorf("%s: asked %+v", name, unwrap)
		}
	}
}

// withProvider is the masterKey as the key vault has it.
func withProvider(t testing.TB, id string, masterKey bson.Raw) bson.Raw {
	t.Helper()
	var d bson.D
	if err := bson.Unmarshal(masterKey, &d); err != nil {
		t.Fatal(err)
	}
	raw, err := bson.Marshal(append(bson.D{{Key: "provider", Value: id}}, d...))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// The key's primary version changes: what the former one wrapped still unwraps.
func TestRotation(t *testing.T) {
	s := run(t, mock.Options{Keys: []mock.Key{{Name: mock.SpecKeyName, Versions: []mock.State{mock.Enabled, mock.Enabled}}}})
	p := openDefault(t, s)
	for _, masterKey := range []bson.Raw{specKey(t), specKey(t, "keyVersion", "1"), specKey(t, "keyVersion", "2")} {
		w, err := p.WrapKey(t.Context(), masterKey, dataKey())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.UnwrapKey(t.Context(), specKey(t), w.KeyMaterial); err != nil || !bytes.Equal(got, dataKey()) {
			t.Errorf("%s: not the data key; error %v", masterKey, err)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	s := run(t, mock.Options{Account: account()})
	p := open(t, gcp.Type{HTTPClient: s.HTTPClient()}, "gcp", map[string]any{"email": account().Email, "privateKey": privateKey(t)})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			masterKey := specKey(t)
			if i%2 == 0 {
				masterKey = specKey(t, "endpoint", fmt.Sprintf("cloudkms-%d.p.googleapis.com", i))
			}
			w, err := p.WrapKey(t.Context(), masterKey, dataKey())
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
	tokens := 0
	for _, c := range s.Calls() {
		if c.Operation == "token" {
			tokens++
		}
	}
	if tokens != 1 {
		t.Errorf("asked for %d tokens, want one for all", tokens)
	}
}

func checkHidden(t *testing.T, text string) {
	t.Helper()
	if strings.Contains(text, "CANARY") || strings.Contains(text, base64.StdEncoding.EncodeToString(dataKey())) || strings.Contains(text, "eyJ") {
		t.Errorf("a secret in %q", text)
	}
}

func BenchmarkUnwrap(b *testing.B) {
	s := run(b, mock.Options{})
	p := open(b, gcp.Type{HTTPClient: &http.Client{Transport: inProcess{s}}}, "gcp", map[string]any{"accessToken": accessToken})
	w, err := p.WrapKey(b.Context(), specKey(b), dataKey())
	if err != nil {
		b.Fatal(err)
	}
	masterKey := specKey(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.UnwrapKey(b.Context(), masterKey, w.KeyMaterial); err != nil {
			b.Fatal(err)
		}
	}
}
