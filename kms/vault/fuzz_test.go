package vault

import (
	"bytes"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// What is accepted must come out of the key vault's document as it went in, and stay within its mount.
func FuzzMasterKey(f *testing.F) {
	for _, d := range []bson.D{{}, {{Key: "keyName", Value: "k"}}, {{Key: "keyName", Value: "a.b-c"}, {Key: "mount", Value: "a/b"}, {Key: "keyVersion", Value: 3}}} {
		raw, err := bson.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parseMasterKey(raw, true)
		if err != nil {
			return
		}
		again, err := parseMasterKey(m.document(), false)
		if err != nil || again != m {
			t.Errorf("got %+v, %v; want %+v", again, err, m)
		}
		if bytes.ContainsAny([]byte(m.keyName), "/?#%") || bytes.Contains([]byte("/"+m.mount+"/"), []byte("/../")) {
			t.Errorf("accepted %+v", m)
		}
	})
}

func FuzzKeyVersion(f *testing.F) {
	f.Add([]byte("vault:v1:AAAA"))
	f.Add([]byte("vault:v:"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if v, err := keyVersion(text); err == nil && (v < 1 || !bytes.HasPrefix(text, []byte("vault:v"))) {
			t.Errorf("%q: version %d", text, v)
		}
	})
}
