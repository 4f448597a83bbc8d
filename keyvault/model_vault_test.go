package keyvault_test

import (
	"context"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// snapshot is what the vault held from one change to the next.
type snapshot struct {
	docs  []*keyvault.DataKey
	until time.Time
	step  int // of the change that ended it
}

// scenario runs random operations against a cache and the vault behind it. A cache of unlimited size must agree with the model. A small one
// may have forgotten anything: what it answers must have been in the vault less than a lifetime ago, after the last Forget.
type scenario struct {
	cache     *keyvault.Cache
	store     *fakeStore
	model     model
	denied    map[int]bool
	version   byte
	bounded   bool
	history   []*snapshot
	step      int
	forgotten map[payload.KeyID]int // step of the last Forget
}

const keyCount = 5

var (
	drawNumber = rapid.IntRange(1, keyCount)
	drawName   = rapid.SampledFrom([]string{"a", "b", "c", "d"})
)

func (s *scenario) vaultInsert(t *rapid.T) {
	s.version++ // a key that comes back under an old id is another key
	id := numbered(drawNumber.Draw(t, "n"))
	_ = s.store.Insert(context.Background(), &keyvault.DataKey{ // duplicates are refused
		ID: id, KeyAltNames: rapid.SliceOfNDistinct(drawName, 0, 2, rapid.ID[string]).Draw(t, "names"),
		KeyMaterial: append(id[:], s.version), MasterKey: awsMasterKey,
	})
	s.vaultChanged()
}

// vaultChanged ends the last snapshot and begins the next.
func (s *scenario) vaultChanged() {
	s.step++
	if n := len(s.history); n > 0 {
		s.history[n-1].until, s.history[n-1].step = time.Now(), s.step
	}
	docs, _ := s.store.Find(context.Background(), bson.D{})
	s.history = append(s.history, &snapshot{docs: docs})
}

// plausible says whether a cache may know this key by this id or name.
func (s *scenario) plausible(t *rapid.T, id payload.KeyID, name string, key *payload.Key) bool {
	for i, snap := range slices.Backward(s.history) {
		if i < len(s.history)-1 && (s.model.expired(snap.until) || snap.step <= s.forgotten[id]) {
			return false
		}
		for _, doc := range snap.docs {
			if doc.ID == id && (name == "" || slices.Contains(doc.KeyAltNames, name)) && isKey(t, key, doc.KeyMaterial) {
				return true
			}
		}
	}
	return false
}

func (s *scenario) vaultDelete(t *rapid.T) {
	_, _ = s.store.Delete(context.Background(), numbered(drawNumber.Draw(t, "n")))
	s.vaultChanged()
}

func (s *scenario) vaultRename(t *rapid.T) {
	change := s.store.AddKeyAltName
	if rapid.Bool().Draw(t, "remove") {
		change = s.store.RemoveKeyAltName
	}
	_, _ = change(context.Background(), numbered(drawNumber.Draw(t, "n")), drawName.Draw(t, "name"))
	s.vaultChanged()
}

func (s *scenario) kmsChange(t *rapid.T) {
	n := drawNumber.Draw(t, "n")
	s.denied[n] = !s.denied[n]
}

func (s *scenario) wait(t *rapid.T) {
	time.Sleep(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
}

func (s *scenario) forget(t *rapid.T) {
	id := numbered(drawNumber.Draw(t, "n"))
	s.cache.Forget(id)
	s.step++
	s.forgotten[id] = s.step
	for _, r := range s.model.log {
		r.dead = r.dead || r.ID == id
	}
}

func (s *scenario) stored(id payload.KeyID, name string) *keyvault.DataKey {
	var docs []*keyvault.DataKey
	if name == "" {
		docs, _ = s.store.Store.Fetch(context.Background(), []payload.KeyID{id}, nil)
	} else {
		docs, _ = s.store.Store.Fetch(context.Background(), nil, []string{name})
	}
	if len(docs) == 0 {
		return nil
	}
	return docs[0]
}
