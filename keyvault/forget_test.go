package keyvault_test

import (
	"testing"
	"testing/synctest"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

// Where a key is made or destroyed every few milliseconds, the others are remembered nevertheless: only what a Forget is about is not.
func TestForgetOfOthersDuringFetch(t *testing.T) {
	both := keyvault.Request{IDs: byNumber(1).IDs, AltNames: []string{"a"}}
	for name, tt := range map[string]struct {
		req        keyvault.Request
		forget     func(*setup)
		remembered bool
	}{
		"another key, by id":          {byNumber(1), func(s *setup) { s.Forget(numbered(2)) }, true},
		"another name, by id":         {byNumber(1), func(s *setup) { s.ForgetAltNames("b") }, true},
		"another name, by name":       {byName("a"), func(s *setup) { s.ForgetAltNames("b") }, true},
		"another key, perhaps of it":  {byName("a"), func(s *setup) { s.Forget(numbered(2)) }, false},
		"the key":                     {byNumber(1), func(s *setup) { s.Forget(numbered(1)) }, false},
		"the key, by name":            {byName("a"), func(s *setup) { s.Forget(numbered(1)) }, false},
		"the name":                    {byName("a"), func(s *setup) { s.ForgetAltNames("a") }, false},
		"the name, by both":           {both, func(s *setup) { s.ForgetAltNames("a") }, false},
		"the name, by id":             {byNumber(1), func(s *setup) { s.ForgetAltNames("a") }, true},
		"everything, since it closes": {byNumber(1), func(s *setup) { s.Close() }, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t, keyvault.CacheOptions{}, []string{"a"}, []string{"b"})
				g := newGate()
				s.kms.before = g.kms
				loading := s.start(t.Context(), tt.req)
				tt.forget(s)
				close(g.open)
				<-loading
				synctest.Wait()
				if _, ok := s.Lookup(numbered(1)); ok != tt.remembered {
					t.Errorf("remembered: %v", ok)
				}
			})
		})
	}
}
