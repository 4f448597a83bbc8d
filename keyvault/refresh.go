package keyvault

import "time"

// refreshPause is how long a stale key is served before a refresh that has failed is tried again.
const refreshPause = time.Second

// refresh fetches stale keys anew in the background, all with one fetch and each once at a time, however many callers get the old one
// meanwhile. The caller holds the lock.
func (c *Cache) refresh(stale ...*entry) {
	now := time.Now()
	var own []awaited
	var end time.Time // when none of them is any good
	for _, e := range stale {
		if now.Sub(e.refreshed) < refreshPause {
			continue
		}
		e.refreshed = now
		for _, w := range e.wants() {
			f, first := c.fetches.Join(w)
			if !first {
				c.fetches.Leave(w, f)
				continue
			}
			own = append(own, awaited{want: w, Flight: f, own: true})
		}
		if t := c.entries.ends(e); t.After(end) {
			end = t
		}
	}
	if len(own) > 0 {
		go c.fetch(own)
		go c.attend(own, end.Sub(now))
	}
}

// attend waits for a refresh on behalf of nobody in particular, and gives it up when the keys have expired: those who wait then go
// by their own contexts.
func (c *Cache) attend(flights []awaited, atMost time.Duration) {
	defer c.leave(flights)
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	for _, f := range flights {
		select {
		case <-f.Done():
		case <-timer.C:
			return
		case <-c.closed:
			return
		}
	}
}
