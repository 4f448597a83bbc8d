package keyvault

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

var (
	_ Store   = (*MemoryStore)(nil)
	_ Indexer = (*MemoryStore)(nil)
)

// MemoryStore is a key vault in this process's memory, for examples, tests and tools. Ids and alt names are unique in it. What goes in and
// out are copies. Find understands few filters, see there.
type MemoryStore struct {
	mu     sync.Mutex
	byID   map[payload.KeyID]*DataKey
	byName map[string]*DataKey
	order  []payload.KeyID // of insertion
}

// NewMemoryStore returns an empty key vault.
func NewMemoryStore() *MemoryStore {
	return &MemoryStore{byID: map[payload.KeyID]*DataKey{}, byName: map[string]*DataKey{}}
}

// Fetch implements Store.
func (s *MemoryStore) Fetch(ctx context.Context, ids []payload.KeyID, altNames []string) ([]*DataKey, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Op: "fetching data keys", Err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*DataKey
	seen := make(map[payload.KeyID]bool, len(ids)+len(altNames))
	add := func(k *DataKey) {
		if k != nil && !seen[k.ID] {
			seen[k.ID] = true
			found = append(found, k.clone())
		}
	}
	for _, id := range ids {
		add(s.byID[id])
	}
	for _, name := range altNames {
		add(s.byName[name])
	}
	return found, nil
}

// Find implements Store for the empty document and for documents with any of _id, keyAltNames and masterKey.provider, each equal to a
// value or {$in: [values]}. Other filters are errors.
func (s *MemoryStore) Find(ctx context.Context, filter any) ([]*DataKey, error) {
	match, err := parseMemoryFilter(filter)
	if err != nil {
		return nil, err
	}
	return s.selectKeys(ctx, "finding data keys", match)
}

func (s *MemoryStore) selectKeys(ctx context.Context, op string, match func(*DataKey) bool) ([]*DataKey, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Op: op, Err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*DataKey
	for _, id := range s.order {
		if k, ok := s.byID[id]; ok && match(k) {
			found = append(found, k.clone())
		}
	}
	return found, nil
}

// Scan implements Store, with the filters of Find.
func (s *MemoryStore) Scan(ctx context.Context, filter any, each func(bson.Raw) error) error {
	match, err := parseMemoryFilter(filter)
	if err != nil {
		return err
	}
	s.mu.Lock()
	ids := slices.Clone(s.order)
	s.mu.Unlock()
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return &Error{Op: "reading the key vault", Err: err}
		}
		s.mu.Lock()
		k, ok := s.byID[id]
		var doc bson.Raw
		if ok = ok && match(k); ok {
			doc, err = k.MarshalBSON()
		}
		s.mu.Unlock()
		if !ok {
			continue
		}
		if err == nil {
			err = each(doc)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Insert implements Store.
func (s *MemoryStore) Insert(ctx context.Context, key *DataKey) error {
	op := "inserting data key " + key.ID.String()
	if err := ctx.Err(); err != nil {
		return &Error{Op: op, Err: err}
	}
	doc, err := key.MarshalBSON()
	if err != nil {
		return err
	}
	stored, err := ParseDataKey(doc)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[key.ID] != nil {
		return duplicate(op, "_id")
	}
	for _, name := range stored.KeyAltNames {
		if s.byName[name] != nil {
			return duplicate(op, "keyAltNames")
		}
	}
	s.byID[stored.ID] = stored
	s.order = append(s.order, stored.ID)
	for _, name := range stored.KeyAltNames {
		s.byName[name] = stored
	}
	return nil
}

// Delete implements Store.
func (s *MemoryStore) Delete(ctx context.Context, id payload.KeyID) (int64, error) {
	k, err := s.remove(ctx, id)
	if k == nil {
		return 0, err
	}
	return 1, nil
}

// Take implements Store.
func (s *MemoryStore) Take(ctx context.Context, id payload.KeyID) (bson.Raw, error) {
	k, err := s.remove(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case k == nil:
		return nil, notFound(id)
	}
	return k.MarshalBSON()
}

// remove returns the key that it has removed, nil when there was none.
func (s *MemoryStore) remove(ctx context.Context, id payload.KeyID) (*DataKey, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Op: "deleting data key " + id.String(), Err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.byID[id]
	if k == nil {
		return nil, nil
	}
	delete(s.byID, id)
	for _, name := range k.KeyAltNames {
		delete(s.byName, name)
	}
	i := slices.Index(s.order, id)
	s.order = slices.Delete(s.order, i, i+1)
	return k, nil
}

// AddKeyAltName implements Store.
func (s *MemoryStore) AddKeyAltName(ctx context.Context, id payload.KeyID, name string) (*DataKey, error) {
	const op = "adding an alt name to data key "
	return s.change(ctx, op, id, func(k *DataKey) error {
		if slices.Contains(k.KeyAltNames, name) {
			return nil
		}
		if s.byName[name] != nil {
			return duplicate(op+id.String(), "keyAltNames")
		}
		k.KeyAltNames = append(k.KeyAltNames, name)
		s.byName[name] = k
		return nil
	})
}

// RemoveKeyAltName implements Store.
func (s *MemoryStore) RemoveKeyAltName(ctx context.Context, id payload.KeyID, name string) (*DataKey, error) {
	return s.change(ctx, "removing an alt name from data key ", id, func(k *DataKey) error {
		if s.byName[name] == k {
			delete(s.byName, name)
		}
		k.KeyAltNames = slices.DeleteFunc(k.KeyAltNames, func(n string) bool { return n == name })
		return nil
	})
}

// change applies f to a data key and returns the key as it was before.
func (s *MemoryStore) change(ctx context.Context, op string, id payload.KeyID, f func(*DataKey) error) (*DataKey, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Op: op + id.String(), Err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.byID[id]
	if k == nil {
		return nil, notFound(id)
	}
	before := k.clone()
	if err := f(k); err != nil {
		return nil, err
	}
	return before, nil
}

// Rewrap implements Store. It is all or nothing.
func (s *MemoryStore) Rewrap(ctx context.Context, keys []Rewrapped) (*mongo.BulkWriteResult, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Op: "rewrapping data keys", Err: err}
	}
	if err := checkRewrapped(keys); err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	result := &mongo.BulkWriteResult{Acknowledged: true}
	for _, r := range keys {
		if k := s.byID[r.ID]; k != nil && r.replaces(k) {
			k.KeyMaterial, k.MasterKey, k.UpdateDate = bytes.Clone(r.KeyMaterial), bytes.Clone(r.MasterKey), now
			result.MatchedCount++
			result.ModifiedCount++
		}
	}
	return result, nil
}

// EnsureIndex implements Indexer: alt names are always unique here.
func (s *MemoryStore) EnsureIndex(ctx context.Context) (partial bool, err error) {
	return true, ctx.Err()
}

// Index implements Indexer.
func (s *MemoryStore) Index(ctx context.Context) (Index, error) { return IndexPartial, ctx.Err() }

// duplicate is the error for which mongo.IsDuplicateKeyError is true.
func duplicate(op, field string) error {
	const duplicateKey = 11000
	return &Error{Op: op, Err: mongo.WriteException{WriteErrors: mongo.WriteErrors{
		{Code: duplicateKey, Message: fmt.Sprintf("duplicate key error: %s exists already", field)},
	}}}
}
