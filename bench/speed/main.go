// Command speed measures fieldcrypt beside libmongocrypt and beside the bare primitives; ../README.md says how.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/fieldcrypt/fieldcrypt/bench/floor"
	"github.com/fieldcrypt/fieldcrypt/bench/measure"
	"github.com/fieldcrypt/fieldcrypt/bench/ours"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

const usage = `speed full [-libmongocrypt PROGRAM [-libraries FOLDER]] [-mongocryptd PROGRAM [-ferretdb PROGRAM] [-java PROGRAM]] [-match REGEXP] [-rounds N] [-out FILE]
speed report [-results FILE] [-page FILE]
speed short
speed serve ours | buffered | floor     (used by the others)`

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s", usage)
	}
	switch args[0] {
	case "serve":
		return serve(args[1:])
	case "full":
		return full(ctx, args[1:])
	case "short":
		return short(ctx, args[1:])
	case "report":
		return show(args[1:])
	}
	return fmt.Errorf("no command %q\n%s", args[0], usage)
}

func serve(args []string) error {
	sides := map[string]measure.Side{"ours": ours.Side{}, "buffered": ours.Side{Buffered: true}, "floor": floor.Side{}}
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	if err := f.Parse(args); err != nil {
		return err
	}
	s, ok := sides[f.Arg(0)]
	if !ok {
		return fmt.Errorf("no side %q", f.Arg(0))
	}
	return measure.Serve(os.Stdin, os.Stdout, s)
}
