package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/fieldcrypt/fieldcrypt/bench/measure"
)

// The sides, as the results name them.
const (
	oursSide  = "ours"
	floorSide = "floor"
	olderSide = "libmongocrypt" // the one of the system
	newerSide = "newer libmongocrypt"
)

// start is how each side's program is started.
type start struct {
	side    string
	command func() *exec.Cmd
}

func here(side string) start {
	return start{side, func() *exec.Cmd {
		self, err := os.Executable()
		if err != nil {
			self = os.Args[0]
		}
		return exec.Command(self, "serve", side)
	}}
}

// library runs program with the libmongocrypt of a folder, if one is named, and with the primitives that it then needs.
func library(side, program, folder string) start {
	return start{side, func() *exec.Cmd {
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
