package azure

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
)

// masterKey names a key and the vault that it is in.
type masterKey struct {
	endpoint string // as written
	name     string
	version  string // empty for the latest
	url      string // of the vault
	domain   string // that the vault is in, which access tokens are for
}

// parseMasterKey reads the user's document, or the stored one, which has the provider too.
func parseMasterKey(doc bson.Raw, stored bool) (m masterKey, err error) {
	fields := []kmsconfig.Field{
		{Name: "keyVaultEndpoint", Text: &m.endpoint, Required: true},
		{Name: "keyName", Text: &m.name, Required: true},
		{Name: "keyVersion", Text: &m.version},
	}
	var provider string // the caller has chosen by it
	if stored {
		fields = append(fields, kmsconfig.Field{Name: "provider", Text: &provider})
	}
	if err := kmsconfig.Read(doc, "azure masterKey", fields); err != nil {
		return masterKey{}, err
	}
	if m.url, err = kmsconfig.Endpoint(m.endpoint, "azure masterKey"); err != nil {
		return masterKey{}, err
	}
	host := strings.ToLower(hostname(m.url))
	_, m.domain, _ = strings.Cut(host, ".")
	switch {
	case strings.HasSuffix(host, "."), strings.Contains(host, ":"):
		return masterKey{}, fmt.Errorf("azure masterKey: keyVaultEndpoint %.200q is not the name of a host in a domain", m.endpoint)
	case !isIdentifier(m.name):
		return masterKey{}, fmt.Errorf("azure masterKey: keyName %.200q is not 1 to 127 letters, digits and hyphens", m.name)
	case m.version != "" && !isIdentifier(m.version):
		return masterKey{}, fmt.Errorf("azure masterKey: keyVersion %.200q is not 1 to 127 letters, digits and hyphens", m.version)
	}
	return m, nil
}

// isAzure knows the vaults and managed HSMs of Azure's clouds.
func isAzure(host, _ string) bool {
	name, domain, _ := strings.Cut(host, ".")
	switch domain {
	case "vault.azure.net", "vault.azure.cn", "vault.usgovcloudapi.net", "vault.microsoftazure.de",
		"managedhsm.azure.net", "managedhsm.azure.cn", "managedhsm.usgovcloudapi.net":
		return name != ""
	}
	return false
}

func hostname(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// isIdentifier knows the names and versions that Key Vault allows.
func isIdentifier(s string) bool {
	alien := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	}
	return len(s) >= 1 && len(s) <= 127 && strings.IndexFunc(s, alien) < 0
}

// usedVersion takes the version from the id of the key that the vault says it used, or has: https://vault/keys/name/version.
func (m masterKey) usedVersion(id *azkeys.ID) (string, error) {
	if id == nil {
		return "", wrongAnswer("the answer does not say which version of the key was used")
	}
	u, err := url.Parse(string(*id))
	if err != nil {
		return "", wrongAnswer("the answer's kid is not a URL")
	}
	path := strings.Split(u.Path, "/")
	if len(path) != 4 || path[1] != "keys" || !strings.EqualFold(path[2], m.name) || !isIdentifier(path[3]) || m.version != "" && path[3] != m.version {
		return "", wrongAnswer("the answer's kid names another key or no version")
	}
	return path[3], nil
}

// document is what the key vault stores, but for the provider.
func (m masterKey) document() bson.Raw {
	return kmsconfig.Document("keyVaultEndpoint", m.endpoint, "keyName", m.name, "keyVersion", m.version)
}

// key is the key as errors name it.
func (m masterKey) key() string {
	if m.version == "" {
		return m.name
	}
	return m.name + "/" + m.version
}
