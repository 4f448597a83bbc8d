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

// schemaCache remembers remote schemas by namespace, also that a collection has none. Every command asks it, so that asking takes no lock.
type schemaCache struct {
	now  func() time.Time
	size int

	mu      sync.Mutex // held to write
	entries sync.Map   // string: *schemaEntry, which never changes
	count   int
}

// schemaEntry is what is known of a collection. With changing set nothing is known, and a command of this client is about to give the
// collection another schema: an answer "none" may come from before it.
type schemaEntry struct {
	set      schemaSet
	expires  time.Time
	changing bool
}

func newSchemaCache() *schemaCache { return &schemaCache{now: time.Now, size: schemaCacheSize} }

func (c *schemaCache) get(ns string) (schemaSet, bool) {
	e := c.peek(ns)
	if e == nil || e.changing || !c.now().Before(e.expires) {
		return nil, false
	}
	return e.set, true
}

func (c *schemaCache) peek(ns string) *schemaEntry {
	found, _ := c.entries.Load(ns)
	e, _ := found.(*schemaEntry)
	return e
}

func (c *schemaCache) put(ns string, set schemaSet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.peek(ns); e != nil && e.changing && set[ns] == nil && c.now().Before(e.expires) {
		return
	}
	c.set(ns, &schemaEntry{set: set})
}

// changes forgets a collection whose schema a command is about to change. For as long as entries live, "none" is not remembered for it.
func (c *schemaCache) changes(ns string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(ns, &schemaEntry{changing: true})
}

// set puts an entry. c.mu is held.
func (c *schemaCache) set(ns string, e *schemaEntry) {
	if c.peek(ns) == nil {
		if c.count >= c.size {
			c.makeRoom()
		}
		c.count++
	}
	e.expires = c.now().Add(schemaExpiration)
	c.entries.Store(ns, e)
}

// makeRoom drops what has expired, or else any one entry.
func (c *schemaCache) makeRoom() {
	now := c.now()
	c.drop(func(e *schemaEntry) bool { return !now.Before(e.expires) })
	c.drop(func(*schemaEntry) bool { return c.count >= c.size })
}

func (c *schemaCache) drop(which func(*schemaEntry) bool) {
	c.entries.Range(func(ns, e any) bool {
		if which(e.(*schemaEntry)) {
			c.entries.Delete(ns)
			c.count--
		}
		return true
	})
}
