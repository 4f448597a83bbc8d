package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/schema"
	"github.com/fieldcrypt/fieldcrypt/schema/enforce"
)

// schemaSession is one run of a command of schema with a server.
type schemaSession struct {
	screen
	flags  *schemaFlags
	client *mongo.Client
}

// run connects to the server for do; an error of do is told to the person without secrets.
func (f *schemaFlags) run(cmd *cobra.Command, doing string, do func(context.Context, *schemaSession) error) error {
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	uri, err := serverURI(f.uri)
	if err != nil {
		return err
	}
	client, err := connect(uri, nil)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second) // there is nothing left to lose
		defer cancel()
		_ = client.Disconnect(ctx)
	}()
	err = do(ctx, &schemaSession{screen: f.screen(cmd), flags: f, client: client})
	return keysFailure(ctx, doing, uriSecrets(uri), schemaFailure(doing, err))
}

// schemaFailure adds what a person can do.
func schemaFailure(doing string, err error) error {
	var f *failure
	if err == nil || errors.As(err, &f) {
		return err
	}
	var bad *schema.Error
	var refused *analyze.RefusedError
	var left *enforce.LeftError
	hint := ""
	switch {
	case errors.As(err, &left):
		hint = "drop or delete it with another client, by a user who may"
	case errors.As(err, &bad):
		hint = bad.Hint
	case errors.As(err, &refused):
		hint = cmp.Or(refused.Hint, "take the condition out of the collection's validator first")
	case errors.Is(err, enforce.ErrNoCollection):
		hint = "check the name; apply makes it with --create"
	case errors.Is(err, enforce.ErrNoEncrypt):
		hint = "--approximate asks for binary data instead, which such servers can check"
	case errors.Is(err, enforce.ErrNotKept), errors.Is(err, enforce.ErrNoValidators):
		hint = "this server cannot enforce a schema: only what clients are configured with protects the fields"
	case errors.Is(err, enforce.ErrChanged):
		hint = "run it again"
	case errors.Is(err, enforce.ErrNoTransactions):
		hint = "leave --transaction out: a scratch collection is used then"
	case unauthorized(err):
		hint = "check user, password and authSource of the connection string; apply needs collMod, listCollections and createCollection, probe the rights to create, insert and drop"
	default:
		return err // a connection's
	}
	return &failure{code: exitFailure, doing: doing, wrong: strings.TrimPrefix(err.Error(), doing+": "), hint: hint}
}

// errFound ends a run that found something; what it found is output.
var errFound = &failure{code: exitRefused}

// columns writes a table with a line for each finding.
func (s *screen) columns(header []string, lines [][]string) error {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, line := range append([][]string{header}, lines...) {
		shown := make([]string, len(line))
		for i, text := range line {
			shown[i] = escaped(text)
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(shown, "\t"), "\t"))
	}
	_ = w.Flush() // into memory
	return write(s.out, b.Bytes())
}
