package keyvault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

func TestNotInRequest(t *testing.T) {
	s := newSetup(t, keyvault.CacheOptions{}, nil)
	_, err := s.mustLoad(t, byNumber(1)).Key(numbered(2))
	var keyErr *keyvault.KeyError
	if !errors.As(err, &keyErr) || errors.Is(err, keyvault.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// Keys that cannot be had are no error of Load and are asked for again every time.
func TestKeyErrors(t *testing.T) {
	s := newSetup(t, keyvault.CacheOptions{}, nil, []string{"denied"})
	other := dataKey(t, numbered(3), "gcp:x", "other")
	if err := s.store.Insert(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	future := dataKey(t, numbered(4), "quantum")
	if err := s.store.Insert(t.Context(), future); err != nil {
		t.Fatal(err)
	}
	s.kms.before = func(_ context.Context, material []byte) ([]byte, error) {
		if material[15] == 2 {
			return nil, fmt.Errorf("key disabled: %w", kms.ErrDenied)
		}
		return nil, nil
	}
	const missing = ": not all keys requested were satisfied. Verify that key vault DB/collection name was correctly specified."
	for round := range 2 {
		keys := s.mustLoad(t, keyvault.Request{IDs: []payload.KeyID{numbered(1), numbered(2), numbered(3), numbered(4), numbered(9)}, AltNames: []string{"denied", "other", "none"}})
		checkKey(t, keys, 1)
		byID := func(n int) error { _, err := keys.Key(numbered(n)); return err }
		named := func(name string) error { _, _, err := keys.KeyByAltName(name); return err }
		for _, tt := range []struct {
			err  error
			is   error
			want keyvault.KeyError
			text string
		}{
			{byID(2), kms.ErrDenied, keyvault.KeyError{ID: numbered(2)}, "data key " + numbered(2).String() + ": KMS provider `aws`: key disabled: access denied by the kms"},
			{named("denied"), kms.ErrDenied, keyvault.KeyError{ID: numbered(2), AltName: "denied"}, "data key " + numbered(2).String() + ": KMS provider `aws`: key disabled: access denied by the kms"},
			{byID(3), kms.ErrNotConfigured, keyvault.KeyError{ID: numbered(3)}, "data key " + numbered(3).String() + ": KMS provider `gcp:x` is not configured"},
			{named("other"), kms.ErrNotConfigured, keyvault.KeyError{ID: numbered(3), AltName: "other"}, "data key " + numbered(3).String() + ": KMS provider `gcp:x` is not configured"},
			{byID(4), kms.ErrNotConfigured, keyvault.KeyError{ID: numbered(4)}, "data key " + numbered(4).String() + `: KMS provider "quantum" is not configured`},
			{byID(9), keyvault.ErrNotFound, keyvault.KeyError{ID: numbered(9)}, "data key " + numbered(9).String() + missing},
			{named("none"), keyvault.ErrNotFound, keyvault.KeyError{AltName: "none"}, `data key with alt name "none"` + missing},
		} {
			var got *keyvault.KeyError
			if !errors.As(tt.err, &got) || !errors.Is(tt.err, tt.is) || got.ID != tt.want.ID || got.AltName != tt.want.AltName || got.Error() != tt.text {
				t.Errorf("round %d: got %v\nwant %s", round, tt.err, tt.text)
			}
		}
	}
	s.checkFetches(t, []string{"01", "02", "03", "04", "09", "denied", "other", "none"}, []string{"02", "03", "04", "09", "denied", "other", "none"})
}

func TestLoadErrors(t *testing.T) {
	one := func(t testing.TB, names ...string) *keyvault.DataKey { return dataKey(t, numbered(1), "aws", names...) }
	two := func(t testing.TB, names ...string) *keyvault.DataKey { return dataKey(t, numbered(2), "aws", names...) }
	network := errors.New("connection reset")
	for name, tt := range map[string]struct {
		docs     []*keyvault.DataKey
		storeErr error
		material []byte
		kmsErr   error
		want     string
		is       error
	}{
		"vault unreachable":    {storeErr: &keyvault.Error{Namespace: "db.c", Op: "fetching", Err: network}, want: "key vault db.c: fetching: connection reset", is: network},
		"kms unreachable":      {kmsErr: network, want: "unwrapping data key " + numbered(1).String() + ": KMS provider `aws`: connection reset", is: network},
		"authentication":       {kmsErr: payload.ErrAuthentication, want: "unwrapping data key " + numbered(1).String(), is: payload.ErrAuthentication},
		"short key":            {material: []byte(canary), want: "unwrapping data key " + numbered(1).String() + ": KMS provider `aws`: decrypted key is incorrect length: got 13 bytes, expected 96"},
		"long key":             {material: make([]byte, 97), want: "decrypted key is incorrect length: got 97 bytes"},
		"id twice":             {docs: []*keyvault.DataKey{one(t), one(t)}, want: numbered(1).String() + ": keys returned have duplicate keyAltNames or _id"},
		"name twice":           {docs: []*keyvault.DataKey{one(t), two(t, "a"), dataKey(t, numbered(3), "aws", "b", "a")}, want: "keys returned have duplicate keyAltNames or _id"},
		"unasked name twice":   {docs: []*keyvault.DataKey{one(t, "x"), two(t, "a", "x")}, want: "keys returned have duplicate keyAltNames or _id"},
		"not asked for":        {docs: []*keyvault.DataKey{one(t), dataKey(t, numbered(7), "aws", "z")}, want: numbered(7).String() + ": unexpected key returned, does not match any requests"},
		"other case of a name": {docs: []*keyvault.DataKey{one(t), two(t, "A")}, want: "unexpected key returned, does not match any requests"},
	} {
		s := newSetup(t, keyvault.CacheOptions{}, nil, []string{"a"})
		s.store.before = func(context.Context) ([]*keyvault.DataKey, error) { return tt.docs, tt.storeErr }
		s.kms.before = func(_ context.Context, m []byte) ([]byte, error) {
			if m[15] == 1 {
				return tt.material, tt.kmsErr
			}
			return nil, nil
		}
		keys, err := s.Load(t.Context(), keyvault.Request{IDs: []payload.KeyID{numbered(1)}, AltNames: []string{"a"}})
		if keys != nil || err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: got %v\nwant %s", name, err, tt.want)
		}
		if tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%s: %v does not wrap %v", name, err, tt.is)
		}
		var keyErr *keyvault.KeyError
		if errors.As(err, &keyErr) {
			t.Errorf("%s: is a KeyError", name)
		}
		if _, ok := s.Lookup(numbered(1)); ok {
			t.Errorf("%s: remembered", name)
		}
	}
}

// What the KMS returned is zeroed, whatever became of it.
func TestKeyMaterialIsWiped(t *testing.T) {
	for name, material := range map[string][]byte{
		"good":  plaintext(nil),
		"short": bytes.Repeat([]byte{1}, 95),
	} {
		s := newSetup(t, keyvault.CacheOptions{}, nil)
		s.kms.before = func(context.Context, []byte) ([]byte, error) { return material, nil }
		_, _ = s.Load(t.Context(), byNumber(1))
		if len(s.kms.returned) != 1 || !bytes.Equal(s.kms.returned[0], make([]byte, len(material))) {
			t.Errorf("%s: not wiped", name)
		}
	}
}

func TestLogHasNoNamesOrBytes(t *testing.T) {
	var log bytes.Buffer
	s := newSetup(t, keyvault.CacheOptions{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}, []string{canary})
	s.mustLoad(t, keyvault.Request{IDs: []payload.KeyID{numbered(1), numbered(2)}, AltNames: []string{canary}})
	if text := log.String(); !strings.Contains(text, "wanted=3 documents=1") || strings.Contains(text, canary) {
		t.Errorf("log: %s", text)
	}
}
