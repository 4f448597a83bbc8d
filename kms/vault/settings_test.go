package vault_test

import (
	"os"
	"strings"
	"testing"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/vault"
)

const endpoint = "https://vault.example.com:8200"

func TestSettings(t *testing.T) {
	type m = map[string]any
	role := m{"roleId": "CANARY1", "secretId": "CANARY2"}
	for name, tt := range map[string]struct {
		fields m
		want   string // empty: opens
	}{
		"token":              {m{"endpoint": endpoint, "token": "CANARY"}, ""},
		"appRole":            {m{"endpoint": endpoint, "appRole": role, "namespace": "a/b", "mount": "team/transit"}, ""},
		"kubernetes":         {m{"endpoint": endpoint, "kubernetes": m{"role": "app"}}, ""},
		"host":               {m{"endpoint": "vault", "token": "CANARY"}, ""},
		"slash":              {m{"endpoint": endpoint + "/", "token": "CANARY"}, ""},
		"loopback":           {m{"endpoint": "http://[::1]:8100", "token": "CANARY"}, ""},
		"localhost":          {m{"endpoint": "http://localhost", "token": "CANARY"}, ""},
		"no endpoint":        {m{"token": "CANARY"}, `field "endpoint" is required`},
		"no credentials":     {m{"endpoint": endpoint}, "one of token, appRole and kubernetes is required: got 0"},
		"two credentials":    {m{"endpoint": endpoint, "token": "CANARY", "appRole": role}, "got 2"},
		"unknown field":      {m{"endpoint": endpoint, "tokn": "CANARY"}, "unexpected field: 'tokn' in the vault kmsProviders entry"},
		"number":             {m{"endpoint": endpoint, "token": 1}, `field "token" must be text`},
		"empty token":        {m{"endpoint": endpoint, "token": ""}, `field "token" is empty`},
		"line end":           {m{"endpoint": endpoint, "token": "CANARY\n"}, "the token has characters"},
		"namespace":          {m{"endpoint": endpoint, "token": "CANARY", "namespace": "a\r\nb"}, "namespace"},
		"appRole is text":    {m{"endpoint": endpoint, "appRole": "CANARY"}, `field "appRole" must be a document`},
		"no secret":          {m{"endpoint": endpoint, "appRole": m{"roleId": "CANARY"}}, `field "secretId" is required`},
		"unknown in appRole": {m{"endpoint": endpoint, "appRole": m{"secret": "CANARY"}}, "unexpected field: 'secret'"},
		"appRole's mount":    {m{"endpoint": endpoint, "appRole": m{"roleId": "CANARY", "secretId": "CANARY", "mount": "../sys"}}, "mount"},
		"no role":            {m{"endpoint": endpoint, "kubernetes": m{}}, `field "role" is required`},
		"kubernetes' mount":  {m{"endpoint": endpoint, "kubernetes": m{"role": "a", "mount": "a?b"}}, "mount"},
		"mount":              {m{"endpoint": endpoint, "token": "CANARY", "mount": "transit/"}, "is not a path of names"},
		"http":               {m{"endpoint": "http://vault.example.com", "token": "CANARY"}, "http is for loopback hosts only"},
		"like loopback":      {m{"endpoint": "http://127.0.0.1.example.com", "token": "CANARY"}, "http is for loopback hosts only"},
		"unix":               {m{"endpoint": "unix:///var/run/vault", "token": "CANARY"}, "is not https://host[:port]"},
		"password":           {m{"endpoint": "https://user:CANARY@vault.example.com", "token": "CANARY"}, "is not https://host[:port]"},
		"password, broken":   {m{"endpoint": "https://user:CANARY@vault.exam ple.com", "token": "CANARY"}, "is not https://host[:port]"},
		"path":               {m{"endpoint": endpoint + "/v1", "token": "CANARY"}, "is not https://host[:port]"},
		"query":              {m{"endpoint": endpoint + "?a", "token": "CANARY"}, "is not https://host[:port]"},
		"port":               {m{"endpoint": "https://vault.example.com:0", "token": "CANARY"}, "the port is not a number"},
		"no port":            {m{"endpoint": "https://vault.example.com:", "token": "CANARY"}, "the port is not a number"},
		"high port":          {m{"endpoint": "https://vault.example.com:65536", "token": "CANARY"}, "the port is not a number"},
	} {
		_, err := kms.Open(map[string]m{"vault:a": tt.fields}, vault.Type{})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: a secret in %v", name, err)
		}
	}
}

