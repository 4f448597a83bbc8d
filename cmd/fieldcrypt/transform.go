package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

const transformExitCodes = `Exit codes:
  0    done
  1    the server, a KMS or a file failed
  2    bad usage, schema, providers file, connection string, or input
  3    a document was refused: it cannot be encrypted, or decrypted, as asked
  130  interrupted
  141  the reader of the output went away
`

// filesHelp is the part of the help that encrypt and decrypt share.
const filesHelp = `Documents come from FILE or standard input, and go to standard output or the file
of --out, which appears when it is complete or not at all. With --format json,
the default, they are Extended JSON, one after the other; what is written is
canonical, one document per line, because relaxed Extended JSON does not tell an
int from a long. With --format bson they are BSON documents one after the other,
as mongodump writes them. Memory does not grow with the input. When something
fails, the message says at which document; to standard output, those before it
have been written.

FILE may be a directory that mongodump has written, uncompressed; --out is the
directory to make then, which appears when it is complete or not at all.

The key vault is the collection --key-vault DB.COLL on the server of --uri or,
better, of the environment variable FIELDCRYPT_URI.

`

// transformFlags are the flags that encrypt and decrypt share.
type transformFlags struct {
	keysFlags
	format, out string
}

func (f *transformFlags) registerTransform(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.uri, "uri", "", "connection string, `URI`, of the server (default: $FIELDCRYPT_URI)")
	flags.StringVar(&f.keyVault, "key-vault", "", "the key vault's collection, `DB.COLL`")
	flags.StringVar(&f.format, "format", "json", "`FORMAT` of input and output: json or bson")
	flags.StringVar(&f.out, "out", "", "write to `FILE` instead of standard output")
	flags.BoolVar(&f.quiet, "quiet", false, "no notes and no progress")
	f.registerKMS(cmd)
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"json", "bson"}, cobra.ShellCompDirectiveNoFileComp))
	for _, name := range []string{"uri", "key-vault"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
}

// check checks the command line.
func (f *transformFlags) check(args []string) error {
	switch {
	case len(args) > 1:
		return badUsage("", "expected one file at most, got %d", len(args))
	case f.format != "json" && f.format != "bson":
		return badUsage("", "--format: expected json or bson")
	case !isNamespace(f.keyVault):
		return badUsage("such as --key-vault encryption.__keyVault", "--key-vault: expected DB.COLL")
	case f.providers == "":
		return badUsage(`"fieldcrypt help keys" tells how it is written`, "--kms-providers: expected a file")
	case isDump(args) && f.out == "":
		return badUsage("name the directory to make", "--out: expected it, since a directory is given")
	}
	return nil
}

// change makes one document of another, which holds until the next.
type change func(ctx context.Context, doc bson.Raw) (bson.Raw, error)

// run opens key vault and KMSs for do. opts lacks what the flags say.
func (f *transformFlags) run(cmd *cobra.Command, doing string, opts fieldcrypt.AutoEncryptionOptions, do func(context.Context, *fieldcrypt.AutoEncryption, *transform) error) error {
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	s, err := openServer(ctx, &f.keysFlags)
	if err != nil {
		return s.failure(ctx, doing, err)
	}
	defer s.close()
	opts.KeyVaultNamespace, opts.KmsProviders, opts.KmsTypes = f.keyVault, s.providers.config, s.providers.types(f.endpoints)
	engine, err := fieldcrypt.NewAutoEncryption(opts, s.vault, nil)
	if err != nil {
		return s.failure(ctx, doing, err)
	}
	defer engine.Close()
	t := &transform{doing: doing, screen: f.screen(cmd), binary: f.format == "bson"}
	return s.failure(ctx, doing, do(ctx, engine, t))
}

// transform changes a stream of documents.
type transform struct {
	screen
	doing  string // "encrypting"
	change change
	binary bool
	done   int64
}

// files opens input and output. An interrupted run leaves no file behind.
func (t *transform) files(ctx context.Context, cmd *cobra.Command, args []string, out string) error {
	in, size := cmd.InOrStdin(), int64(0)
	if len(args) == 1 && args[0] != "-" {
		file, err := os.Open(args[0])
		if err != nil {
			return ioFailure("reading "+args[0], err)
		}
		defer file.Close()
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		in = file
	}
	if out == "" {
		w := bufio.NewWriterSize(t.out, 1<<16)
		err := t.interruptibly(ctx, in, size, w)
		if ctx.Err() != nil && err != nil { // the writer may still be in use
			return err
		}
		if flushed := writeFailure(w.Flush()); flushed != nil {
			return flushed
		}
		return t.told(err, "written")
	}
	file, err := createWhole(out)
	if err != nil {
		return ioFailure("writing "+out, err)
	}
	defer file.discard()
	if err := t.interruptibly(ctx, in, size, file); err != nil {
		return err
	}
	if err := file.commit(); err != nil {
		return ioFailure("writing "+out, err)
	}
	return t.told(nil, "written to "+out)
}

