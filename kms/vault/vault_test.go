package vault_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/goleak"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run starts a server with the key "k" at each mount.
func run(t testing.TB, o mock.Options) *mock.Server {
	t.Helper()
	s, err := mock.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if o.Mounts == nil {
		o.Mounts = []string{"transit"}
	}
	for _, mount := range o.Mounts {
		if err := s.Create(mount, "k"); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func open(t testing.TB, typ vault.Type, id string, fields map[string]any) kms.Provider {
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

func given(s *mock.Server, token string) map[string]any {
	return map[string]any{"endpoint": s.URL(), "token": token}
}

func openDefault(t testing.TB, s *mock.Server) kms.Provider {
	t.Helper()
	return open(t, vault.Type{HTTPClient: s.HTTPClient()}, "vault", given(s, mock.RootToken))
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

// stored is the masterKey as the key vault has it.
func stored(t testing.TB, id string, masterKey bson.Raw) bson.Raw {
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

// dataKey is 96 bytes that no other text contains.
func dataKey() []byte { return bytes.Repeat([]byte("CANARYdataKEY+/!"), 6) }

// roundTrip wraps and unwraps, and returns the key material.
func roundTrip(t testing.TB, p kms.Provider, id string, masterKey bson.Raw) []byte {
	t.Helper()
	w, err := p.WrapKey(t.Context(), masterKey, dataKey())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(w.MasterKey, masterKey) {
		t.Errorf("got masterKey %s, want %s", w.MasterKey, masterKey)
	}
	unwrap(t, p, stored(t, id, w.MasterKey), w.KeyMaterial)
	return w.KeyMaterial
}

func unwrap(t testing.TB, p kms.Provider, masterKey bson.Raw, keyMaterial []byte) {
	t.Helper()
	got, err := p.UnwrapKey(t.Context(), masterKey, keyMaterial)
	if err != nil || !bytes.Equal(got, dataKey()) {
		t.Errorf("not the data key; error %v", err)
	}
}

func TestRoundTrip(t *testing.T) {
	onServers(t, func(t *testing.T, b backend) {
		b.create(t, "rotated")
		p := open(t, b.typ, "vault:prod", b.fields)
		masterKey := doc(t, "keyName", "rotated")
		first := roundTrip(t, p, "vault:prod", masterKey)
		b.rotate(t, "rotated")
		unwrap(t, p, stored(t, "vault:prod", masterKey), first)
		second := roundTrip(t, p, "vault:prod", masterKey) // as a rewrap does
		pinned := roundTrip(t, p, "vault:prod", doc(t, "keyName", "rotated", "mount", b.mount, "keyVersion", int32(1)))
		for prefix, material := range map[string][]byte{"vault:v1:": first, "vault:v2:": second} {
			if !strings.HasPrefix(string(material), prefix) {
				t.Errorf("the key material does not begin with %s", prefix)
			}
		}
		if !strings.HasPrefix(string(pinned), "vault:v1:") {
			t.Error("wrapped with another version than the one asked for")
		}
		b.retire(t, "rotated", 2)
		unwrap(t, p, stored(t, "vault:prod", masterKey), second)
		if _, err := p.UnwrapKey(t.Context(), masterKey, first); !errors.Is(err, kms.ErrDenied) {
			t.Errorf("a version that is switched off: got %v", err)
		}
	})
}

func TestMountsAndNamespaces(t *testing.T) {
	s := run(t, mock.Options{Namespace: "admin/team", Mounts: []string{"transit", "team/keys"}})
	fields := given(s, mock.RootToken)
	fields["namespace"] = "admin/team"
	byKey := doc(t, "keyName", "k", "mount", "team/keys")
	first := roundTrip(t, open(t, vault.Type{HTTPClient: s.HTTPClient()}, "vault", fields), "vault", byKey)

	fields["mount"] = "team/keys"
	p := open(t, vault.Type{HTTPClient: s.HTTPClient()}, "vault", fields)
	roundTrip(t, p, "vault", doc(t, "keyName", "k"))
	unwrap(t, p, byKey, first)
	for _, c := range s.Calls() {
		if c.Path != "auth/token/lookup-self" && !strings.HasPrefix(c.Path, "team/keys/") || c.Namespace != "admin/team" || c.Token != mock.RootToken {
			t.Errorf("asked %+v", c)
		}
	}
	fields["namespace"] = "admin/other"
	if _, err := open(t, vault.Type{HTTPClient: s.HTTPClient()}, "vault", fields).WrapKey(t.Context(), byKey, dataKey()); err == nil {
		t.Error("found in another namespace")
	}
}

func TestPlainOnLoopback(t *testing.T) {
	s := run(t, mock.Options{Plain: true})
	roundTrip(t, openDefault(t, s), "vault", doc(t, "keyName", "k"))
}

// No caller may wait for a new connection: they are kept.
func TestConcurrentUse(t *testing.T) {
	s := run(t, mock.Options{})
	transport := s.HTTPClient().Transport.(*http.Transport)
	transport.MaxIdleConnsPerHost, transport.MaxConnsPerHost = 4, 4
	p := openDefault(t, s)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			w, err := p.WrapKey(t.Context(), doc(t, "keyName", "k"), dataKey())
			if err != nil {
				t.Error(err)
				return
			}
			unwrap(t, p, w.MasterKey, w.KeyMaterial)
		})
	}
	wg.Wait()
	if n := len(s.Calls()); n != 1+2*16 {
		t.Errorf("%d requests, one of them to look at the token", n)
	}
	if n := s.Connections(); n > 4 {
		t.Errorf("%d connections for 4 at a time", n)
	}
}
