package faults

import (
	"context"
	"crypto/tls"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
	kmsaws "github.com/fieldcrypt/fieldcrypt/kms/aws"
	kmsazure "github.com/fieldcrypt/fieldcrypt/kms/azure"
	kmsgcp "github.com/fieldcrypt/fieldcrypt/kms/gcp"
	kmsvault "github.com/fieldcrypt/fieldcrypt/kms/vault"
)

// here are the hosts that master keys name besides the services' own.
var here = []string{"kms.example.invalid"}

// web is every KMS that is reached by HTTP, without an HTTPClient.
var web = map[string]func(options map[string]*tls.Config) kms.Type{
	"aws":   func(options map[string]*tls.Config) kms.Type { return kmsaws.Type{TLS: options, Endpoints: here} },
	"azure": func(options map[string]*tls.Config) kms.Type { return kmsazure.Type{TLS: options, Endpoints: here} },
	"gcp":   func(options map[string]*tls.Config) kms.Type { return kmsgcp.Type{TLS: options, Endpoints: here} },
	"vault": func(options map[string]*tls.Config) kms.Type { return kmsvault.Type{TLS: options} },
}

// A proxy of the environment is used, but for the hosts that NO_PROXY lists. Each KMS has a process of its own, since Go reads these variables once.
func TestEnvironmentProxy(t *testing.T) {
	const marker = "FIELDCRYPT_TEST_ENVIRONMENT_PROXY"
	if name := os.Getenv(marker); name != "" {
		testEnvironmentProxy(t, name)
		return
	}
	t.Parallel()
	for name := range web {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestEnvironmentProxy$", "-test.count=1", "-test.v")
			child.Env = append(os.Environ(), marker+"="+name)
			if printed, err := child.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, printed)
			}
		})
	}
}

func testEnvironmentProxy(t *testing.T, name string) {
	s := start(t, name)
	host := s.host()
	options := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.pool}
	if name == "vault" { // the one whose mock has an address only, for which no proxy is ever used
		host = "vault.example.org:8200"
		s.fields["endpoint"] = host
		options.ServerName = "127.0.0.1"
	}
	proxy := s.tunnel(t)
	for variable, value := range map[string]string{
		"HTTPS_PROXY": "http://" + proxy.Addr(), "https_proxy": "", "HTTP_PROXY": "", "http_proxy": "", "NO_PROXY": "example.invalid", "no_proxy": "", "REQUEST_METHOD": "",
	} {
		t.Setenv(variable, value)
	}
	p := opened(t, web[name](map[string]*tls.Config{s.id: options}), s.id, s.fields)
	if _, err := p.WrapKey(t.Context(), document(t, s.masterKey), []byte(material)); err != nil {
		t.Error(err)
	}
	if asked := proxy.Asked(); !slices.Contains(asked, host) {
		t.Errorf("the proxy was asked for %q, not for %s", asked, host)
	}

	fields, masterKey := excepted(name, s)
	before := len(proxy.Asked())
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // there is no such host, RFC 6761 says
	defer cancel()
	if _, err := opened(t, web[name](nil), s.id, fields).WrapKey(ctx, document(t, masterKey), []byte(material)); err == nil {
		t.Error("a host that does not exist has answered")
	}
	if asked := proxy.Asked()[before:]; len(asked) > 0 {
		t.Errorf("the proxy was asked for %q, which NO_PROXY lists", asked)
	}
}

// excepted are fields and master key for a host in example.invalid.
func excepted(name string, s *service) (fields map[string]any, masterKey bson.D) {
	const host = "kms.example.invalid"
	switch name {
	case "aws":
		return s.fields, append(slices.Clone(s.masterKey), bson.E{Key: "endpoint", Value: host})
	case "azure":
		return map[string]any{"accessToken": "token"}, bson.D{{Key: "keyVaultEndpoint", Value: host}, {Key: "keyName", Value: "key"}}
	case "gcp":
		return map[string]any{"accessToken": "token"}, append(slices.Clone(s.masterKey), bson.E{Key: "endpoint", Value: host})
	}
	return map[string]any{"endpoint": host, "token": "token"}, s.masterKey
}

func opened(t *testing.T, typ kms.Type, id string, fields map[string]any) kms.Provider {
	t.Helper()
	providers, err := kms.Open(map[string]map[string]any{id: fields}, typ)
	if err != nil {
		t.Fatal(err)
	}
	p, err := providers.Provider(id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
