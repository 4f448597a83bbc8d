package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/fieldcrypt/fieldcrypt/interop/differential/libmongocrypt"
)

// run is one run of the comparison.
type run struct {
	seed    uint64
	values  int // to compare at least
	library *libmongocrypt.Library
	vault   *vault
	tally   *tally
	trace   bool // print each question before it is asked: libmongocrypt aborts the process at times
	// found takes each disagreement and, for each kind of question, the first of each difference that is meant to be and is not pinned; this
	// only if the question's document has at most pin bytes. They are reduced. It is called by one worker at a time.
	found  func(f finding)
	pin    int
	pinned map[string]bool // by goldenName
	mu     sync.Mutex
}

// finding is a disagreement, or a difference.
type finding struct {
	seed, number uint64
	difference   string
	sides        *sides
	question     *question
	ours, theirs answer
}

// do works on one case after the other, on so many at once, until there are enough values or ctx ends.
func (r *run) do(ctx context.Context, first uint64, workers int) error {
	var next atomic.Uint64
	next.Store(first)
	errs := make(chan error, workers)
	for range workers {
		go func() {
			for ctx.Err() == nil && r.tally.values() < r.values {
				if err := r.one(ctx, next.Add(1)-1); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var err error
	for range workers {
		if e := <-errs; e != nil {
			err = e
		}
	}
	return err
}

// one compares what both sides answer to the questions of a case.
func (r *run) one(ctx context.Context, number uint64) error {
	s, questions, err := caseQuestions(r.seed, number, r.vault, r.library)
	if err != nil {
		return err
	}
	defer s.close()
	for _, q := range questions {
		if ctx.Err() != nil {
			return nil
		}
		r.compare(s, q, number)
	}
	return nil
}

func (r *run) compare(s *sides, q *question, number uint64) {
	if r.trace {
		fmt.Fprintf(os.Stderr, "case %d: %s, %s, %v, key %d: %x\n", number, q.kind, q.detail, q.algorithm, q.key, []byte(q.document))
	}
	ours, theirs, plain := s.ask(q)
	name, ok := verdict(s, q, ours, theirs, plain)
	switch {
	case !ok:
		r.tally.add(q, nil, func(c *counts) { c.disagreed++ })
		r.mu.Lock()
		defer r.mu.Unlock()
		r.report(s, q, number, "")
	case name != "":
		r.tally.add(q, nil, func(c *counts) { c.onPurpose++ })
		r.tally.differs(name)
		r.pinDown(s, q, number, name)
	case ours.err != nil:
		r.tally.add(q, nil, func(c *counts) { c.refused++ })
	default:
		_, sealed := masked(ours.given)
		r.tally.add(q, sealed, func(c *counts) { c.same++ })
	}
}

func (r *run) report(s *sides, q *question, number uint64, difference string) {
	small := reduce(s, q, difference)
	ours, theirs, _ := s.ask(small)
	r.found(finding{r.seed, number, difference, s, small, ours, theirs})
}

func (r *run) pinDown(s *sides, q *question, number uint64, difference string) {
	if len(q.document) > r.pin {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if name := goldenName(q.kind, difference); !r.pinned[name] {
		r.pinned[name] = true
		r.report(s, q, number, difference)
	}
}

// verdict says whether the answers are as they should be, and, if they are not the same, which difference that is.
func verdict(s *sides, q *question, ours, theirs answer, plain []byte) (difference string, ok bool) {
	same := ours.same(theirs)
	if same && (ours.err != nil || plain == nil || string(ours.opened) == string(plain)) {
		return "", true
	}
	difference = onPurpose(s, q, ours, theirs)
	return difference, difference != ""
}
