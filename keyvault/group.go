package keyvault

import (
	"maps"
	"slices"
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
	for _, c := range g.members() {
		c.forget(id, altNames)
	}
}

// ForgetAltNames drops whatever key carried one of these names from all caches of the group, as Cache.ForgetAltNames does from one.
func (g *Group) ForgetAltNames(altNames ...string) {
	for _, c := range g.members() {
		c.forgetAltNames(altNames)
	}
}

func (g *Group) members() []*Cache {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Keys(g.caches))
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
