package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress tells how far long work is: on a terminal by a bar with rate and remaining time, elsewhere by a line now and then, for who reads a log.
// With --quiet it tells nothing.
type progress struct {
	bar   *progressbar.ProgressBar // nil: there is no terminal
	note  func(format string, args ...any)
	noun  string
	total int64
	last  time.Time // of a note
}

// sparsely is how often a log hears of progress.
const sparsely = 30 * time.Second

func (s *screen) progress(noun string, total int64) *progress {
	p := &progress{note: s.note, noun: noun, total: max(total, 1), last: time.Now()}
	if s.notes && isTerminal(s.errs) {
		p.bar = newBar(s.errs, noun, p.total)
	}
	return p
}

func newBar(to io.Writer, noun string, total int64) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(to),
		progressbar.OptionSetDescription(noun),
		progressbar.OptionSetWidth(24),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString(noun),
		progressbar.OptionThrottle(250*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
}

// at says that so much is done. There may be more to do than was counted at the start.
func (p *progress) at(done int64) {
	if p.bar == nil {
		if now := time.Now(); now.Sub(p.last) >= sparsely {
			p.last = now
			p.note("%d of %d %s so far", done, max(p.total, done), p.noun)
		}
		return
	}
	if done > p.total {
		p.total = done
		p.bar.ChangeMax64(done)
	}
	_ = p.bar.Set64(done) // what cannot be shown is no reason to stop
}

// end makes room for what comes next.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
