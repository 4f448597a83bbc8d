package azure_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/goleak"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/azure"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/azure"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rsaKeys are slow to make.
var rsaKeys = sync.OnceValue(func() []*rsa.PrivateKey {
	all := make([]*rsa.PrivateKey, 2)
	for i := range all {
		var err error
		if all[i], err = mock.NewRSAKey(); err != nil {
			panic(err)
		}
	}
	return all
})

func options() mock.Options {
	return mock.Options{Keys: []mock.Key{{Name: mock.KeyName, Versions: rsaKeys()[:1]}}}
}

func run(t testing.TB, o mock.Options) *mock.Server {
	t.Helper()
	s, err := mock.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func servicePrincipal() map[string]any {
	return map[string]any{"tenantId": mock.TenantID, "clientId": mock.ClientID, "clientSecret": mock.ClientSecret}
}

func open(t testing.TB, typ azure.Type, id string, fields map[string]any) kms.Provider {
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
	return open(t, azure.Type{HTTPClient: s.HTTPClient()}, "azure", servicePrincipal())
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

func masterKey(t testing.TB) bson.Raw { return at(t, mock.Host) }

func at(t testing.TB, endpoint string) bson.Raw {
	return doc(t, "keyVaultEndpoint", endpoint, "keyName", mock.KeyName)
}

// dataKey is 96 bytes that no other text contains.
func dataKey() []byte { return bytes.Repeat([]byte("CANARYdataKEY+/!"), 6) }

func wrap(t testing.TB, p kms.Provider, masterKey bson.Raw) kms.Wrapped {
	t.Helper()
	w, err := p.WrapKey(t.Context(), masterKey, dataKey())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func checkUnwrap(t testing.TB, p kms.Provider, masterKey bson.Raw, material []byte) {
	t.Helper()
	if got, err := p.UnwrapKey(t.Context(), masterKey, material); err != nil || !bytes.Equal(got, dataKey()) {
		t.Errorf("not the data key; error %v", err)
	}
}

// Every cloud's vault gets a token for its own domain.
func TestRoundTrip(t *testing.T) {
	o := options()
	o.Identity = []string{"login.microsoftonline.com", "login.chinacloudapi.cn", "login.example.org"}
	o.Vaults = []string{mock.Host, "a.vault.azure.cn", "a.vault.usgovcloudapi.net", "a.managedhsm.azure.net", "a.vault.example.org"}
	o.Ports = []string{"443", "8443"}
	s := run(t, o)
	for name, tt := range map[string]struct {
		id, identity, endpoint, resource string
	}{
		"public":         {"azure", "", mock.Host, "https://vault.azure.net"},
		"named":          {"azure:prod", "login.microsoftonline.com:443", mock.Host + ":443", "https://vault.azure.net"},
		"with scheme":    {"azure", "https://login.microsoftonline.com", "https://" + mock.Host + "/", "https://vault.azure.net"},
		"in capitals":    {"azure", "", strings.ToUpper(mock.Host), "https://vault.azure.net"},
		"China":          {"azure", "login.chinacloudapi.cn", "a.vault.azure.cn", "https://vault.azure.cn"},
		"US government":  {"azure", "", "a.vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net"},
		"managed HSM":    {"azure", "", "a.managedhsm.azure.net", "https://managedhsm.azure.net"},
		"somebody's own": {"azure", "login.example.org:8443", "a.vault.example.org:8443", "https://vault.example.org"},
	} {
		t.Run(name, func(t *testing.T) {
			fields := servicePrincipal()
			if tt.identity != "" {
				fields["identityPlatformEndpoint"] = tt.identity
			}
			p := open(t, azure.Type{HTTPClient: s.HTTPClient(), Endpoints: []string{"*.vault.example.org"}}, tt.id, fields)
			w := wrap(t, p, doc(t, "keyName", mock.KeyName, "keyVaultEndpoint", tt.endpoint))
			want := `{"keyVaultEndpoint": "` + tt.endpoint + `","keyName": "` + mock.KeyName + `","keyVersion": "` + mock.VersionID(0) + `"}`
			if diff := cmp.Diff(want, w.MasterKey.String()); diff != "" {
				t.Errorf("masterKey (-want +got):\n%s", diff)
			}
			if len(w.KeyMaterial) != 256 {
				t.Errorf("wrapped key has %d bytes", len(w.KeyMaterial))
			}
			before := len(s.Calls())
			stored := doc(t, "provider", tt.id, "keyVaultEndpoint", tt.endpoint, "keyName", mock.KeyName, "keyVersion", mock.VersionID(0))
			checkUnwrap(t, p, stored, w.KeyMaterial)
			calls := s.Calls()
			if n := len(calls) - before; n != 1 {
				t.Errorf("unwrapping with a token at hand took %d requests", n)
			}
			if asked := calls[before-2]; asked.Operation != "token" || asked.Resource != tt.resource {
				t.Errorf("asked for a token with %+v, want resource %s", asked, tt.resource)
			}
		})
	}
}

// The version that wrapped the data key is stored, so that rotation does not make it unreadable.
func TestRotation(t *testing.T) {
	s := run(t, options())
	p := openDefault(t, s)
	old := wrap(t, p, masterKey(t))
	s.Rotate(mock.KeyName, rsaKeys()[1])
	checkUnwrap(t, p, old.MasterKey, old.KeyMaterial)
	for want, master := range map[string]bson.Raw{
		mock.VersionID(1): masterKey(t),
		mock.VersionID(0): old.MasterKey, // pinned
	} {
		w := wrap(t, p, master)
		if got := w.MasterKey.Lookup("keyVersion").StringValue(); got != want {
			t.Errorf("got version %s, want %s", got, want)
		}
		checkUnwrap(t, p, w.MasterKey, w.KeyMaterial)
	}
	// Another driver's document without version: what it wraps with the latest is read, what it wrapped before is not, and the error says why.
	newest := wrap(t, p, masterKey(t))
	checkUnwrap(t, p, masterKey(t), newest.KeyMaterial)
	if _, err := p.UnwrapKey(t.Context(), masterKey(t), old.KeyMaterial); err == nil || !strings.Contains(err.Error(), "was the key rotated?") {
		t.Errorf("got %v", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	o := options()
	hosts := []string{"a.vault.azure.net", "b.vault.azure.net", "c.managedhsm.azure.net"}
	o.Vaults = hosts
	s := run(t, o)
	p := openDefault(t, s)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			w, err := p.WrapKey(t.Context(), at(t, hosts[i%len(hosts)]), dataKey())
			if err != nil {
				t.Error(err)
				return
			}
			checkUnwrap(t, p, w.MasterKey, w.KeyMaterial)
		})
	}
	wg.Wait()
	tokens := 0
	for _, c := range s.Calls() {
		if c.Operation == "token" {
			tokens++
		}
	}
	if tokens != 2 {
		t.Errorf("asked %d times for tokens for two domains", tokens)
	}
}

// direct brings requests to the server without a network, which a fake clock cannot wait for.
type direct struct{ http.Handler }
