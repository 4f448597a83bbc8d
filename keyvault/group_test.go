package keyvault_test

import (
	"testing"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

func TestGroup(t *testing.T) {
	var group keyvault.Group
	opts := keyvault.CacheOptions{Group: &group}
	one, two, closed := newSetup(t, opts, []string{"a"}), newSetup(t, opts, []string{"a"}), newSetup(t, opts, []string{"a"})
	all := []*setup{one, two}
	closed.Close()
	load := func() {
		for _, s := range all {
			s.mustLoad(t, keyvault.Request{IDs: byNumber(1).IDs, AltNames: []string{"a"}})
		}
	}
	for name, forget := range map[string]func(){
		"by one of them":  func() { one.Forget(numbered(1)) },
		"by the group":    func() { group.Forget(numbered(1)) },
		"by alt name":     func() { two.Forget(numbered(9), "a") },
		"by name alone":   func() { two.ForgetAltNames("a") },
		"by a closed one": func() { closed.Forget(numbered(1)) },
	} {
		load()
		forget()
		for i, s := range all {
			if _, ok := s.Lookup(numbered(1)); ok {
				t.Errorf("forgotten %s: cache %d has the key", name, i+1)
			}
		}
	}
}
