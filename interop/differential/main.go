// Command differential asks fieldcrypt and libmongocrypt the same random questions and compares what they answer.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/fieldcrypt/fieldcrypt/interop/differential/libmongocrypt"
)

// libraryVariable names the libmongocrypt to compare with: a path, or a name that the dynamic linker finds.
const libraryVariable = "FIELDCRYPT_INTEROP_LIBMONGOCRYPT"

func main() {
	var o options
	flag.DurationVar(&o.time, "for", 10*time.Minute, "stop after this time")
	flag.IntVar(&o.values, "values", 1_000_000, "stop after so many encrypted values")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "what is drawn depends on it")
	flag.Int64Var(&o.number, "case", -1, "only the case of this number")
	flag.IntVar(&o.workers, "workers", runtime.NumCPU(), "how many cases at once")
	flag.StringVar(&o.golden, "golden", "differential/testdata", "folder for disagreements; empty: they are not written")
	flag.IntVar(&o.most, "most", 20, "stop after so many disagreements")
	flag.IntVar(&o.pin, "pin", 0, "also write an example of each difference that is meant to be and has none, if it is found in so many bytes")
	flag.BoolVar(&o.trace, "trace", false, "print each question, in case that libmongocrypt aborts the process")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "differential:", err)
		os.Exit(1)
	}
}

type options struct {
	time    time.Duration
	values  int
	seed    uint64
	number  int64
	workers int
	golden  string
	most    int
	pin     int
	trace   bool
}

func (o options) run(ctx context.Context) error {
	path := os.Getenv(libraryVariable)
	if path == "" {
		return errors.New(libraryVariable + " does not name a libmongocrypt")
	}
	library, err := libmongocrypt.Open(path)
	if err != nil {
		return err
	}
	v, err := newVault()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.time)
	defer cancel()
	fmt.Printf("libmongocrypt %s; seed %d\n", library.Version(), o.seed)
	r := &run{seed: o.seed, values: o.values, library: library, vault: v, tally: newTally(), trace: o.trace, pin: o.pin, pinned: pinned(o.golden)}
	found := 0
	r.found = func(f finding) {
		if f.difference == "" {
			if found++; found >= o.most {
				cancel()
			}
		}
		o.report(f)
	}
	start := time.Now()
	done := progress(r.tally, start)
	if o.number >= 0 {
		err = r.one(ctx, uint64(o.number))
	} else {
		err = r.do(ctx, 0, o.workers)
	}
	done()
	r.tally.print(os.Stdout)
	sum, seconds := r.tally.total(), time.Since(start).Seconds()
	fmt.Printf("\n%d values encrypted by both, %d questions in %.0f s: %.0f values/s\n%d same, %d refused by both, %d differ on purpose, %d disagree\n",
		r.tally.values(), sum.same+sum.refused+sum.onPurpose+sum.disagreed, seconds, float64(r.tally.values())/seconds,
		sum.same, sum.refused, sum.onPurpose, sum.disagreed)
	if err == nil && sum.disagreed > 0 {
		err = fmt.Errorf("%d disagreements", sum.disagreed)
	}
	return err
}

// progress prints how far the run is, every few seconds until done is called.
func progress(t *tally, start time.Time) (done func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(10 * time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-end:
				return
			case <-ticker.C:
				n := t.values()
				fmt.Printf("%.0f s: %d values, %.0f/s, %d disagreements\n", time.Since(start).Seconds(), n, float64(n)/time.Since(start).Seconds(), t.total().disagreed)
			}
		}
	}()
	return func() { close(end); <-ended }
}

// report writes a golden file.
func (o options) report(f finding) {
	path, err := "not written", error(nil)
	if o.golden != "" {
		if path, err = f.golden().write(o.golden); err != nil {
			path = err.Error()
		}
	}
	what := "DISAGREEMENT"
	if f.difference != "" {
		what = f.difference
	}
	fmt.Printf("%s, -seed %d -case %d: %s, %s: %s\n", what, f.seed, f.number, f.question.kind, f.question.detail, path)
	if f.ours.err != nil || f.theirs.err != nil {
		fmt.Printf("  fieldcrypt: %v\n  libmongocrypt: %v\n", f.ours.err, f.theirs.err)
	}
}
