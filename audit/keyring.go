package audit

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// keyring remembers of each data key that a ciphertext names whether the key vault has it, and how many there are. All collections share it.
type keyring struct {
	store keyvault.Store // nil: nobody knows

	mu   sync.Mutex
	used map[payload.KeyID]*use
}

type use struct {
	values int64
	absent bool // from the key vault
}

func newKeyring(store keyvault.Store) *keyring {
	return &keyring{store: store, used: map[payload.KeyID]*use{}}
}

// known says whether it is known if the vault has the key.
func (k *keyring) known(id payload.KeyID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.used[id] != nil
}

// count counts a ciphertext and says whether the vault has its key; without a vault it may.
func (k *keyring) count(id payload.KeyID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	u := k.used[id]
	if u == nil {
		u = &use{}
		k.used[id] = u
	}
	u.values++
	return !u.absent
}

// look asks the vault for what is not known of these, in one go, and gives the ids of the names that they want.
func (k *keyring) look(ctx context.Context, wanted []pending) (map[string]payload.KeyID, error) {
	if k.store == nil {
		return nil, nil
	}
	ids, names := map[payload.KeyID]bool{}, map[string]bool{}
	for _, p := range wanted {
		if !k.known(p.key) {
			ids[p.key] = true
		}
		if p.name != "" {
			names[p.name] = true
		}
	}
	if len(ids) == 0 && len(names) == 0 {
		return nil, nil
	}
	keys, err := k.store.Fetch(ctx, slices.Collect(maps.Keys(ids)), slices.Collect(maps.Keys(names)))
	if unreadable := (*keyvault.UnreadableError)(nil); err != nil && !errors.As(err, &unreadable) {
		return nil, err
	}
	named := map[string]payload.KeyID{}
	for _, key := range keys {
		k.learn(key.ID, false)
		delete(ids, key.ID)
		for _, name := range key.KeyAltNames {
			if names[name] {
				named[name] = key.ID
			}
		}
	}
	for id := range ids {
		k.learn(id, true)
	}
	return named, nil
}

// learn notes whether the vault has a key, unless another collection has found out meanwhile.
func (k *keyring) learn(id payload.KeyID, absent bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.used[id] == nil {
		k.used[id] = &use{absent: absent}
	}
}

// lacks says whether an error of the Decrypter is about a key that the vault does not have.
func (k *keyring) lacks(err error) bool { return errors.Is(err, keyvault.ErrNotFound) }

// report goes through the vault and compares it with what was used.
func (k *keyring) report(ctx context.Context, r *Report, fields []SchemaKey, most int) error {
	keys := &r.Keys
	for id, u := range k.used {
		if u.absent {
			keys.UnknownAll++
			keys.Unknown = append(keys.Unknown, KeyCount{id, u.values})
		}
	}
	sortKeys(keys.Unknown)
	keys.Unknown = keys.Unknown[:min(len(keys.Unknown), most)]
	if k.store == nil {
		return nil
	}
	keys.Looked = true
	err := k.store.Scan(ctx, bson.D{}, func(doc bson.Raw) error {
		if key, err := keyvault.ParseDataKey(doc); err == nil {
			keys.add(k, key, most)
		}
		return nil // what is no data key is for "keys check" to find
	})
	if err != nil {
		keys.Err = err
		return err
	}
	byUse := func(a, b *Key) int { return cmp.Or(-cmp.Compare(a.Values, b.Values), slices.Compare(a.ID[:], b.ID[:])) }
	slices.SortFunc(keys.Listed, byUse)
	keys.Listed = keys.Listed[:min(len(keys.Listed), most)]
	slices.SortFunc(keys.Unused, byUse)
	keys.Missing, err = k.missing(ctx, fields)
	return err
}

// add counts a key of the vault. At most twice as many as are listed are held.
func (k *Keys) add(ring *keyring, key *keyvault.DataKey, most int) {
	k.InVault++
	shown := &Key{ID: key.ID, AltNames: key.KeyAltNames, Provider: key.Provider()}
	if u := ring.used[key.ID]; u != nil && u.values > 0 {
		k.Used++
		shown.Values = u.values
		k.Listed = append(k.Listed, shown)
		if len(k.Listed) > 2*most {
			slices.SortFunc(k.Listed, func(a, b *Key) int { return -cmp.Compare(a.Values, b.Values) })
			k.Listed = k.Listed[:most]
		}
		return
	}
	if k.UnusedAll++; len(k.Unused) < most {
		k.Unused = append(k.Unused, shown)
	}
}

// missing are the keys that schemas name and the vault does not have.
func (k *keyring) missing(ctx context.Context, fields []SchemaKey) ([]SchemaKey, error) {
	if len(fields) == 0 {
		return nil, nil
	}
	ids := map[payload.KeyID]bool{}
	for _, f := range fields {
		ids[f.ID] = true
	}
	found, err := k.store.Fetch(ctx, slices.Collect(maps.Keys(ids)), nil)
	if unreadable := (*keyvault.UnreadableError)(nil); err != nil && !errors.As(err, &unreadable) {
		return nil, err
	}
	for _, key := range found {
		delete(ids, key.ID)
	}
	return slices.DeleteFunc(fields, func(f SchemaKey) bool { return !ids[f.ID] }), nil
}
