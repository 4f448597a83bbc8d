// Package gcp is a mock of Google Cloud KMS and of where its access tokens come from: an HTTPS server in this process that speaks the REST
// protocol of Cloud KMS, checks what a service account signs at the token endpoint, answers as the metadata server of a virtual machine, and stands
// in for the whole Internet behind the HTTP client that it gives.
//
// It is for tests, those of other modules of this repository included, with Google's own client library. It knows encrypt and decrypt under
// symmetric keys, not policies, additional authenticated data or the other operations, and its keys live as long as it.
package gcp

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

// SpecKeyName is the key of the Cloud KMS test cases of the MongoDB driver specification "Client Side Encryption".
const SpecKeyName = "projects/devprod-drivers/locations/global/keyRings/key-ring-csfle/cryptoKeys/key-name-csfle"

// Options say what the server knows. The zero value knows SpecKeyName, and no one but its own metadata server that gives tokens for it.
type Options struct {
	Account      *Account      // the service account that the token endpoint knows
	Tokens       []string      // access tokens that are good for ever
	TokenLife    time.Duration // of those it gives; 0 is an hour
	TokenHost    string        // of the token endpoint; empty is oauth2.googleapis.com
	Keys         []Key         // nil is an enabled SpecKeyName only
	Hosts        []string      // that the server answers for besides *.googleapis.com
	Ports        []string      // that connections go to; nil is 443 only
	QuotaProject string        // that the header X-Goog-User-Project must name, if not empty
	// Intercept, if not nil, sees every request first. Unless it returns nil, its answer is sent. It may wait; ctx ends when the client goes
	// away.
	Intercept func(ctx context.Context, c Call) *Answer
}

// Call is a request, good or not.
type Call struct {
	Operation string // token, metadata, encrypt or decrypt
	Host      string
	Name      string // of the key or the version of it
	Token     string // that the request was made with
}

// Answer is sent in place of the server's own.
type Answer struct {
	Drop            bool // close the connection without a word
	HTTP            int  // 0 is 200
	Status, Message string
	Reason          string // the type of a violated precondition
	Body            string // instead of an error in Google's form
	Location        string // where a redirect points
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

	mu     sync.Mutex
	keys   []*sealedKey
	calls  []Call
	tokens map[string]time.Time // when they expire
}

// Run starts a server on a free port of the loopback interface. It serves until Close, or until ctx ends.
func Run(ctx context.Context, o Options) (*Server, error) {
	if o.TokenLife == 0 {
		o.TokenLife = time.Hour
	}
	if o.TokenHost == "" {
		o.TokenHost = "oauth2.googleapis.com"
	}
	if o.Keys == nil {
		o.Keys = []Key{{Name: SpecKeyName}}
	}
	if o.Ports == nil {
		o.Ports = []string{"443"}
	}
	s := &Server{options: o, served: make(chan struct{}), tokens: map[string]time.Time{}}
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
		ErrorLog:          log.New(io.Discard, "", 0), // handshakes that the tests break
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

// Calls returns the requests so far.
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
	if !strings.HasSuffix(name, ".googleapis.com") && !slices.Contains(s.options.Hosts, name) {
		return nil, fmt.Errorf("no certificate for %q", name)
	}
	cert, err := s.ca.Server(name)
	return &cert, err
}
