// Package kmip is a mock of a KMIP server: it keeps keys in memory and speaks the protocol by mutual TLS, with ECDSA certificates of an authority of
// its own.
//
// It is for tests, those of other modules of this repository included. It knows Register and Get of secret data, Create of AES-256 keys, Encrypt
// and Decrypt with them in CBC mode, and Activate, in versions 1.0 to 1.4; no users, no attributes beyond those, and its keys live as long as it.
package kmip

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/ovh/kmip-go"
	"github.com/ovh/kmip-go/kmipserver"
	"github.com/ovh/kmip-go/ttlv"

	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/ca"
)

// SpecSecretID is the identifier of the secret data that wraps the KMIP data keys of the MongoDB driver specification "Client Side Encryption".
const SpecSecretID = "1"

const specSecret = "9clYgfMnBnAzcWZoSfn9DgjNjck3YSj73v79SW88fJD4+15MXU0EdWLU2sY2CdNj13AxfAs5Lp1GiaElckYXdi/z8MiB6JRqyjIPcBQ4kDPSM0PUB2XuPCmPJqMzLsAV"

// SpecSecret returns that secret data: it is public, as the 96 bytes in kms_kmip_client.py of the drivers' evergreen tools.
func SpecSecret() []byte {
	secret, err := base64.StdEncoding.DecodeString(specSecret)
	if err != nil {
		panic(err) // a constant
	}
	return secret
}

// Options say what the server knows. The zero value has the specification's secret.
type Options struct {
	Secrets map[string][]byte // active secret data by identifier; nil is SpecSecret only
	Keys    map[string][]byte // active AES keys by identifier
	// Intercept, if not nil, sees every request. Unless it returns nil, its answer is sent. It may wait; ctx ends when the server does.
	Intercept func(ctx context.Context, c Call) *Answer
}

// Call is a request.
type Call struct {
	Operation string // such as Get
	ID        string // of the object, where the request names one
	Version   string // of the protocol, such as 1.0
}

// Answer is sent in place of the server's own.
type Answer struct {
	Drop    bool // close the connection without a word
	Raw     []byte
	Reason  kmip.ResultReason
	Message string
}

// Server is a running mock.
type Server struct {
	options  Options
	ca       *ca.CA
	listener net.Listener
	client   *tls.Config
	executor *kmipserver.BatchExecutor
	ctx      context.Context // ends with the server
	cancel   context.CancelFunc
	serving  sync.WaitGroup

	mu      sync.Mutex
	objects map[string]*object
	calls   []Call
	conns   map[net.Conn]struct{} // that are open
	dialled int
}

// Run starts a server on a free port of the loopback interface. It serves until Close, or until ctx ends.
func Run(ctx context.Context, o Options) (*Server, error) {
	if o.Secrets == nil {
		o.Secrets = map[string][]byte{SpecSecretID: SpecSecret()}
	}
	authority, err := ca.New()
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, ca: authority, objects: newObjects(o), conns: map[net.Conn]struct{}{}}
	serverCert, err := authority.Server("127.0.0.1")
	if err != nil {
		return nil, err
	}
	clientCert, err := authority.Client("client")
	if err != nil {
		return nil, err
	}
	s.client = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authority.Pool(), Certificates: []tls.Certificate{clientCert}}
	s.executor = s.newExecutor()
	s.listener, err = tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{serverCert},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    authority.Pool(),
	})
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	context.AfterFunc(s.ctx, func() { _ = s.listener.Close() })
	s.serving.Go(s.accept)
	return s, nil
}

// Close ends the server and its connections. Further calls do nothing.
func (s *Server) Close() {
	s.cancel()
	s.serving.Wait()
}

// Addr returns host:port of the server, the endpoint for clients.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// ClientTLS returns options with the server's authority and a client certificate that the server accepts.
func (s *Server) ClientTLS() *tls.Config { return s.client.Clone() }

// AuthorityPEM returns the certificate of the server's authority, for programs that are not in Go.
func (s *Server) AuthorityPEM() []byte { return s.ca.PEM() }

// Calls returns the requests so far.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Connections returns how many connections are open, and how many there have been.
func (s *Server) Connections() (open, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns), s.dialled
}

// Disconnect closes the open connections, as a server does that is started anew.
func (s *Server) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.serving.Go(func() { s.serve(c) })
	}
}

// serve is in place of kmipserver's own server, which cannot drop a connection and writes to the program's log.
func (s *Server) serve(c net.Conn) {
	stop := context.AfterFunc(s.ctx, func() { _ = c.Close() })
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.dialled++
	s.mu.Unlock()
	defer func() {
		stop()
		_ = c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	stream := ttlv.NewStream(c, 1<<20)
	for {
		request := new(kmip.RequestMessage)
		if stream.Recv(request) != nil {
			return
		}
		if answer := s.intercept(request); answer != nil {
			if answer.Drop || answer.Raw != nil {
				_, _ = c.Write(answer.Raw) // the client may be gone
				return
			}
			if stream.Send(answer.message(request)) != nil {
				return
			}
			continue
		}
		if stream.Send(s.executor.HandleRequest(s.ctx, request)) != nil {
			return
		}
	}
}

// intercept notes the request.
func (s *Server) intercept(m *kmip.RequestMessage) *Answer {
	if len(m.BatchItem) != 1 {
		return nil
	}
	call := Call{ttlv.EnumStr(m.BatchItem[0].Operation), objectID(m.BatchItem[0].RequestPayload), m.Header.ProtocolVersion.String()}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.mu.Unlock()
	if s.options.Intercept == nil {
		return nil
	}
	return s.options.Intercept(s.ctx, call)
}

func (a *Answer) message(request *kmip.RequestMessage) *kmip.ResponseMessage {
	return &kmip.ResponseMessage{
		Header: kmip.ResponseHeader{ProtocolVersion: request.Header.ProtocolVersion, BatchCount: 1},
		BatchItem: []kmip.ResponseBatchItem{{
			Operation: request.BatchItem[0].Operation, ResultStatus: kmip.ResultStatusOperationFailed, ResultReason: a.Reason, ResultMessage: a.Message,
		}},
	}
}
