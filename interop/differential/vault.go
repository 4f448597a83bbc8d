package main

import (
	"context"
	"crypto/sha512"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/interop/differential/draw"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// vault is the key vault of both sides. Its keys are the same in every run, so that a golden file can name them; they protect nothing.
type vault struct {
	master    []byte
	ids       []payload.KeyID
	materials [][]byte
	keys      []*payload.Key
	documents []bson.Raw
	store     *keyvault.MemoryStore
}

func newVault() (*vault, error) {
	v := &vault{master: material("master key"), store: keyvault.NewMemoryStore()}
	master, err := payload.NewKey(v.master)
	if err != nil {
		return nil, err
	}
	for n := range draw.AltNames {
		if err := v.add(n, master); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (v *vault) add(n int, master *payload.Key) error {
	m := material(draw.AltName(n))
	key, err := payload.NewKey(m)
	if err != nil {
		return err
	}
	wrapped, err := master.AppendWrap(nil, m)
	if err != nil {
		return err
	}
	now := time.UnixMilli(1).UTC()
	doc := &keyvault.DataKey{
		ID: payload.KeyID(m[:16]), KeyAltNames: []string{draw.AltName(n)}, KeyMaterial: wrapped, CreationDate: now, UpdateDate: now,
		MasterKey: bson.Raw(draw.Document(draw.E{Key: "provider", Value: draw.String("local")}).Value),
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		return err
	}
	v.ids, v.materials, v.keys, v.documents = append(v.ids, doc.ID), append(v.materials, m), append(v.keys, key), append(v.documents, raw)
	return v.store.Insert(context.Background(), doc)
}

// find is the key that a marking names.
func (v *vault) find(m payload.Marking) (payload.KeyID, *payload.Key, error) {
	for n, id := range v.ids {
		if m.KeyID != nil && *m.KeyID == id || m.KeyID == nil && m.KeyAltName == draw.AltName(n) {
			return id, v.keys[n], nil
		}
	}
	return payload.KeyID{}, nil, fmt.Errorf("no such data key")
}

// material makes 96 bytes of a name.
func material(name string) []byte {
	a, b := sha512.Sum512([]byte(name)), sha512.Sum512([]byte(name+" "))
	return append(a[:], b[:payload.KeySize-len(a)]...)
}
