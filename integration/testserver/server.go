// Package testserver runs a MongoDB-compatible server inside the process: FerretDB v1 on SQLite files in a directory.
//
// It is for tests and for the demo: it starts in milliseconds, needs nothing installed, and listens on the loopback
// interface only, because it asks nobody for a password. It is not for data anybody cares about: writes survive the end
// of the process, but not a power cut.
//
// FerretDB knows a part of MongoDB's language. Notably missing are validators, views, collMod, collation, transactions,
// pipeline updates, partial indexes and most aggregation stages. Package shim fills some of these gaps for tests.
package testserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/FerretDB/FerretDB/ferretdb"
)

// Options configures a server. The zero value is a silent server on a free loopback port, in a temporary directory.
type Options struct {
	// Dir is where the SQLite files are; it must exist, and stays when the server stops.
	// Default: a new temporary directory, removed when the server stops.
	Dir string

	// Addr is the TCP address to listen on; the host must be a loopback IP address. Default "127.0.0.1:0", a free port.
	Addr string

	// Logger gets FerretDB's messages. At the debug level they hold whole commands with every value in them.
	// Default: discard.
	Logger *slog.Logger
}

// Server is a running server.
type Server struct {
	uri    string
	dir    string
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of the clean-up; set before done is closed
}

// constructing serializes ferretdb.New, which writes a variable of its own package: without it two servers
// started at the same time are a data race.
var constructing sync.Mutex

// Run starts a server, which is ready to accept connections when Run returns. It runs until Stop is called or ctx is done.
func Run(ctx context.Context, opts Options) (*Server, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("starting the embedded server: %w", err)
	}
	addr, err := address(opts.Addr)
	if err != nil {
		return nil, fmt.Errorf("starting the embedded server: %w", err)
	}
	dir, remove, err := directory(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("starting the embedded server: %w", err)
	}
	logger := opts.Logger
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}

	constructing.Lock()
	db, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: addr},
		Logger:    logger,
		Handler:   "sqlite",
		SQLiteURL: "file:" + filepath.ToSlash(dir) + "/?_pragma=synchronous(off)",
	})
	constructing.Unlock()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the embedded server on %s: %w", addr, err), remove())
	}

	ctx, cancel := context.WithCancel(ctx)
	s := &Server{uri: db.MongoDBURI(), dir: dir, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.err = errors.Join(db.Run(ctx), remove())
	}()
	return s, nil
}

// URI is the server's connection string.
func (s *Server) URI() string { return s.uri }

// Dir is where the server's files are.
func (s *Server) Dir() string { return s.dir }

// Stop ends the server and waits until its port is free and its temporary directory is gone, or ctx is done.
// Clients that are still connected are given up to three seconds to leave: disconnect them first.
// Calling it again, or after the context given to Run is done, is fine.
func (s *Server) Stop(ctx context.Context) error {
	s.cancel()
	select {
	case <-s.done:
		return s.err
	case <-ctx.Done():
		return fmt.Errorf("stopping the embedded server at %s: %w", s.uri, ctx.Err())
	}
}

// address returns the address to listen on, once it is sure that other machines cannot reach it and that it is free.
func address(addr string) (string, error) {
	if addr == "" {
		return "127.0.0.1:0", nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return "", fmt.Errorf("address %q: the host must be a loopback IP address such as 127.0.0.1, because the server has no authentication", addr)
	}
	// FerretDB that finds its port in use loses an open backend, whose finalizer panics later: so try before.
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	return addr, l.Close()
}

// directory returns the absolute path of the server's directory and what to do with it in the end.
func directory(dir string) (string, func() error, error) {
	temporary := dir == ""
	if temporary {
		var err error
		if dir, err = os.MkdirTemp("", "fieldcrypt-testserver-"); err != nil {
			return "", nil, err
		}
	}
	remove := func() error {
		if temporary {
			return os.RemoveAll(dir)
		}
		return nil
	}
	abs, err := filepath.Abs(dir)
	if err == nil && strings.ContainsAny(abs, "?#%") {
		// FerretDB makes an SQLite URI of it without escaping, and would open a file somewhere else
		err = fmt.Errorf("directory %q: its path must not contain ?, # or %%", abs)
	}
	if err != nil {
		return "", nil, errors.Join(err, remove())
	}
	return abs, remove, nil
}
