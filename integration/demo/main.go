// Command demo plays client-side field level encryption on real documents: encrypting by hand, as the Amazon DocumentDB guide
// tells it, and automatically, as MongoDB's manual does. It prints side by side what the application sees and what the
// server stores, checks every step, and cleans up.
//
//	go run ./integration/demo                                   # on a server of its own, inside this process
//	go run ./integration/demo --keep                            # leave that server running, to look around with other clients
//	go run ./integration/demo --uri mongodb://localhost:27017   # on a server of yours, in databases of its own
//
// It exits with 0 only if every step checked out, with 1 if one did not, and with 130 after an interrupt.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(errs)
	uri := flags.String("uri", "", "run against the server at this connection string instead of an embedded one")
	keep := flags.Bool("keep", false, "keep what was stored; leave the embedded server running until Ctrl-C")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(errs, "demo: got the argument %q, expected only flags\n", flags.Arg(0))
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := play(ctx, out, *uri, *keep)
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(errs, "\ndemo: interrupted")
		return 130
	default:
		fmt.Fprintln(errs, "\ndemo:", err)
		return 1
	}
}

// play runs both stories on one server and cleans up.
func play(ctx context.Context, out io.Writer, uri string, keep bool) (err error) {
	d := &demo{screen: screen{out: out}, uri: uri, names: embeddedNames()}
	if uri != "" {
		d.names = foreignNames()
	} else {
		server, dir, startErr := startServer(ctx, keep)
		if startErr != nil {
			return startErr
		}
		defer func() { err = errors.Join(err, stopServer(server)) }()
		d.uri = server.URI()
		d.say("A MongoDB-compatible server runs inside this process: %s", d.uri)
		if keep {
			d.say("Its files: %s (delete them when done)", dir)
			defer func() {
				if err == nil {
					waitForInterrupt(ctx, d)
				}
			}()
		}
	}
	if d.plain, err = d.connect(); err != nil {
		return err
	}
	defer d.disconnect(d.plain)
	if err := d.plain.Ping(ctx, nil); err != nil {
		return fmt.Errorf("reaching the server: %w", err)
	}
	if !keep {
		defer d.drop()
	}
	stories := []struct {
		title string
		tell  func(context.Context) error
	}{{"1  Explicit encryption", d.explicit}, {"2  Automatic encryption", d.automatic}}
	for _, story := range stories {
		d.title(story.title)
		if err := story.tell(ctx); err != nil {
			return err
		}
	}
	d.say("\nAll %d checks passed.", d.checks)
	if keep {
		d.say("What was stored is in the databases %s, %s and %s.", d.names.keyVault, d.names.game, d.names.hr)
	}
	return nil
}

// startServer starts the embedded server; with keep its files stay in dir.
func startServer(ctx context.Context, keep bool) (*testserver.Server, string, error) {
	var dir string
	if keep {
		var err error
		if dir, err = os.MkdirTemp("", "fieldcrypt-demo-"); err != nil {
			return nil, "", err
		}
	}
	// Not ctx: after an interrupt there is still something to clean up on the server.
	server, err := testserver.Run(context.WithoutCancel(ctx), testserver.Options{Dir: dir})
	return server, dir, err
}

func stopServer(server *testserver.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return server.Stop(ctx)
}

func waitForInterrupt(ctx context.Context, d *demo) {
	if ctx.Err() != nil {
		return
	}
	d.say("\nThe server goes on: %s\nPress Ctrl-C to stop it.", d.uri)
	<-ctx.Done()
}

// demo is what both stories share.
type demo struct {
	screen
	uri   string
	names names
	plain *mongo.Client // sees what the server stores
}

// names are the databases to use.
type names struct{ keyVault, game, hr string }

// embeddedNames are those of the stories.
func embeddedNames() names { return names{keyVault: "encryption", game: "game", hr: "hr"} }

// foreignNames cannot clash with data on somebody's server.
func foreignNames() names {
	run := "fieldcrypt_demo_" + strings.ToLower(rand.Text()[:8]) + "_"
	return names{keyVault: run + "encryption", game: run + "game", hr: run + "hr"}
}

func (d *demo) options() *options.ClientOptions {
	return options.Client().ApplyURI(d.uri).SetServerSelectionTimeout(5 * time.Second)
}

func (d *demo) connect() (*mongo.Client, error) { return mongo.Connect(d.options()) }

func (d *demo) disconnect(client *mongo.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := client.Disconnect(ctx); err != nil {
		d.say("disconnecting: %v", err)
	}
}

// drop removes everything the demo stored.
func (d *demo) drop() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, name := range []string{d.names.keyVault, d.names.game, d.names.hr} {
		if err := d.plain.Database(name).Drop(ctx); err != nil {
			d.say("could not drop the databases %s, %s and %s: %v", d.names.keyVault, d.names.game, d.names.hr, err)
			return
		}
	}
}

// closeKeys ends explicit encryption and disconnects its client.
func (d *demo) closeKeys(ce *fieldcrypt.ClientEncryption) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := ce.Close(ctx); err != nil {
		d.say("disconnecting from the key vault: %v", err)
	}
}

// masterKey makes a local master key. In production it lives in a KMS, or in a file that only the application can read.
func masterKey() []byte {
	key := make([]byte, 96)
	rand.Read(key) // never fails
	return key
}
