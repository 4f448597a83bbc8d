package fieldcrypt

import (
	"sync"
	"time"
)

// How long, and of how many collections, remote schemas are remembered. The time is the one of MongoDB's drivers: a changed
// validator is seen within a minute.
const (
	schemaExpiration = 60 * time.Second
	schemaCacheSize  = 10_000
)

// schemaCache remembers remote schemas by namespace, also that a collection has none.
type schemaCache struct {
	now  func() time.Time
	size int

	mu      sync.Mutex
	entries map[string]schemaEntry
}

type schemaEntry struct {
	set     schemaSet
	expires time.Time
}

func newSchemaCache() schemaCache {
	return schemaCache{now: time.Now, size: schemaCacheSize, entries: make(map[string]schemaEntry)}
}

func (c *schemaCache) get(ns string) (schemaSet, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[ns]
	if !ok || !c.now().Before(e.expires) {
		return nil, false
	}
	return e.set, true
}

func (c *schemaCache) put(ns string, set schemaSet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.entries[ns]; !ok && len(c.entries) >= c.size {
		c.makeRoom()
	}
	c.entries[ns] = schemaEntry{set: set, expires: c.now().Add(schemaExpiration)}
}

// makeRoom drops what has expired, or else any one entry.
func (c *schemaCache) makeRoom() {
	now := c.now()
	for ns, e := range c.entries {
		if !now.Before(e.expires) {
			delete(c.entries, ns)
		}
	}
	for ns := range c.entries {
		if len(c.entries) < c.size {
			return
		}
		delete(c.entries, ns)
	}
}

func (c *schemaCache) forget(ns string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, ns)
}
