package keyvault

import (
	"container/list"
	"time"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// entry is one unwrapped data key.
type entry struct {
	id        payload.KeyID
	names     []string // the alt names that it was fetched by
	key       *payload.Key
	fetched   time.Time // when its document was asked for: the lifetime begins there
	refreshed time.Time // when it was last asked for anew while it was stale
	used      *list.Element
	aged      *list.Element
}

// wants is what a fetch must ask for so that its answer replaces the entry by all that it is known by.
func (x *entry) wants() []want { return Request{IDs: []payload.KeyID{x.id}, AltNames: x.names}.wants() }

// entries is what a cache remembers: keys by id and by alt name, of limited number and age. An alt name leads to an entry, so it
// leaves with it.
//
// A name is remembered only when the vault was asked for it: that answer would have shown a second key of the same name. The names in a document
// that was asked for by id say nothing about other keys.
type entries struct {
	lifetime time.Duration // 0 = for ever, less = nothing is remembered
	stale    time.Duration // how much longer an entry is served while a newer one is on its way
	size     int
	byID     map[payload.KeyID]*entry
	byName   map[string]*entry
	recency  list.List // of *entry, the last used first
	age      list.List // of *entry, the last put first: about the order in which they expire
}

func newEntries(lifetime, stale time.Duration, size int) *entries {
	return &entries{lifetime: lifetime, stale: stale, size: size, byID: map[payload.KeyID]*entry{}, byName: map[string]*entry{}}
}

func (e *entries) peek(w want) *entry {
	if w.named {
		return e.byName[w.altName]
	}
	return e.byID[w.id]
}

// get returns the entry for w, nil when there is none that may be used; stale says that it should be asked for anew.
func (e *entries) get(w want) (found *entry, stale bool) {
	found = e.peek(w)
	if found == nil {
		return nil, false
	}
	now := time.Now()
	if e.expired(found, now) {
		e.remove(found)
		return nil, false
	}
	e.recency.MoveToFront(found.used)
	return found, e.lifetime != 0 && now.Sub(found.fetched) >= e.lifetime
}

// ends is when x may no longer be used, if lifetime is not 0.
func (e *entries) ends(x *entry) time.Time { return x.fetched.Add(e.lifetime + e.stale) }

func (e *entries) expired(x *entry, now time.Time) bool {
	return e.lifetime < 0 || e.lifetime > 0 && !now.Before(e.ends(x))
}

// put replaces the entry for the same key, and takes the document's altNames from other keys that had them. Fetches can overtake each other,
// so what was fetched later wins.
func (e *entries) put(x *entry, altNames []string) {
	if e.expired(x, time.Now()) {
		return
	}
	if old, ok := e.byID[x.id]; ok {
		if old.fetched.After(x.fetched) {
			return
		}
		e.remove(old)
	}
	for len(e.byID) >= e.size {
		e.remove(e.recency.Back().Value.(*entry))
	}
	x.used, x.aged = e.recency.PushFront(x), e.age.PushFront(x)
	e.byID[x.id] = x
	for _, name := range altNames {
		if other, ok := e.byName[name]; ok && !other.fetched.After(x.fetched) {
			delete(e.byName, name)
		}
	}
	for _, name := range x.names {
		if _, newer := e.byName[name]; !newer {
			e.byName[name] = x
		}
	}
}

// drop removes the entry for w if it was fetched before that time.
func (e *entries) drop(w want, before time.Time) {
	if x := e.peek(w); x != nil && x.fetched.Before(before) {
		e.remove(x)
	}
}

// sweep removes expired entries, at most limit, and returns how long the next one has; false when none is left that expires.
func (e *entries) sweep(now time.Time, limit int) (time.Duration, bool) {
	for ; e.lifetime != 0 && e.age.Len() > 0; limit-- {
		oldest := e.age.Back().Value.(*entry)
		if !e.expired(oldest, now) || limit == 0 {
			return e.ends(oldest).Sub(now), true
		}
		e.remove(oldest)
	}
	return 0, false
}

func (e *entries) remove(x *entry) {
	e.recency.Remove(x.used)
	e.age.Remove(x.aged)
	delete(e.byID, x.id)
	for _, name := range x.names {
		if e.byName[name] == x {
			delete(e.byName, name)
		}
	}
}
