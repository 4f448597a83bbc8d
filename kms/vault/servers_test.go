package vault_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/vault"
)

// backend is a server whose keys a test may change.
type backend struct {
	typ    vault.Type
	fields map[string]any
	mount  string
	client *http.Client
	base   string // URL
	token  string
}

// onServers runs a test on the mock, and on the server of FIELDCRYPT_TEST_VAULT_ADDR if there is one. FIELDCRYPT_TEST_VAULT_TOKEN must be allowed to
// mount engines, and for TestRealAppRole auth methods: each test has its own, and takes it away.
func onServers(t *testing.T, test func(*testing.T, backend)) {
	t.Run("mock", func(t *testing.T) {
		s := run(t, mock.Options{Mounts: []string{"fieldcrypt"}})
		test(t, newBackend(s.HTTPClient(), s.URL(), mock.RootToken, "fieldcrypt"))
	})
	t.Run("real", func(t *testing.T) { test(t, realServer(t)) })
}

func realServer(t *testing.T) backend {
	t.Helper()
	address, token := os.Getenv("FIELDCRYPT_TEST_VAULT_ADDR"), os.Getenv("FIELDCRYPT_TEST_VAULT_TOKEN")
	if address == "" || token == "" {
		t.Skip("FIELDCRYPT_TEST_VAULT_ADDR and FIELDCRYPT_TEST_VAULT_TOKEN do not name a real Vault or OpenBao")
	}
	protocols := new(http.Protocols) // CloseIdleConnections may come too early for those of HTTP/2
	protocols.SetHTTP1(true)
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, Protocols: protocols}}
	t.Cleanup(client.CloseIdleConnections)
	b := newBackend(client, address, token, "fieldcrypt-"+rand.Text())
	b.admin(t, http.MethodPost, "sys/mounts/"+b.mount, map[string]any{"type": "transit"})
	t.Cleanup(func() { b.admin(t, http.MethodDelete, "sys/mounts/"+b.mount, nil) })
	return b
}

func newBackend(client *http.Client, base, token, mount string) backend {
	fields := map[string]any{"endpoint": base, "token": token, "mount": mount}
	return backend{vault.Type{HTTPClient: client}, fields, mount, client, base, token}
}

func (b backend) create(t *testing.T, name string) {
	b.admin(t, http.MethodPost, b.mount+"/keys/"+name, map[string]any{})
}

func (b backend) rotate(t *testing.T, name string) {
	b.admin(t, http.MethodPost, b.mount+"/keys/"+name+"/rotate", map[string]any{})
}

// retire switches off decryption with versions below least.
func (b backend) retire(t *testing.T, name string, least int) {
	b.admin(t, http.MethodPost, b.mount+"/keys/"+name+"/config", map[string]any{"min_decryption_version": least})
}

func (b backend) remove(t *testing.T, name string) {
	b.admin(t, http.MethodPost, b.mount+"/keys/"+name+"/config", map[string]any{"deletion_allowed": true})
	b.admin(t, http.MethodDelete, b.mount+"/keys/"+name, nil)
}

// admin returns the data of the answer.
func (b backend) admin(t *testing.T, method, path string, body map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(method, b.base+"/v1/"+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", b.token)
	answer, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if text, err = io.ReadAll(answer.Body); err != nil || answer.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s %v", method, path, answer.Status, text, err)
	}
	var got struct{ Data map[string]any }
	if len(text) > 0 {
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
	}
	return got.Data
}

// Real tokens of two seconds, three at the longest, under a policy of a real Vault: more than two of their lives pass. This takes real time.
func TestRealAppRole(t *testing.T) {
	b := realServer(t)
	b.create(t, "k")
	b.create(t, "forbidden")
	b.asAppRole(t)
	p := open(t, b.typ, "vault", b.fields)
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		roundTrip(t, p, "vault", doc(t, "keyName", "k"))
	}
	time.Sleep(3 * time.Second) // the token dies unused
	roundTrip(t, p, "vault", doc(t, "keyName", "k"))
	for _, name := range []string{"forbidden", "none"} {
		if _, err := p.WrapKey(t.Context(), doc(t, "keyName", name), dataKey()); !errors.Is(err, kms.ErrDenied) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// asAppRole replaces the token of a real server by a role that may wrap and unwrap with the key "k", and nothing else.
func (b backend) asAppRole(t *testing.T) {
	t.Helper()
	role := "auth/" + b.mount + "/role/app"
	b.admin(t, http.MethodPost, "sys/auth/"+b.mount, map[string]any{"type": "approle"})
	t.Cleanup(func() { b.admin(t, http.MethodDelete, "sys/auth/"+b.mount, nil) })
	rule := `path "` + b.mount + `/+/k" { capabilities = ["update"] }`
	b.admin(t, http.MethodPut, "sys/policies/acl/"+b.mount, map[string]any{"policy": rule})
	t.Cleanup(func() { b.admin(t, http.MethodDelete, "sys/policies/acl/"+b.mount, nil) })
	b.admin(t, http.MethodPost, role, map[string]any{"token_policies": b.mount, "token_ttl": "2s", "token_max_ttl": "3s"})
	delete(b.fields, "token")
	b.fields["appRole"] = map[string]any{
		"roleId": b.admin(t, http.MethodGet, role+"/role-id", nil)["role_id"], "mount": b.mount,
		"secretId": b.admin(t, http.MethodPost, role+"/secret-id", map[string]any{})["secret_id"],
	}
}
