package fieldcrypt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt"
)

// onCores runs f with that many cores to decrypt on.
func onCores(n int, f func()) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	f()
}

// A large reply is the same whether one core or several decrypt it, and so is what is wrong with it.
func TestDecryptOnManyCores(t *testing.T) {
	store := newVault()
	ce := explicit(t, store)
	keys := []bson.Binary{newKey(t, ce, "local"), newKey(t, ce, "local:tenant"), newKey(t, ce, "local")}
	lost := newKey(t, ce, "local")
	var pool []any // values to build replies of
	for i := range 60 {
		pool = append(pool, sealWith(t, ce, keys[i%len(keys)], strings.Repeat("x", i*i)), int32(i))
	}
	unreadable := sealWith(t, ce, lost, "v")
	if _, err := ce.DeleteKey(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	changed := bson.Binary{Subtype: 6, Data: bytes.Clone(pool[8].(bson.Binary).Data)}
	changed.Data[30] ^= 1
	pool = append(pool, bson.Binary{Subtype: 6}, bson.Binary{Subtype: 6, Data: []byte{0, 1}}, bson.Binary{Subtype: 6, Data: make([]byte, 40)})
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{}, store, nil)
	rapid.Check(t, func(rt *rapid.T) {
		var doc bson.D
		for i, v := range rapid.SliceOfN(rapid.SampledFrom(pool), 200, 400).Draw(rt, "values") {
			doc = append(doc, bson.E{Key: fmt.Sprint(i), Value: bson.A{v, bson.D{{Key: "v", Value: v}}}})
		}
		for name, bad := range map[string]bson.Binary{"unreadable": unreadable, "changed": changed, "short": {Subtype: 6, Data: pool[8].(bson.Binary).Data[:50]}} {
			for range rapid.IntRange(0, 1).Draw(rt, name) {
				doc[rapid.IntRange(0, len(doc)-1).Draw(rt, "at")].Value = bad
			}
		}
		whole := raw(t, doc)
		before := bytes.Clone(whole)
		var want, got bson.Raw
		var wantErr, gotErr error
		onCores(1, func() { want, wantErr = e.Decrypt(t.Context(), whole) })
		onCores(4, func() { got, gotErr = e.Decrypt(t.Context(), whole) })
		if !bytes.Equal(got, want) || fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
			rt.Fatalf("on 4 cores: %d bytes, %v\non 1 core:  %d bytes, %v", len(got), gotErr, len(want), wantErr)
		}
		if !bytes.Equal(whole, before) {
			rt.Fatal("the reply was changed")
		}
	})
}

// Who does not wait any more is not made to.
func TestDecryptIsCancelled(t *testing.T) {
	store := newVault()
	ce := explicit(t, store)
	sealed := sealWith(t, ce, newKey(t, ce, "local"), "v")
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{}, store, nil)
	var many bson.A
	for range 1000 {
		many = append(many, sealed)
	}
	doc := raw(t, bson.D{{Key: "many", Value: many}})
	if _, err := e.Decrypt(t.Context(), doc); err != nil { // the key is in memory now
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, cores := range []int{1, 4} {
		onCores(cores, func() {
			if got, err := e.Decrypt(ctx, doc); !errors.Is(err, context.Canceled) || got != nil {
				t.Errorf("%d cores: got %d bytes, %v", cores, len(got), err)
			}
		})
	}
}
