// Package aws is the "aws" KMS: the master key is a symmetric key of AWS Key Management Service, and a data key is wrapped by the service's
// own Encrypt operation with an empty encryption context, as the official MongoDB drivers do it.
//
// It is not for the local or KMIP form of wrapping, and it creates no keys in AWS: name one that exists, and allow the credentials kms:Encrypt and
// kms:Decrypt on it.
//
// The AWS SDK holds credentials as strings and copies request bodies: they cannot be wiped from memory.
package aws

import (
	"crypto/tls"
	"net/http"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

var (
	_ kms.Type     = Type{}
	_ kms.Provider = (*provider)(nil)
	_ error        = (*Error)(nil)
)

// empty is the document {}.
const empty = "\x05\x00\x00\x00\x00"

// Type opens aws providers from kmsProviders entries of the form {accessKeyId, secretAccessKey, sessionToken?}. The empty entry {} takes the
// credentials from where the AWS SDK finds them: environment, shared configuration, SSO, web identity, container or instance role; they are
// looked up at the first use, not by Open.
//
// The master key is {region, key, endpoint?}: the region's name, the ARN, id or alias of the key, and host[:port] where the service is
// reached otherwise than at the region's public endpoint, always by TLS. The zero value is ready to use.
type Type struct {
	// HTTPClient sends the requests to the KMS; nil is the SDK's own, which takes the proxy from the environment. Redirects are never
	// followed. Credentials are looked up with the SDK's own.
	HTTPClient *http.Client
	// TLS has options by provider id ("aws", "aws:prod"), for the connection to the KMS: certificate authorities and client
	// certificates. It replaces those of HTTPClient, whose Transport must then be nil or an *http.Transport. Options that switch
	// verification off or allow less than TLS 1.2 are refused.
	TLS map[string]*tls.Config
}

// Name returns "aws".
func (Type) Name() string { return "aws" }

// Open opens a provider. It makes no connection. Fields other than those of Type's comment are refused.
func (t Type) Open(id kms.ID, config bson.Raw) (kms.Provider, error) {
	client, err := newHTTPClient(t.HTTPClient, t.TLS[id.String()])
	if err != nil {
		return nil, err
	}
	p := &provider{id: id.String(), http: client, clients: map[place]*awskms.Client{}}
	if string(config) == empty && id.Name == "" {
		p.credentials = new(chain).retrieve
		return p, nil
	}
	var c sdk.Credentials
	err = readFields(config, "kmsProviders entry", []field{
		{name: "accessKeyId", to: &c.AccessKeyID, required: true},
		{name: "secretAccessKey", to: &c.SecretAccessKey, required: true},
		{name: "sessionToken", to: &c.SessionToken},
	})
	if err != nil {
		return nil, err
	}
	if err := checkSecret(c); err != nil {
		return nil, err
	}
	p.credentials = credentials.StaticCredentialsProvider{Value: c}.Retrieve
	return p, nil
}
