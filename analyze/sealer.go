package analyze

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Sealer turns the plaintext value at an encrypted field into what the command will carry: it appends the content of a BSON
// binary of subtype 6 to dst. When the field's key is named in the document, field is a copy with KeyAltName set. The value
// points into the command; a Sealer must neither change nor keep it.
type Sealer interface {
	Seal(dst []byte, field *schema.Encrypted, value bson.RawValue) ([]byte, error)
}

// Markings is the Sealer that writes intent-to-encrypt markings, as mongocryptd does; it needs no key.
type Markings struct{}

var _ Sealer = Markings{}

// Seal appends a marking.
func (Markings) Seal(dst []byte, field *schema.Encrypted, value bson.RawValue) ([]byte, error) {
	m := payload.Marking{Algorithm: field.Algorithm, KeyAltName: field.KeyAltName, Value: value}
	if m.KeyAltName == "" {
		m.KeyID = &field.KeyID
	}
	return m.Append(dst)
}

// seal appends the binary value (length, subtype, content) that takes the place of v. It refuses what may not be encrypted.
func (a *analysis) seal(dst []byte, field *schema.Encrypted, v bson.RawValue) ([]byte, error) {
	if a.forbid != nil {
		return nil, a.refuse(a.forbid, "")
	}
	if err := a.sealable(field, v); err != nil {
		return nil, err
	}
	if field.KeyPointer != "" && field.KeyAltName == "" {
		return nil, a.refuse(rulePointerUpdate, "")
	}
	dst, start := bsonraw.BeginBinary(dst)
	dst, err := a.sealer.Seal(dst, field, v)
	if err != nil {
		return nil, fmt.Errorf("sealing field %q: %w", string(a.path), err)
	}
	a.sealed++
	return bsonraw.EndBinary(dst, start), nil
}

// sealable checks the value's BSON type against the algorithm and the schema.
func (a *analysis) sealable(field *schema.Encrypted, v bson.RawValue) error {
	if _, encrypted := bsonraw.EncryptedPayload(v.Type, v.Value); encrypted {
		return a.refuse(ruleCiphertext, a.op)
	}
	allowed := payload.Encryptable(v.Type, field.Algorithm) == nil
	if allowed && (field.Types == 0 || field.Types.Has(v.Type)) {
		return nil
	}
	got := payload.TypeAlias(v.Type)
	err := refused(ruleType, string(a.path), got)
	err.Operator = a.op
	if field.Types != 0 {
		err.Message += " because schema requires that type is one of: [ " + field.Types.String() + " ]"
	}
	err.Hint = typeHint(field, v.Type, got, a.stores())
	return err
}

// stores says whether the value at hand is to be stored, not compared with.
func (a *analysis) stores() bool { return a.op == "" || a.op == "$set" || a.op == "$setOnInsert" }

// typeHint names the fix for the common mistakes.
func typeHint(field *schema.Encrypted, t bson.Type, got string, stored bool) string {
	numeric := t == bson.TypeInt32 || t == bson.TypeInt64 || t == bson.TypeDouble || t == bson.TypeDecimal128
	switch {
	case t == bson.TypeNull || t == bson.TypeUndefined:
		if !stored {
			return "null is never encrypted: ask {$exists: false} for a missing field"
		}
		return "null is never encrypted: leave the field out, or take it away with $unset; ask for it with $exists"
	case field.Types == 0:
		return got + " cannot be encrypted with " + field.Algorithm.String()
	case numeric && t != bson.TypeInt64 && field.Types.Has(bson.TypeInt64):
		return "equal numbers of different types have different ciphertexts: send the value as a 64-bit integer (long)"
	case numeric && t != bson.TypeInt32 && field.Types.Has(bson.TypeInt32):
		return "equal numbers of different types have different ciphertexts: send the value as a 32-bit integer (int)"
	case t == bson.TypeArray && stored:
		return "store one value, or encrypt the array whole: algorithm Random and bsonType array in the schema"
	case t == bson.TypeArray:
		return "compare with one value, or with $in for any of several"
	default:
		return "send a value of type " + field.Types.String()
	}
}
