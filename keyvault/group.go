package keyvault

import (
	"sync"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// Group is the caches of one process that use the same key vault: what one of them forgets, all forget. A data key that is deleted or shredded
// through one client is then gone from the memory of all of them. The zero value is an empty group; put it into CacheOptions.Group.
type Group struct {
	mu     sync.Mutex
	caches map[*Cache]struct{}
}

// Forget drops a key from all caches of the group, as Cache.Forget does from one.
func (g *Group) Forget(id payload.KeyID, altNames ...string) {
	g.mu.Lock()
	caches := make([]*Cache, 0, len(g.caches))
	for c := range g.caches {
		caches = append(caches, c)
	}
	g.mu.Unlock()
	for _, c := range caches {
		c.forget(id, altNames)
	}
}

func (g *Group) join(c *Cache) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.caches == nil {
		g.caches = map[*Cache]struct{}{}
	}
	g.caches[c] = struct{}{}
}

func (g *Group) leave(c *Cache) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.caches, c)
}
