// Package kmip is the "kmip" KMS: the master key lives in a server of the OASIS Key Management Interoperability Protocol, reached by mutual TLS.
//
// In the plain form the server keeps 96 bytes of secret data, which the program fetches for each data key, uses as the local KMS uses its
// master key, and wipes. In the delegated form the server keeps an AES-256 key that never leaves it, and encrypts and decrypts the data keys
// itself, in CBC mode with a random IV; that is why the form of choice is delegated where the server can do it. Both are those of the official
// MongoDB drivers.
//
// The package is not a general client of the protocol. It speaks version 1.0 in the plain form and 1.2 in the delegated one.
//
// Connections are kept for later calls, at most 4 of a provider, for 30 seconds. Where the server has closed a kept one meanwhile, the request is sent
// again on a new one; nothing else is ever sent twice, as in the official drivers. To make a key the provider takes a new connection at once and never
// sends the request again: the server might make two.
//
// A call whose context has no deadline ends after 10 seconds, as in the official Go driver.
//
// Whoever can write to the key vault can name a server, and one of theirs could answer with a secret that they know. So the endpoint of a master key,
// stored or given, must be the provider's, a loopback address, or one of Type.Endpoints; any other is an error that wraps kms.ErrForeignEndpoint, and no
// connection is made. Who writes there can also name another object of the same server: let the server show the client's certificate none but its
// own objects.
//
// Here a key has no versions: the keyId of the masterKey names one object, and a server that rotates it makes another with an id of its own. A check of
// the key vault therefore finds no old ones. To follow a rotation, rewrap under a master key with the new keyId, and before the old object is
// deactivated or destroyed.
package kmip

import (
	"context"
	"crypto/tls"
	"net"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

var (
	_ kms.Type     = Type{}
	_ kms.Provider = (*provider)(nil)
)

// Type opens kmip providers from kmsProviders entries of the form {endpoint}: host[:port] of the server, port 5696 if left out.
//
// The master key is {endpoint?, delegated?, keyId?}: the endpoint where it is not the provider's, delegated: true for the delegated form, and
// the server's unique identifier of the key. Without keyId, WrapKey makes a new key in the server and names it in what it returns.
type Type struct {
	// TLS has options by provider id ("kmip", "kmip:prod"): certificate authorities, and the client certificate that most servers demand.
	// Options that switch verification off or allow less than TLS 1.2 are refused. The default is the system's authorities and no certificate.
	TLS map[string]*tls.Config
	// DialContext makes the connections to the servers, where they are behind a tunnel or a proxy: network is "tcp", and address is host:port of the
	// server, whose name was not looked up. The DialContext of a SOCKS client or of an SSH connection fits. TLS is made on what it returns, and the
	// server's certificate must be for that host. Calls end with their context even if DialContext does not. The default, nil, connects directly,
	// whatever HTTPS_PROXY says: that is for HTTP.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Endpoints are those that a master key may name besides the provider's own and this machine's loopback addresses: host[:port] or *.domain[:port] for
	// all hosts below a domain, any port where none is given.
	Endpoints []string
}

// Name returns "kmip".
func (Type) Name() string { return "kmip" }

// Open opens a provider. It makes no connection. Fields other than endpoint are refused.
func (t Type) Open(id kms.ID, config bson.Raw) (kms.Provider, error) {
	options := t.TLS[id.String()]
	if err := kmsconfig.CheckTLS(options); err != nil {
		return nil, err
	}
	p := &provider{id: id.String(), dial: newDialer(options, t.DialContext), idle: &idle{}}
	err := kmsconfig.Read(config, "kmip kmsProviders entry", []kmsconfig.Field{{Name: "endpoint", Text: &p.endpoint, Required: true}})
	if err != nil {
		return nil, err
	}
	at, err := address(p.endpoint)
	if err != nil {
		return nil, err
	}
	p.hosts, err = kmsconfig.NewHosts("kmip masterKey", "the provider's endpoint", isServer(at), t.Endpoints)
	if err != nil {
		return nil, err
	}
	return p, nil
}
