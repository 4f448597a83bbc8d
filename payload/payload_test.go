package payload

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// Public test keys: the one that MongoDB's AWS test account wraps, and the local master key of the driver specification's tests.
const (
	awsDEK         = "TqhXy3tKckECjy4/ZNykMWG8amBF46isVPzeOgeusKrwheBmYaU8TMG5AHR/NeUDKukqo8hBGgogiQOVpLPkqBQHD8YkLsNbDmHoGOill5QAHnniF/Lz405bGucB5TfR"
	localMasterKey = "Mng0NCt4ZHVUYUJCa1kxNkVyNUR1QURhZ2h2UzR2d2RrZzh0cFBwM3R6NmdWMDFBMUN3YkQ5aXRRMkhGRGdQV09wOGVNYUMxT2k3NjZKelhaQmRCZGJkTXVyZG9uSjFk"
)

func unbase64(t rapid.TB, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func unhex(t rapid.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func keyOf(t rapid.TB, material []byte) *Key {
	t.Helper()
	key, err := NewKey(material)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// newKey returns a key whose 96 bytes count up from first.
func newKey(t rapid.TB, first byte) *Key {
	t.Helper()
	material := make([]byte, KeySize)
	for i := range material {
		material[i] = first + byte(i)
	}
	return keyOf(t, material)
}

// value returns v as the driver writes it.
func value(t rapid.TB, v any) bson.RawValue {
	t.Helper()
	typ, data, err := bson.MarshalValue(v)
	if err != nil {
		t.Fatal(err)
	}
	return bson.RawValue{Type: typ, Value: data}
}

func encrypt(t rapid.TB, key *Key, alg Algorithm, id KeyID, v bson.RawValue) []byte {
	t.Helper()
	b, err := key.AppendEncrypt(nil, alg, id, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decrypt parses and decrypts the content of a subtype 6 binary, in both ways there are.
func decrypt(key *Key, b []byte) (bson.RawValue, error) {
	data, typ, err := key.AppendDecryptContent(nil, b)
	c, stepsErr := ParseCiphertext(b)
	var steps []byte
	if stepsErr == nil {
		steps, stepsErr = key.AppendDecrypt(nil, c)
	}
	for _, kind := range []error{ErrMalformed, ErrAuthentication} {
		if errors.Is(err, kind) != errors.Is(stepsErr, kind) {
			return bson.RawValue{}, fmt.Errorf("in one step: %v; in two: %v", err, stepsErr)
		}
	}
	if (err == nil) != (stepsErr == nil) || !bytes.Equal(data, steps) || err == nil && typ != c.Type {
		return bson.RawValue{}, fmt.Errorf("in one step: %d bytes of type %s, %v; in two: %d bytes of type %s, %v", len(data), typ, err, len(steps), c.Type, stepsErr)
	}
	return bson.RawValue{Type: typ, Value: data}, err
}
