package payload

import (
	"bytes"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// encryptAppending encrypts onto a drawn prefix with drawn spare capacity, and checks that prefix and value stay as they are.
func encryptAppending(t *rapid.T, key *Key, alg Algorithm, id KeyID, v bson.RawValue) []byte {
	prefix, input := drawBuffer(t), slices.Clone(v.Value)
	before := slices.Clone(prefix)
	out, err := key.AppendEncrypt(prefix, alg, id, v)
	if err != nil {
		t.Fatalf("encrypt: %v", err)
	}
	if !bytes.Equal(v.Value, input) {
		t.Fatal("encrypt changed its input")
	}
	if !bytes.Equal(out[:len(before)], before) {
		t.Fatal("encrypt changed what dst held")
	}
	return out[len(before):]
}

func drawBuffer(t *rapid.T) []byte {
	prefix := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "prefix")
	return append(make([]byte, 0, len(prefix)+rapid.IntRange(0, 300).Draw(t, "spare")), prefix...)
}

func TestRoundTripOfEveryType(t *testing.T) {
	for _, alg := range []Algorithm{Deterministic, Random} {
		for typ, values := range generatorsFor(alg) {
			t.Run(alg.String()+"/"+TypeAlias(typ), rapid.MakeCheck(func(t *rapid.T) {
				key, id, v := drawKey(t), drawKeyID(t), value(t, values.Draw(t, "value"))
				if v.Type != typ {
					t.Fatalf("generated %s", v.Type)
				}
				sealed := encryptAppending(t, key, alg, id, v)
				checkOpens(t, key, sealed, v)
				if c, err := ParseCiphertext(sealed); err != nil || c.Algorithm != alg || c.KeyID != id || c.Type != typ {
					t.Fatalf("parsed as %v, %v", c, err)
				}
				if want := 1 + 16 + 1 + 16 + (len(v.Value)/16+1)*16 + 32; len(sealed) != want {
					t.Fatalf("got %d bytes for %d, want %d", len(sealed), len(v.Value), want)
				}
			}))
		}
	}
}

// checkOpens decrypts onto a drawn prefix.
func checkOpens(t *rapid.T, key *Key, sealed []byte, want bson.RawValue) {
	c, err := ParseCiphertext(sealed)
	if err != nil {
		t.Fatal(err)
	}
	prefix, input := drawBuffer(t), slices.Clone(sealed)
	before := slices.Clone(prefix)
	out, err := key.AppendDecrypt(prefix, c)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out, append(before, want.Value...)) {
		t.Fatal("decrypt gave another value or changed what dst held")
	}
	if !bytes.Equal(sealed, input) {
		t.Fatal("decrypt changed its input")
	}
}

// Deterministic is a function of key material, key id and value, and gives different results for different arguments.
func TestDeterministicIsAFunction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SampledFrom([]bson.Type{bson.TypeString, bson.TypeBinary, bson.TypeInt64}).Draw(t, "type")
		v := value(t, deterministicLeaves[values].Draw(t, "value"))
		material := rapid.SliceOfN(rapid.Byte(), KeySize, KeySize).Draw(t, "key")
		key, id := keyOf(t, material), drawKeyID(t)
		sealed := encryptAppending(t, key, Deterministic, id, v)
		if !bytes.Equal(sealed, encryptAppending(t, keyOf(t, material), Deterministic, id, v)) {
			t.Fatal("the same value gave two ciphertexts")
		}

		w := value(t, deterministicLeaves[values].Draw(t, "other value"))
		id2 := drawKeyID(t)
		other := slices.Clone(material)
		other[rapid.IntRange(0, KeySize-1).Draw(t, "byte")] ^= 1
		for what, pair := range map[string]struct{ differ, same bool }{
			"value":  {!v.Equal(w), bytes.Equal(sealed[18:], encryptAppending(t, key, Deterministic, id, w)[18:])},
			"key id": {id != id2, bytes.Equal(sealed[18:], encryptAppending(t, key, Deterministic, id2, v)[18:])},
			"key":    {true, bytes.Equal(sealed, encryptAppending(t, keyOf(t, other), Deterministic, id, v))},
		} {
			if pair.differ && pair.same {
				t.Fatalf("another %s gave the same bytes", what)
			}
		}
	})
}

// Random shows nothing of equal values: no IV and no block comes twice.
func TestRandomNeverRepeats(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key, v := drawKey(t), value(t, rapid.StringN(0, 40, 40).Draw(t, "value"))
		seen := map[string]bool{}
		for range 20 {
			sealed := encryptAppending(t, key, Random, KeyID{}, v)
			for block := range slices.Chunk(sealed[18:], 16) {
				if seen[string(block)] {
					t.Fatal("a block repeats")
				}
				seen[string(block)] = true
			}
		}
	})
}

func TestWrapRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		master, dek := drawKey(t), rapid.SliceOfN(rapid.Byte(), KeySize, KeySize).Draw(t, "dek")
		prefix := drawBuffer(t)
		before := slices.Clone(prefix)
		out, err := master.AppendWrap(prefix, dek)
		if err != nil || !bytes.Equal(out[:len(before)], before) || len(out)-len(before) != 160 {
			t.Fatalf("wrap: got %d bytes, %v", len(out)-len(before), err)
		}
		wrapped := out[len(before):]
		got, err := master.AppendUnwrap(before, wrapped)
		if err != nil || !bytes.Equal(got, append(before, dek...)) {
			t.Fatalf("unwrap: %v", err)
		}
		again, err := master.AppendWrap(nil, dek)
		if err != nil || bytes.Equal(again[:16], wrapped[:16]) || bytes.Equal(again, wrapped) {
			t.Fatal("wrapping twice gave the same bytes")
		}
	})
}

// One key, many users.
func TestKeyIsSafeForConcurrentUse(t *testing.T) {
	key, id := newKey(t, 7), KeyID{9}
	want := map[int64][]byte{}
	for n := range int64(8) {
		want[n] = encrypt(t, key, Deterministic, id, value(t, n))
	}
	errs := make(chan string, 8)
	for n := range int64(8) {
		v := value(t, n)
		go func() {
			for range 200 {
				sealed, err := key.AppendEncrypt(nil, Deterministic, id, v)
				if err != nil || !bytes.Equal(sealed, want[n]) {
					errs <- "encrypting beside others gave another result"
					return
				}
				if got, err := decrypt(key, sealed); err != nil || !got.Equal(v) {
					errs <- "decrypting beside others gave another result"
					return
				}
			}
			errs <- ""
		}()
	}
	for range 8 {
		if err := <-errs; err != "" {
			t.Error(err)
		}
	}
}

// The caller may wipe the key material once the key is prepared.
func TestKeyOutlivesItsMaterial(t *testing.T) {
	material := bytes.Repeat([]byte{0x42}, KeySize)
	key := keyOf(t, material)
	v := value(t, "x")
	clear(material)
	same := keyOf(t, bytes.Repeat([]byte{0x42}, KeySize))
	if !bytes.Equal(encrypt(t, key, Deterministic, KeyID{}, v), encrypt(t, same, Deterministic, KeyID{}, v)) {
		t.Error("the key changed with its material")
	}
}
