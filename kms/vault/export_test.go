package vault

import "time"

// WithClock returns t with another clock.
func WithClock(t Type, now func() time.Time) Type {
	t.now = now
	return t
}
