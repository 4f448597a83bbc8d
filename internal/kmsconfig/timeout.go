package kmsconfig

import (
	"context"
	"fmt"
	"time"
)

// Timeout is how long a KMS may take for a call without a deadline: that of the official Go driver.
const Timeout = 10 * time.Second

// WithTimeout returns ctx with a deadline after d, unless it has one.
func WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if _, given := ctx.Deadline(); given {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("no answer within %v, the limit for calls without a deadline", d))
}
