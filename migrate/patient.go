package migrate

import (
	"context"
	"log/slog"
)

// patient is a ledger on a server that may be away for a moment. All that it asks for may be asked for twice.
type patient struct {
	ledger
	pause func(ctx context.Context, tries int) error
	log   *slog.Logger
}

var _ ledger = (*patient)(nil)

// try calls op until it succeeds, or fails with an error that will not pass.
func (p *patient) try(ctx context.Context, op func() error) error {
	for tries := 0; ; tries++ {
		err := op()
		if err == nil || !passing(err) || tries == maxLosses {
			return err
		}
		p.log.WarnContext(ctx, "the server did not answer about checkpoints, it is asked again", "tries", tries+1)
		if p.pause(ctx, tries) != nil {
			return err
		}
	}
}

func (p *patient) open(ctx context.Context, divide func(context.Context) ([]span, error)) (spans []span, err error) {
	err = p.try(ctx, func() (err error) { spans, err = p.ledger.open(ctx, divide); return })
	return spans, err
}

func (p *patient) states(ctx context.Context, ranges int) (all []rangeState, err error) {
	err = p.try(ctx, func() (err error) { all, err = p.ledger.states(ctx, ranges); return })
	return all, err
}

func (p *patient) take(ctx context.Context, n, pass int) (s rangeState, taken bool, err error) {
	err = p.try(ctx, func() (err error) { s, taken, err = p.ledger.take(ctx, n, pass); return })
	return s, taken, err
}

func (p *patient) save(ctx context.Context, n int, s rangeState, keep bool) (held bool, err error) {
	err = p.try(ctx, func() (err error) { held, err = p.ledger.save(ctx, n, s, keep); return })
	return held, err
}

func (p *patient) advance(ctx context.Context, n, pass int) error {
	return p.try(ctx, func() error { return p.ledger.advance(ctx, n, pass) })
}
