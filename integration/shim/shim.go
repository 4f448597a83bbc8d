// Package shim puts a proxy in front of a MongoDB-compatible server so that a test can see every command a client sends,
// and can make the server look like one it is not: with validators and views, of an older version, slow, or gone.
//
// A validator (and validationLevel, validationAction) that a client gives to create or collMod is kept by the proxy, which
// shows it in later listCollections replies; the server never sees it, so nothing is validated. What the proxy shows
// cannot be filtered on, and does not follow renameCollection.
//
// It is for tests only: it keeps every command in memory, plaintext included, and knows neither TLS nor compression.
package shim

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Rules say what the proxy changes. The zero value changes nothing but what the package comment says.
type Rules struct {
	// Collections says what listCollections shows for existing collections, by namespace "db.collection".
	Collections map[string]Collection

	// Hello has fields that replace those of hello and isMaster replies, e.g. maxWireVersion.
	Hello bson.D

	// Intercept is called with each command before the server gets it, by many goroutines at a time.
	//   - (nil, nil): the server answers. To hold or delay a command, wait in Intercept, until ctx is done at most.
	//   - a reply: the client gets it (ok: 1 is added unless it has an ok), and the server never sees the command.
	//   - an error: the proxy closes the connection without an answer.
	Intercept func(ctx context.Context, cmd Command) (reply bson.D, err error)

	// Logger says, at the debug level, why connections ended. Default: discard.
	Logger *slog.Logger
}

// Collection is what listCollections shows of one collection.
type Collection struct {
	Type    string // "collection", "view"; empty: what the server says
	Options bson.D // in place of options of the same name
}

// Command is one command as a client sent it.
type Command struct {
	Name    string   // "insert"
	DB      string   // "$db"
	Body    bson.Raw // the command document, without the documents sent as a sequence beside it
	Message []byte   // the whole wire message
}

// Proxy is a running proxy.
type Proxy struct {
	rules    Rules
	listener net.Listener
	upstream string // host:port
	uri      string
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu          sync.Mutex
	commands    []Command
	collections map[string]Collection // Rules.Collections and what create and collMod said
}

// Run starts a proxy on a free loopback port in front of the server at upstreamURI, mongodb://host:port with or without
// more. It runs until Stop is called or ctx is done.
func Run(ctx context.Context, upstreamURI string, rules Rules) (*Proxy, error) {
	u, err := url.Parse(upstreamURI)
	if err != nil || u.Scheme != "mongodb" || u.Port() == "" || strings.Contains(u.Host, ",") {
		return nil, fmt.Errorf("starting the proxy: want the URI of one server, mongodb://host:port")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the proxy: %w", err)
	}
	if rules.Logger == nil {
		rules.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &Proxy{rules: rules, listener: listener, upstream: u.Host, cancel: cancel, collections: map[string]Collection{}}
	for namespace, c := range rules.Collections {
		p.collections[namespace] = Collection{c.Type, slices.Clone(c.Options)}
	}

	u.Host = listener.Addr().String()
	u.Path = "/" + u.Path[min(1, len(u.Path)):]
	query := u.Query()
	query.Del("replicaSet") // the driver would go on to the hosts that hello names
	query.Set("directConnection", "true")
	u.RawQuery = query.Encode()
	p.uri = u.String()

	context.AfterFunc(ctx, func() { listener.Close() })
	p.running.Go(func() { p.accept(ctx) })
	return p, nil
}

// URI is the proxy's connection string: the server's, with the proxy's address.
func (p *Proxy) URI() string { return p.uri }

// Stop closes all connections and waits until the proxy has ended. Calling it again is fine.
func (p *Proxy) Stop() {
	p.cancel()
	p.running.Wait()
}

// Commands returns the commands received so far, in order: all, or those of the given names.
func (p *Proxy) Commands(names ...string) []Command {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.commands), func(c Command) bool {
		return len(names) > 0 && !slices.Contains(names, c.Name)
	})
}

// Reset forgets the commands received so far.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commands = nil
}

func (p *Proxy) accept(ctx context.Context) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // the listener is closed
		}
		p.running.Go(func() {
			p.rules.Logger.Debug("connection ended", "reason", p.serve(ctx, client))
		})
	}
}

// serve answers one client until something fails. A driver sends one request at a time over a connection.
func (p *Proxy) serve(ctx context.Context, client net.Conn) error {
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })()
	server, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.upstream)
	if err != nil {
		return err
	}
	defer server.Close()
	defer context.AfterFunc(ctx, func() { server.Close() })()

	for {
		request, err := read(client)
		if err != nil {
			return fmt.Errorf("reading a request: %w", err)
		}
		cmd := request.command()
		p.mu.Lock()
		p.commands = append(p.commands, cmd)
		p.mu.Unlock()
		if err := p.exchange(ctx, client, server, request, cmd); err != nil {
			return fmt.Errorf("command %s: %w", cmd.Name, err)
		}
	}
}

// exchange gets one request answered, by the server or by the rules.
func (p *Proxy) exchange(ctx context.Context, client, server net.Conn, request message, cmd Command) error {
	reply, err := p.intercept(ctx, cmd)
	if err != nil {
		return err
	}
	if reply != nil {
		answer, err := request.answer(reply)
		if err != nil || request.moreToCome() {
			return err
		}
		_, err = client.Write(answer)
		return err
	}

	if request, err = p.before(cmd, request); err != nil {
		return err
	}
	if _, err := server.Write(request.bytes); err != nil {
		return err
	}
	for more := !request.moreToCome(); more; {
		reply, err := read(server)
		if err != nil {
			return fmt.Errorf("reading the reply: %w", err)
		}
		more = reply.moreToCome()
		if reply, err = p.after(cmd, reply); err != nil {
			return err
		}
		if _, err := client.Write(reply.bytes); err != nil {
			return err
		}
	}
	return nil
}
