package faults

import (
	"context"
	"errors"
	"testing"
	"time"
)

// Deadlines: one that passes, and one that is never reached. The tolerance is for a busy machine.
const (
	short     = 250 * time.Millisecond
	long      = 30 * time.Second
	tolerance = 3 * time.Second
)

// within returns the error of a call that must fail: late, because its deadline has passed, or else for another reason.
func within(t *testing.T, late bool, call func(context.Context) error) error {
	t.Helper()
	limit := long
	if late {
		limit = short
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	err := call(ctx)
	if deadline, _ := ctx.Deadline(); time.Since(deadline) > tolerance {
		t.Errorf("%v after the deadline", time.Since(deadline))
	}
	if err == nil || late && !errors.Is(err, context.DeadlineExceeded) || !late && ctx.Err() != nil {
		t.Errorf("got %v; want one because of the deadline: %v", err, late)
	}
	return err
}
