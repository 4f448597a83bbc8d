package cryptd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/fieldcrypt/fieldcrypt/analyze"
)

// Server speaks MongoDB's wire protocol as mongocryptd does, and answers what drivers ask it: hello, a few commands to look after a
// connection, and analysis requests (see [Analyzer]). The zero value is ready for use. It must not be changed while it serves.
//
// There is no TLS and no authentication, as there is none in mongocryptd, and requests hold plaintext: listen on loopback addresses and UNIX
// sockets only.
//
// Memory is bounded whatever clients do. An idle connection keeps a small buffer; messages in work share a budget, and are read no faster
// than it allows; a client that stops in the middle of a message, or does not read its answer, is disconnected. Bytes that are no message
// end their connection and no other.
type Server struct {
	Rewrite analyze.Rewrite    // how much of a command changes; default analyze.Minimal
	Allow   analyze.Relaxation // what is not refused; default none
	Version string             // of the program, for buildInfo; default "(unknown)"

	// IdleShutdown ends Serve after so long without any message; default 0: never. Everything that a client says counts, also the hello by
	// which drivers watch a server every ten seconds: a driver that watches keeps the server alive, so that its next command does not wait for
	// a new one to start. Connections on which nothing is said do not count.
	IdleShutdown time.Duration

	MaxConnections int           // more are closed at once; default 20,000
	MaxMemory      int64         // bytes of the messages in work with their answers; short ones have a quarter of it besides, and schemas that are compiled what they take; default 512 MiB, 385 MB at least
	MessageTimeout time.Duration // for a connection's first byte, for the rest of a message that has begun, and for taking an answer; default 30 s
	Logger         *slog.Logger  // never gets a value of a command; each connection is told of at the debug level; default: discard
}

// Defaults of Server, and bounds that nobody needs to change.
const (
	defaultConnections = 20_000
	defaultMemory      = 512 << 20
	defaultTimeout     = 30 * time.Second

	shutdownGrace = 5 * time.Second // for what is in work when Serve ends
)

// Serve answers all connections of the listeners until ctx is done or the server was idle for long enough; then it answers what is in work,
// closes connections and listeners, and returns nil when all goroutines have ended. It may be called again, also at the same time: each call
// counts its own connections. The error is that of a listener which does not accept connections any more.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	if len(listeners) == 0 {
		return errors.New("serving: no listener")
	}
	return newService(s).run(ctx, listeners)
}

// withDefaults is the server with each default in place.
func (s *Server) withDefaults() Server {
	d := *s
	if d.Version == "" {
		d.Version = "(unknown)"
	}
	if d.MaxConnections <= 0 {
		d.MaxConnections = defaultConnections
	}
	if d.MaxMemory <= 0 {
		d.MaxMemory = defaultMemory
	}
	d.MaxMemory = max(d.MaxMemory, leastMemory)
	if d.MessageTimeout <= 0 {
		d.MessageTimeout = defaultTimeout
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return d
}
