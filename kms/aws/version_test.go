package aws_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

const (
	formerARN = "arn:aws:kms:us-east-1:579766882180:key/former"
	newARN    = "arn:aws:kms:us-east-1:579766882180:key/new"
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

func wrap(t *testing.T, p kms.Provider, masterKey bson.Raw) kms.Wrapped {
	t.Helper()
	w, err := p.WrapKey(t.Context(), masterKey, dataKey())
	if err != nil {
		t.Fatal(err)
	}
	w.MasterKey = withProvider(t, "aws", w.MasterKey)
	return w
}

// An alias that points at another key by now is the only thing that makes a data key old; only for an alias anything more is asked.
func TestVersion(t *testing.T) {
	s := run(t, mock.Options{Keys: []mock.Key{{ARN: formerARN, Aliases: []string{"alias/fields"}}, {ARN: newARN}}})
	p := openDefault(t, s)
	for key, asked := range map[string][]string{
		"alias/fields": {"Decrypt", "DescribeKey"}, "arn:aws:kms:us-east-1:579766882180:alias/fields": {"Decrypt", "DescribeKey"},
		formerARN: {"Decrypt"}, "former": {"Decrypt"},
	} {
		s.Point("alias/fields", formerARN)
		w := wrap(t, p, doc(t, "region", "us-east-1", "key", key))
		calls := len(s.Calls())
		if v := version(t, p, w.MasterKey, w.KeyMaterial); v.State != kms.VersionCurrent || v.Reason != nil {
			t.Errorf("%s: got %+v", key, v)
		}
		for i, c := range s.Calls()[calls:] {
			if i >= len(asked) || c.Operation != asked[i] {
				t.Errorf("%s: request %d is %s", key, i, c.Operation)
			}
		}
		s.Point("alias/fields", newARN)
		v := version(t, p, w.MasterKey, w.KeyMaterial)
		switch alias := len(asked) > 1; {
		case alias && (v.State != kms.VersionOld || v.Reason.Error() != `wrapped by the key "`+formerARN+`", but "`+key+`" points at the key "`+newARN+`" by now`):
			t.Errorf("%s, after the change: got %+v", key, v)
		case !alias && v.State != kms.VersionCurrent:
			t.Errorf("%s, after the change: got %+v", key, v)
		}
		w = wrap(t, p, doc(t, "region", "us-east-1", "key", key))
		if v := version(t, p, w.MasterKey, w.KeyMaterial); v.State != kms.VersionCurrent {
			t.Errorf("%s, rewrapped: got %+v", key, v)
		}
	}
	if _, v, err := p.(kms.Versioner).UnwrapKeyVersion(t.Context(), doc(t, "region", "us-east-1", "key", "alias/fields"), []byte{1}); err == nil || v != (kms.Version{}) {
		t.Errorf("what cannot be unwrapped: got %+v, %v", v, err)
	}
}

func TestVersionUnknown(t *testing.T) {
	var answer *mock.Answer
	s := run(t, mock.Options{
		Keys: []mock.Key{{ARN: formerARN, Aliases: []string{"alias/fields"}}},
		Intercept: func(_ context.Context, c mock.Call) *mock.Answer {
			if c.Operation == "DescribeKey" {
				return answer
			}
			return nil
		},
	})
	p := openDefault(t, s)
	w := wrap(t, p, doc(t, "region", "us-east-1", "key", "alias/fields"))
	answer = &mock.Answer{Code: "AccessDeniedException", Message: "not authorized to perform: kms:DescribeKey"}
	v := version(t, p, w.MasterKey, w.KeyMaterial)
	var e *kms.Error
	if v.State != kms.VersionUnknown || !errors.Is(v.Reason, kms.ErrDenied) || !errors.As(v.Reason, &e) || e.Operation != "DescribeKey" || e.Key != "alias/fields" {
		t.Errorf("denied: got %+v", v)
	}
	for _, body := range []string{`{}`, `{"KeyMetadata": {}}`, `{"KeyMetadata": {"KeyId": "former", "Arn": ""}}`} {
		answer = &mock.Answer{Status: 200, Body: body}
		if v := version(t, p, w.MasterKey, w.KeyMaterial); v.State != kms.VersionUnknown || v.Reason == nil || !strings.Contains(v.Reason.Error(), "the reply has no Arn") {
			t.Errorf("%s: got %+v", body, v)
		}
	}
}
