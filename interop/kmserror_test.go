package interop

import (
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

// checkError compares the fields of want that are set, and the cause.
func checkError(t *testing.T, err error, want kms.Error) {
	t.Helper()
	var got *kms.Error
	if !errors.As(err, &got) {
		t.Fatalf("got %v, expected a *kms.Error", err)
	}
	t.Log(err)
	differ := got.Provider != want.Provider || got.Operation != want.Operation || got.CanRetry != want.CanRetry ||
		want.Key != "" && got.Key != want.Key || want.Code != "" && got.Code != want.Code || got.Status != want.Status || !errors.Is(got.Cause, want.Cause)
	if differ {
		t.Errorf("got %#v, expected %#v", *got, want)
	}
}

func document(t *testing.T, d bson.D) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// withProvider is the masterKey as the key vault stores it.
func withProvider(t *testing.T, provider string, masterKey bson.Raw) bson.Raw {
	t.Helper()
	var d bson.D
	if err := bson.Unmarshal(masterKey, &d); err != nil {
		t.Fatal(err)
	}
	return document(t, append(bson.D{{Key: "provider", Value: provider}}, d...))
}
