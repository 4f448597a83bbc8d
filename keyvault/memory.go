package keyvault

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

var _ Store = (*MemoryStore)(nil)

// MemoryStore is a key vault in this process's memory, for examples, tests and tools. Ids and alt names are unique in it. What goes in and
// out are copies. Find understands few filters, see there.
type MemoryStore struct {
	mu   sync.Mutex
	keys []*DataKey // in the order of insertion
}

// NewMemoryStore returns an empty key vault.
func NewMemoryStore() *MemoryStore { return &MemoryStore{} }

// Fetch implements Store.
func (s *MemoryStore) Fetch(ctx context.Context, ids []payload.KeyID, altNames []string) ([]*DataKey, error) {
	return s.selectKeys(ctx, "fetching data keys", func(k *DataKey) bool {
		return slices.Contains(ids, k.ID) ||
			slices.ContainsFunc(k.KeyAltNames, func(n string) bool { return slices.Contains(altNames, n) })
	})
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
	for _, k := range s.keys {
		if match(k) {
			found = append(found, k.clone())
		}
	}
	return found, nil
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
	if _, exists := s.find(key.ID); exists {
		return duplicate(op, "_id")
	}
	for _, name := range stored.KeyAltNames {
		if s.named(name) {
			return duplicate(op, "keyAltNames")
		}
	}
	s.keys = append(s.keys, stored)
	return nil
}

// Delete implements Store.
func (s *MemoryStore) Delete(ctx context.Context, id payload.KeyID) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, &Error{Op: "deleting data key " + id.String(), Err: err}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.keys)
	s.keys = slices.DeleteFunc(s.keys, func(k *DataKey) bool { return k.ID == id })
	return int64(before - len(s.keys)), nil
}

// AddKeyAltName implements Store.
func (s *MemoryStore) AddKeyAltName(ctx context.Context, id payload.KeyID, name string) (*DataKey, error) {
	const op = "adding an alt name to data key "
	return s.change(ctx, op, id, func(k *DataKey) error {
		if slices.Contains(k.KeyAltNames, name) {
			return nil
		}
		if s.named(name) {
			return duplicate(op+id.String(), "keyAltNames")
		}
		k.KeyAltNames = append(k.KeyAltNames, name)
		return nil
	})
}

// RemoveKeyAltName implements Store.
func (s *MemoryStore) RemoveKeyAltName(ctx context.Context, id payload.KeyID, name string) (*DataKey, error) {
	return s.change(ctx, "removing an alt name from data key ", id, func(k *DataKey) error {
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
	k, ok := s.find(id)
	if !ok {
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
		if k, ok := s.find(r.ID); ok {
			k.KeyMaterial, k.MasterKey, k.UpdateDate = bytes.Clone(r.KeyMaterial), bytes.Clone(r.MasterKey), now
			result.MatchedCount++
			result.ModifiedCount++
		}
	}
	return result, nil
}

func (s *MemoryStore) find(id payload.KeyID) (*DataKey, bool) {
	for _, k := range s.keys {
		if k.ID == id {
			return k, true
		}
	}
	return nil, false
}

func (s *MemoryStore) named(name string) bool {
	return slices.ContainsFunc(s.keys, func(k *DataKey) bool { return slices.Contains(k.KeyAltNames, name) })
}

// duplicate is the error for which mongo.IsDuplicateKeyError is true.
func duplicate(op, field string) error {
	const duplicateKey = 11000
	return &Error{Op: op, Err: mongo.WriteException{WriteErrors: mongo.WriteErrors{
		{Code: duplicateKey, Message: fmt.Sprintf("duplicate key error: %s exists already", field)},
	}}}
}
