package local_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/local"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// Master keys and wrapped keys of the MongoDB driver specification "Client Side Encryption": the local master key of its prose tests, and the
// key of its KMIP test server, which wraps in the same way. The data keys are the plaintexts that the specification's ciphertexts
// open with.
var vectors = []struct{ name, masterKey, wrapped, dataKey string }{
	{
		"local", specMasterKey,
		"Ce9HSz/HKKGkIt4uyy+jDuKGA+rLC2cycykMo6vc8jXxqa1UVDYHWq1r+vZKbnnSRBfB981akzRKZCFpC05CTyFqDhXv6OnMjpG97OZEREGIsHEYiJkBW0jJJvfLLgeLsEpBzsro9FztGGXASxyxFRZFhXvHxyiLOKrdWfs7X1O/iK3pEoHMx6uSNSfUOgbebLfIqW7TO++iQS5g1xovXA==",
		"79Jj1hg1wEigxMAaUswnq6QUN4qCsHZZrluGp4IcbstaNHQ829Guuuwi6v7Le9rimajxBK88W7wAR9MOu+ZsbzvDLC6Q9llnODNi2f74PNn/cNUErHnAWigAlRSBFAGP",
	},
	{
		"kmip", "9clYgfMnBnAzcWZoSfn9DgjNjck3YSj73v79SW88fJD4+15MXU0EdWLU2sY2CdNj13AxfAs5Lp1GiaElckYXdi/z8MiB6JRqyjIPcBQ4kDPSM0PUB2XuPCmPJqMzLsAV",
		"eUYDyB0HuWb+lQgUwO+6qJQyTTDTY2gp9FbemL7ZFo0pvr0x6rm6Ff9OVUTGH6HyMKipaeHdiIJU1dzsLwvqKvi7Beh+U4iaIWX/K0oEg1GOsJc0+Z/in8gNHbGUYLmycHViM3LES3kdt7FdFSUl5rEBHrM71yoNEXImz17QJWMGOuT4x6yoi2pvnaRJwfrI4DjpmnnTrDMac92jgZehbg==",
		"vwlCDQz1I7KvRMEAd/JqJMqhb96vY80Hw9lKq3/evQGuX89eeqsBOXBjrs+gBnBJu0Ve+v0r9Zp5i6+jpK/2BrxexmZ0vscdEq9jbalbH049Qa12cStA9JAZVfZfKX1z",
	},
}

const specMasterKey = "Mng0NCt4ZHVUYUJCa1kxNkVyNUR1QURhZ2h2UzR2d2RrZzh0cFBwM3R6NmdWMDFBMUN3YkQ5aXRRMkhGRGdQV09wOGVNYUMxT2k3NjZKelhaQmRCZGJkTXVyZG9uSjFk"

