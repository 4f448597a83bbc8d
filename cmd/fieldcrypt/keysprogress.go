package main

import (
	"fmt"
	"io"
	"time"
)

// progress tells on one line of a terminal how far long work is.
type progress struct {
	to    io.Writer // nil: it tells nothing
	noun  string
	total int64
	begun time.Time
	last  time.Time
	clock func() time.Time
	shown bool
}

// progress is for work on total things; it shows on terminals only.
func (s *screen) progress(noun string, total int64) *progress {
	p := &progress{noun: noun, total: total, clock: time.Now}
	if s.notes && isTerminal(s.errs) {
		p.to = s.errs
	}
	p.begun = p.clock()
	p.last = p.begun
	return p
}

// at says that so much is done. It writes a few times a second at most.
func (p *progress) at(done int64) {
	const often = 250 * time.Millisecond
	now := p.clock()
	if p.to == nil || now.Sub(p.last) < often {
		return
	}
	p.last, p.shown = now, true
	rate := float64(done) / now.Sub(p.begun).Seconds()
	left := time.Duration(float64(p.total-done) / max(rate, 1e-9) * float64(time.Second)).Round(time.Second)
	fmt.Fprintf(p.to, "\r\x1b[K%d of %d %s, %.0f/s, %s left", done, max(p.total, done), p.noun, rate, max(left, 0))
}

// end makes room for what comes next.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}
