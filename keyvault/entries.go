package keyvault

import (
	"container/list"
	"time"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// entry is one unwrapped data key.
type entry struct {
	id       payload.KeyID
	altNames []string
	key      *payload.Key
	fetched  time.Time // when its document was asked for: what is older than the cache's lifetime is asked for anew
	used     *list.Element
}

// entries is what a cache remembers: keys by id and by alt name, of limited number and age. An alt name leads to an entry, so it
// leaves with it.
type entries struct {
	lifetime time.Duration // 0 = for ever, less = nothing is remembered
	size     int
	byID     map[payload.KeyID]*entry
	byName   map[string]*entry
	recency  list.List // of *entry, the last used first
	swept    time.Time
}

func newEntries(lifetime time.Duration, size int) *entries {
	return &entries{lifetime: lifetime, size: size, byID: map[payload.KeyID]*entry{}, byName: map[string]*entry{}}
}

func (e *entries) get(w want) (*entry, bool) {
	var found *entry
	if w.named {
		found = e.byName[w.altName]
	} else {
		found = e.byID[w.id]
	}
	if found == nil {
		return nil, false
	}
	if e.expired(found, time.Now()) {
		e.remove(found)
		return nil, false
	}
	e.recency.MoveToFront(found.used)
	return found, true
}

func (e *entries) expired(x *entry, now time.Time) bool {
	return e.lifetime != 0 && now.Sub(x.fetched) >= e.lifetime
}

// put replaces the entry for the same key with all its names, and takes its names from the keys that had them. Fetches can overtake each
// other, so what was fetched later wins.
func (e *entries) put(x *entry) {
	now := time.Now()
	if e.expired(x, now) {
		return
	}
	if old, ok := e.byID[x.id]; ok {
		if old.fetched.After(x.fetched) {
			return
		}
		e.remove(old)
	}
	e.sweep(now)
	for len(e.byID) >= e.size {
		e.remove(e.recency.Back().Value.(*entry))
	}
	x.used = e.recency.PushFront(x)
	e.byID[x.id] = x
	for _, name := range x.altNames {
		if other, ok := e.byName[name]; !ok || !other.fetched.After(x.fetched) {
			e.byName[name] = x
		}
	}
}

// sweep removes what has expired, at most once in a lifetime: keys that nobody asks for any more should not stay for long.
func (e *entries) sweep(now time.Time) {
	if e.lifetime == 0 || now.Sub(e.swept) < e.lifetime {
		return
	}
	e.swept = now
	for _, x := range e.byID {
		if e.expired(x, now) {
			e.remove(x)
		}
	}
}

func (e *entries) remove(x *entry) {
	e.recency.Remove(x.used)
	delete(e.byID, x.id)
	for _, name := range x.altNames {
		if e.byName[name] == x {
			delete(e.byName, name)
		}
	}
}
