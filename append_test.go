package fieldcrypt_test

import (
	"bytes"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt"
)

// drawBuffer is a buffer that holds something and has some room, often too little.
func drawBuffer(t *rapid.T) []byte {
	buf := make([]byte, 0, rapid.IntRange(0, 2000).Draw(t, "capacity"))
	return append(buf, "held"[:rapid.IntRange(0, 4).Draw(t, "held")]...)
}

// What appends gives what the others do, behind what was there, and changes neither that nor what it is given.
func TestAppendIsTheSame(t *testing.T) {
	store := newVault()
	ce := explicit(t, store)
	ssn, phone := newKey(t, ce, "local"), newKey(t, ce, "local")
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: employees(ssn, phone)}, store, nil)
	ctx := t.Context()
	rapid.Check(t, func(rt *rapid.T) {
		buf := drawBuffer(rt)
		held := slices.Clone(buf)
		check := func(what string, got, want []byte, err error) {
			rt.Helper()
			if err != nil || !bytes.Equal(got, append(slices.Clone(held), want...)) {
				rt.Fatalf("%s: got %d bytes, %v; want the %d that were there and %d", what, len(got), err, len(held), len(want))
			}
		}
		doc := bson.D{{Key: "plain", Value: rapid.StringN(0, 50, 400).Draw(rt, "plain")}}
		if rapid.Bool().Draw(rt, "encrypted") {
			doc = append(doc, bson.E{Key: "ssn", Value: rapid.StringN(0, 50, 1000).Draw(rt, "ssn")})
		}
		cmd, err := bson.Marshal(insert(doc))
		if err != nil {
			rt.Fatal(err)
		}
		given := slices.Clone(cmd)
		sealed, err := e.Encrypt(ctx, "hr", cmd)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := e.AppendEncrypt(ctx, buf, "hr", cmd)
		check("a command", got, sealed, err)
		got, err = e.AppendDecrypt(ctx, buf, slices.Clone(sealed))
		check("a reply", got, cmd, err)
		if !bytes.Equal(cmd, given) {
			rt.Fatal("the command was changed")
		}

		v := value(t, rapid.String().Draw(rt, "value"))
		opts := fieldcrypt.EncryptOptions{KeyID: &ssn, Algorithm: det}
		ct, err := ce.Encrypt(ctx, v, opts)
		if err != nil {
			rt.Fatal(err)
		}
		got, err = ce.AppendEncrypt(ctx, buf, v, opts)
		check("a value", got, ct.Data, err)
		got, kind, err := ce.AppendDecrypt(ctx, buf, ct)
		check("a ciphertext", got, v.Value, err)
		if kind != v.Type {
			rt.Fatalf("the type is %s", kind)
		}
	})
}

// A buffer that was grown once is enough from then on.
func TestAppendNeedsNoMoreMemory(t *testing.T) {
	if raceDetector {
		t.Skip("with the race detector a sync.Pool forgets at random")
	}
	store := newVault()
	ce := explicit(t, store)
	ssn, phone := newKey(t, ce, "local"), newKey(t, ce, "local")
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: employees(ssn, phone)}, store, nil)
	ctx := t.Context()
	for _, size := range []int{10, 100, 1000, 20_000} {
		cmd := raw(t, insert(bson.D{{Key: "ssn", Value: string(make([]byte, size))}, {Key: "phone", Value: "1"}}))
		sealed, err := e.Encrypt(ctx, "hr", cmd)
		if err != nil {
			t.Fatal(err)
		}
		var command, reply []byte
		if n := testing.AllocsPerRun(100, func() {
			if command, err = e.AppendEncrypt(ctx, command[:0], "hr", cmd); err != nil {
				t.Fatal(err)
			}
			if reply, err = e.AppendDecrypt(ctx, reply[:0], sealed); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%g allocations for a command and a reply with a value of %d bytes", n, size)
		}
	}
	var content, plain []byte
	opts := fieldcrypt.EncryptOptions{KeyID: &ssn, Algorithm: random}
	v := value(t, "text")
	if n := testing.AllocsPerRun(100, func() {
		var err error
		if content, err = ce.AppendEncrypt(ctx, content[:0], v, opts); err != nil {
			t.Fatal(err)
		}
		if plain, _, err = ce.AppendDecrypt(ctx, plain[:0], bson.Binary{Subtype: 6, Data: content}); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%g allocations for a value there and back", n)
	}
}

// An error leaves the buffer as it was, and nothing of the values that had been decrypted before.
func TestAppendFails(t *testing.T) {
	store := newVault()
	ce := explicit(t, store)
	id := newKey(t, ce, "local")
	e := automatic(t, fieldcrypt.AutoEncryptionOptions{SchemaMap: employees(id, id)}, store, nil)
	ctx := t.Context()
	good, bad := sealWith(t, ce, id, "a secret"), sealWith(t, ce, id, "v")
	bad.Data[len(bad.Data)-1] ^= 1
	buf := append(make([]byte, 0, 1000), "held"...)
	for name, do := range map[string]func() ([]byte, error){
		"a reply": func() ([]byte, error) {
			return e.AppendDecrypt(ctx, buf, raw(t, reply(bson.D{{Key: "v", Value: good}, {Key: "w", Value: bad}})))
		},
		"no reply": func() ([]byte, error) { return e.AppendDecrypt(ctx, buf, []byte("abc")) },
		"a command": func() ([]byte, error) {
			return e.AppendEncrypt(ctx, buf, "hr", raw(t, bson.D{{Key: "mapReduce", Value: "c"}}))
		},
		"a value": func() ([]byte, error) {
			return ce.AppendEncrypt(ctx, buf, value(t, 1.5), fieldcrypt.EncryptOptions{KeyID: &id, Algorithm: det})
		},
		"no algorithm": func() ([]byte, error) {
			return ce.AppendEncrypt(ctx, buf, value(t, "x"), fieldcrypt.EncryptOptions{KeyID: &id})
		},
		"a ciphertext": func() ([]byte, error) { got, _, err := ce.AppendDecrypt(ctx, buf, bad); return got, err },
		"no ciphertext": func() ([]byte, error) {
			got, _, err := ce.AppendDecrypt(ctx, buf, bson.Binary{Subtype: 4, Data: make([]byte, 16)})
			return got, err
		},
	} {
		if got, err := do(); err == nil || string(got) != "held" || cap(got) < len("held") {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		if bytes.Contains(buf[:cap(buf)], []byte("a secret")) {
			t.Errorf("%s: plaintext stays in the buffer", name)
		}
	}
}