func (t *transform) told(err error, where string) error {
	t.note("%s %s", plural(int(t.done), "document"), where)
	return err
}

// interruptibly runs until the input ends or ctx does; reading from a terminal cannot be cut short otherwise.
func (t *transform) interruptibly(ctx context.Context, in io.Reader, size int64, w io.Writer) error {
	ended := make(chan error, 1)
	go func() { ended <- t.stream(ctx, in, size, w) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		if err != nil {
			return err
		}
	case <-time.After(time.Second):
	}
	return ctx.Err()
}

// stream changes each document of in as it comes.
func (t *transform) stream(ctx context.Context, in io.Reader, size int64, w io.Writer) error {
	read := &counting{Reader: in}
	next, write, where := t.form(read, w)
	var p *progress
	if size > 0 {
		p = t.progress("bytes", size)
		defer p.end()
	}
	for {
		doc, err := next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		changed, err := t.change(ctx, doc)
		if err != nil {
			return t.refused(ctx, where(), err)
		}
		if err := write(changed); err != nil {
			return err
		}
		t.done++
		if p != nil {
			p.at(min(read.n, size))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// form gives how documents are read and written, and where the last one read stands.
func (t *transform) form(in io.Reader, w io.Writer) (next func() (bson.Raw, error), put func(bson.Raw) error, where func() string) {
	if t.binary {
		docs := &bsonDocuments{in: bufio.NewReaderSize(in, 1<<16)}
		return docs.next, func(doc bson.Raw) error { return write(w, doc) }, docs.where
	}
	docs := newDocuments("document", in)
	put = func(doc bson.Raw) error {
		text, ok := exactly(doc)
		if !ok {
			return &failure{
				code: exitRefused, doing: "writing document " + strconv.Itoa(docs.n),
				wrong: "Extended JSON would change it: it holds text that is not UTF-8, or a document that looks like {\"$oid\": …}",
				hint:  "use --format bson, with BSON documents as input",
			}
		}
		return write(w, append(text, '\n'))
	}
	where = func() string {
		line, _ := docs.in.position(docs.at)
		return fmt.Sprintf("document %d, at line %d", docs.n, line)
	}
	return docs.next, put, where
}

// exactly writes a document as Extended JSON; false when that does not read as the same document. What was encrypted need not have come from JSON.
func exactly(doc bson.Raw) (text []byte, ok bool) {
	text, err := bson.MarshalExtJSON(doc, true, false)
	if err != nil {
		return nil, false
	}
	back, ok := convert(text)
	return text, ok && same(back, doc)
}

// same says whether two documents are identical but for the bits of what is not a number.
func same(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, y := bsonraw.Iterate(a), bsonraw.Iterate(b)
	for x.Next() {
		if !y.Next() {
			return false
		}
		e, f := x.Element, y.Element
		switch {
		case bytes.Equal(e.Raw, f.Raw):
		case e.Type != f.Type || !bytes.Equal(e.Key, f.Key):
			return false
		case e.Type == bson.TypeDouble && math.IsNaN(e.RawValue().Double()) && math.IsNaN(f.RawValue().Double()):
		case !e.IsContainer() || !same(e.Value, f.Value):
			return false
		}
	}
	return !y.Next() && x.Err == nil && y.Err == nil
}

// counting counts what is read.
type counting struct {
	io.Reader
	n int64
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += int64(n)
	return n, err
}

// refused says at which document something failed, and what can be done.
func (t *transform) refused(ctx context.Context, where string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	f := &failure{code: exitFailure, doing: t.doing + " " + where, wrong: err.Error(), hint: keysHint(err)}
	var no *analyze.RefusedError
	var key *keyvault.KeyError
	var kind *payload.TypeError
	switch {
	case errors.As(err, &no):
		f.code, f.wrong, f.hint = exitRefused, refusalText(no), no.Hint
	case errors.As(err, &key), errors.As(err, &kind), errors.Is(err, payload.ErrAuthentication), errors.Is(err, payload.ErrMalformed):
		f.code = exitRefused
	}
	return f
}

func refusalText(no *analyze.RefusedError) string {
	if no.Path == "" {
		return fmt.Sprintf("refused (%s): %s", no.Rule, no.Message)
	}
	return fmt.Sprintf("refused (%s) at %s: %s", no.Rule, printable(no.Path), no.Message)
}
