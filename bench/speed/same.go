package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/bench/measure"
	"github.com/fieldcrypt/fieldcrypt/bench/results"
	"github.com/fieldcrypt/fieldcrypt/bench/workload"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

var errDiffers = errors.New("it is not what it should be")

// right checks what a side made of the i-th input.
func right(b *workload.Built, side string, i int, out []byte) error {
	switch b.Task.Operation {
	case measure.EncryptValue:
		return sealed(b, out, b.Plain[i])
	case measure.DecryptValue:
		return equal(out, b.Plain[i])
	case measure.EncryptCommand:
		return command(b, side, out, b.Plain[i])
	case measure.Insert:
		return stored(b, out, b.Plain[i])
	case measure.Find:
		return equal(out, b.Plain[i])
	case measure.DecryptReply, measure.FirstReply:
		if side != results.Floor {
			return equal(out, b.Plain[i])
		}
		want, err := plaintexts(b.Task.Inputs[i], b.Plain[i])
		if err != nil {
			return err
		}
		return equal(out, bytes.Join(want, nil))
	}
	return nil
}

func equal(got, want []byte) error {
	if !bytes.Equal(got, want) {
		return errDiffers
	}
	return nil
}

// sealed checks a ciphertext: that it opens to the value, and, for the deterministic algorithm, that it is the one that there is.
func sealed(b *workload.Built, content, value []byte) error {
	c, err := payload.ParseCiphertext(content)
	if err != nil {
		return err
	}
	k, err := b.Vault.Find(c.KeyID)
	if err != nil {
		return err
	}
	opened, err := k.AppendDecrypt(nil, c)
	if err != nil {
		return err
	}
	if err := equal(opened, value); err != nil || c.Algorithm != payload.Deterministic {
		return err
	}
	again, err := k.AppendEncrypt(nil, payload.Deterministic, c.KeyID, bson.RawValue{Type: c.Type, Value: value})
	if err != nil {
		return err
	}
	return equal(content, again)
}

// command checks an encrypted command, or the floor's ciphertexts of it.
func command(b *workload.Built, side string, out, plain []byte) error {
	var contents [][]byte
	var want [][]byte
	var err error
	if side == results.Floor {
		contents, want, err = apart(b, out)
	} else {
		if err := whole(out); err != nil {
			return err
		}
		if contents, err = ciphertexts(out); err != nil {
			return err
		}
		want, err = plaintexts(out, plain) // also that all else is the same
	}
	if err != nil {
		return err
	}
	if len(contents) == 0 || len(contents) != len(want) {
		return fmt.Errorf("%d ciphertexts where %d should be", len(contents), len(want))
	}
	for i, content := range contents {
		if err := sealed(b, content, want[i]); err != nil {
			return err
		}
	}
	return nil
}

// whole says whether doc is one BSON document and nothing else.
func whole(doc bson.Raw) error {
	if err := doc.Validate(); err != nil {
		return err
	}
	if n := int(binary.LittleEndian.Uint32(doc)); n != len(doc) {
		return fmt.Errorf("a document of %d bytes in %d", n, len(doc))
	}
	return nil
}

// stored checks an inserted document as the server has it.
func stored(b *workload.Built, id, plain []byte) error {
	doc, err := b.Stored(id)
	if err != nil {
		return err
	}
	plain = measure.WithID(plain, [12]byte(id))
	if b.Task.Plain {
		return equal(doc, plain)
	}
	return command(b, "", doc, plain)
}

// apart cuts the floor's bytes into ciphertexts of the marked values.
func apart(b *workload.Built, out []byte) (contents, want [][]byte, err error) {
	markings, err := ciphertexts(b.Task.Analysis)
	if err != nil {
		return nil, nil, err
	}
	for _, marking := range markings {
		m, err := payload.ParseMarking(marking)
		if err != nil {
			return nil, nil, err
		}
		n := 18 + 16 + (len(m.Value.Value)/16+1)*16 + 32
		if len(out) < n {
			return nil, nil, errDiffers
		}
		contents, want = append(contents, out[:n]), append(want, m.Value.Value)
		out = out[n:]
	}
	return contents, want, equal(out, nil)
}

// ciphertexts are the contents of all binaries of subtype 6.
func ciphertexts(doc bson.Raw) (found [][]byte, err error) {
	elements, err := doc.Elements()
	for _, e := range elements {
		v := e.Value()
		switch v.Type {
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			inner, err := ciphertexts(v.Value)
			if err != nil {
				return nil, err
			}
			found = append(found, inner...)
		case bson.TypeBinary:
			if subtype, content := v.Binary(); subtype == payload.Subtype {
				found = append(found, content)
			}
		}
	}
	return found, err
}

// plaintexts are the values of plain that stand where the ciphertexts of sealed are. All else must be the same in both.
func plaintexts(sealed, plain bson.Raw) (found [][]byte, err error) {
	s, err := sealed.Elements()
	if err != nil {
		return nil, err
	}
	p, err := plain.Elements()
	if err != nil {
		return nil, err
	}
	if len(s) != len(p) {
		return nil, fmt.Errorf("%d fields, not %d", len(s), len(p))
	}
	for i := range s {
		a, b := s[i].Value(), p[i].Value()
		if s[i].Key() != p[i].Key() {
			return nil, fmt.Errorf("a field %q, not %q", s[i].Key(), p[i].Key())
		}
		if a.Type == bson.TypeBinary {
			if subtype, _ := a.Binary(); subtype == payload.Subtype {
				found = append(found, b.Value)
				continue
			}
		}
		switch {
		case a.Type != b.Type:
			return nil, errDiffers
		case a.Type == bson.TypeEmbeddedDocument || a.Type == bson.TypeArray:
			inner, err := plaintexts(a.Value, b.Value)
			if err != nil {
				return nil, err
			}
			found = append(found, inner...)
		case !bytes.Equal(a.Value, b.Value):
			return nil, errDiffers
		}
	}
	return found, nil
}
