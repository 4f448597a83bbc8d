package gcp

import (
	"context"
	"time"
)

// early is how long before it expires a token is renewed: long enough for the request that carries it, short enough for the metadata server, which
// gives out the same token until some minutes before its end.
const early = time.Minute

// token is what a request is authorised with.
type token struct {
	value        string
	expires      time.Time // zero is never
	quotaProject string    // that pays, where the credentials name one
}

// source asks for a token.
type source func(context.Context) (token, error)

// cache keeps the token of one source. One caller at a time asks for a new one, and those who wait for it leave when their context ends.
type cache struct {
	fetch source
	turn  chan struct{} // of capacity 1, holds what guards known
	known *token        // a pointer, at which fmt stops; nil when there is none
}

func newCache(fetch source) *cache { return &cache{fetch: fetch, turn: make(chan struct{}, 1)} }

// get returns a token, and whether it was asked for before.
func (c *cache) get(ctx context.Context) (t token, kept bool, err error) {
	if err := c.lock(ctx); err != nil {
		return token{}, false, err
	}
	defer c.unlock()
	if c.known != nil && (c.known.expires.IsZero() || time.Until(c.known.expires) > early) {
		return *c.known, true, nil
	}
	t, err = c.renew(ctx)
	if err != nil && c.known != nil && time.Now().Before(c.known.expires) {
		return *c.known, true, nil // while it lasts: those who give tokens may be back by then
	}
	return t, false, err
}

// replace returns another token than one that was refused.
func (c *cache) replace(ctx context.Context, refused token) (token, error) {
	if err := c.lock(ctx); err != nil {
		return token{}, err
	}
	defer c.unlock()
	if c.known != nil && c.known.value != refused.value {
		return *c.known, nil
	}
	c.known = nil
	return c.renew(ctx)
}

// renew is for who holds the turn.
func (c *cache) renew(ctx context.Context) (t token, err error) {
	if t, err = c.fetch(ctx); err == nil {
		c.known = &t
	}
	return t, err
}

func (c *cache) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *cache) unlock() { <-c.turn }
