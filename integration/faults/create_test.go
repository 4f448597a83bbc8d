package faults

import (
	"context"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/internal/breakingproxy"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

// A data key that the KMS could not wrap is not in the key vault, and its name is free.
func TestCreateDataKeyWithoutKMS(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		store := keyvault.NewMemoryStore()
		ce := explicit(t, s, store)
		create := func(ctx context.Context) error {
			_, err := ce.CreateDataKey(ctx, s.id, fieldcrypt.DataKeyOptions{MasterKey: s.masterKey, KeyAltNames: []string{"name"}, KeyMaterial: []byte(material)})
			return err
		}
		for late, fault := range map[bool]breakingproxy.Fault{false: {Reset: true}, true: {BlackHole: true}} {
			s.breaks(t, fault)
			if e := s.checkError(t, within(t, late, create)); !e.Temporary() {
				t.Errorf("not temporary: %v", e)
			}
		}
		s.breaks(t, breakingproxy.Fault{})
		if keys, err := store.Find(t.Context(), bson.D{}); len(keys) != 0 || err != nil {
			t.Errorf("%d keys, %v", len(keys), err)
		}
		if err := create(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
