package keyvault

import "time"

const (
	// sweepPause is how long an expired key may lie in memory before the next sweep, at most: keys that expire one by one leave together.
	sweepPause = time.Second
	// sweepLimit bounds how long one sweep holds the lock.
	sweepLimit = 1000
)

// sweep removes expired keys and sets the timer for the next ones. A timer is no goroutine: a Cache that nobody closes is forgotten with its
// last key.
func (c *Cache) sweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweeper = nil
	c.sweepLater()
}

// sweepLater sets the timer, unless it is set; the caller holds the lock.
func (c *Cache) sweepLater() {
	if c.sweeper != nil || c.isClosed() {
		return
	}
	left, some := c.entries.sweep(time.Now(), sweepLimit)
	if !some {
		return
	}
	if left > 0 {
		left = max(left, min(sweepPause, c.entries.lifetime/4))
	}
	c.sweeper = time.AfterFunc(left, c.sweep)
}