func TestMasterKeys(t *testing.T) {
	s := run(t, mock.Options{})
	p := openDefault(t, s)
	for name, tt := range map[string]struct {
		pairs []any
		want  string
	}{
		"none":             {nil, `field "keyName" is required`},
		"unknown field":    {[]any{"keyName", "k", "key", "x"}, "unexpected field: 'key' in the vault masterKey, expected keyName, mount, keyVersion"},
		"endpoint":         {[]any{"keyName", "k", "endpoint", "evil.example.com"}, "unexpected field: 'endpoint'"},
		"provider":         {[]any{"provider", "vault", "keyName", "k"}, "unexpected field: 'provider'"},
		"twice":            {[]any{"keyName", "k", "keyName", "k"}, "given twice"},
		"path":             {[]any{"keyName", "../../sys/seal"}, "is not a name in Transit"},
		"escaped":          {[]any{"keyName", "k%2f..%2fx"}, "is not a name in Transit"},
		"query":            {[]any{"keyName", "k?context=x"}, "is not a name in Transit"},
		"dots":             {[]any{"keyName", ".."}, "is not a name in Transit"},
		"number":           {[]any{"keyName", 1}, `field "keyName" must be text`},
		"long":             {[]any{"keyName", strings.Repeat("k", 256)}, "is not a name in Transit"},
		"mount":            {[]any{"keyName", "k", "mount", "a/../sys"}, "is not a path of names"},
		"Vault's own":      {[]any{"keyName", "k", "mount", "sys/raw"}, "is a path of Vault's own"},
		"absolute":         {[]any{"keyName", "k", "mount", "/transit"}, "is not a path of names"},
		"version":          {[]any{"keyName", "k", "keyVersion", 0}, `"keyVersion" must be an integer from 1`},
		"version as text":  {[]any{"keyName", "k", "keyVersion", "1"}, `"keyVersion" must be an integer from 1`},
		"version, half":    {[]any{"keyName", "k", "keyVersion", 1.0}, `"keyVersion" must be an integer from 1`},
		"version, too big": {[]any{"keyName", "k", "keyVersion", int64(1) << 31}, `"keyVersion" must be an integer from 1`},
	} {
		_, err := p.WrapKey(t.Context(), doc(t, tt.pairs...), dataKey())
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	if len(s.Calls()) != 0 {
		t.Error("asked Vault")
	}
}

// clearEnvironment makes t the only one to set Vault's variables.
func clearEnvironment(t *testing.T) {
	t.Helper()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "VAULT_") || strings.HasPrefix(name, "BAO_") {
			t.Setenv(name, "") // which restores it
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestEnvironment(t *testing.T) {
	clearEnvironment(t)
	if _, err := kms.Open(map[string]map[string]any{"vault": {}}, vault.Type{}); err == nil || !strings.Contains(err.Error(), "VAULT_ADDR") {
		t.Errorf("got %v", err)
	}
	s := run(t, mock.Options{Namespace: "team"})
	for name, value := range map[string]string{"VAULT_ADDR": s.URL(), "VAULT_TOKEN": "CANARY", "BAO_TOKEN": mock.RootToken, "VAULT_NAMESPACE": "team"} {
		t.Setenv(name, value)
	}
	p := open(t, vault.Type{HTTPClient: s.HTTPClient()}, "vault", map[string]any{})
	roundTrip(t, p, "vault", doc(t, "keyName", "k"))
}

// What the environment says to the client library must not change a provider that was configured.
func TestEnvironmentIsLeftAlone(t *testing.T) {
	clearEnvironment(t)
	for _, prefix := range []string{"VAULT_", "BAO_"} {
		for name, value := range map[string]string{
			"ADDR": "http://127.0.0.1:1", "AGENT_ADDR": "http://127.0.0.1:1", "TOKEN": "CANARY", "NAMESPACE": "elsewhere", "SKIP_VERIFY": "true",
			"CACERT": "/nowhere", "CLIENT_TIMEOUT": "rubbish", "MAX_RETRIES": "rubbish", "WRAP_TTL": "60s", "PROXY_ADDR": "http://127.0.0.1:1",
			"HTTP_PROXY": "http://127.0.0.1:1", "RATE_LIMIT": "0:0", "SRV_LOOKUP": "true", "DISABLE_REDIRECTS": "false",
		} {
			t.Setenv(prefix+name, value)
		}
	}
	s := run(t, mock.Options{})
	roundTrip(t, openDefault(t, s), "vault", doc(t, "keyName", "k"))
}
