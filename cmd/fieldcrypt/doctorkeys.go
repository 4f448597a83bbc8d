package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// errEnough ends a scan of the key vault.
var errEnough = errors.New("enough")

// keyVault looks at the key vault's index, and whether there are keys.
func (p *patient) keyVault(ctx context.Context) []diagnosis {
	if p.vault == nil {
		return one(skipped, "name it with --key-vault", "no key vault is named")
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	first, err := p.firstKey(ctx, bson.D{})
	if err != nil {
		return unable("reading "+p.flags.keyVault, err, "may the user read the collection?")
	}
	index, err := p.vault.(keyvault.Indexer).Index(ctx)
	switch {
	case err != nil:
		return unable("reading the indexes of "+p.flags.keyVault, err, "may the user list the indexes of the collection?")
	case index == keyvault.IndexMissing && first == nil:
		return one(noted, "fieldcrypt keys ensure-vault, then fieldcrypt keys create", "%s is empty, and has no unique index on keyAltNames", p.flags.keyVault)
	case index == keyvault.IndexMissing:
		return one(failed, "fieldcrypt keys ensure-vault", "%s has no unique index on keyAltNames: two data keys may get the same name", p.flags.keyVault)
	case first == nil:
		return one(noted, "fieldcrypt keys create", "%s is empty", p.flags.keyVault)
	}
	return one(passed, "", "%s has data keys and a unique index (%s)", p.flags.keyVault, index)
}

// firstKey finds one data key; nil when there is none.
func (p *patient) firstKey(ctx context.Context, filter bson.D) (found *keyvault.DataKey, err error) {
	err = p.vault.Scan(ctx, filter, func(doc bson.Raw) error {
		key, err := keyvault.ParseDataKey(doc)
		if err != nil {
			return nil // for "keys check" to find
		}
		found = key
		return errEnough
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, err
}

// kms unwraps one data key of each provider.
func (p *patient) kms(ctx context.Context) []diagnosis {
	if p.encryption == nil {
		return one(skipped, "name them with --kms-providers, and the key vault with --key-vault", "no KMS providers are named")
	}
	var all []diagnosis
	configured := bson.A{}
	for _, provider := range slices.Sorted(maps.Keys(p.providers.config)) {
		all = append(all, about(provider, append(p.unwrap(ctx, provider), p.shown.ending(provider, time.Now())...))...)
		configured = append(configured, provider)
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	other, err := p.firstKey(ctx, bson.D{{Key: "masterKey.provider", Value: bson.D{{Key: "$nin", Value: configured}}}})
	switch {
	case err != nil:
		all = append(all, unable("looking for data keys of other providers", err, "may the user read the key vault?")...)
	case other != nil:
		all = append(all, about(other.Provider(), one(noted, "add it to the file of --kms-providers, if values under its keys are to be read from here",
			"data keys such as %s are under it, but the providers file does not name it", other.ID))...)
	}
	return all
}

func (p *patient) unwrap(ctx context.Context, provider string) []diagnosis {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	key, err := p.firstKey(ctx, bson.D{{Key: "masterKey.provider", Value: provider}})
	switch {
	case err != nil:
		return unable("looking for a data key", err, "may the user read the key vault?")
	case key == nil:
		return one(noted, "fieldcrypt keys create --provider "+provider, "no data key is under it, so nothing was unwrapped")
	}
	id := key.ID.Binary()
	kind, data, _ := bson.MarshalValue("") // a string always marshals
	_, err = p.encryption.Encrypt(ctx, bson.RawValue{Type: kind, Value: data}, fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: payload.Random.String()})
	if err != nil {
		return unable("unwrapping data key "+key.ID.String(), err, "check the credentials of the provider, and that the master key exists; for local: that it is the right key")
	}
	return one(passed, "", "data key %s was unwrapped", key.ID)
}
