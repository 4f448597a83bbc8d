package azure_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/azure"
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
	s := run(t, options())
	p := openDefault(t, s)
	old := wrap(t, p, masterKey(t))
	for name, masterKey := range map[string]bson.Raw{
		"of ours": old.MasterKey, "of another driver": masterKey(t),
		"in capitals": doc(t, "keyVaultEndpoint", mock.Host, "keyName", strings.ToUpper(mock.KeyName), "keyVersion", mock.VersionID(0)),
	} {
		if v := version(t, p, masterKey, old.KeyMaterial); v.State != kms.VersionCurrent || v.Reason != nil {
			t.Errorf("%s, before the rotation: got %+v", name, v)
		}
	}
	s.Rotate(mock.KeyName, rsaKeys()[1])
	want := "wrapped under version " + mock.VersionID(0) + " of the key " + mock.KeyName + ", of which " + mock.VersionID(1) +
		" is the latest"
	if v := version(t, p, old.MasterKey, old.KeyMaterial); v.State != kms.VersionOld || v.Reason.Error() != want {
		t.Errorf("after it: got %+v", v)
	}
	current := wrap(t, p, masterKey(t))
	if v := version(t, p, current.MasterKey, current.KeyMaterial); v.State != kms.VersionCurrent {
		t.Errorf("rewrapped: got %+v", v)
	}
	// Nothing tells the version of a data key that another driver wrapped before the rotation: it is lost until somebody names it.
	if _, v, err := p.(kms.Versioner).UnwrapKeyVersion(t.Context(), masterKey(t), old.KeyMaterial); err == nil || v != (kms.Version{}) || !strings.Contains(err.Error(), "was the key rotated?") {
		t.Errorf("of another driver, after it: got %+v, %v", v, err)
	}
}

func TestVersionUnknown(t *testing.T) {
	var answer *mock.Answer
	o := options()
	o.Intercept = func(_ context.Context, c mock.Call) *mock.Answer {
		if c.Operation == "get" {
			return answer
		}
		return nil
	}
	s := run(t, o)
	p := openDefault(t, s)
	w := wrap(t, p, masterKey(t))

	answer = &mock.Answer{Status: http.StatusForbidden, Code: "Forbidden/ForbiddenByRbac", Message: "Caller is not authorized to perform action on resource."}
	v := version(t, p, w.MasterKey, w.KeyMaterial)
	var e *kms.Error
	if v.State != kms.VersionUnknown || !errors.Is(v.Reason, kms.ErrDenied) || !errors.As(v.Reason, &e) || e.Operation != "GetKey" || e.Key != mock.KeyName {
		t.Errorf("denied: got %+v", v)
	}
	if v := version(t, p, masterKey(t), w.KeyMaterial); v.State != kms.VersionCurrent {
		t.Errorf("without keyVersion nothing is asked: got %+v", v)
	}
	const kid = "https://" + mock.Host + "/keys/"
	for body, want := range map[string]string{
		`{}`:          "the answer has no key",
		`{"key": {}}`: "does not say which version",
		`{"key": {"kid": "` + kid + mock.KeyName + `"}}`:        "names another key or no version",
		`{"key": {"kid": "` + kid + `other/0123456789abcdef"}}`: "names another key or no version",
		`not JSON`: "not what Azure gives",
	} {
		answer = &mock.Answer{Status: http.StatusOK, Body: body}
		if v := version(t, p, w.MasterKey, w.KeyMaterial); v.State != kms.VersionUnknown || v.Reason == nil || !strings.Contains(v.Reason.Error(), want) {
			t.Errorf("%s: got %+v", body, v)
		}
	}
}
