package kmsconfig_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
)

func TestWithTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := kmsconfig.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		<-ctx.Done()
		if got := time.Since(start); got != 10*time.Second || !errors.Is(ctx.Err(), context.DeadlineExceeded) ||
			context.Cause(ctx).Error() != "no answer within 10s, the limit for calls without a deadline" {
			t.Errorf("ended after %v: %v, %v", got, ctx.Err(), context.Cause(ctx))
		}
		longer, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		want, _ := longer.Deadline()
		ctx, cancel = kmsconfig.WithTimeout(longer, 10*time.Second)
		defer cancel()
		if got, _ := ctx.Deadline(); got != want {
			t.Errorf("the caller's deadline %v became %v", want, got)
		}
	})
}
