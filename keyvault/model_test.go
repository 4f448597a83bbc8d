package keyvault_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// record is a document that the model saw fetched and unwrapped.
type record struct {
	*keyvault.DataKey
	at    time.Time
	asked []string // the names that it was fetched by
	dead  bool     // forgotten
}

// model is what a cache of unlimited size must know, as a log of fetches.
type model struct {
	lifetime time.Duration
	log      []*record // the newest last
}

func (m *model) expired(at time.Time) bool { return m.lifetime != 0 && time.Since(at) >= m.lifetime }

// known is the newest document of the key that has the id, or of the key that was last seen with the alt name, if it was fetched by it.
func (m *model) known(id payload.KeyID, name string) *record {
	for _, r := range slices.Backward(m.log) {
		switch {
		case name != "" && !slices.Contains(r.KeyAltNames, name), name == "" && r.ID != id:
			continue
		case r.dead, m.expired(r.at), name != "" && !slices.Contains(r.asked, name):
			return nil
		case name != "" && m.known(r.ID, "") != r:
			return nil
		}
		return r
	}
	return nil
}

func (s *scenario) lookup(t *rapid.T) {
	n, name := drawNumber.Draw(t, "n"), drawName.Draw(t, "name")
	key, ok := s.cache.Lookup(numbered(n))
	s.checkKnown(t, numbered(n), "", numbered(n), key, ok)
	id, key, ok := s.cache.LookupAltName(name)
	s.checkKnown(t, payload.KeyID{}, name, id, key, ok)
}

// checkKnown checks an answer from memory.
func (s *scenario) checkKnown(t *rapid.T, askedID payload.KeyID, name string, id payload.KeyID, key *payload.Key, ok bool) {
	if s.bounded {
		if ok && !s.plausible(t, id, name, key) {
			t.Fatalf("%s %q: a key that is wrong or too old", id, name)
		}
		return
	}
	switch want := s.model.known(askedID, name); {
	case ok != (want != nil):
		t.Fatalf("%s %q: in memory %t, in the model %t", askedID, name, ok, want != nil)
	case ok && (id != want.ID || !isKey(t, key, want.KeyMaterial)):
		t.Fatalf("%s %q: another key", askedID, name)
	}
}

func (s *scenario) load(t *rapid.T) {
	ns := rapid.SliceOfN(drawNumber, 0, 3).Draw(t, "ns")
	names := rapid.SliceOfN(drawName, 0, 3).Draw(t, "names")
	before := s.store.count()
	keys, err := s.cache.Load(context.Background(), keyvault.Request{IDs: byNumber(ns...).IDs, AltNames: names})
	if err != nil {
		t.Fatal(err)
	}
	fetches, lacking := s.store.count()-before, 0
	check := func(askedID payload.KeyID, name string, id payload.KeyID, key *payload.Key, err error) {
		if s.bounded && err == nil || s.model.known(askedID, name) != nil && !s.bounded {
			s.checkKnown(t, askedID, name, id, key, err == nil)
			return
		}
		lacking++
		s.checkFresh(t, askedID, name, id, key, err)
	}
	for _, n := range ns {
		key, err := keys.Key(numbered(n))
		check(numbered(n), "", numbered(n), key, err)
	}
	for _, name := range names {
		id, key, err := keys.KeyByAltName(name)
		check(payload.KeyID{}, name, id, key, err)
	}
	if fetches > 1 || lacking > 0 && fetches == 0 || lacking == 0 && fetches > 0 && !s.bounded {
		t.Fatalf("%d fetches for %d keys that lack", fetches, lacking)
	}
	s.observe(ns, names)
}

// checkFresh compares an answer that was not in memory with the vault.
func (s *scenario) checkFresh(t *rapid.T, askedID payload.KeyID, name string, id payload.KeyID, key *payload.Key, err error) {
	what := fmt.Sprintf("%s %q", askedID, name)
	stored := s.stored(askedID, name)
	switch {
	case stored == nil:
		if !errors.Is(err, keyvault.ErrNotFound) {
			t.Fatalf("%s: got %v, not in the vault", what, err)
		}
	case s.denied[int(stored.ID[15])]:
		if !errors.Is(err, kms.ErrDenied) {
			t.Fatalf("%s: got %v, denied by the KMS", what, err)
		}
	case err != nil || id != stored.ID || !isKey(t, key, stored.KeyMaterial):
		t.Fatalf("%s: not what is in the vault; error %v", what, err)
	}
}

// observe writes down what a Load has fetched: what the model did not know.
func (s *scenario) observe(ns []int, names []string) {
	fresh := map[payload.KeyID]*record{}
	see := func(id payload.KeyID, name string) {
		if s.model.known(id, name) != nil {
			return
		}
		if doc := s.stored(id, name); doc != nil && !s.denied[int(doc.ID[15])] {
			r := fresh[doc.ID]
			if r == nil {
				r = &record{DataKey: doc, at: time.Now()}
				fresh[doc.ID] = r
			}
			if name != "" {
				r.asked = append(r.asked, name)
			}
		}
	}
	for _, n := range ns {
		see(numbered(n), "")
	}
	for _, name := range names {
		see(payload.KeyID{}, name)
	}
	for _, r := range fresh {
		s.model.log = append(s.model.log, r)
	}
}

// inBubble hides the deadline of the test: a bubble of testing/synctest has a clock of its own.
type inBubble struct{ *testing.T }

func (inBubble) Deadline() (deadline time.Time, ok bool) { return time.Time{}, false }

func TestCacheAgainstModel(t *testing.T) {
	for _, bounded := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			aws := &fakeKMS{name: "aws"}
			providers := openKMS(t, aws)
			rapid.Check(inBubble{t}, func(rt *rapid.T) {
				s := &scenario{store: &fakeStore{Store: keyvault.NewMemoryStore()}, denied: map[int]bool{}, bounded: bounded, forgotten: map[payload.KeyID]int{}}
				aws.before = func(_ context.Context, material []byte) ([]byte, error) {
					if s.denied[int(material[15])] {
						return nil, kms.ErrDenied
					}
					return nil, nil
				}
				opts := keyvault.CacheOptions{Expiration: rapid.SampledFrom([]*time.Duration{nil, duration(0), duration(20 * time.Second)}).Draw(rt, "expiration")}
				s.model.lifetime = 60 * time.Second
				if opts.Expiration != nil {
					s.model.lifetime = *opts.Expiration
				}
				if bounded {
					opts.Size = rapid.IntRange(1, 3).Draw(rt, "size")
				}
				s.cache = keyvault.NewCache(s.store, providers, opts)
				defer s.cache.Close()
				rt.Repeat(map[string]func(*rapid.T){
					"insert": s.vaultInsert, "delete": s.vaultDelete, "rename": s.vaultRename, "kms": s.kmsChange,
					"wait": s.wait, "forget": s.forget, "lookup": s.lookup, "load": s.load,
				})
			})
		})
	}
}
