package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/wire"
)

// exitAddressInUse is the exit code that mongod has for it.
const exitAddressInUse = 48

// listenFlags say where the daemon listens.
type listenFlags struct {
	port                 int
	bind                 []string
	socket, socketPrefix string
}

func (f *listenFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.IntVar(&f.port, "port", 27020, "TCP `PORT`; 0: any that is free")
	flags.StringSliceVar(&f.bind, "bind", []string{"localhost"}, "`ADDRESSES` to listen at, with commas between them")
	flags.StringSliceVar(&f.bind, "bind_ip", []string{"localhost"}, "the same")
	flags.StringVar(&f.socket, "socket", "", "UNIX socket `PATH` to listen at besides")
	flags.StringVar(&f.socketPrefix, "unixSocketPrefix", "", "`DIR` for the UNIX socket mongodb-PORT.sock")
	flags.Bool("nounixsocket", false, "")
	_ = flags.MarkHidden("bind_ip") // fails for unknown flags only
	_ = flags.MarkHidden("nounixsocket")
}

// address is one place to listen at.
type address struct {
	network, at string
	optional    bool // not every machine has it
}

// listen opens all addresses; none, without an error, when another mongocryptd answers at one of them.
func (f *listenFlags) listen(ctx context.Context, log *slog.Logger) (listeners []net.Listener, err error) {
	if f.port < 0 || f.port > 65535 {
		return nil, badUsage("", "--port: expected 0 to 65535")
	}
	if len(f.bind) == 0 || slices.Contains(f.bind, "") {
		return nil, badUsage("such as --bind localhost", "--bind: expected addresses, with commas between them")
	}
	for _, a := range f.addresses(log) {
		l, err := open(ctx, a, listeners)
		switch {
		case err == nil:
			listeners = append(listeners, l)
		case a.answersAsMongocryptd(ctx):
			closeAll(listeners)
			log.Info("another mongocryptd answers here: leaving it to that one", "address", a.at)
			return nil, nil
		case a.optional && !errors.Is(err, syscall.EADDRINUSE):
			log.Debug("not listening", "address", a.at, "error", err)
		default:
			closeAll(listeners)
			log.Error("cannot listen", "address", a.at, "error", err)
			return nil, listenFailure(a, err)
		}
	}
	return listeners, nil
}

func listenFailure(a address, err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		err = op.Err
	}
	f := ioFailure("listening at "+a.at, err)
	if errors.Is(err, syscall.EADDRINUSE) {
		f.code, f.hint = exitAddressInUse, "another program listens there, and it is no mongocryptd: choose another --port, and name it in mongocryptdURI"
	}
	return f
}

// addresses lists the places to listen at.
func (f *listenFlags) addresses(log *slog.Logger) (all []address) {
	port := strconv.Itoa(f.port)
	for _, host := range f.bind {
		switch ip := net.ParseIP(host); {
		case host == "localhost":
			all = append(all, address{"tcp4", net.JoinHostPort("127.0.0.1", port), false}, address{"tcp6", net.JoinHostPort("::1", port), true})
			continue
		case ip == nil || !ip.IsLoopback():
			log.Warn("listening beyond this machine: commands travel in plaintext, and whoever reaches the port may ask", "address", host)
		}
		all = append(all, address{"tcp", net.JoinHostPort(strings.Trim(host, "[]"), port), false})
	}
	if f.socketPrefix != "" {
		all = append(all, address{"unix", filepath.Join(f.socketPrefix, "mongodb-"+port+".sock"), false})
	}
	if f.socket != "" {
		all = append(all, address{"unix", f.socket, false})
	}
	return all
}

// open listens at an address. With port 0 all get the port of the first.
func open(ctx context.Context, a address, before []net.Listener) (net.Listener, error) {
	host, port, _ := net.SplitHostPort(a.at)
	if a.network != "unix" && port == "0" && len(before) > 0 {
		if first, ok := before[0].Addr().(*net.TCPAddr); ok {
			a.at = net.JoinHostPort(host, strconv.Itoa(first.Port))
		}
	}
	if a.network != "unix" {
		return new(net.ListenConfig).Listen(ctx, a.network, a.at)
	}
	l, err := listenSocket(ctx, a.at)
	if err != nil && a.isAbandoned(ctx) {
		_ = os.Remove(a.at)
		return listenSocket(ctx, a.at)
	}
	return l, err
}

// isAbandoned says whether a UNIX socket was left behind by a process that has gone.
func (a address) isAbandoned(ctx context.Context) bool {
	info, err := os.Lstat(a.at)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return false
	}
	conn, err := new(net.Dialer).DialContext(ctx, a.network, a.at)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// answersAsMongocryptd asks whoever listens at an address who it is.
func (a address) answersAsMongocryptd(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	reply, err := a.hello(ctx)
	if err != nil {
		return false
	}
	is, _ := reply.Lookup("iscryptd").BooleanOK()
	return is
}

func (a address) hello(ctx context.Context) (bson.Raw, error) {
	conn, err := new(net.Dialer).DialContext(ctx, a.network, a.at)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	until, _ := ctx.Deadline()
	_ = conn.SetDeadline(until)
	hello, err := bson.Marshal(bson.D{{Key: "hello", Value: 1}, {Key: "$db", Value: "admin"}})
	if err != nil {
		return nil, err
	}
	m := wire.Msg{RequestID: 1, Body: hello}
	request, err := m.Append(nil)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(request); err != nil {
		return nil, err
	}
	const most = 64 << 10
	message, _, err := wire.Read(conn, nil, most)
	if err != nil {
		return nil, err
	}
	if err := m.Decode(message); err != nil {
		return nil, err
	}
	return m.Body, m.Body.Validate()
}

// pidFile is a file that holds the id of this process.
type pidFile string

// writePIDFile writes the file whole or not at all.
func writePIDFile(path string) (pidFile, error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".pid-*")
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprintln(f, os.Getpid())
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return pidFile(path), nil
}

// remove removes the file, unless another process has written it anew.
func (p pidFile) remove() {
	if text, err := os.ReadFile(string(p)); err == nil && strings.TrimSpace(string(text)) == strconv.Itoa(os.Getpid()) {
		_ = os.Remove(string(p))
	}
}
