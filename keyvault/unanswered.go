package keyvault

import (
	"context"
	"errors"
	"fmt"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

// atTheirKMS notes that the flights have been at the key vault.
func (c *Cache) atTheirKMS(found []foundKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range found {
		for _, f := range key.flights {
			c.unwrapping[f.Flight] = key.doc
		}
	}
}

// unanswered is the error of a caller whose context ended first: it says whether it was the key vault that did not answer, or which KMS. Their own
// errors come too late for that, if at all: others may go on waiting.
func (c *Cache) unanswered(ctx context.Context, f awaited) error {
	c.mu.Lock()
	doc := c.unwrapping[f.Flight]
	c.mu.Unlock()
	if doc == nil {
		return &Error{Namespace: c.namespace, Op: "fetching data keys", Err: ctx.Err()}
	}
	var e kms.Error
	if provider, err := c.providers.Provider(doc.Provider()); err == nil {
		e = kms.Locate(provider, doc.MasterKey)
	}
	e.Provider, e.Message, e.Cause = doc.Provider(), context.Cause(ctx).Error(), ctx.Err()
	e.CanRetry = errors.Is(e.Cause, context.DeadlineExceeded)
	return fmt.Errorf("unwrapping data key %s: %w", doc.ID, &e)
}
