package keyvault_test

import (
	"context"
	"encoding/binary"
	"runtime"
	"sync"
	"testing"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// A key for each of a million people, of whom 100,000 are active.
const (
	people = 1_000_000
	active = 100_000
)

func person(n int) payload.KeyID {
	var id payload.KeyID
	binary.BigEndian.PutUint64(id[8:], uint64(n)+1)
	return id
}

var million = sync.OnceValues(func() (*keyvault.MemoryStore, error) {
	store := keyvault.NewMemoryStore()
	for n := range people {
		id := person(n)
		key := &keyvault.DataKey{ID: id, KeyMaterial: append(id[:], make([]byte, 144)...), MasterKey: awsMasterKey}
		if err := store.Insert(context.Background(), key); err != nil {
			return nil, err
		}
	}
	return store, nil
})

func activePeople(from, count int) (req keyvault.Request) {
	for n := range count {
		req.IDs = append(req.IDs, person((from+n)*(people/active)%people))
	}
	return req
}

func newScale(b *testing.B, opts keyvault.CacheOptions) (*keyvault.Cache, *fakeStore) {
	memory, err := million()
	if err != nil {
		b.Fatal(err)
	}
	store := &fakeStore{Store: memory}
	cache := keyvault.NewCache(store, openKMS(b, &fakeKMS{name: "aws"}), opts)
	b.Cleanup(cache.Close)
	return cache, store
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkMillionLoad loads the working set with one Load into an empty cache: the time is for 100,000 keys.
func BenchmarkMillionLoad(b *testing.B) {
	_, _ = newScale(b, keyvault.CacheOptions{})
	req := activePeople(0, active)
	for b.Loop() {
		b.StopTimer()
		cache, _ := newScale(b, keyvault.CacheOptions{Expiration: duration(0), Size: active})
		b.StartTimer()
		if _, err := cache.Load(b.Context(), req); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		cache.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*active), "ns/key")
}

// BenchmarkMillionMemory measures what a cached key takes.
func BenchmarkMillionMemory(b *testing.B) {
	cache, _ := newScale(b, keyvault.CacheOptions{Expiration: duration(0), Size: active})
	before := heap()
	for from := 0; from < active; from += 1000 {
		if _, err := cache.Load(b.Context(), activePeople(from, 1000)); err != nil {
			b.Fatal(err)
		}
	}
	held := heap() - before
	for b.Loop() {
		cache.Lookup(person(0))
	}
	b.ReportMetric(float64(held)/active, "B/key")
}

// BenchmarkMillionWorkingSet looks keys up at random in a cache that holds all of the working set, and in one that holds half of it.
func BenchmarkMillionWorkingSet(b *testing.B) {
	for name, size := range map[string]int{"whole": active, "half": active / 2} {
		b.Run(name, func(b *testing.B) {
			cache, store := newScale(b, keyvault.CacheOptions{Expiration: duration(0), Size: size})
			for from := 0; from < active; from += 10_000 {
				if _, err := cache.Load(b.Context(), activePeople(from, 10_000)); err != nil {
					b.Fatal(err)
				}
			}
			before, n := store.count(), 0
			b.ReportAllocs()
			for b.Loop() {
				n = (n*1_103_515_245 + 12_345) & (1<<31 - 1)
				if _, err := cache.Load(b.Context(), activePeople(n%active, 1)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(store.count()-before)/float64(b.N), "fetches/op")
		})
	}
}

// However many keys go through the cache, it holds as many as it may.
func TestSizeIsBoundedUnderLoad(t *testing.T) {
	const size, total = 100, 5000
	s := newSetup(t, keyvault.CacheOptions{Size: size}, make([][]string, total)...)
	var ns []int
	for n := range total {
		ns = append(ns, n+1)
	}
	keys := s.mustLoad(t, byNumber(ns...))
	there := 0
	for _, n := range ns {
		if _, err := keys.Key(numbered(n)); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.Lookup(numbered(n)); ok {
			there++
		}
	}
	if there != size || s.store.count() != 1 {
		t.Errorf("%d keys in memory, %d fetches", there, s.store.count())
	}
}
