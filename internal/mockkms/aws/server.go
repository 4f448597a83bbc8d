// Package aws is a mock of AWS Key Management Service: an HTTPS server in this process that speaks the service's JSON protocol, checks
// signatures of version 4 as AWS does, and stands in for the whole Internet behind the HTTP client that it gives.
//
// It is for tests, those of other modules of this repository included, with the real AWS SDK. It knows Encrypt, Decrypt and DescribeKey of symmetric keys,
// not policies, grants or the other operations, and its keys live as long as it.
package aws

import (
	"context"
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

// Options say what the server knows. The zero value knows the public test key of SpecKeyARN under Access.
type Options struct {
	Credentials []Credentials // nil is Access only
	Keys        []Key         // nil is an enabled SpecKeyARN only
	Wrapped     []Wrapped     // data keys that real keys have wrapped
	Hosts       []string      // that the server answers for besides those under amazonaws.com, amazonaws.com.cn and api.aws
	Ports       []string      // that connections go to; nil is 443 only
	// Intercept, if not nil, sees every request whose signature is good. Unless it returns nil, its answer is sent. It may wait; ctx ends
	// when the client goes away.
	Intercept func(ctx context.Context, c Call) *Answer
}

// Credentials are what a client may sign with. Temporary ones have a session token.
type Credentials struct{ AccessKeyID, SecretAccessKey, SessionToken string }

// Access returns the credentials that the server knows by default.
func Access() Credentials {
	return Credentials{AccessKeyID: "AKIAMOCKMOCKMOCKMOCK", SecretAccessKey: "mock/secret/access/key/of/forty/bytes+++"}
}

// Call is a request whose signature is good.
type Call struct {
	Operation   string // Encrypt, Decrypt or DescribeKey
	Host        string
	Region      string // of the signature
	AccessKeyID string
	KeyID       string // as sent; Decrypt may leave it out
}

// Answer is sent in place of the server's own.
type Answer struct {
	Drop          bool   // close the connection without a word
	Status        int    // 0 is 400
	Code, Message string // of an error in the form of AWS
	Body          string // instead of such an error
	Location      string // where a redirect points
}

// Server is a running mock.
type Server struct {
	options  Options
	ca       *ca.CA
	http     *http.Server
	listener net.Listener
	client   *http.Client
	served   chan struct{}
	stop     func() bool

	mu    sync.Mutex
	keys  []*sealedKey
	calls []Call
}

// Run starts a server on a free port of the loopback interface. It serves until Close, or until ctx ends.
func Run(ctx context.Context, o Options) (*Server, error) {
	if o.Credentials == nil {
		o.Credentials = []Credentials{Access()}
	}
	if o.Keys == nil {
		o.Keys = []Key{{ARN: SpecKeyARN}}
	}
	if o.Ports == nil {
		o.Ports = []string{"443"}
	}
	s := &Server{options: o, served: make(chan struct{})}
	var err error
	if s.ca, err = ca.New(); err != nil {
		return nil, err
	}
	if s.keys, err = newKeys(o.Keys); err != nil {
		return nil, err
	}
	if s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certificate},
	}
	s.client = &http.Client{Transport: &http.Transport{
		DialContext:     s.dial,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.ca.Pool()},
	}}
	go func() {
		defer close(s.served)
		_ = s.http.ServeTLS(s.listener, "", "") // always ends with an error: that of Close
	}()
	s.stop = context.AfterFunc(ctx, s.Close)
	return s, nil
}

// Close ends the server and its client's connections. Further calls do nothing.
func (s *Server) Close() {
	s.stop()
	_ = s.http.Close()
	<-s.served
	s.client.CloseIdleConnections()
}

// HTTPClient returns the server's client: every host name leads to the server, and TLS is verified against the server's authority for the host
// name that was asked for.
func (s *Server) HTTPClient() *http.Client { return s.client }

// RootCAs returns the authority that the server's certificates are from.
func (s *Server) RootCAs() *x509.CertPool { return s.ca.Pool() }

// Addr returns the address that the server listens on, for programs that cannot use its client.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// AuthorityPEM returns the certificate of that authority, for them too.
func (s *Server) AuthorityPEM() []byte { return s.ca.PEM() }

// Calls returns the requests so far whose signatures were good.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

func (s *Server) dial(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(s.options.Ports, port) {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connect: connection refused by the mock on port " + port)}
	}
	return new(net.Dialer).DialContext(ctx, network, s.listener.Addr().String())
}

func (s *Server) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := hello.ServerName
	under := func(domain string) bool { return strings.HasSuffix(name, domain) }
	if !slices.ContainsFunc([]string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws"}, under) && !slices.Contains(s.options.Hosts, name) {
		return nil, fmt.Errorf("no certificate for %q", name)
	}
	cert, err := s.ca.Server(name)
	return &cert, err
}
