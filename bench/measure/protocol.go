package measure

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"sync/atomic"
	"time"
)

// request asks for one thing.
type request struct {
	What       what
	Task       *Task         // to open
	I          int           // to do once
	Target     time.Duration // to calibrate to
	N          int           // to time
	Goroutines int
}

type what int

const (
	toOpen what = iota
	toDoOnce
	toCalibrate
	toTime
)

type reply struct {
	Err    string
	Slow   string // instead of Err: the text of a SlowError
	Name   string
	Out    []byte
	N      int
	Sample Sample
}

// Serve does what the program at the other end of in and out asks for, until in ends.
func Serve(in io.Reader, out io.Writer, s Side) error {
	from, to := gob.NewDecoder(in), gob.NewEncoder(out)
	w := worker{side: s}
	defer w.close()
	if err := to.Encode(reply{Name: s.Name()}); err != nil {
		return err
	}
	for {
		var asked request
		if err := from.Decode(&asked); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		answer, err := w.answer(asked)
		if slow := new(SlowError); errors.As(err, &slow) {
			answer.Slow = slow.Why
		} else if err != nil {
			answer.Err = err.Error()
		}
		if err := to.Encode(answer); err != nil {
			return err
		}
	}
}

// worker has one task open at a time.
type worker struct {
	side Side
	do   func(int) ([]byte, error)
	free func()
}

func (w *worker) close() {
	if w.free != nil {
		w.free()
	}
	w.do, w.free = nil, nil
}

func (w *worker) answer(asked request) (a reply, err error) {
	if asked.What != toOpen && w.do == nil {
		return a, errors.New("no task is open")
	}
	switch asked.What {
	case toOpen:
		err = w.open(*asked.Task)
	case toDoOnce:
		a.Out, err = w.do(asked.I)
	case toCalibrate:
		a.N, err = calibrate(w.do, asked.Target, asked.Goroutines)
	case toTime:
		a.Sample, err = run(w.do, asked.N, asked.Goroutines)
	}
	return a, err
}

func (w *worker) open(t Task) (err error) {
	w.close()
	runtime.GC()
	procs := t.Procs
	if procs == 0 {
		procs = runtime.NumCPU()
	}
	runtime.GOMAXPROCS(procs)
	w.do, w.free, err = w.side.Open(t)
	return err
}

// Process is a program that serves.
type Process struct {
	Name string // of its side

	cmd  *exec.Cmd
	in   io.WriteCloser
	to   *gob.Encoder
	from *gob.Decoder
}

// Start starts it. Stop ends it.
func Start(cmd *exec.Cmd) (*Process, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	p := &Process{cmd: cmd, in: in, to: gob.NewEncoder(in), from: gob.NewDecoder(out)}
	var hello reply
	if err := p.from.Decode(&hello); err != nil {
		return nil, errors.Join(fmt.Errorf("%s does not answer: %w", cmd.Path, err), p.Stop())
	}
	p.Name = hello.Name
	return p, nil
}

// Stop lets the program end.
func (p *Process) Stop() error {
	_ = p.in.Close()
	return p.cmd.Wait()
}

// SlowError means that a side takes longer than it may. A program that took longer for one request was killed.
type SlowError struct{ Why string }

func (e *SlowError) Error() string { return "too slow: " + e.Why }

func (p *Process) ask(r request, limit time.Duration) (reply, error) {
	var late atomic.Bool
	timer := time.AfterFunc(limit, func() { late.Store(true); _ = p.cmd.Process.Kill() })
	var a reply
	err := p.to.Encode(r)
	if err == nil {
		err = p.from.Decode(&a)
	}
	timer.Stop()
	switch {
	case err != nil && late.Load():
		return a, &SlowError{fmt.Sprintf("more than %s", limit)}
	case err != nil:
		return a, fmt.Errorf("asking %s: %w", p.Name, err)
	case a.Slow != "":
		return a, &SlowError{a.Slow}
	case a.Err != "":
		return a, fmt.Errorf("%s: %s", p.Name, a.Err)
	}
	return a, nil
}

// Open gets a task ready; the one before it is closed.
func (p *Process) Open(t Task, limit time.Duration) error {
	_, err := p.ask(request{What: toOpen, Task: &t}, limit)
	return err
}

// Once does the i-th operation and returns its result.
func (p *Process) Once(i int, limit time.Duration) ([]byte, error) {
	a, err := p.ask(request{What: toDoOnce, I: i}, limit)
	return a.Out, err
}

// Calibrate finds how many repetitions take as long as target.
func (p *Process) Calibrate(target time.Duration, goroutines int, limit time.Duration) (int, error) {
	a, err := p.ask(request{What: toCalibrate, Target: target, Goroutines: goroutines}, limit)
	return a.N, err
}

// Time does n operations.
func (p *Process) Time(n, goroutines int, limit time.Duration) (Sample, error) {
	a, err := p.ask(request{What: toTime, N: n, Goroutines: goroutines}, limit)
	return a.Sample, err
}
