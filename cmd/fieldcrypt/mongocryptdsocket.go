package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
)

// socketListener listens at a UNIX socket that was made elsewhere.
type socketListener struct {
	net.Listener
	path   string
	unlink sync.Once
}

// listenSocket listens at a UNIX socket that is its owner's from the first moment: it is made in a directory that nobody else may enter, and gets its name when
// its mode is set. It replaces nothing that has the name.
func listenSocket(ctx context.Context, path string) (net.Listener, error) {
	if runtime.GOOS == "windows" { // where the directory's rights count
		return new(net.ListenConfig).Listen(ctx, "unix", path)
	}
	if _, err := os.Lstat(path); err == nil {
		return nil, socketInUse(path)
	}
	private, err := os.MkdirTemp(filepath.Dir(path), "")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(private)
	hidden := filepath.Join(private, "s")
	l, err := new(net.ListenConfig).Listen(ctx, "unix", hidden)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err = os.Chmod(hidden, 0o600); err == nil {
		err = name(hidden, path)
	}
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return &socketListener{Listener: l, path: path}, nil
}

// name gives the socket its name, unless there is something of that name; where a file system has no second names for sockets, that is looked for first.
func name(hidden, path string) error {
	err := os.Link(hidden, path)
	if errors.Is(err, fs.ErrExist) {
		return socketInUse(path)
	}
	if err == nil {
		return nil
	}
	if _, err := os.Lstat(path); err == nil {
		return socketInUse(path)
	}
	return os.Rename(hidden, path)
}

func socketInUse(path string) error {
	return &fs.PathError{Op: "bind", Path: path, Err: syscall.EADDRINUSE}
}

// Addr is the name that clients know.
func (l *socketListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

// Close removes the socket, too.
func (l *socketListener) Close() error {
	l.unlink.Do(func() { _ = os.Remove(l.path) })
	return l.Listener.Close()
}
