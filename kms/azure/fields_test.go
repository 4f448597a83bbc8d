package azure_test

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/azure"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/azure"
)

func TestOpenErrors(t *testing.T) {
	setEnvironment(t, nil)
	const canary = "CANARY-SECRET"
	principal := func(more ...any) bson.Raw {
		return doc(t, append([]any{"tenantId", "t", "clientId", "c", "clientSecret", canary}, more...)...)
	}
	for name, tt := range map[string]struct {
		config bson.Raw
		want   string
	}{
		"unknown":         {principal("region", canary), "unexpected field: 'region' in the azure kmsProviders entry, expected accessToken, tenantId"},
		"case matters":    {doc(t, "AccessToken", canary), "unexpected field: 'AccessToken'"},
		"no tenant":       {doc(t, "clientId", "c", "clientSecret", canary), `field "tenantId" is required`},
		"no client":       {doc(t, "tenantId", "t", "clientSecret", canary), `field "clientId" is required`},
		"no secret":       {doc(t, "tenantId", "t", "clientId", "c"), `field "clientSecret" is required`},
		"only endpoint":   {doc(t, "identityPlatformEndpoint", "login.example.org"), `field "tenantId" is required`},
		"empty secret":    {doc(t, "tenantId", "t", "clientId", "c", "clientSecret", ""), `field "clientSecret" is empty`},
		"binary secret":   {doc(t, "tenantId", "t", "clientId", "c", "clientSecret", []byte(canary)), `field "clientSecret" must be text, got binary`},
		"empty token":     {doc(t, "accessToken", ""), `field "accessToken" is empty`},
		"both":            {principal("accessToken", canary), "accessToken excludes the other fields"},
		"token, endpoint": {doc(t, "accessToken", canary, "identityPlatformEndpoint", "login.example.org"), "accessToken excludes the other fields"},
		"twice":           {principal("tenantId", "t"), `field "tenantId" is given twice`},
		"no dot":          {principal("identityPlatformEndpoint", "localhost"), "has no dot in its host name"},
		"plain HTTP":      {principal("identityPlatformEndpoint", "http://login.example.org"), "azure identityPlatformEndpoint: endpoint"},
		"path":            {principal("identityPlatformEndpoint", "login.example.org/a"), "is not host[:port]"},
		"bad tenant":      {doc(t, "tenantId", "../evil?", "clientId", "c", "clientSecret", canary), "tenant"},
		"malformed":       {doc(t, "accessToken", canary)[:20], "malformed BSON"},
	} {
		p, err := azure.Type{}.Open(kms.ID{Type: "azure"}, tt.config)
		if err == nil || p != nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), canary) || len(err.Error()) > 300 {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	if _, err := (azure.Type{}).Open(kms.ID{Type: "azure", Name: "a"}, doc(t)); err == nil {
		t.Error("a named provider takes its credentials from the environment")
	}
}

func TestMasterKeyErrors(t *testing.T) {
	s := run(t, options())
	p := openDefault(t, s)
	with := func(name string, value any) bson.Raw {
		fields := []any{"keyVaultEndpoint", mock.Host, "keyName", mock.KeyName}
		for i := 0; i < len(fields); i += 2 {
			if fields[i] == name {
				fields[i+1] = value
				return doc(t, fields...)
			}
		}
		return doc(t, append(fields, name, value)...)
	}
	for name, tt := range map[string]struct {
		masterKey bson.Raw
		want      string
	}{
		"none":             {nil, `field "keyVaultEndpoint" is required`},
		"no name":          {doc(t, "keyVaultEndpoint", mock.Host), `field "keyName" is required`},
		"unknown":          {with("invalid", 1), "unexpected field: 'invalid' in the azure masterKey, expected keyVaultEndpoint, keyName, keyVersion"},
		"number":           {with("keyName", 1), `field "keyName" must be text`},
		"empty version":    {with("keyVersion", ""), `field "keyVersion" is empty`},
		"name is a path":   {with("keyName", "../secrets/a"), "keyName"},
		"name is dots":     {with("keyName", ".."), "keyName"},
		"name is long":     {with("keyName", strings.Repeat("a", 128)), "keyName"},
		"version is path":  {with("keyVersion", "a/../b"), "keyVersion"},
		"no dot":           {with("keyVaultEndpoint", "localhost:443"), "no dot"},
		"plain HTTP":       {with("keyVaultEndpoint", "http://mock.vault.azure.net"), "is not host[:port]"},
		"path":             {with("keyVaultEndpoint", "mock.vault.azure.net/keys"), "is not host[:port]"},
		"query":            {with("keyVaultEndpoint", "mock.vault.azure.net?a"), "is not host[:port]"},
		"user":             {with("keyVaultEndpoint", "u:p@mock.vault.azure.net"), "is not host[:port]"},
		"port 0":           {with("keyVaultEndpoint", "mock.vault.azure.net:0"), "the port is not"},
		"dot at the end":   {with("keyVaultEndpoint", "mock.vault.azure.net."), "is not the name of a host"},
		"IPv6":             {with("keyVaultEndpoint", "[::ffff:1.2.3.4]:443"), "is not the name of a host"},
		"percent encoding": {with("keyVaultEndpoint", "evil.example%2Eorg"), "is not host[:port]"},
		"malformed":        {bson.Raw{1, 2}, "malformed BSON"},
	} {
		_, wrapErr := p.WrapKey(t.Context(), tt.masterKey, dataKey())
		_, unwrapErr := p.UnwrapKey(t.Context(), tt.masterKey, []byte{1})
		for _, err := range []error{wrapErr, unwrapErr} {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want %q", name, err, tt.want)
			}
		}
	}
	if _, err := p.WrapKey(t.Context(), with("provider", "azure"), dataKey()); err == nil || !strings.Contains(err.Error(), "unexpected field: 'provider'") {
		t.Errorf("provider in the user's masterKey: %v", err)
	}
	if _, err := p.WrapKey(t.Context(), masterKey(t), dataKey()[1:]); err == nil {
		t.Error("wrapped 95 bytes")
	}
	if _, err := p.UnwrapKey(t.Context(), masterKey(t), nil); err == nil {
		t.Error("unwrapped nothing")
	}
	if n := len(s.Calls()); n != 0 {
		t.Errorf("Azure was asked %d times", n)
	}
}
