package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"golang.org/x/term"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// keysSession is one run of a command on a key vault.
type keysSession struct {
	*fieldcrypt.ClientEncryption
	screen
	flags     *keysFlags
	client    *mongo.Client
	store     *keyvault.MongoStore
	documents *mongo.Collection
	providers *kmsProviders // nil for commands that ask no KMS
}

// run opens the key vault for do; an error of do is told to the person without secrets.
func (f *keysFlags) run(cmd *cobra.Command, doing string, do func(context.Context, *keysSession) error) error {
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	uri, err := serverURI(f.uri)
	hidden := uriSecrets(uri)
	s := &keysSession{flags: f, screen: f.screen(cmd)}
	if err == nil {
		err = s.open(ctx, cmd, uri, &hidden)
	}
	if err == nil {
		err = do(ctx, s)
		s.close()
	}
	return keysFailure(ctx, doing, hidden, err)
}

func (s *keysSession) open(ctx context.Context, cmd *cobra.Command, uri string, hidden *secrets) error {
	f := s.flags
	if !isNamespace(f.keyVault) {
		return badUsage("such as --key-vault encryption.__keyVault", "--key-vault: expected DB.COLL")
	}
	// The commands that have no such flag neither wrap nor unwrap anything, but a ClientEncryption wants a KMS.
	unused := make([]byte, payload.KeySize)
	_, _ = rand.Read(unused) // never fails
	opts := fieldcrypt.ClientEncryptionOptions{KmsProviders: map[string]map[string]any{"local": {"key": unused}}}
	if cmd.Flags().Lookup("kms-providers") != nil {
		if f.providers == "" {
			return badUsage(`"fieldcrypt help keys" tells how it is written`, "--kms-providers: expected a file")
		}
		if err := checkEndpoints(f.endpoints); err != nil {
			return err
		}
		var err error
		if s.providers, err = readProviders(ctx, f.providers); err != nil {
			return err
		}
		*hidden = append(*hidden, s.providers.secrets...)
		opts.KmsProviders, opts.KmsTypes = s.providers.config, s.providers.types(f.endpoints)
	}
	return s.connect(uri, opts)
}

func (s *keysSession) connect(uri string, opts fieldcrypt.ClientEncryptionOptions) (err error) {
	if s.client, err = connect(uri, nil); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = s.client.Disconnect(context.Background())
		}
	}()
	if s.store, err = keyvault.NewMongoStore(s.client, s.flags.keyVault); err != nil {
		return badUsage("", "--key-vault: %v", err)
	}
	db, coll, _ := strings.Cut(s.flags.keyVault, ".")
	s.documents = s.client.Database(db).Collection(coll, options.Collection().SetReadConcern(readconcern.Majority()))
	opts.KeyVault = s.store
	if s.ClientEncryption, err = fieldcrypt.NewClientEncryption(nil, opts); err != nil {
		return badInput("reading "+s.flags.providers, `"fieldcrypt help keys" tells how it is written`, "%v", err)
	}
	return nil
}

func (s *keysSession) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // there is nothing left to lose
	defer cancel()
	_ = s.Close(ctx)
	_ = s.client.Disconnect(ctx)
}

// count is how many documents filter matches.
func (s *keysSession) count(ctx context.Context, filter any) (int64, error) {
	return s.documents.CountDocuments(ctx, filter)
}

// interruptible gives a context that ends at the first interrupt, or at SIGTERM, by which systems stop what they have started; the second one ends the
// program. What is to be ignored stays so.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	var wanted []os.Signal
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		if !signal.Ignored(s) {
			signal.Reset(s) // of exitOnInterrupt
			wanted = append(wanted, s)
		}
	}
	if len(wanted) == 0 {
		return context.WithCancel(ctx)
	}
	ctx, stop := signal.NotifyContext(ctx, wanted...)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

func (s *keysSession) confirm(ctx context.Context, in io.Reader, question string) error {
	return s.ask(ctx, in, s.flags.yes, question)
}

// ask asks a person whether to do it, unless that was said already; question says what is concerned.
func (s *screen) ask(ctx context.Context, in io.Reader, yes bool, question string) error {
	switch {
	case yes:
		return nil
	case !isTerminal(in):
		return &failure{code: exitUsage, doing: "asking: " + question, wrong: "standard input is not a terminal", hint: "add --yes to do it without being asked"}
	}
	fmt.Fprintf(s.errs, "%s Type yes to go on: ", escaped(question))
	answer := make(chan string, 1)
	go func() { // waits for the terminal as long as the program lives
		line, _ := readLine(in)
		answer <- line
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(s.errs)
		return &failure{code: exitInterrupted, doing: "asking", wrong: "interrupted, nothing was changed"}
	case line := <-answer:
		if strings.TrimSpace(line) == "yes" {
			return nil
		}
	}
	return &failure{code: exitFailure, doing: "asking", wrong: "not confirmed, nothing was changed"}
}

// readLine reads a short line and nothing after it.
func readLine(in io.Reader) (string, error) {
	var line []byte
	for b := make([]byte, 1); len(line) < 100; {
		n, err := in.Read(b)
		if err != nil {
			return "", err
		}
		if n == 1 && b[0] == '\n' {
			return string(line), nil
		}
		line = append(line, b[:n]...)
	}
	return "", errors.New("too long")
}

// isTerminal says whether a person may be at the other end.
func isTerminal(stream any) bool {
	if out, ok := stream.(*output); ok {
		stream = out.Writer
	}
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// keyIDs reads the ids on the command line.
func keyIDs(args []string) ([]payload.KeyID, error) {
	ids := make([]payload.KeyID, 0, len(args))
	for _, arg := range args {
		id, err := parseKeyID(arg)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// parseKeyID reads a UUID, {"$uuid": "…"}, {"$binary": {…}} or, as mongosh shows some, base64.
func parseKeyID(arg string) (payload.KeyID, error) {
	if id, err := payload.ParseKeyID(arg); err == nil {
		return id, nil
	}
	if text := fmt.Appendf(nil, `{"v":%s}`, arg); json.Valid(text) {
		doc, _ := parseDocument(text) // without a document nothing is found in it
		subtype, data, _ := doc.Lookup("v").BinaryOK()
		if id, err := payload.KeyIDFromBinary(bson.Binary{Subtype: subtype, Data: data}); err == nil {
			return id, nil
		}
	}
	if data, err := decodeBase64(arg); err == nil && len(data) == len(payload.KeyID{}) {
		return payload.KeyID(data), nil
	}
	return payload.KeyID{}, badUsage("a key's alt name is not its id: see get-by-name, and --alt-name of delete and shred",
		"expected the UUID of a data key, got %d characters of something else", len(arg))
}
