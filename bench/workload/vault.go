package workload

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// Vault is a key vault whose keys are known: never do this with keys that protect anything.
type Vault struct {
	MasterKey []byte
	Documents [][]byte
	IDs       []payload.KeyID

	materials [][]byte
}

// NewVault makes n data keys, the first of them the same for every n.
func NewVault(n int) (*Vault, error) {
	random := rand.NewChaCha8([32]byte{'k', 'e', 'y', 's'})
	v := &Vault{MasterKey: fill(random, payload.KeySize)}
	master, err := payload.NewKey(v.MasterKey)
	if err != nil {
		return nil, err
	}
	for range n {
		id := payload.KeyID(fill(random, 16))
		id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // a UUID of version 4
		material := fill(random, payload.KeySize)
		wrapped, err := master.AppendWrap(nil, material)
		if err != nil {
			return nil, err
		}
		created := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		local, err := bson.Marshal(bson.D{{Key: "provider", Value: "local"}})
		if err != nil {
			return nil, err
		}
		doc, err := (&keyvault.DataKey{ID: id, KeyMaterial: wrapped, CreationDate: created, UpdateDate: created, MasterKey: local}).MarshalBSON()
		if err != nil {
			return nil, err
		}
		v.Documents, v.IDs, v.materials = append(v.Documents, doc), append(v.IDs, id), append(v.materials, material)
	}
	return v, nil
}

// Key prepares the i-th data key.
func (v *Vault) Key(i int) (*payload.Key, error) { return payload.NewKey(v.materials[i]) }

// Find prepares the data key with this id.
func (v *Vault) Find(id payload.KeyID) (*payload.Key, error) {
	for i := range v.IDs {
		if v.IDs[i] == id {
			return v.Key(i)
		}
	}
	return nil, fmt.Errorf("there is no data key %s", id)
}

// seal encrypts a value with the i-th data key.
func (v *Vault) seal(i int, alg payload.Algorithm, value bson.RawValue) ([]byte, error) {
	k, err := v.Key(i)
	if err != nil {
		return nil, err
	}
	return k.AppendEncrypt(nil, alg, v.IDs[i], value)
}

func fill(random *rand.ChaCha8, n int) []byte {
	b := make([]byte, n)
	_, _ = random.Read(b) // never fails
	return b
}

// text is the BSON value of a string of n letters that depend on seed.
func text(n int, seed uint64) bson.RawValue {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	letters := fill(rand.NewChaCha8(key), n)
	for i := range letters {
		letters[i] = 'a' + letters[i]%26
	}
	return value(string(letters))
}

// bytesOf is the BSON value of a binary of n bytes.
func bytesOf(n int) bson.RawValue {
	return value(bson.Binary{Data: fill(rand.NewChaCha8([32]byte{'b'}), n)})
}

func value(v any) bson.RawValue {
	t, b, err := bson.MarshalValue(v)
	if err != nil {
		panic(err) // it is one of the types above
	}
	return bson.RawValue{Type: t, Value: b}
}
