package payload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func TestKinds(t *testing.T) {
	const decryptable, queryable = "1 2 4 6 7 9 11 14 15 16 17", "3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18"
	names := map[string]bool{}
	var gotDecryptable, gotQueryable []string
	for b := range 256 {
		k := Kind(b)
		names[k.String()] = true
		if k.Decryptable() {
			gotDecryptable = append(gotDecryptable, fmt.Sprint(b))
		}
		if k.Queryable() {
			gotQueryable = append(gotQueryable, fmt.Sprint(b))
		}
	}
	if got := strings.Join(gotDecryptable, " "); got != decryptable {
		t.Errorf("decryptable: got %s, want %s", got, decryptable)
	}
	if got := strings.Join(gotQueryable, " "); got != queryable {
		t.Errorf("queryable: got %s, want %s", got, queryable)
	}
	if len(names) != 256 || names[""] {
		t.Errorf("got %d different names for 256 bytes", len(names))
	}
	for k, want := range map[Kind]string{KindMarking: "FLE1 marking (intent-to-encrypt)", KindRandom: "FLE1 random ciphertext",
		18: "FLE2 find text", 19: "unknown kind 19"} {
		if got := k.String(); got != want {
			t.Errorf("kind %d: got %q, want %q", byte(k), got, want)
		}
	}
}

func TestAlgorithms(t *testing.T) {
	for name, want := range map[string]Algorithm{
		"AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic": Deterministic,
		"AEAD_AES_256_CBC_HMAC_SHA_512-Random":        Random,
		"aead_aes_256_cbc_hmac_sha_512-random":        Random,
	} {
		if got, err := ParseAlgorithm(name); err != nil || got != want {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	for name, want := range map[string]string{
		"":                                      "algorithm or index type required",
		"Indexed":                               `unsupported algorithm "Indexed"`,
		"AEAD_AES_256_CBC_HMAC_SHA_512-Random ": "unsupported algorithm",
		"AEAD_AES_256_CBC_HMAC_\u017fHA_512-Random":       "unsupported algorithm", // ſ folds to S
		"AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic\x00": "unsupported algorithm",
	} {
		if got, err := ParseAlgorithm(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v, want %q", name, got, err, want)
		}
	}
	if got := Algorithm(9).String(); got != "Algorithm(9)" {
		t.Errorf("got %s", got)
	}
}

func TestKeyIDs(t *testing.T) {
	const text = "00112233-4455-6677-8899-aabbccddeeff"
	want := KeyID{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	for _, s := range []string{text, strings.ToUpper(text)} {
		if got, err := ParseKeyID(s); err != nil || got != want || got.String() != text {
			t.Errorf("%s: got %s, %v", s, got, err)
		}
	}
	if got, err := KeyIDFromBinary(want.Binary()); err != nil || got != want || want.Binary().Subtype != 4 {
		t.Errorf("through a binary: got %s, %v", got, err)
	}
	for _, s := range []string{"", "00112233445566778899aabbccddeeff", "{" + text + "}", text[:35], text + "0",
		strings.Replace(text, "-", "0", 1), strings.Replace(text, "f", "g", 1), strings.Repeat("-", 36)} {
		if id, err := ParseKeyID(s); err == nil || id != (KeyID{}) {
			t.Errorf("%q: got %s, %v", s, id, err)
		}
	}
	for _, b := range []bson.Binary{{}, {Subtype: 4, Data: make([]byte, 15)}, {Subtype: 4, Data: make([]byte, 17)}, {Subtype: 3, Data: make([]byte, 16)}} {
		if id, err := KeyIDFromBinary(b); err == nil || !strings.Contains(err.Error(), "expected 16 byte UUID") || id != (KeyID{}) {
			t.Errorf("%d bytes of subtype %d: got %s, %v", len(b.Data), b.Subtype, id, err)
		}
	}
}

func TestParseCiphertextRefusals(t *testing.T) {
	sealed := encrypt(t, newKey(t, 1), Random, KeyID{}, value(t, "x"))
	with := func(kind byte) []byte { return append([]byte{kind}, sealed[1:]...) }
	for _, tt := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "malformed ciphertext, too small"},
		{"kind only", []byte{1}, "malformed ciphertext, too small"},
		{"18 bytes", sealed[:18], "malformed ciphertext, too small"},
		{"19 bytes", sealed[:19], "malformed ciphertext"},
		{"no block", sealed[:18+48], "malformed ciphertext"},
		{"half a block", sealed[:18+56], "malformed ciphertext"},
		{"a block and a half", append(sealed[:len(sealed):len(sealed)], make([]byte, 8)...), "malformed ciphertext"},
		{"marking", with(0), "malformed ciphertext, expected blob subtype of 1 or 2, got 0 (FLE1 marking (intent-to-encrypt))"},
		{"queryable", with(16), "malformed ciphertext, expected blob subtype of 1 or 2, got 16 (FLE2 unindexed value v2)"},
		{"unknown", with(255), "malformed ciphertext, expected blob subtype of 1 or 2, got 255 (unknown kind 255)"},
	} {
		if _, err := ParseCiphertext(tt.b); !errors.Is(err, ErrMalformed) || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// Keys, plaintexts and ciphertexts do not show when their holders are printed or logged.
func TestNothingSecretIsPrinted(t *testing.T) {
	const secret = "sEcReT"
	key, v := keyOf(t, bytes.Repeat([]byte(secret), 16)), value(t, secret)
	sealed := encrypt(t, key, Random, KeyID{}, v)
	c, err := ParseCiphertext(sealed)
	if err != nil {
		t.Fatal(err)
	}
	hidden := []string{fmt.Sprintf("%x", secret), fmt.Sprintf("%x", sealed[40:46]), secret}
	for _, b := range [][]byte{[]byte(secret), sealed[40:46]} {
		list := strings.Trim(fmt.Sprint(b), "[]")
		encoded, _ := json.Marshal(append([]byte(nil), b...))
		hidden = append(hidden, list, strings.ReplaceAll(list, " ", ", "), strings.Trim(string(encoded), `"=`))
	}
	for _, holder := range []any{key, c, &c, Marking{Algorithm: Random, KeyAltName: "n", Value: v}, &Marking{KeyID: &KeyID{}, Value: v}} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			fmt.Fprintf(&out, verb, holder)
		}
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Info("m", "attr", holder)
		}
		for _, s := range hidden {
			if strings.Contains(out.String(), s) {
				t.Errorf("printing %T shows it", holder)
			}
		}
	}
	want := "ciphertext(AEAD_AES_256_CBC_HMAC_SHA_512-Random, data key 00000000-0000-0000-0000-000000000000, value of type string, 82 bytes)"
	if got := fmt.Sprint(c); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
