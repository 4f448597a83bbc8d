package keyvault

import (
	"context"
	"errors"
	"fmt"

	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// wrapping is what decides the outcome of unwrapping a key. Two fetches that find the same one share the call to the KMS.
type wrapping struct {
	id          payload.KeyID
	masterKey   string
	keyMaterial string
}

// unwrap returns the prepared key of doc, or the result of the call that is under way for it.
func (c *Cache) unwrap(ctx context.Context, doc *DataKey) (*payload.Key, error) {
	w := wrapping{id: doc.ID, masterKey: string(doc.MasterKey), keyMaterial: string(doc.KeyMaterial)}
	return c.unwraps.Do(ctx, &c.mu, w, func(ctx context.Context) (*payload.Key, error) { return c.callKMS(ctx, doc) })
}

func (c *Cache) callKMS(ctx context.Context, doc *DataKey) (*payload.Key, error) {
	provider, err := c.providers.Provider(doc.Provider())
	if err != nil {
		return nil, err
	}
	slots := c.slots(doc.Provider())
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	material, err := provider.UnwrapKey(ctx, doc.MasterKey, doc.KeyMaterial)
	defer clear(material)
	if told := (*kms.Error)(nil); errors.As(err, &told) {
		return nil, err // it names the provider itself
	}
	if err != nil {
		return nil, fmt.Errorf("KMS provider `%s`: %w", doc.Provider(), err)
	}
	if len(material) != payload.KeySize {
		return nil, fmt.Errorf("KMS provider `%s`: decrypted key is incorrect length: got %d bytes, expected %d",
			doc.Provider(), len(material), payload.KeySize)
	}
	return payload.NewKey(material)
}

// slots is where a call to a KMS takes its place. Each provider has its own, so that one that hangs holds up its own keys only.
func (c *Cache) slots(provider string) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	slots, ok := c.atKMS[provider]
	if !ok {
		slots = make(chan struct{}, c.limit)
		c.atKMS[provider] = slots
	}
	return slots
}
