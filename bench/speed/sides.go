package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/fieldcrypt/fieldcrypt/bench/measure"
	"github.com/fieldcrypt/fieldcrypt/bench/results"
	"github.com/fieldcrypt/fieldcrypt/bench/workload"
)

// start is how each side's program is started.
type start struct {
	side    string
	command func() *exec.Cmd
	plain   bool // it is to work without encryption
}

// sides are those that work on what was built.
func sides(all []start, w workload.Workload, b *workload.Built) (some []start) {
	for _, s := range all {
		switch s.side {
		case results.Floor:
			if w.Floor {
				some = append(some, s)
			}
		case results.Buffered:
			if w.OverFloor > 0 { // it is for what is held against the floor
				some = append(some, s)
			}
		default:
			some = append(some, s)
			if b.Unencrypted != nil {
				some = append(some, start{results.Unencrypted(s.side), s.command, true})
			}
		}
	}
	return some
}

// here runs a side that this program has itself.
func here(side, name string) start {
	return start{side: side, command: func() *exec.Cmd {
		self, err := os.Executable()
		if err != nil {
			self = os.Args[0]
		}
		return exec.Command(self, "serve", name)
	}}
}

// library runs program with the libmongocrypt of a folder, if one is named, and with the primitives that it then needs.
func library(side, program, folder string) start {
	return start{side: side, command: func() *exec.Cmd {
		cmd := exec.Command(program)
		if folder != "" {
			cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+folder, "LD_PRELOAD="+filepath.Join(folder, "crypto.so"))
		}
		return cmd
	}}
}

// programs are the sides' programs, started when they are first needed, and again after one was killed.
type programs struct {
	starts  []start
	running map[string]*measure.Process
	slow    map[string]bool // by group and side: it was too slow, so that larger workloads of the group are not tried
}

func (p *programs) get(s start) (*measure.Process, error) {
	if r, ok := p.running[s.side]; ok {
		return r, nil
	}
	cmd := s.command()
	cmd.Stderr = os.Stderr
	r, err := measure.Start(cmd)
	if err != nil {
		return nil, err
	}
	if p.running == nil {
		p.running = make(map[string]*measure.Process)
	}
	p.running[s.side] = r
	return r, nil
}

// names are what the sides say they are.
func (p *programs) names() (map[string]string, error) {
	names := make(map[string]string)
	for _, s := range p.starts {
		r, err := p.get(s)
		if err != nil {
			return nil, err
		}
		names[s.side] = r.Name
	}
	return names, nil
}

// drop forgets a program that is of no more use.
func (p *programs) drop(side string) {
	if r, ok := p.running[side]; ok {
		_ = r.Stop() // how it ended is known
		delete(p.running, side)
	}
}

func (p *programs) stop() error {
	var errs []error
	for side, r := range p.running {
		errs = append(errs, r.Stop())
		delete(p.running, side)
	}
	return errors.Join(errs...)
}
