package vault

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/openbao/openbao/api/v2"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

const (
	entry        = "vault kmsProviders entry"
	defaultMount = "transit"
	empty        = "\x05\x00\x00\x00\x00" // the document {}
)

// settings are a kmsProviders entry.
type settings struct {
	url       string
	namespace string
	mount     string
	token     string // empty with login
	login     *login // nil with token
}

func readSettings(id kms.ID, config bson.Raw) (s settings, err error) {
	s.mount = defaultMount
	var endpoint string
	if string(config) == empty && id.Name == "" {
		endpoint, s.namespace, s.token = api.ReadBaoVariable(api.EnvVaultAddress), api.ReadBaoVariable(api.EnvVaultNamespace), api.ReadBaoVariable(api.EnvVaultToken)
		if endpoint == "" || s.token == "" {
			return settings{}, errors.New(entry + ": empty, and the environment does not have BAO_ADDR and BAO_TOKEN, or VAULT_ADDR and VAULT_TOKEN")
		}
	} else if endpoint, err = s.readFields(config); err != nil {
		return settings{}, err
	}
	if s.url, err = address(endpoint); err != nil {
		return settings{}, err
	}
	return s, s.check()
}

func (s *settings) readFields(config bson.Raw) (endpoint string, err error) {
	var appRole, kubernetes *login
	err = kmsconfig.Read(config, entry, []kmsconfig.Field{
		{Name: "endpoint", Text: &endpoint, Required: true},
		{Name: "namespace", Text: &s.namespace},
		{Name: "mount", Text: &s.mount},
		{Name: "token", Text: &s.token},
		{Name: "appRole", Value: func(v bson.RawValue) (err error) { appRole, err = readAppRole(v); return err }},
		{Name: "kubernetes", Value: func(v bson.RawValue) (err error) { kubernetes, err = readKubernetes(v); return err }},
	})
	if err != nil {
		return "", err
	}
	given := 0
	for _, is := range []bool{s.token != "", appRole != nil, kubernetes != nil} {
		if is {
			given++
		}
	}
	if given != 1 {
		return "", fmt.Errorf("%s: one of token, appRole and kubernetes is required: got %d", entry, given)
	}
	if s.login = appRole; appRole == nil {
		s.login = kubernetes
	}
	return endpoint, nil
}

// check keeps texts fit for headers and paths. It does not repeat the token.
func (s *settings) check() error {
	if strings.ContainsFunc(s.token, notVisible) {
		return errors.New(entry + ": the token has characters that no token of Vault's has, such as spaces or line ends")
	}
	if strings.ContainsFunc(s.namespace, notVisible) {
		return fmt.Errorf("%s: namespace %.200q has characters other than visible ASCII", entry, s.namespace)
	}
	return checkMount(s.mount, entry)
}

// notVisible knows what is not for a header.
func notVisible(r rune) bool { return r <= ' ' || r > '~' }

// address returns the URL of an endpoint.
func address(endpoint string) (string, error) {
	text := strings.TrimSuffix(endpoint, "/")
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || *u != (url.URL{Scheme: u.Scheme, Host: u.Host}) || u.Scheme != "https" && u.Scheme != "http" {
		return "", errors.New(entry + ": the endpoint is not https://host[:port]") // not repeated: it could have a password
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return "", fmt.Errorf("%s: endpoint %.200q: http is for loopback hosts only, use https", entry, endpoint)
	}
	if u.Port() == "" && !strings.HasSuffix(u.Host, ":") {
		return u.String(), nil
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || port == 0 {
		return "", fmt.Errorf("%s: endpoint %.200q: the port is not a number from 1 to 65535", entry, endpoint)
	}
	return u.String(), nil
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
