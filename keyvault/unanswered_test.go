package keyvault_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// The deadline of one of two callers passes: the error says who was waited for, though the other goes on waiting.
func TestDeadlineNamesWhoHasNotAnswered(t *testing.T) {
	for where, want := range map[string]string{
		"store": "key vault db.keys: fetching data keys: context deadline exceeded",
		"kms":   "unwrapping data key 00000000-0000-0000-0000-000000000001: KMS provider `aws`: UnwrapKey: context deadline exceeded; it may work later",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newSetup(t, keyvault.CacheOptions{Namespace: "db.keys"}, nil)
			g := newGate()
			if where == "store" {
				s.store.before = g.store
			} else {
				s.kms.before = g.kms
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			first, second := s.start(ctx, byNumber(1)), s.start(t.Context(), byNumber(1))
			err := (<-first).err
			if err == nil || err.Error() != want || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: got %v\nwant %s", where, err, want)
			}
			var vault *keyvault.Error
			var asked *kms.Error
			if errors.As(err, &vault) != (where == "store") || errors.As(err, &asked) != (where == "kms") {
				t.Errorf("%s: got %#v", where, err)
			}
			close(g.open)
			if r := <-second; r.err != nil {
				t.Errorf("%s: the other caller got %v", where, r.err)
			}
		})
	}
}
