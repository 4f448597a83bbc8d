// Package aws is the "aws" KMS: the master key is a symmetric key of AWS Key Management Service, and a data key is wrapped by the service's
// own Encrypt operation with an empty encryption context, as the official MongoDB drivers do it.
//
// It is not for the local or KMIP form of wrapping, and it creates no keys in AWS: name one that exists, and allow the credentials kms:Encrypt and
// kms:Decrypt on it.
//
// # Endpoints
//
// The service is reached at the public endpoint of the master key's region, or at masterKey.endpoint: the DNS name of a VPC endpoint
// (vpce-….kms.us-east-1.vpce.amazonaws.com), or whatever else speaks for the service, always by TLS that is verified against that name. A VPC endpoint
// with private DNS names, which is AWS's default, needs no masterKey.endpoint.
//
// Whoever can write to the key vault can name an endpoint, and a host of theirs could answer with a data key that they know. So an endpoint, stored or given,
// must be one of AWS's own for KMS (kms and kms-fips of a region, in the domains of AWS's partitions, and their VPC endpoints), a loopback
// address, or one of Type.Endpoints; any other is an error that wraps kms.ErrForeignEndpoint, and nothing is sent. Who writes there can also name a key
// of an AWS account of theirs whose key policy lets yours use it: let the IAM policy of the credentials allow kms:Encrypt and kms:Decrypt on the ARNs of
// your keys, never on "*".
//
// # Rotation
//
// When AWS rotates a key, it keeps what the key was made of before, and a wrapped data key does not tell which of it was used. So what a key wrapped that
// goes by its ARN or id never counts as old, and need not be rewrapped. An alias can be pointed at another key: a check of the key vault finds the data
// keys that the former one wrapped, which must be kept until they are rewrapped. The credentials need kms:DescribeKey for that; without it the
// check says that it could not tell.
//
// # Time
//
// A call whose context has no deadline ends after 10 seconds, as in the official Go driver, for each region that may be asked. Within that time a
// request is sent up to four times while the service is overloaded, fails or cannot be reached.
//
// The AWS SDK holds credentials as strings and copies request bodies: they cannot be wiped from memory.
package aws

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

var (
	_ kms.Type     = Type{}
	_ kms.Provider = (*provider)(nil)
)

// Type opens aws providers from kmsProviders entries of the form {accessKeyId, secretAccessKey, sessionToken?}. The empty entry {} takes the
// credentials from Credentials, or else from where the AWS SDK finds them: environment, shared configuration, SSO, web identity, container or
// instance role; they are looked up at the first use, not by Open.
//
// The master key is {region, key, endpoint?}: the region's name, the ARN, id or alias of the key, and host[:port] where the service is
// reached otherwise than at the region's public endpoint. The zero value is ready to use.
type Type struct {
	// HTTPClient sends the requests to the KMS; nil is the SDK's own, which takes the proxy from the environment. Redirects are never
	// followed. Credentials are looked up with the SDK's own.
	HTTPClient *http.Client
	// TLS has options by provider id ("aws", "aws:prod"), for the connection to the KMS: certificate authorities and client
	// certificates. It replaces those of HTTPClient, whose Transport must then be nil or an *http.Transport. Options that switch
	// verification off or allow less than TLS 1.2 are refused.
	TLS map[string]*tls.Config
	// Credentials gives credentials by provider id, whose kmsProviders entry must then be empty: both are an error, as in the official
	// drivers. What Retrieve returns with an expiry is kept until a minute before it; without one it is asked for each call. Retrieve runs once
	// at a time, may be cancelled by its context and should then return.
	Credentials map[string]sdk.CredentialsProvider
	// FailoverRegions are asked in their order for a multi-Region key (an ARN or id with mrk-) when the master key's region is down: it
	// cannot be reached, or still fails or throttles after the retries. The time up to the deadline is shared out evenly. No other
	// region is asked after a denial, for keys of one region, or with masterKey.endpoint. The key vault keeps the master key as it was given.
	FailoverRegions []string
	// FIPS and DualStack choose among the public endpoints: those validated for FIPS 140, and those reached by IPv6 too. They do not apply to
	// masterKey.endpoint. Where one is unset, whatever the entry, the environment variable AWS_USE_FIPS_ENDPOINT or
	// AWS_USE_DUALSTACK_ENDPOINT decides, then use_fips_endpoint or use_dualstack_endpoint of the shared configuration; calls fail if these cannot
	// be read. Where both are set nothing is read. No other setting from there, such as a service endpoint, applies.
	FIPS      sdk.FIPSEndpointState
	DualStack sdk.DualStackEndpointState

	// Endpoints are those that a master key may name besides AWS's own for KMS and this machine's loopback addresses: host[:port] or *.domain[:port]
	// for all hosts below a domain, any port where none is given.
	Endpoints []string

	now func() time.Time // nil is time.Now
}

// Name returns "aws".
func (Type) Name() string { return "aws" }

// Open opens a provider. It makes no connection. Fields other than those of Type's comment are refused.
func (t Type) Open(id kms.ID, config bson.Raw) (kms.Provider, error) {
	client, err := kmsconfig.HTTPClient(t.HTTPClient, awshttp.NewBuildableClient().GetTransport(), t.TLS[id.String()])
	if err != nil {
		return nil, err
	}
	for _, region := range t.FailoverRegions {
		if !isRegion(region) {
			return nil, fmt.Errorf("failover region %.64q is not a region's name, such as us-east-1", region)
		}
	}
	p := &provider{
		id: id.String(), http: client, failover: slices.Clone(t.FailoverRegions),
		settings: &settings{fips: t.FIPS, dualStack: t.DualStack},
		clients:  map[place]*awskms.Client{},
	}
	if p.hosts, err = kmsconfig.NewHosts("aws masterKey", "an endpoint of AWS KMS", isAWS, t.Endpoints); err != nil {
		return nil, err
	}
	p.credentials, err = t.credentials(id, config, p.settings)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// empty is the document {}.
const empty = "\x05\x00\x00\x00\x00"

func (t Type) credentials(id kms.ID, config bson.Raw, s *settings) (sdk.CredentialsProviderFunc, error) {
	given := t.Credentials[id.String()]
	switch {
	case given != nil && string(config) != empty:
		return nil, errors.New("credentials are given twice, by Type.Credentials and in the kmsProviders entry: leave the entry empty")
	case given != nil:
		return newCache(given, t.now).retrieve, nil
	case string(config) == empty && id.Name == "":
		return s.defaultCredentials, nil
	}
	var c sdk.Credentials
	err := kmsconfig.Read(config, "aws kmsProviders entry", []kmsconfig.Field{
		{Name: "accessKeyId", Text: &c.AccessKeyID, Required: true},
		{Name: "secretAccessKey", Text: &c.SecretAccessKey, Required: true},
		{Name: "sessionToken", Text: &c.SessionToken},
	})
	if err != nil {
		return nil, err
	}
	return credentials.StaticCredentialsProvider{Value: c}.Retrieve, checkSecret(c)
}
