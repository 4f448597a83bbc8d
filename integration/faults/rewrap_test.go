package faults

import (
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/internal/breakingproxy"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

// The KMS that keys come from, or go to, is gone in the middle of a rewrap.
func TestRewrapWithoutKMS(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		for name, tt := range map[string]struct {
			from, to *service // nil is the local KMS
			batch    int
			written  int
		}{
			"all at once, from it": {s, nil, 0, 0},
			"in batches, from it":  {s, nil, 1, 2},
			"all at once, to it":   {nil, s, 0, 0},
			"in batches, to it":    {nil, s, 1, 2},
		} {
			t.Run(name, func(t *testing.T) {
				store := keyvault.NewMemoryStore()
				ce := explicit(t, s, store)
				all := seal(t, ce, newKeys(t, ce, tt.from, 12)) // more than are rewrapped at the same time
				to := fieldcrypt.RewrapManyDataKeyOptions{Provider: "local", BatchSize: tt.batch}
				if tt.to != nil {
					to.Provider, to.MasterKey = tt.to.id, tt.to.masterKey
				}
				again := to
				to.Progress = func(proven int) {
					if proven == 2 {
						s.breaks(t, breakingproxy.Fault{Reset: true})
						s.proxy.Disconnect()
					}
				}
				_, err := ce.RewrapManyDataKey(t.Context(), bson.D{}, to)
				if e := s.checkError(t, err); !e.Temporary() {
					t.Errorf("got %v", err)
				}
				s.breaks(t, breakingproxy.Fault{})
				all.check(t, explicit(t, s, store), "")
				names := all.providers(t, ce)
				if n := len(names) - len(slices.DeleteFunc(names, func(p string) bool { return p == to.Provider })); n != tt.written {
					t.Errorf("%d keys written, want %d", n, tt.written)
				}
				if _, err := ce.RewrapManyDataKey(t.Context(), bson.D{}, again); err != nil {
					t.Error(err)
				}
				all.check(t, explicit(t, s, store), to.Provider)
			})
		}
	})
}
