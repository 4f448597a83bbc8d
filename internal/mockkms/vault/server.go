// Package vault is a mock of HashiCorp Vault and OpenBao: an HTTPS server in this process that answers as their HTTP API documents say.
//
// It is for tests, those of other modules of this repository included, with the real client library. It knows the login of AppRole and Kubernetes,
// the tokens' lookup-self and renew-self, and Transit's keys of type aes256-gcm96: create, read, rotate, config, delete, encrypt and decrypt. It has no
// policies but Key.Forbidden, and forgets everything when it ends.
package vault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/ca"
)

// Options say what the server knows. The zero value has an engine at "transit" without keys, and RootToken.
type Options struct {
	Now        func() time.Time // nil is time.Now
	Namespace  string           // where everything is; requests of other namespaces find nothing
	Mounts     []string         // of Transit; nil is "transit" only
	Tokens     []Token          // nil is RootToken only
	AppRole    *AppRole
	Kubernetes *Kubernetes
	Plain      bool // speak HTTP without TLS
	// Intercept, if not nil, sees every request first. Unless it returns nil, its answer is sent. It may wait; ctx ends when the client goes
	// away.
	Intercept func(ctx context.Context, c Call) *Answer
}

// RootToken is the token that the server knows by default. It lives for ever.
const RootToken = "hvs.mock-root-token"

// Token is one that the server knows from the start.
type Token struct {
	ID       string
	TTL      time.Duration // 0 is for ever
	MaxTTL   time.Duration // that renewals cannot pass; 0 is none
	Fixed    bool          // cannot be renewed
	NoLookup bool          // must not use lookup-self
}

// AppRole is a role of the AppRole auth method. Its tokens have the form of Token.
type AppRole struct {
	Mount            string // empty is "approle"
	RoleID, SecretID string
	Token            Token // without ID
}

// Kubernetes is a role of the Kubernetes auth method.
type Kubernetes struct {
	Mount     string // empty is "kubernetes"
	Role, JWT string
	Token     Token // without ID
}

// Call is a request.
type Call struct {
	Method    string
	Path      string // after /v1/
	Token     string
	Namespace string
	Refused   bool // for its token
}

// Answer is sent in place of the server's own.
type Answer struct {
	Drop     bool // close the connection without a word
	Status   int  // 0 is 400
	Errors   []string
	Body     string // instead of errors
	Location string // where a redirect points
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

	mu          sync.Mutex
	sealed      bool
	connections int
	tokens      map[string]*liveToken
	keys        map[string]*key // by mount/name
	calls       []Call
}

// Run starts a server on a free port of the loopback interface. It serves until Close, or until ctx ends.
func Run(ctx context.Context, o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Mounts == nil {
		o.Mounts = []string{"transit"}
	}
	if o.Tokens == nil {
		o.Tokens = []Token{{ID: RootToken}}
	}
	s := &Server{options: o, served: make(chan struct{}), tokens: map[string]*liveToken{}, keys: map[string]*key{}}
	for _, t := range o.Tokens {
		s.tokens[t.ID] = s.live(t)
	}
	var err error
	if s.ca, err = ca.New(); err != nil {
		return nil, err
	}
	cert, err := s.ca.Server("127.0.0.1")
	if err != nil {
		return nil, err
	}
	if s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
		ConnState:         s.count,
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}},
	}
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.ca.Pool()}}}
	go s.serve()
	s.stop = context.AfterFunc(ctx, s.Close)
	return s, nil
}

// serve ends with an error always: that of Close.
func (s *Server) serve() {
	defer close(s.served)
	if s.options.Plain {
		_ = s.http.Serve(s.listener)
		return
	}
	_ = s.http.ServeTLS(s.listener, "", "")
}

// Close ends the server and its client's connections. Further calls do nothing.
func (s *Server) Close() {
	s.stop()
	_ = s.http.Close()
	<-s.served
	s.client.CloseIdleConnections()
}

// URL returns the server's address.
func (s *Server) URL() string {
	if s.options.Plain {
		return "http://" + s.Addr()
	}
	return "https://" + s.Addr()
}

// Addr returns the server's host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// HTTPClient returns a client that knows the server's authority.
func (s *Server) HTTPClient() *http.Client { return s.client }

// RootCAs returns the authority that the server's certificate is from.
func (s *Server) RootCAs() *x509.CertPool { return s.ca.Pool() }

// Calls returns the requests so far.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Connections returns how many connections there were so far.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections
}

func (s *Server) count(_ net.Conn, state http.ConnState) {
	if state == http.StateNew {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.connections++
	}
}

// Seal seals or unseals the server.
func (s *Server) Seal(sealed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = sealed
}

// Revoke ends the life of all tokens.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}
