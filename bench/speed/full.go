package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"time"

	"github.com/fieldcrypt/fieldcrypt/bench/report"
	"github.com/fieldcrypt/fieldcrypt/bench/results"
	"github.com/fieldcrypt/fieldcrypt/bench/workload"
)

func full(ctx context.Context, args []string) (err error) {
	f := flag.NewFlagSet("full", flag.ContinueOnError)
	program := f.String("libmongocrypt", "", "the program of the other side; none: it is not compared")
	libraries := f.String("libraries", "", "the folder of a newer libmongocrypt; none: it is not compared")
	var on servers
	f.StringVar(&on.ferretDB, "ferretdb", "", "the program of an embedded server; none: not used")
	f.StringVar(&on.java, "java", "", "the program of mongo-java-server; none: not used")
	f.StringVar(&on.mongocryptd, "mongocryptd", "", "the daemon, for libmongocrypt on servers")
	match := f.String("match", "", "only workloads whose group or name matches")
	rounds := f.Int("rounds", 21, "how often each side is timed")
	out := f.String("out", "", "the file for the results; none: they are only printed")
	if err := f.Parse(args); err != nil {
		return err
	}
	only, err := regexp.Compile(*match)
	if err != nil {
		return err
	}
	ps := &programs{starts: []start{here(results.Ours, "ours"), here(results.Buffered, "buffered"), here(results.Floor, "floor")}}
	if *program != "" {
		ps.starts = append(ps.starts, library(results.Older, *program, ""))
	}
	if *program != "" && *libraries != "" {
		ps.starts = append(ps.starts, library(results.Newer, *program, *libraries))
	}
	defer func() { err = errors.Join(err, ps.stop()) }()

	p := plan{round: 30 * time.Millisecond, rounds: *rounds, limit: 30 * time.Second, all: 10 * time.Second, least: 3}
	r := &results.Results{Machine: processor(), Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	begin := time.Now()
	if r.Versions, err = ps.names(); err != nil {
		return err
	}
	wanted := func(w workload.Workload) bool { return only.MatchString(w.Group) || only.MatchString(w.Name) }
	run := func(table []workload.Workload) error {
		for _, w := range table {
			if !wanted(w) {
				continue
			}
			m, err := compare(ctx, ps, w, p)
			if err != nil {
				return err
			}
			r.Workloads = append(r.Workloads, m)
			fmt.Printf("%4.0f s  %s\n", time.Since(begin).Seconds(), report.Line(m))
		}
		return nil
	}
	if err := run(workload.Table()); err != nil {
		return err
	}
	err = on.do(wanted, run) // only now, so that servers do not disturb the rest
	if *out == "" {
		return err
	}
	return errors.Join(err, r.Write(*out))
}

// show writes the page and the plots of results.
func show(args []string) error {
	f := flag.NewFlagSet("report", flag.ContinueOnError)
	in := f.String("results", "results.json", "the file of the results")
	page := f.String("page", "../docs/performance.md", "the page")
	if err := f.Parse(args); err != nil {
		return err
	}
	r, err := results.Read(*in)
	if err != nil {
		return err
	}
	files, err := report.Files(r, *page)
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
