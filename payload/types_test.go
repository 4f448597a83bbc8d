package payload

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Every BSON type: its $type alias, and whether deterministic (d) and random (r) encryption take it.
var typeTable = []struct {
	typ     bson.Type
	alias   string
	allowed string
}{
	{bson.TypeDouble, "double", "r"},
	{bson.TypeString, "string", "dr"},
	{bson.TypeEmbeddedDocument, "object", "r"},
	{bson.TypeArray, "array", "r"},
	{bson.TypeBinary, "binData", "dr"},
	{bson.TypeUndefined, "undefined", ""},
	{bson.TypeObjectID, "objectId", "dr"},
	{bson.TypeBoolean, "bool", "r"},
	{bson.TypeDateTime, "date", "dr"},
	{bson.TypeNull, "null", ""},
	{bson.TypeRegex, "regex", "dr"},
	{bson.TypeDBPointer, "dbPointer", "dr"},
	{bson.TypeJavaScript, "javascript", "dr"},
	{bson.TypeSymbol, "symbol", "dr"},
	{bson.TypeCodeWithScope, "javascriptWithScope", "r"},
	{bson.TypeInt32, "int", "dr"},
	{bson.TypeTimestamp, "timestamp", "dr"},
	{bson.TypeInt64, "long", "dr"},
	{bson.TypeDecimal128, "decimal", "r"},
	{bson.TypeMinKey, "minKey", ""},
	{bson.TypeMaxKey, "maxKey", ""},
	{0x42, "unknown (0x42)", ""},
}

func TestEncryptable(t *testing.T) {
	covered := 0
	for _, tt := range typeTable {
		if tt.typ.IsValid() {
			covered++
		}
		if got := TypeAlias(tt.typ); got != tt.alias {
			t.Errorf("alias of %#x: got %s, want %s", byte(tt.typ), got, tt.alias)
		}
		for alg, letter := range map[Algorithm]string{Deterministic: "d", Random: "r"} {
			err := Encryptable(tt.typ, alg)
			if strings.Contains(tt.allowed, letter) {
				if err != nil {
					t.Errorf("%s, %s: %v", tt.alias, alg, err)
				}
				continue
			}
			var typeErr *TypeError
			if !errors.As(err, &typeErr) || typeErr.Type != tt.typ || typeErr.Algorithm != alg {
				t.Errorf("%s, %s: got %v, want a TypeError", tt.alias, alg, err)
				continue
			}
			text := "BSON type invalid for encryption"
			if tt.allowed == "r" {
				text = "BSON type invalid for deterministic encryption"
			}
			if want := "cannot encrypt element of type: " + tt.alias + ": " + text; !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got %q, want %q", err, want)
			}
		}
	}
	for b := range 256 {
		if bson.Type(b).IsValid() {
			covered--
		}
	}
	if covered != 0 {
		t.Error("the table does not list every BSON type once")
	}
	if err := Encryptable(bson.TypeString, 7); err == nil || err.Error() != "invalid algorithm value: 7" {
		t.Errorf("algorithm 7: got %v", err)
	}
}

// Encrypting refuses what may not be encrypted and what is no value, and leaves dst as it was.
func TestAppendEncryptRefusals(t *testing.T) {
	key := newKey(t, 1)
	raw := func(typ bson.Type, b ...byte) bson.RawValue { return bson.RawValue{Type: typ, Value: b} }
	for _, tt := range []struct {
		name string
		alg  Algorithm
		v    bson.RawValue
		want string
	}{
		{"null", Random, raw(bson.TypeNull), "cannot encrypt element of type: null"},
		{"zero value", Random, bson.RawValue{}, "cannot encrypt element of type: unknown (0x00)"},
		{"double, deterministic", Deterministic, value(t, 1.5), "cannot encrypt element of type: double"},
		{"subtype 6", Random, value(t, bson.Binary{Subtype: 6, Data: []byte{1}}), "BSON binary subtype 6 is invalid for encryption"},
		{"subtype 6, empty", Deterministic, value(t, bson.Binary{Subtype: 6}), "BSON binary subtype 6 is invalid for encryption"},
		{"no algorithm", 0, value(t, "x"), "invalid algorithm value: 0"},
		{"short int", Random, raw(bson.TypeInt32, 1, 2, 3), "3 bytes are not one BSON value of type int"},
		{"two ints", Random, raw(bson.TypeInt32, make([]byte, 8)...), "8 bytes are not one BSON value of type int"},
		{"empty string value", Random, raw(bson.TypeString), "0 bytes are not one BSON value of type string"},
		{"bool of 2", Random, raw(bson.TypeBoolean, 2), "1 bytes are not one BSON value of type bool"},
	} {
		out, err := key.AppendEncrypt([]byte("held"), tt.alg, KeyID{}, tt.v)
		if err == nil || !strings.Contains(err.Error(), tt.want) || string(out) != "held" {
			t.Errorf("%s: got %d bytes, error %v, want %q", tt.name, len(out)-4, err, tt.want)
		}
	}
}

func TestKeySizes(t *testing.T) {
	for _, n := range []int{0, 32, 64, 95, 97} {
		if _, err := NewKey(make([]byte, n)); err == nil || !strings.Contains(err.Error(), "keyMaterial should have length 96, but has length ") {
			t.Errorf("NewKey of %d bytes: got %v", n, err)
		}
		if out, err := newKey(t, 1).AppendWrap([]byte("held"), make([]byte, n)); err == nil || string(out) != "held" {
			t.Errorf("AppendWrap of %d bytes: got %v", n, err)
		}
	}
	// A wrapped key whose content is authentic but no data key.
	key := newKey(t, 1)
	a := key.acquire()
	for _, n := range []int{0, 32, 95, 97} {
		spare := make([]byte, 0, 256)
		out, err := key.AppendUnwrap(spare, sealWith(a, make([]byte, ivSize), nil, slices.Repeat([]byte{7}, n)))
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "decrypted key is incorrect length") || len(out) != 0 {
			t.Errorf("AppendUnwrap of a key of %d bytes: got %d bytes, %v", n, len(out), err)
		}
		if slices.Contains(spare[:n], 7) {
			t.Errorf("AppendUnwrap of a key of %d bytes left it in the buffer", n)
		}
	}
}
