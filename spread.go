package fieldcrypt

import (
	"context"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// What a value costs about, and how much work is worth another core: docs/performance.md.
const (
	nanosPerValue = 800
	nanosPerByte  = 4
	nanosPerCore  = 50_000
)

// coresFor is how many cores should encrypt or decrypt so many values with so many bytes in all.
func coresFor(values, bytes int) int {
	worth := (values*nanosPerValue + bytes*nanosPerByte) / nanosPerCore
	if worth < 2 {
		return 1
	}
	return min(worth, runtime.GOMAXPROCS(0))
}

// patience is how many values are done before somebody looks whether the caller still waits.
const patience = 32

// spread calls do for 0 to n-1 on several cores, the caller's among them. It stops at the first error, and when ctx ends.
func spread(ctx context.Context, cores, n int, do func(i int) error) error {
	var next atomic.Int64
	work := func() error {
		for end := 0; end < n; {
			if err := ctx.Err(); err != nil {
				return err
			}
			end = int(next.Add(patience))
			for i := end - patience; i < min(end, n); i++ {
				if err := do(i); err != nil {
					next.Store(int64(n))
					return err
				}
			}
		}
		return nil
	}
	var others errgroup.Group
	for range cores - 1 {
		others.Go(work)
	}
	err := work()
	if theirs := others.Wait(); err == nil {
		err = theirs
	}
	return err
}
