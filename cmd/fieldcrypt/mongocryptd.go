package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/cryptd"
)

// mongocryptdName is the command's, and the program's own when drivers are to find it in PATH.
const mongocryptdName = "mongocryptd"

const mongocryptdHelp = `mongocryptd is the daemon that MongoDB's drivers ask, before they send a command,
which of its values must be encrypted: it answers with the command in which these
values are marked, and the driver encrypts them with keys that the daemon never
sees. It takes the place of the program of that name in MongoDB Enterprise.

Drivers start it themselves when they find a program named mongocryptd in PATH, or
at mongocryptdSpawnPath (Go: mongocryptdPath) in their extraOptions: copy or link
fieldcrypt to that name. To run it by hand, give drivers mongocryptdBypassSpawn:
true, and mongocryptdURI if it listens elsewhere than at localhost:27020.

What it gets holds plaintext, and there is neither TLS nor authentication, so it
listens on 127.0.0.1 and ::1, or on a UNIX socket, which only its owner may use.
--bind with another address sends plaintext over the network.

Switches may be written --switch=VALUE or --switch VALUE. Those of mongod that are
not listed here are ignored with a warning (a word after one is its value), but
for those that ask for TLS or authentication, which are refused. The last of
several counts.

It ends after --idleShutdownTimeoutSecs without any message from a driver; the
hello by which most drivers watch a server counts as one, so that it lives as long
as they do. 0 or less means never. SIGTERM and SIGINT end it as soon as commands
at work are answered. When another mongocryptd already answers at its address, it
ends at once without an error: of several that drivers start, one stays.

Exit codes:
  0    ended by a signal, after idling, or in favour of another mongocryptd
  1    other failures: a log or pid file that cannot be written
  2    bad usage
  48   the address is taken by something that is no mongocryptd
`

// mongocryptdFlags are the switches.
type mongocryptdFlags struct {
	analysisFlags // rewrite and allow only
	listenFlags
	pidFile, logFile string
	idle, verbose    int
	help, version    bool
}

func newMongocryptd() *cobra.Command {
	var f mongocryptdFlags
	cmd := &cobra.Command{
		Use:   mongocryptdName + " [switches]",
		Short: "Run the daemon that drivers of other languages ask for query analysis",
		Long:  mongocryptdHelp,
		Example: `  fieldcrypt mongocryptd --port 27020 --idleShutdownTimeoutSecs 0

  # let drivers start it
  ln -s "$(command -v fieldcrypt)" /usr/local/bin/mongocryptd`,
		DisableFlagParsing:    true, // switches of mongod that are not known here must pass
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			known, ignored, err := sortSwitches(cmd, args)
			if err != nil {
				return err
			}
			if err := cmd.Flags().Parse(known); err != nil {
				return flagError(cmd, err)
			}
			switch {
			case f.help:
				return cmd.Help()
			case f.version:
				return write(cmd.OutOrStdout(), []byte(buildVersion().String()))
			}
			return f.run(cmd, ignored)
		},
	}
	f.register(cmd)
	return cmd
}

func (f *mongocryptdFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	f.listenFlags.register(cmd)
	flags.IntVar(&f.idle, "idleShutdownTimeoutSecs", 60, "end after so many `SECONDS` without a message; 0: never")
	flags.StringVar(&f.pidFile, "pidfilepath", "", "`FILE` that gets the process id, and is removed at the end")
	flags.StringVar(&f.logFile, "logpath", "", "`FILE` to which the log is appended; default standard error")
	flags.StringVar(&f.rewrite, "rewrite", "minimal", "`minimal|exact`: change sealed values only, or write what MongoDB's mongocryptd writes")
	flags.StringSliceVar(&f.allow, "allow", nil, "`type,sort`: let $type, or sorting, use encrypted fields as the server sees them")
	flags.CountVarP(&f.verbose, "verbose", "v", "log each connection too")
	flags.BoolVarP(&f.help, "help", "h", false, "show this help")
	flags.BoolVar(&f.version, "version", false, "print version, revision, Go version and platform")
	for _, hidden := range []string{"logappend", "quiet"} { // what happens anyway
		flags.Bool(hidden, false, "")
		_ = flags.MarkHidden(hidden) // fails for unknown flags only
	}
}

