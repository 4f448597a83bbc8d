package keyvault

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/internal/flight"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// CacheOptions configure a Cache. The zero value is useful.
type CacheOptions struct {
	// Expiration is how long a key is used before its document is fetched again, counted from that fetch. nil is 60 seconds, as in
	// the official drivers; 0 is for ever; less than 0 remembers nothing.
	Expiration *time.Duration
	// Stale is how much longer than Expiration a key is used while it is fetched again in the background, so that nobody waits when a key that
	// everybody uses expires, nor for a while when the key vault or the KMS cannot be reached. A key that the refresh finds deleted or denied
	// goes at once. 0, the default, is not at all: a deleted key then works for Expiration at most, else for Expiration + Stale.
	Stale time.Duration
	// Size is how many keys are remembered, of about 3 kB each; beyond it those go that were not used for about the longest time. 0 is 10,000.
	Size int
	// UnwrapLimit is how many keys are at one KMS provider at the same time. 0 is 16.
	UnwrapLimit int
	// Namespace is "db.coll" of the key vault, for errors; empty when it has none.
	Namespace string
	// Group, if set, is the caches that forget keys together with this one.
	Group *Group
	// Logger gets one line per fetch at level debug: counts, never names or bytes. nil discards.
	Logger *slog.Logger
}

const (
	defaultExpiration = 60 * time.Second
	defaultSize       = 10_000
	defaultUnwraps    = 16
)

// Cache hands out unwrapped data keys. What it does not remember it gets with one Store.Fetch, then unwraps in parallel at the KMS of
// each key. An alt name that two keys have is an error. However many callers wait for a key at the same time, it is fetched and unwrapped once; the work is cancelled when
// the last of them has left. A Cache is safe for concurrent use and never waits while it holds a lock.
//
// Keys that do not exist, or whose KMS denies access, are not remembered: every Load asks again.
//
// What stays in memory: the 96 bytes of a key are wiped as soon as the key is prepared. A prepared key (see payload.Key) cannot be wiped;
// the cache drops its reference when the key makes room, is forgotten, at Close, or at most a second after it has expired, whether anybody
// asks or not (a timer, no goroutine), and the garbage collector frees it when no Keys holds it either.
type Cache struct {
	store     Store
	providers *kms.Providers
	log       *slog.Logger
	closed    chan struct{}
	limit     int
	group     *Group
	namespace string

	mu         sync.Mutex // guards all below; never held while waiting
	entries    *entries   // what quick finds needs no lock
	fetches    flight.Group[want, answer]
	unwraps    flight.Group[wrapping, *payload.Key]
	unwrapping map[*flight.Flight[answer]]*DataKey // what a flight has brought, and its KMS has; the other flights are at the key vault
	atKMS      map[string]chan struct{}            // by provider id: a slot for each call
	sweeper    *time.Timer                         // nil when there is nothing to sweep
}

// NewCache returns an empty cache of the keys in store. Close it after use.
func NewCache(store Store, providers *kms.Providers, opts CacheOptions) *Cache {
	expiration, log := defaultExpiration, opts.Logger
	if opts.Expiration != nil {
		expiration = *opts.Expiration
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Cache{
		store: store, providers: providers, log: log,
		closed: make(chan struct{}),
		limit:  orDefault(opts.UnwrapLimit, defaultUnwraps),
		group:  opts.Group,

		namespace: opts.Namespace,
		entries:   newEntries(expiration, max(opts.Stale, 0), orDefault(opts.Size, defaultSize)),
		fetches:   flight.Group[want, answer]{},
		unwraps:   flight.Group[wrapping, *payload.Key]{},
		atKMS:     map[string]chan struct{}{},

		unwrapping: map[*flight.Flight[answer]]*DataKey{},
	}
	if c.group != nil {
		c.group.join(c)
	}
	return c
}

func orDefault(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

var errClosed = fmt.Errorf("key cache is closed: %w", mongo.ErrClientDisconnected)

// Lookup answers from memory only, without waiting, and without allocating unless the key is stale; false when the key is not there or has expired.
func (c *Cache) Lookup(id payload.KeyID) (*payload.Key, bool) {
	if e := c.entries.identified(id); c.entries.quick(e) {
		return e.key, true
	}
	_, key, ok := c.lookup(want{id: id})
	return key, ok
}

// LookupAltName is Lookup by alt name.
func (c *Cache) LookupAltName(name string) (payload.KeyID, *payload.Key, bool) {
	if e := c.entries.named(name); c.entries.quick(e) {
		return e.id, e.key, true
	}
	return c.lookup(want{altName: name, named: true})
}

func (c *Cache) lookup(w want) (payload.KeyID, *payload.Key, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, stale := c.entries.get(w)
	if e == nil {
		return payload.KeyID{}, nil, false
	}
	if stale {
		c.refresh(e)
	}
	return e.id, e.key, true
}

// Forget drops a key and its alt names, and whatever key carried one of altNames: call it after deleting or rewrapping a key through this
// client. A Load that begins afterwards does not get what an earlier one is still fetching, and that is not remembered if it is this key or was
// asked for by alt name. The other caches of the group forget it too.
func (c *Cache) Forget(id payload.KeyID, altNames ...string) {
	if c.group != nil {
		c.group.Forget(id, altNames...)
	}
	c.forget(id, altNames) // a closed cache has left its group
}

func (c *Cache) forget(id payload.KeyID, altNames []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(want{id: id})
	for _, name := range altNames {
		c.drop(want{altName: name, named: true})
	}
	for w, f := range c.fetches {
		if w.named || w.id == id { // a name may turn out to be this key's
			c.fetches.Detach(w, f)
		}
	}
}

// ForgetAltNames drops whatever key carried one of these names: call it after giving them to another key, new or not, or taking them away. Unlike
// Forget it does not hold up what is being fetched by other names, so that keys can be made all the time.
func (c *Cache) ForgetAltNames(altNames ...string) {
	if c.group != nil {
		c.group.ForgetAltNames(altNames...)
	}
	c.forgetAltNames(altNames) // a closed cache has left its group
}

func (c *Cache) forgetAltNames(altNames []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range altNames {
		w := want{altName: name, named: true}
		c.drop(w)
		if f, ok := c.fetches[w]; ok {
			c.fetches.Detach(w, f)
		}
	}
}

// drop removes what is remembered for w; the caller holds the lock.
func (c *Cache) drop(w want) {
	if e := c.entries.peek(w); e != nil {
		c.entries.remove(e)
	}
}

// Close drops all keys and cancels all work. Loads that wait, and later ones, fail; keys already handed out stay usable.
func (c *Cache) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isClosed() {
		return
	}
	close(c.closed)
	if c.group != nil {
		c.group.leave(c)
	}
	if c.sweeper != nil {
		c.sweeper.Stop()
	}
	c.entries.close() // those who wait leave, and the last one cancels the work
}

func (c *Cache) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}
