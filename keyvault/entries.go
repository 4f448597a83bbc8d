package keyvault

import (
	"container/list"
	"sync"
	"sync/atomic"
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
	touched   atomic.Bool // used since it took its place in the order of use
	removed   atomic.Bool
}

// wants is what a fetch must ask for so that its answer replaces the entry by all that it is known by.
func (x *entry) wants() []want { return Request{IDs: []payload.KeyID{x.id}, AltNames: x.names}.wants() }

// entries is what a cache remembers: keys by id and by alt name, of limited number and age. An alt name leads to an entry, so it
// leaves with it.
//
// A name is remembered only when the vault was asked for it: that answer would have shown a second key of the same name. The names in a document
// that was asked for by id say nothing about other keys.
//
// peek and quick need no lock, so that many cores can use the same keys at the same time; all else is for one at a time.
type entries struct {
	lifetime time.Duration // 0 = for ever, less = nothing is remembered
	stale    time.Duration // how much longer an entry is served while a newer one is on its way
	size     int
	closed   bool
	byID     sync.Map              // payload.KeyID: *entry
	byName   sync.Map              // string: *entry
	usual    atomic.Pointer[entry] // one of byID, found without a search: most programs use one key most of the time
	recency  list.List             // of *entry, about the last used first: quick does not move what it finds, but leaves a mark
	age      list.List             // of *entry, the last put first: about the order in which they expire
}

func newEntries(lifetime, stale time.Duration, size int) *entries {
	return &entries{lifetime: lifetime, stale: stale, size: size}
}

func (e *entries) peek(w want) *entry {
	if w.named {
		return e.named(w.altName)
	}
	return e.identified(w.id)
}

func (e *entries) identified(id payload.KeyID) *entry {
	usual := e.usual.Load()
	if usual != nil && usual.id == id && !usual.removed.Load() {
		return usual
	}
	found, _ := e.byID.Load(id)
	x, _ := found.(*entry)
	if x != nil && usual == nil { // only then: cores that use different keys would take it from each other all the time
		e.usual.Store(x)
		if x.removed.Load() { // meanwhile
			e.usual.CompareAndSwap(x, nil)
		}
	}
	return x
}

func (e *entries) named(name string) *entry {
	found, _ := e.byName.Load(name)
	x, _ := found.(*entry)
	return x
}

// quick says that x, which was peeked at, is there and that there is nothing to do about it; else get knows more.
func (e *entries) quick(x *entry) bool {
	if x == nil || e.lifetime != 0 && time.Since(x.fetched) >= e.lifetime {
		return false
	}
	if !x.touched.Load() { // a write would take the cache line from the other cores each time
		x.touched.Store(true)
	}
	return true
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
	found.touched.Store(false)
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
	if e.closed || e.expired(x, time.Now()) {
		return
	}
	if old := e.identified(x.id); old != nil {
		if old.fetched.After(x.fetched) {
			return
		}
		e.remove(old)
	}
	for e.recency.Len() >= e.size {
		e.remove(e.leastUsed())
	}
	x.used, x.aged = e.recency.PushFront(x), e.age.PushFront(x)
	e.byID.Store(x.id, x)
	for _, name := range altNames {
		if other := e.named(name); other != nil && !other.fetched.After(x.fetched) {
			e.byName.Delete(name)
		}
	}
	for _, name := range x.names {
		e.byName.LoadOrStore(name, x) // what is left there is newer
	}
}

// leastUsed is an entry that was not used for longer than about all others: those with a mark get a second chance, once.
func (e *entries) leastUsed() *entry {
	for range e.recency.Len() {
		x := e.recency.Back().Value.(*entry)
		if !x.touched.Swap(false) {
			return x
		}
		e.recency.MoveToFront(x.used)
	}
	return e.recency.Back().Value.(*entry)
}

// close drops everything, for good.
func (e *entries) close() {
	e.closed = true
	for e.recency.Len() > 0 {
		e.remove(e.recency.Back().Value.(*entry))
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
	e.byID.Delete(x.id)
	x.removed.Store(true)
	e.usual.CompareAndSwap(x, nil)
	for _, name := range x.names {
		if e.named(name) == x {
			e.byName.Delete(name)
		}
	}
}
