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

// schemaEntry is what is known of a collection. With changing set nothing is known, and a command of this client is about to give the
// collection another schema: an answer "none" may come from before it.
type schemaEntry struct {
	set      schemaSet
	expires  time.Time
	changing bool
}

func newSchemaCache() schemaCache {
	return schemaCache{now: time.Now, size: schemaCacheSize, entries: make(map[string]schemaEntry)}
}

func (c *schemaCache) get(ns string) (schemaSet, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[ns]
	if !ok || e.changing || !c.now().Before(e.expires) {
		return nil, false
	}
	return e.set, true
}

func (c *schemaCache) put(ns string, set schemaSet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[ns]
	if ok && e.changing && set[ns] == nil && c.now().Before(e.expires) {
		return
	}
	c.set(ns, schemaEntry{set: set})
}

// changes forgets a collection whose schema a command is about to change. For as long as entries live, "none" is not remembered for it.
func (c *schemaCache) changes(ns string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(ns, schemaEntry{changing: true})
}

// set puts an entry. c.mu is held.
func (c *schemaCache) set(ns string, e schemaEntry) {
	if _, ok := c.entries[ns]; !ok && len(c.entries) >= c.size {
		c.makeRoom()
	}
	e.expires = c.now().Add(schemaExpiration)
	c.entries[ns] = e
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
