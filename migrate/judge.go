package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// judged is a leaf, and what there is to do about it.
type judged struct {
	leaf
	state   State
	change  *bson.RawValue // what it becomes; nil when nothing is to be done
	keyName *keyName       // on which the change depends
}

// keyName is the name of a key that a document holds, for a field whose keyId is a JSON pointer.
type keyName struct {
	path string // dotted
	name string
}

// judge judges one document for a job. An error ends the job: a key vault or KMS that cannot be reached, malformed BSON.
func (m *Migration) judge(ctx context.Context, j job, doc bson.Raw, w *walker) ([]judged, error) {
	leaves, err := w.leavesOf(doc, m.opts.Schema.Root())
	if err != nil || len(leaves) == 0 {
		return nil, err
	}
	all := make([]judged, 0, len(leaves))
	for _, l := range leaves {
		d := judged{leaf: l, state: l.trouble}
		if l.trouble == "" {
			if err := m.judgeLeaf(ctx, j, doc, &d); err != nil {
				return nil, fmt.Errorf("field %s: %w", l.path, err)
			}
		}
		all = append(all, d)
	}
	return all, nil
}

func (m *Migration) judgeLeaf(ctx context.Context, j job, doc bson.Raw, d *judged) error {
	content, sealed := bsonraw.EncryptedPayload(d.value.Type, d.value.Value)
	if !sealed {
		return m.judgePlaintext(ctx, j, doc, d)
	}
	c, err := payload.ParseCiphertext(content)
	switch {
	case err != nil:
		d.state = Damaged
		return nil
	case !fits(d.field, bson.RawValue{Type: c.Type}):
		d.state = WrongType
	default:
		if err := m.judgeKey(ctx, doc, c, d); err != nil {
			return err
		}
	}
	if !j.mayOpen(d.state) {
		return nil
	}
	return m.open(ctx, j, doc, content, d)
}

func (m *Migration) judgePlaintext(ctx context.Context, j job, doc bson.Raw, d *judged) error {
	d.state = Plaintext
	switch {
	case jobs[j].leavesPlaintext:
		return nil
	case !fits(d.field, d.value):
		d.state = WrongType
		return nil
	case !jobs[j].encrypts:
		return nil
	}
	return m.seal(ctx, doc, d.value, d)
}

// fits says whether the schema encrypts values such as v; one without bytes stands for its type.
func fits(field *schema.Encrypted, v bson.RawValue) bool {
	if field.Types != 0 && !field.Types.Has(v.Type) {
		return false
	}
	return payload.EncryptableValue(v, field.Algorithm) == nil
}

// judgeKey compares the key and algorithm of a ciphertext with the schema's.
func (m *Migration) judgeKey(ctx context.Context, doc bson.Raw, c payload.Ciphertext, d *judged) error {
	id := d.field.KeyID
	if d.field.KeyPointer != "" {
		opts, err := m.encryption(doc, d)
		if err != nil || d.state != "" {
			return err
		}
		wanted, err := m.opts.Encryption.EncryptionKeyID(ctx, opts)
		if unavailable(err) {
			d.state = UnknownKey
			return nil
		}
		if err != nil {
			return err
		}
		if id, err = payload.KeyIDFromBinary(wanted); err != nil {
			return err
		}
	}
	d.state = OtherKey
	if c.KeyID == id && c.Algorithm == d.field.Algorithm {
		d.state = Encrypted
	}
	return nil
}

// encryption says how a field of doc is encrypted. Without a usable name of a key it sets d.state instead.
func (m *Migration) encryption(doc bson.Raw, d *judged) (fieldcrypt.EncryptOptions, error) {
	opts := fieldcrypt.EncryptOptions{Algorithm: d.field.Algorithm.String()}
	if d.field.KeyPointer == "" {
		id := d.field.KeyID.Binary()
		opts.KeyID = &id
		return opts, nil
	}
	v, err := schema.ResolvePointer(doc, d.field.KeyPointer)
	if missing := (*schema.PointerError)(nil); err != nil && !errors.As(err, &missing) {
		return opts, err
	}
	name, _ := v.StringValueOK()
	if name == "" {
		d.state = NoKeyName
	}
	opts.KeyAltName = name
	return opts, nil
}

// pointerPath is a JSON pointer as a dotted path; false when it has no such form.
func pointerPath(pointer string) (string, bool) {
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	tokens := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, token := range tokens {
		tokens[i] = unescape.Replace(token)
		if tokens[i] == "" || tokens[i][0] == '$' || strings.Contains(tokens[i], ".") {
			return "", false
		}
	}
	return strings.Join(tokens, "."), true
}

// seal makes the ciphertext of value, and opens it again before anybody relies on it.
func (m *Migration) seal(ctx context.Context, doc bson.Raw, value bson.RawValue, d *judged) error {
	before := d.state
	d.state = ""
	opts, err := m.encryption(doc, d)
	if err != nil || d.state != "" {
		return err
	}
	if d.field.KeyPointer != "" {
		path, addressable := pointerPath(d.field.KeyPointer)
		if !addressable {
			d.state = NoPath
			return nil
		}
		d.keyName = &keyName{path, opts.KeyAltName}
	}
	d.state = before
	const padding = 16
	room := make([]byte, 0, bsonraw.BinaryHead+len(value.Value)+payload.Overhead+padding+len(value.Value)+padding)
	sealed, start := bsonraw.BeginBinary(room)
	sealed, err = m.opts.Encryption.AppendEncrypt(ctx, sealed, value, opts)
	switch {
	case unavailable(err):
		d.state = UnknownKey
		return nil
	case err != nil:
		return err
	}
	content := sealed[bsonraw.BinaryHead:len(sealed):len(sealed)]
	opened, kind, err := m.opts.Encryption.AppendDecrypt(ctx, sealed[len(sealed):], bson.Binary{Subtype: payload.Subtype, Data: content}) // into the rest of the room
	if err != nil {
		return fmt.Errorf("opening what was just encrypted: %w", err)
	}
	if kind != value.Type || !bytes.Equal(opened, value.Value) {
		return errors.New("what was just encrypted does not decrypt to the same value: nothing was written")
	}
	clear(opened)
	d.change = &bson.RawValue{Type: bson.TypeBinary, Value: bsonraw.EndBinary(sealed, start)}
	return nil
}

// open decrypts a ciphertext, and for rekey seals its value anew.
func (m *Migration) open(ctx context.Context, j job, doc bson.Raw, content []byte, d *judged) error {
	value, err := m.opts.Encryption.Decrypt(ctx, bson.Binary{Subtype: payload.Subtype, Data: content})
	switch {
	case unavailable(err):
		d.state = UnknownKey
		return nil
	case errors.Is(err, payload.ErrAuthentication), errors.Is(err, payload.ErrMalformed):
		d.state = Damaged
		return nil
	case err != nil:
		return err
	case j == decrypting:
		d.state, d.change = Encrypted, &value
	case j == rekeying && d.state == OtherKey:
		if !fits(d.field, value) {
			d.state = WrongType
			return nil
		}
		return m.seal(ctx, doc, value, d)
	}
	return nil
}

// unavailable says whether err means that this program is not meant to have the key, or nobody is any more; not that something is broken.
func unavailable(err error) bool {
	return errors.Is(err, keyvault.ErrNotFound) || errors.Is(err, kms.ErrDenied) || errors.Is(err, kms.ErrNotConfigured)
}
