// Package azure is a mock of Azure: an HTTPS server in this process that speaks the protocols of Key Vault, of the identity platform and of the
// instance metadata service, as the public API documents describe them, and stands in for the whole Internet behind the HTTP client that it gives.
//
// It is for tests, those of other modules of this repository included, with the real Azure SDK. Of Key Vault it knows wrapKey and unwrapKey with RSA-OAEP-256 and get,
// of the identity platform client credentials with a secret or an assertion, and its keys and tokens live as long as it.
package azure

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/ca"
)

// The service principal, vault and key that the server knows by default.
const (
	TenantID     = "11111111-2222-3333-4444-555555555555"
	ClientID     = "66666666-7777-8888-9999-000000000000"
	ClientSecret = "mock~client.secret/with+reserved&characters="
	Host         = "mock.vault.azure.net"
	KeyName      = "master-key"
)

// metadataHost is where hosts in Azure find the instance metadata service.
const metadataHost = "169.254.169.254"

// Options say what the server knows. The zero value knows the constants.
type Options struct {
	Identity  []string      // hosts of the identity platform; nil is login.microsoftonline.com only
	Vaults    []string      // hosts of vaults, all of which have the keys; nil is Host only
	Keys      []Key         // nil is an enabled KeyName of one new version only
	Ports     []string      // that connections go to; nil is 443, and 80 for the metadata service
	TokenLife time.Duration // 0 is an hour
	// Intercept, if not nil, sees every request; one to a vault, once its token is good. Unless it returns nil, its answer is sent. It may
	// wait; ctx ends when the client goes away.
	Intercept func(ctx context.Context, c Call) *Answer
}

// Key is a master key of the server. Its versions have the ids that VersionID gives; the last one is the latest.
type Key struct {
	Name     string
	Versions []*rsa.PrivateKey
	State    State
}

// VersionID is the id of the version of a key at an index.
func VersionID(i int) string { return fmt.Sprintf("%032x", i+1) }

// State is what a key may be used for.
type State int

// The states of a key.
const (
	Enabled State = iota
	Disabled
	Forbidden // to the caller
)

// Call is a request.
type Call struct {
	Operation string // discovery, token, metadata, wrapkey, unwrapkey or get
	Host      string
	Resource  string // that a token is asked for
	Key       string
	Version   string // as asked for; empty for the latest
	Sent      string // the bearer token, client secret or client assertion
}

// Answer is sent in place of the server's own.
type Answer struct {
	Drop          bool   // close the connection without a word
	Status        int    // 0 is 400
	Code, Message string // of an error in the form of Key Vault
	Body          string // instead of such an error
	Location      string // where a redirect points
	Challenge     string // a WWW-Authenticate header
}

// Server is a running mock.
type Server struct {
	options   Options
	ca        *ca.CA
	servers   [2]*http.Server // with and without TLS: one server for both would speak HTTP/2 or not, depending on which is first
	listeners [2]net.Listener // of the servers
	client    *http.Client
	served    sync.WaitGroup
	stop      func() bool

	mu     sync.Mutex
	keys   []Key
	tokens map[string]grant
	calls  []Call
}

// New makes a server that answers to its ServeHTTP only.
func New(o Options) (*Server, error) {
	if o.Identity == nil {
		o.Identity = []string{"login.microsoftonline.com"}
	}
	if o.Vaults == nil {
		o.Vaults = []string{Host}
	}
	if o.Ports == nil {
		o.Ports = []string{"443", "80"}
	}
	if o.TokenLife == 0 {
		o.TokenLife = time.Hour
	}
	if o.Keys == nil {
		key, err := NewRSAKey()
		if err != nil {
			return nil, err
		}
		o.Keys = []Key{{Name: KeyName, Versions: []*rsa.PrivateKey{key}}}
	}
	return &Server{options: o, keys: slices.Clone(o.Keys), tokens: map[string]grant{}}, nil
}

// Run starts a server on free ports of the loopback interface. It serves until Close, or until ctx ends.
func Run(ctx context.Context, o Options) (*Server, error) {
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	if s.ca, err = ca.New(); err != nil {
		return nil, err
	}
	for i := range s.listeners {
		if s.listeners[i], err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return nil, fmt.Errorf("listening: %w", err)
		}
	}
	for i := range s.servers {
		s.servers[i] = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	}
	s.servers[0].TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certificate}
	s.client = &http.Client{Transport: &http.Transport{
		DialContext:     s.dial,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.ca.Pool()},
	}}
	s.served.Go(func() { _ = s.servers[0].ServeTLS(s.listeners[0], "", "") }) // always end with an error: that of Close
	s.served.Go(func() { _ = s.servers[1].Serve(s.listeners[1]) })
	s.stop = context.AfterFunc(ctx, s.Close)
	return s, nil
}

// Close ends the server and its client's connections. Further calls do nothing.
func (s *Server) Close() {
	s.stop()
	for i, l := range s.listeners {
		_ = s.servers[i].Close()
		_ = l.Close() // Serve may not have begun
	}
	s.served.Wait()
	s.client.CloseIdleConnections()
}

// HTTPClient returns the server's client: every host name leads to the server, and TLS is verified against the server's authority for the host
// name that was asked for.
func (s *Server) HTTPClient() *http.Client { return s.client }

// RootCAs returns the authority that the server's certificates are from.
func (s *Server) RootCAs() *x509.CertPool { return s.ca.Pool() }

// Calls returns the requests so far.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *Server) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(s.options.Ports, port) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connect: connection refused by the mock on port " + port)}
	}
	to := s.listeners[0]
	if host == metadataHost {
		to = s.listeners[1]
	}
	return new(net.Dialer).DialContext(ctx, network, to.Addr().String())
}

func (s *Server) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(hello.ServerName)
	if !slices.Contains(s.options.Identity, name) && !slices.Contains(s.options.Vaults, name) {
		return nil, fmt.Errorf("no certificate for %q", name)
	}
	cert, err := s.ca.Server(name)
	return &cert, err
}
