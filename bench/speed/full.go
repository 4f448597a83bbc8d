package main

import (
	"context"
	"flag"
	"fmt"
	"regexp"
	"time"

	"github.com/fieldcrypt/fieldcrypt/bench/measure"
	"github.com/fieldcrypt/fieldcrypt/bench/workload"
)

func full(ctx context.Context, args []string) (err error) {
	f := flag.NewFlagSet("full", flag.ContinueOnError)
	program := f.String("libmongocrypt", "", "the program of the other side; none: it is not compared")
	libraries := f.String("libraries", "", "the folder of a newer libmongocrypt; none: it is not compared")
	match := f.String("match", "", "only workloads whose name matches")
	if err := f.Parse(args); err != nil {
		return err
	}
	only, err := regexp.Compile(*match)
	if err != nil {
		return err
	}
	ps := &programs{starts: []start{here(oursSide), here(floorSide)}}
	if *program != "" {
		ps.starts = append(ps.starts, library(olderSide, *program, ""))
		if *libraries != "" {
			ps.starts = append(ps.starts, library(newerSide, *program, *libraries))
		}
	}
	defer func() { err = firstError(err, ps.stop()) }()
	p := plan{round: 30 * time.Millisecond, rounds: 21, limit: 20 * time.Second, all: 15 * time.Second, least: 3}
	fmt.Println(heading(ps.starts))
	for _, w := range workload.Table() {
		if !only.MatchString(w.Name) {
			continue
		}
		l, err := compare(ctx, ps, w, p)
		if err != nil {
			return err
		}
		fmt.Println(l.text(ps.starts))
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func wall(s measure.Sample) float64 { return s.Wall }
func cpu(s measure.Sample) float64  { return s.CPU }
func allocs(s measure.Sample) float64 {
	return float64(int64(s.Allocs)) // as in package testing: what others in the program make is not one for each
}
