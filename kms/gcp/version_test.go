package gcp_test

import (
	"bytes"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/gcp"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// Telling the version takes no request of its own.
func TestVersion(t *testing.T) {
	s := run(t, mock.Options{})
	p := openDefault(t, s)
	wrap := func(masterKey bson.Raw) kms.Wrapped {
		w, err := p.WrapKey(t.Context(), masterKey, dataKey())
		if err != nil {
			t.Fatal(err)
		}
		w.MasterKey = withProvider(t, "gcp:prod", w.MasterKey)
		return w
	}
	old, pinned := wrap(specKey(t)), wrap(specKey(t, "keyVersion", "1"))
	check := func(name string, w kms.Wrapped, want kms.VersionState, reason string) {
		t.Helper()
		calls := len(s.Calls())
		got, v, err := p.(kms.Versioner).UnwrapKeyVersion(t.Context(), w.MasterKey, w.KeyMaterial)
		if err != nil || !bytes.Equal(got, dataKey()) {
			t.Errorf("%s: not the data key; error %v", name, err)
		}
		if v.State != want || reason == "" && v.Reason != nil || reason != "" && v.Reason.Error() != reason {
			t.Errorf("%s: got %+v", name, v)
		}
		if n := len(s.Calls()) - calls; n != 1 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
	check("before the rotation", old, kms.VersionCurrent, "")
	check("asked for, before the rotation", pinned, kms.VersionCurrent, "")
	if err := s.Rotate(mock.SpecKeyName); err != nil {
		t.Fatal(err)
	}
	const reason = `wrapped under a version of the key "key-name-csfle" that is not the primary one`
	check("old", old, kms.VersionOld, reason)
	check("old and asked for", pinned, kms.VersionOld, reason)
	check("rewrapped", wrap(specKey(t)), kms.VersionCurrent, "")
	check("rewrapped under the version asked for", wrap(specKey(t, "keyVersion", "2")), kms.VersionCurrent, "")

	old.KeyMaterial = []byte{1}
	if got, v, err := p.(kms.Versioner).UnwrapKeyVersion(t.Context(), old.MasterKey, old.KeyMaterial); got != nil || v != (kms.Version{}) || err == nil || !strings.Contains(err.Error(), "Decryption failed") {
		t.Errorf("what cannot be unwrapped: got %d bytes, %+v, %v", len(got), v, err)
	}
}
