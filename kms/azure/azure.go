// Package azure is the "azure" KMS: the master key is an RSA key of Azure Key Vault or Managed HSM, and a data key is wrapped by the service's own
// wrapKey operation with RSA-OAEP-256, as the official MongoDB drivers do it. It goes through Azure's SDK, which speaks version 7.6 of the API.
//
// It is not for keys of other types, and it creates no keys in Azure: name one that exists, and allow the credentials wrapKey and unwrapKey on it.
//
// # Rotation
//
// Key Vault tries to unwrap with the version of the key that the request names, or with the latest one; a wrapped data key does not say which
// version made it. A data key that is stored without keyVersion, as other drivers do by default, is therefore unreadable once the master key is rotated. So
// WrapKey always stores the version that Key Vault says it used, whether or not one was given: the field is part of the official format,
// and every official driver reads it. To wrap existing data keys with a newer version, rewrap them under a master key that names no version, or the new
// one.
//
// A check of the key vault finds the data keys whose keyVersion is not the key's latest if the credentials may get the key, which gives
// its public half; otherwise it says that it could not tell. One without keyVersion is either wrapped under the latest, or cannot be unwrapped.
//
// # Endpoints
//
// Whoever can write to the key vault can name a vault: requests carry an access token, and a host of theirs could answer with a data key that they know. So
// the vault of a master key, stored or given, must be right below a domain of Azure's clouds, on a loopback address, or one of Type.Endpoints; any other is an
// error that wraps kms.ErrForeignEndpoint, and nothing is sent. Who writes there can also name a vault in Azure that they have and that lets your identity
// in: let the network reach your vaults only (private endpoints, a firewall), and the identity use your keys only.
//
// The Azure SDK holds credentials as strings and copies request bodies: they cannot be wiped from memory.
package azure

import (
	"crypto/tls"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

var (
	_ kms.Type     = Type{}
	_ kms.Provider = (*provider)(nil)
)

// Type opens azure providers from kmsProviders entries of the form {tenantId, clientId, clientSecret, identityPlatformEndpoint?} or {accessToken}.
// identityPlatformEndpoint is host[:port] of the identity platform, login.microsoftonline.com if it is not given. It says itself, as OpenID
// Connect has it, where it takes the secret; that is always sent by TLS.
//
// The empty entry {} takes the first of these that the environment has: the service principal of AZURE_TENANT_ID, AZURE_CLIENT_ID and either
// AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH; the workload identity of AZURE_FEDERATED_TOKEN_FILE; the managed identity of the host, the
// one of AZURE_CLIENT_ID if that is set. Developer tools such as the Azure CLI are not asked. The variables are read by Open.
//
// The master key is {keyVaultEndpoint, keyName, keyVersion?}: host[:port] of the vault, always by TLS, and the key in it; without keyVersion the latest.
// Access tokens are asked for the domain that the vault is in, such as vault.azure.net or managedhsm.usgovcloudapi.net, and go to no vault
// outside of Azure's domains and Endpoints. The zero value is ready to use.
type Type struct {
	// HTTPClient sends all requests; nil is one of the package's own, which takes the proxy from the environment, but for the host's own metadata
	// service. Redirects are never followed.
	HTTPClient *http.Client
	// TLS has options by provider id ("azure", "azure:prod"), for the connections to the vault and to the identity platform: certificate
	// authorities and client certificates. It replaces those of HTTPClient, whose Transport must then be nil or an *http.Transport. Options that
	// switch verification off or allow less than TLS 1.2 are refused.
	TLS map[string]*tls.Config
	// Endpoints are the vaults that a master key may name besides those in the domains of Azure's clouds and this machine's loopback addresses:
	// host[:port] or *.domain[:port] for all hosts below a domain, any port where none is given.
	Endpoints []string
}

// Name returns "azure".
func (Type) Name() string { return "azure" }

// Open opens a provider. It makes no connection. Fields and combinations of fields other than those of Type's comment are refused.
func (t Type) Open(id kms.ID, config bson.Raw) (kms.Provider, error) {
	client, err := kmsconfig.HTTPClient(t.HTTPClient, ownTransport(), t.TLS[id.String()])
	if err != nil {
		return nil, err
	}
	options := azcore.ClientOptions{Transport: &transport{client}, Retry: policy.RetryOptions{MaxRetries: -1}} // the provider itself asks again
	p := &provider{id: id.String(), clients: map[string]*azkeys.Client{}}
	if p.hosts, err = kmsconfig.NewHosts("azure masterKey", "a vault of Azure's", isAzure, t.Endpoints); err != nil {
		return nil, err
	}
	if p.token, err = openCredentials(id, config, options); err != nil {
		return nil, err
	}
	options.PerRetryPolicies = []policy.Policy{challenge{}}
	p.newClient = func(url string) (*azkeys.Client, error) {
		return azkeys.NewClient(url, given{}, &azkeys.ClientOptions{ClientOptions: options})
	}
	return p, nil
}