func unbase64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func newProvider(t testing.TB, masterKey []byte) *local.Provider {
	t.Helper()
	p, err := local.New(masterKey)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestUnwrapVectors(t *testing.T) {
	for _, v := range vectors {
		p := newProvider(t, unbase64(t, v.masterKey))
		wrapped := unbase64(t, v.wrapped)
		got, err := p.UnwrapKey(t.Context(), nil, wrapped)
		if err != nil || !bytes.Equal(got, unbase64(t, v.dataKey)) {
			t.Errorf("%s: not the data key; error %v", v.name, err)
		}
		for i := range len(wrapped) * 8 {
			bad := bytes.Clone(wrapped)
			bad[i/8] ^= 1 << (i % 8)
			if _, err := p.UnwrapKey(t.Context(), nil, bad); !errors.Is(err, payload.ErrAuthentication) || errors.Is(err, kms.ErrDenied) {
				t.Fatalf("%s: bit %d flipped: %v", v.name, i, err)
			}
		}
		for n := range wrapped {
			if _, err := p.UnwrapKey(t.Context(), nil, wrapped[:n]); err == nil || errors.Is(err, kms.ErrDenied) {
				t.Fatalf("%s: cut to %d bytes: %v", v.name, n, err)
			}
		}
	}
}

func TestWrapRoundTrip(t *testing.T) {
	key := rapid.SliceOfN(rapid.Byte(), 96, 96)
	rapid.Check(t, func(rt *rapid.T) {
		p, dataKey := newProvider(t, key.Draw(rt, "masterKey")), key.Draw(rt, "dataKey")
		before := bytes.Clone(dataKey)
		w, err := p.WrapKey(context.Background(), nil, dataKey)
		if err != nil {
			rt.Fatal(err)
		}
		if len(w.KeyMaterial) != 160 || w.MasterKey.String() != "{}" || !bytes.Equal(dataKey, before) {
			rt.Fatalf("wrapped: %d bytes, masterKey %s", len(w.KeyMaterial), w.MasterKey)
		}
		got, err := p.UnwrapKey(context.Background(), doc(rt, bson.D{{Key: "provider", Value: "local"}}), w.KeyMaterial)
		if err != nil || !bytes.Equal(got, dataKey) {
			rt.Fatalf("unwrapped another key; error %v", err)
		}
		again, err := p.WrapKey(context.Background(), bson.Raw{5, 0, 0, 0, 0}, dataKey)
		if err != nil || bytes.Equal(again.KeyMaterial, w.KeyMaterial) {
			rt.Fatalf("wrapping twice gives the same; error %v", err)
		}
	})
}

func doc(t interface{ Fatal(...any) }, v any) bson.Raw {
	raw, err := bson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestWrongMasterKey(t *testing.T) {
	p := newProvider(t, make([]byte, 96))
	_, err := p.UnwrapKey(t.Context(), nil, unbase64(t, vectors[0].wrapped))
	if !errors.Is(err, payload.ErrAuthentication) || errors.Is(err, kms.ErrDenied) {
		t.Errorf("got %v", err)
	}
}

func TestOpen(t *testing.T) {
	raw := unbase64(t, specMasterKey)
	const canary = "CANARY-SECRET"
	for name, tt := range map[string]struct {
		config map[string]any
		err    string // empty: opens
	}{
		"[]byte":          {map[string]any{"key": raw}, ""},
		"binary":          {map[string]any{"key": bson.Binary{Data: raw}}, ""},
		"old binary":      {map[string]any{"key": bson.Binary{Subtype: 2, Data: raw}}, ""},
		"base64":          {map[string]any{"key": specMasterKey}, ""},
		"95 bytes":        {map[string]any{"key": raw[:95]}, "local key must be 96 bytes: got 95"},
		"97 bytes":        {map[string]any{"key": append([]byte{0}, raw...)}, "local key must be 96 bytes: got 97"},
		"no bytes":        {map[string]any{"key": []byte{}}, "local key must be 96 bytes: got 0"},
		"nil":             {map[string]any{"key": nil}, "a <nil> cannot be written as BSON"},
		"short base64":    {map[string]any{"key": base64.StdEncoding.EncodeToString([]byte(canary))}, "local key must be 96 bytes: got 13"},
		"not base64":      {map[string]any{"key": canary + "\n!"}, "local key must be 96 bytes: the text is not base64"},
		"other subtype":   {map[string]any{"key": bson.Binary{Subtype: 4, Data: raw}}, "local key must be 96 bytes: got binary of subtype 4"},
		"other type":      {map[string]any{"key": 96}, "local key must be 96 bytes, as binary or base64 text: got 32-bit integer"},
		"nothing":         {map[string]any{}, "local key must be 96 bytes: got 0"},
		"another field":   {map[string]any{"key": raw, "region": canary}, `unexpected field "region", expected only "key"`},
		"only that field": {map[string]any{"endpoint": canary}, `unexpected field "endpoint"`},
	} {
		set, err := kms.Open(map[string]map[string]any{"local": tt.config}, local.Type{})
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), canary) {
				t.Errorf("%s: got error %v, want %q", name, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p, err := set.Provider("local")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := p.UnwrapKey(t.Context(), nil, unbase64(t, vectors[0].wrapped)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenMalformed(t *testing.T) {
	for _, config := range []bson.Raw{nil, {}, {4, 0, 0, 0, 0}, {9, 0, 0, 0, 5, 'k', 0, 1, 0}} {
		if _, err := (local.Type{}).Open(kms.ID{Type: "local"}, config); err == nil {
			t.Errorf("%v: accepted", []byte(config))
		}
	}
}

func TestMasterKeyFieldsAreRefused(t *testing.T) {
	p := newProvider(t, make([]byte, 96))
	bad := doc(t, bson.D{{Key: "provider", Value: "local"}, {Key: "region", Value: "CANARY"}})
	_, wrapErr := p.WrapKey(t.Context(), bad, make([]byte, 96))
	_, unwrapErr := p.UnwrapKey(t.Context(), bad, make([]byte, 160))
	for _, err := range []error{wrapErr, unwrapErr} {
		if err == nil || !strings.Contains(err.Error(), `unexpected field "region"`) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("got %v", err)
		}
	}
	if _, err := p.WrapKey(t.Context(), nil, make([]byte, 95)); err == nil {
		t.Error("wrapped 95 bytes")
	}
	if _, err := p.WrapKey(t.Context(), bson.Raw{1, 2}, make([]byte, 96)); err == nil {
		t.Error("took a malformed masterKey")
	}
}

func TestCancelled(t *testing.T) {
	p := newProvider(t, make([]byte, 96))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, wrapErr := p.WrapKey(ctx, nil, make([]byte, 96))
	_, unwrapErr := p.UnwrapKey(ctx, nil, make([]byte, 160))
	if !errors.Is(wrapErr, context.Canceled) || !errors.Is(unwrapErr, context.Canceled) {
		t.Errorf("got %v, %v", wrapErr, unwrapErr)
	}
}

func BenchmarkUnwrap(b *testing.B) {
	p, wrapped := newProvider(b, unbase64(b, specMasterKey)), unbase64(b, vectors[0].wrapped)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.UnwrapKey(context.Background(), nil, wrapped); err != nil {
			b.Fatal(err)
		}
	}
}
