// Command ferretdb PORT is the embedded server of module integration in a process of its own, until it is interrupted.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: ferretdb PORT")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := testserver.Run(context.Background(), testserver.Options{Addr: "127.0.0.1:" + os.Args[1]})
	if err != nil {
		return err
	}
	<-ctx.Done()
	return s.Stop(context.Background())
}
