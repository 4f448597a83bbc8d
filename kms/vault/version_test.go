package vault_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// version unwraps a data key and returns what is known of the version.
func version(t *testing.T, p kms.Provider, masterKey bson.Raw, keyMaterial []byte) kms.Version {
	t.Helper()
	got, v, err := p.(kms.Versioner).UnwrapKeyVersion(t.Context(), masterKey, keyMaterial)
	if err != nil || !bytes.Equal(got, dataKey()) {
		t.Fatalf("not the data key; error %v", err)
	}
	return v
}

func TestVersion(t *testing.T) {
	onServers(t, func(t *testing.T, b backend) {
		b.create(t, "rotated")
		p := open(t, b.typ, "vault:prod", b.fields)
		byName := stored(t, "vault:prod", doc(t, "keyName", "rotated"))
		pinned := stored(t, "vault:prod", doc(t, "keyName", "rotated", "mount", b.mount, "keyVersion", int32(1)))
		first := roundTrip(t, p, "vault:prod", doc(t, "keyName", "rotated"))
		if v := version(t, p, byName, first); v.State != kms.VersionCurrent || v.Reason != nil {
			t.Errorf("before the rotation: got %+v", v)
		}
		b.rotate(t, "rotated")
		b.rotate(t, "rotated")
		third := roundTrip(t, p, "vault:prod", doc(t, "keyName", "rotated"))
		for name, tt := range map[string]struct {
			masterKey   bson.Raw
			keyMaterial []byte
			want        kms.VersionState
			reason      string
		}{
			"old":               {byName, first, kms.VersionOld, `wrapped under version 1 of the key "rotated", of which 3 is the latest`},
			"old and asked for": {pinned, first, kms.VersionOld, `wrapped under version 1 of the key "rotated", of which 3 is the latest`},
			"rewrapped":         {byName, third, kms.VersionCurrent, ""},
		} {
			v := version(t, p, tt.masterKey, tt.keyMaterial)
			if v.State != tt.want || tt.reason != "" && v.Reason.Error() != tt.reason || tt.reason == "" && v.Reason != nil {
				t.Errorf("%s: got %+v", name, v)
			}
		}
		if _, v, err := p.(kms.Versioner).UnwrapKeyVersion(t.Context(), byName, []byte("vault:v9:AAAA")); err == nil || v != (kms.Version{}) {
			t.Errorf("what cannot be unwrapped: got %+v, %v", v, err)
		}
	})
}

// Whoever may not read the key unwraps all the same.
func TestRealVersionDenied(t *testing.T) {
	b := realServer(t)
	b.create(t, "k")
	b.asAppRole(t)
	p := open(t, b.typ, "vault", b.fields)
	masterKey := doc(t, "keyName", "k")
	checkDenied(t, version(t, p, stored(t, "vault", masterKey), roundTrip(t, p, "vault", masterKey)), b.mount)
}

func checkDenied(t *testing.T, v kms.Version, mount string) {
	t.Helper()
	var e *kms.Error
	if v.State != kms.VersionUnknown || !errors.Is(v.Reason, kms.ErrDenied) || !errors.As(v.Reason, &e) || e.Operation != mount+"/keys" || e.Key != "k" || e.Status != http.StatusForbidden {
		t.Errorf("got %+v", v)
	}
}

func TestVersionUnknown(t *testing.T) {
	denied := &mock.Answer{Status: http.StatusForbidden, Errors: []string{"1 error occurred:\n\t* permission denied\n\n"}}
	var answer *mock.Answer
	s := run(t, mock.Options{Intercept: func(_ context.Context, c mock.Call) *mock.Answer {
		if c.Method == http.MethodGet && c.Path == "transit/keys/k" {
			return answer
		}
		return nil
	}})
	p := openDefault(t, s)
	masterKey := stored(t, "vault", doc(t, "keyName", "k"))
	if err := s.Rotate("transit", "k"); err != nil {
		t.Fatal(err)
	}
	material := roundTrip(t, p, "vault", doc(t, "keyName", "k"))

	answer = denied
	checkDenied(t, version(t, p, masterKey, material), "transit")
	for body, want := range map[string]string{
		`{"data": {"latest_version": 1}}`:     "version 1 of the key is the latest, but version 2 wrapped",
		`{"data": {}}`:                        "version 0 of the key is the latest",
		`{"data": {"latest_version": "2"}}`:   "the answer is not Vault's",
		`{"data": {"latest_version": 99e99}}`: "the answer is not Vault's",
		``:                                    "the answer is not Vault's",
	} {
		answer = &mock.Answer{Status: http.StatusOK, Body: body}
		if v := version(t, p, masterKey, material); v.State != kms.VersionUnknown || v.Reason == nil || !strings.Contains(v.Reason.Error(), want) {
			t.Errorf("%s: got %+v", body, v)
		}
	}
	answer = nil
	if v := version(t, p, masterKey, material); v.State != kms.VersionCurrent {
		t.Errorf("got %+v", v)
	}
}
