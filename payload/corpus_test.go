package payload

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The corpus of the driver specification (prose test 7), from the test data in the official driver's module: values of every type that
// libmongocrypt encrypted, and those it refuses. Of the keys that the values are under, the AWS and the local one are public.
func TestDriverCorpus(t *testing.T) {
	plain, encrypted := driverCorpus(t, "corpus.json"), driverCorpus(t, "corpus-encrypted.json")
	keys := map[string]*Key{
		"aws":   keyOf(t, unbase64(t, awsDEK)),
		"local": keyOf(t, unwrapLocal(t)),
	}
	algorithms := map[string]Algorithm{"det": Deterministic, "rand": Random}
	count := map[string]int{}
	elements, err := plain.Elements()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range elements {
		field, ok := e.Value().DocumentOK()
		if !ok {
			continue // _id and the names of keys
		}
		var entry struct {
			KMS, Algo string
			Allowed   bool
			Value     bson.RawValue
		}
		if err := bson.Unmarshal(field, &entry); err != nil {
			t.Fatal(err)
		}
		alg := algorithms[entry.Algo]
		if !entry.Allowed {
			count["refused"]++
			if err := EncryptableValue(entry.Value, alg); err == nil {
				t.Errorf("%s: got no error, the drivers refuse it", e.Key())
			}
			continue
		}
		stored, err := encrypted.LookupErr(e.Key(), "value")
		key := keys[entry.KMS]
		if err != nil || key == nil {
			count["no ciphertext or key published"]++
			continue
		}
		count[entry.KMS+" "+entry.Algo]++
		if err := checkStored(key, alg, entry.Value, stored); err != nil {
			t.Errorf("%s: %v", e.Key(), err)
		}
	}
	t.Log(count)
	for _, kms := range []string{"aws", "local"} {
		if det, random := count[kms+" det"], count[kms+" rand"]; det < 36 || random < 72 {
			t.Errorf("%s: compared %d deterministic and %d random values, want at least 36 and 72", kms, det, random)
		}
	}
}

// checkStored decrypts what the driver stored and, if deterministic, encrypts it again.
func checkStored(key *Key, alg Algorithm, plain, stored bson.RawValue) error {
	subtype, data, ok := stored.BinaryOK()
	if !ok || subtype != Subtype {
		return fmt.Errorf("stored as %s, want a binary of subtype 6", stored.Type)
	}
	got, err := decrypt(key, data)
	if err != nil {
		return err
	}
	if !got.Equal(plain) {
		return fmt.Errorf("decrypts to another value")
	}
	if alg == Deterministic {
		again, err := key.AppendEncrypt(nil, alg, KeyID(data[1:17]), plain)
		if err != nil || !bytes.Equal(again, data) {
			return fmt.Errorf("encrypting again gives other bytes, %v", err)
		}
	}
	return nil
}

func driverCorpus(t *testing.T, name string) bson.Raw {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "go.mongodb.org/mongo-driver/v2").Output()
	if err != nil {
		t.Skipf("needs the driver's module in the module cache: %v", err)
	}
	path := filepath.Join(strings.TrimSpace(string(dir)), "testdata", "client-side-encryption-prose", name)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("needs the test data of the driver's module, which a vendored copy lacks: %v", err)
	}
	var doc bson.Raw
	if err := bson.UnmarshalExtJSON(text, false, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}
