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
	// Size is how many keys are remembered; beyond it those not used for the longest time go. 0 is 10,000.
	Size int
	// Logger gets one line per fetch at level debug: counts, never names or bytes. nil discards.
	Logger *slog.Logger
}

const (
	defaultExpiration = 60 * time.Second
	defaultSize       = 10_000
)

// Cache hands out unwrapped data keys. What it does not remember it gets with one Store.Fetch, then unwraps in parallel at the KMS of
// each key. However many callers wait for a key at the same time, it is fetched and unwrapped once; the work is cancelled when
// the last of them has left. A Cache is safe for concurrent use and never waits while it holds a lock.
//
// Keys that do not exist, or whose KMS denies access, are not remembered: every Load asks again.
//
// What stays in memory: the 96 bytes of a key are wiped as soon as the key is prepared. A prepared key (see payload.Key) cannot be wiped;
// the cache drops its reference when the key expires, makes room, is forgotten or at Close, and the garbage collector frees it when
// no Keys holds it either. Nothing runs in the background, so an expired key, though never handed out, stays until the next Load.
type Cache struct {
	store     Store
	providers *kms.Providers
	log       *slog.Logger
	closed    chan struct{}

	mu         sync.Mutex // guards all below; never held while waiting
	entries    *entries
	fetches    flight.Group[want, answer]
	unwraps    flight.Group[wrapping, *payload.Key]
	generation int // counts Forget and Close: what was fetched before them is not remembered after them
}

// NewCache returns an empty cache of the keys in store. Close it after use.
func NewCache(store Store, providers *kms.Providers, opts CacheOptions) *Cache {
	expiration, size, log := defaultExpiration, defaultSize, opts.Logger
	if opts.Expiration != nil {
		expiration = *opts.Expiration
	}
	if opts.Size > 0 {
		size = opts.Size
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Cache{
		store: store, providers: providers, log: log,
		closed:  make(chan struct{}),
		entries: newEntries(expiration, size),
		fetches: flight.Group[want, answer]{},
		unwraps: flight.Group[wrapping, *payload.Key]{},
	}
}

var errClosed = fmt.Errorf("key cache is closed: %w", mongo.ErrClientDisconnected)

// Lookup answers from memory only, without waiting or allocating; false when the key is not there or has expired.
func (c *Cache) Lookup(id payload.KeyID) (*payload.Key, bool) {
	_, key, ok := c.lookup(want{id: id})
	return key, ok
}

// LookupAltName is Lookup by alt name.
func (c *Cache) LookupAltName(name string) (payload.KeyID, *payload.Key, bool) {
	return c.lookup(want{altName: name, named: true})
}

func (c *Cache) lookup(w want) (payload.KeyID, *payload.Key, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.entries.get(w); ok {
		return e.id, e.key, true
	}
	return payload.KeyID{}, nil, false
}

// Forget drops a key and its alt names, and whatever key carried one of altNames: call it after creating, deleting, rewrapping or renaming
// a key through this client. A Load that begins afterwards does not get what an earlier one is still fetching.
func (c *Cache) Forget(id payload.KeyID, altNames ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	if e, ok := c.entries.byID[id]; ok {
		c.entries.remove(e)
	}
	for _, name := range altNames {
		if e, ok := c.entries.byName[name]; ok {
			c.entries.remove(e)
		}
	}
	for w, f := range c.fetches {
		if w.named || w.id == id { // a name may turn out to be this key's
			c.fetches.Detach(w, f)
		}
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
	c.generation++
	c.entries = newEntries(-1, 1) // those who wait leave, and the last one cancels the work
}

func (c *Cache) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}