// run is the life of the daemon.
func (f *mongocryptdFlags) run(cmd *cobra.Command, ignored []string) error {
	opts, err := f.options()
	if err != nil {
		return err
	}
	out, err := f.log(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer out.Close()
	level := slog.LevelInfo
	if f.verbose > 0 {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
	for _, name := range ignored {
		log.Warn("a switch that is not known here was ignored", "switch", name)
	}
	ctx, stop := terminable(cmd.Context())
	defer stop()
	s := &cryptd.Server{Rewrite: opts.Rewrite, Allow: opts.Allow, Version: buildVersion().Version, IdleShutdown: time.Duration(f.idle) * time.Second, Logger: log}
	return f.serve(ctx, s)
}

func (f *mongocryptdFlags) serve(ctx context.Context, s *cryptd.Server) error {
	listeners, err := f.listen(ctx, s.Logger)
	if err != nil || listeners == nil {
		return err
	}
	if f.pidFile != "" { // only whoever has the address may write it
		pid, err := writePIDFile(f.pidFile)
		if err != nil {
			closeAll(listeners)
			s.Logger.Error("no pid file", "error", err)
			return ioFailure("writing the pid file", err)
		}
		defer pid.remove()
	}
	for _, l := range listeners {
		s.Logger.Info("listening", "address", l.Addr().String())
	}
	ended, err := untilGrace(ctx, endGrace, func() error { return s.Serve(ctx, listeners...) })
	switch {
	case err != nil:
		s.Logger.Error("ended", "error", err)
		return ioFailure("serving", err)
	case !ended:
		s.Logger.Warn("a command was still being analysed: ending without it")
	}
	s.Logger.Info("ended")
	return nil
}

// endGrace is how long the program waits, told to end, for what is in work. The server itself ends slow clients sooner, but nothing ends an analysis.
const endGrace = 10 * time.Second

// untilGrace waits for serve, but when ctx is done no longer than for the time of grace; ended says whether serve has ended.
func untilGrace(ctx context.Context, grace time.Duration, serve func() error) (ended bool, err error) {
	done := make(chan error, 1)
	go func() { done <- serve() }()
	select {
	case err := <-done:
		return true, err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return true, err
	case <-time.After(grace):
		return false, nil
	}
}

// options checks the switches that say how commands are analysed, and how long to idle.
func (f *mongocryptdFlags) options() (opts analyze.Options, err error) {
	const longest = 1 << 31 // seconds
	if f.idle > longest {
		return opts, badUsage("", "--idleShutdownTimeoutSecs: expected %d at most", longest)
	}
	return f.analysisFlags.options()
}

// log opens the file for the log, or leaves it at standard error.
func (f *mongocryptdFlags) log(stderr io.Writer) (io.WriteCloser, error) {
	if f.logFile == "" {
		return nopCloser{stderr}, nil
	}
	file, err := os.OpenFile(f.logFile, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, ioFailure("opening the log", err)
	}
	return file, nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// terminable gives a context that ends at the first signal to end; the next one ends the program. Those that whoever started the program
// wants ignored stay so.
func terminable(ctx context.Context) (context.Context, context.CancelFunc) {
	if ctx == nil {
		ctx = context.Background()
	}
	signal.Ignore(syscall.SIGPIPE) // a log whose reader has gone is no reason to end
	var wanted []os.Signal
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Reset(s) // of exitOnInterrupt
			wanted = append(wanted, s)
		}
	}
	ctx, stop := context.WithCancel(ctx)
	if len(wanted) > 0 {
		ctx, stop = signal.NotifyContext(ctx, wanted...)
		context.AfterFunc(ctx, stop)
	}
	return ctx, func() {
		stop()
		signal.Reset(syscall.SIGPIPE)
	}
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

// commandLine is the program's arguments; a program named mongocryptd is that command.
func commandLine(args []string) []string {
	if len(args) == 0 {
		return nil
	}
	name := args[0][strings.LastIndexAny(args[0], `/\`)+1:]
	if strings.EqualFold(strings.TrimSuffix(strings.ToLower(name), ".exe"), mongocryptdName) {
		return append([]string{mongocryptdName}, args[1:]...)
	}
	return args[1:]
}
