package faults

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/internal/breakingproxy"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	kmslocal "github.com/fieldcrypt/fieldcrypt/kms/local"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// crowd is goroutines that want the same keys.
type crowd struct {
	size    int
	here    chan struct{} // closed when all wait
	waiting atomic.Int32
}

func newCrowd(size int) *crowd { return &crowd{size: size, here: make(chan struct{})} }

// load returns the errors of all, each of whom wants one of the ids, or all.
func (c *crowd) load(ctx context.Context, cache *keyvault.Cache, ids []payload.KeyID, all bool) []error {
	errs := make([]error, c.size)
	var loading sync.WaitGroup
	for i := range errs {
		wanted := ids
		if !all {
			wanted = ids[i%len(ids):][:1]
		}
		loading.Go(func() {
			keys, err := cache.Load(&waiter{Context: ctx, crowd: c}, keyvault.Request{IDs: wanted})
			for _, id := range wanted {
				if err == nil {
					_, err = keys.Key(id)
				}
			}
			errs[i] = err
		})
	}
	loading.Wait()
	return errs
}

// waiter is the context of one of the crowd. Who asks for its Done channel is about to wait.
type waiter struct {
	context.Context
	crowd *crowd
	once  sync.Once
}

func (w *waiter) Done() <-chan struct{} {
	w.once.Do(func() {
		if int(w.crowd.waiting.Add(1)) == w.crowd.size {
			close(w.crowd.here)
		}
	})
	return w.Context.Done()
}

// fetches counts the finds of a key vault.
type fetches struct {
	keyvault.Store
	count atomic.Int32
}

func (f *fetches) Fetch(ctx context.Context, ids []payload.KeyID, altNames []string) ([]*keyvault.DataKey, error) {
	f.count.Add(1)
	return f.Store.Fetch(ctx, ids, altNames)
}

const (
	crowdSize = 64
	keyCount  = 3
)

// While a KMS is down, each round of a crowd asks it for each key once, with the provider's own retries; after its recovery once in all, for what one
// fetch has brought.
func TestStampede(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		store := &fetches{Store: keyvault.NewMemoryStore()}
		ids := newKeys(t, explicit(t, s, store), s, keyCount)
		cache := keyvault.NewCache(store, s.open(t), keyvault.CacheOptions{})
		t.Cleanup(cache.Close)
		round := func(c *crowd, requests int, broken bool) {
			t.Helper()
			s.unwraps.Store(0)
			s.asked.Store(0)
			store.count.Store(0)
			for _, err := range c.load(t.Context(), cache, ids, !broken) {
				if broken && !s.checkError(t, err).Temporary() || !broken && err != nil {
					t.Errorf("got %v", err)
				}
			}
			if n := s.unwraps.Load(); n != keyCount {
				t.Errorf("%d calls of UnwrapKey, want %d", n, keyCount)
			}
			if n := s.asked.Load(); int(n) > requests {
				t.Errorf("%d requests, want %d at most", n, requests)
			}
			if n := store.count.Load(); n != keyCount && broken || n != 1 && !broken {
				t.Errorf("%d fetches", n)
			}
		}
		for range 2 {
			c := newCrowd(crowdSize)
			s.answer(func() int { <-c.here; return 503 })
			round(c, 4*keyCount, true)
		}
		s.answer(nil)
		c := newCrowd(crowdSize)
		s.breaks(t, breakingproxy.Fault{Reset: true, Hit: func() { <-c.here }})
		round(c, 0, true)
		s.breaks(t, breakingproxy.Fault{})
		round(newCrowd(crowdSize), keyCount, false)
	})
}

// explicit returns a client of a key vault that has the KMS and the local one.
func explicit(t *testing.T, s *service, store keyvault.Store) *fieldcrypt.ClientEncryption {
	t.Helper()
	return client(t, s, nil, fieldcrypt.ClientEncryptionOptions{KeyVault: store})
}

// The same for the server of the key vault. A fetch that fails fails the loads of others too, who ask once more.
func TestStampedeOnServer(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	ids := newKeys(t, s.explicit(t, s.direct), nil, keyCount)
	mongoStore, err := keyvault.NewMongoStore(s.impatient(t), s.db+".datakeys")
	if err != nil {
		t.Fatal(err)
	}
	store := &fetches{Store: mongoStore}
	providers, err := kms.Open(map[string]map[string]any{"local": local()}, kmslocal.Type{})
	if err != nil {
		t.Fatal(err)
	}
	cache := keyvault.NewCache(store, providers, keyvault.CacheOptions{})
	t.Cleanup(cache.Close)
	if _, err := store.Fetch(t.Context(), ids, nil); err != nil { // the connections are there
		t.Fatal(err)
	}
	for range 2 {
		store.count.Store(0)
		c := newCrowd(crowdSize)
		s.breaks(t, breakingproxy.Fault{Reset: true, Hit: func() { <-c.here }})
		for _, err := range c.load(t.Context(), cache, ids, true) {
			checkVaultError(t, err)
		}
		if n := store.count.Load(); n > 4 {
			t.Errorf("%d fetches, want 2 or hardly more", n)
		}
		s.breaks(t, breakingproxy.Fault{})
		recovered(t, mongoStore, ids)
	}
	store.count.Store(0)
	for _, err := range newCrowd(crowdSize).load(t.Context(), cache, ids, true) {
		if err != nil {
			t.Error(err)
		}
	}
	if n := store.count.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

// recovered waits until the driver has noticed that the server is back; each attempt looks for it as long as the client's options say.
func recovered(t *testing.T, store keyvault.Store, ids []payload.KeyID) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	_, err := store.Fetch(ctx, ids, nil)
	for err != nil && ctx.Err() == nil {
		_, err = store.Fetch(ctx, ids, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}
