package fieldcrypt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// opener decrypts the values of one reply, then waits for the next one: what it allocates it keeps, within limits.
type opener struct {
	reply  bson.Raw
	fail   bool
	seen   bool // something that decryption looks at
	opened bool
	kept   uint64

	found  []bsonraw.Found
	values []sealedValue
	ids    numbers[payload.KeyID]
	keys   []openingKey // by number of the id
	sealed int          // values that have a key
	bytes  int          // of their contents
	ahead  ahead

	cipher payload.Cipher

	ctx      context.Context // of the call that is served
	next     int             // number of the next value to write
	replacer bsonraw.Replace // replaceNext, kept because a method value is allocated

	left       []leftValues
	unreported uint64
}

// sealedValue is a binary of subtype 6 in a reply.
type sealedValue struct {
	found int32 // its index there
	key   int32 // of its data key, or one of the numbers below
}

const (
	valueStays     = -1 // not a value that decryption looks at
	valueQueryable = -2
)

// leftValues are the values of one reply that stay as they are for the same reason.
type leftValues struct {
	kind  payload.Kind
	keyID payload.KeyID // zero for Queryable Encryption, whose layouts differ
	first []byte        // content of the first one
	count uint64
	why   error
}

var errQueryable = errors.New("queryable encryption is not supported")

func (e *AutoEncryption) opener(reply bson.Raw) *opener {
	o, ok := e.openers.Get().(*opener)
	if !ok {
		o = new(opener)
		o.replacer = o.replaceNext
	}
	o.reply, o.fail = reply, e.undecryptable == Fail
	return o
}

// maxIdle is how many values an opener remembers room for while it waits.
const maxIdle = 1 << 16

func (e *AutoEncryption) release(o *opener) {
	o.cipher.Close()
	clear(o.keys) // the cache decides how long a key stays in memory
	o.ids.reset()
	o.ahead.clear()
	if cap(o.found) <= maxIdle && cap(o.values) <= maxIdle && cap(o.keys) <= maxIdle {
		*o = opener{found: o.found[:0], values: o.values[:0], ids: o.ids, keys: o.keys[:0], ahead: o.ahead, replacer: o.replacer}
		e.openers.Put(o)
	}
}

// find finds the values of the reply and the keys they need.
func (o *opener) find() error {
	var err error
	if o.found, err = bsonraw.Find(o.found, o.reply); err != nil {
		return err
	}
	for i, f := range o.found {
		if !f.IsValue() {
			continue
		}
		key, err := o.keyOf(f.Content(o.reply))
		if err != nil {
			return err
		}
		o.values = append(o.values, sealedValue{found: int32(i), key: key})
	}
	return nil
}

func (o *opener) keyOf(content []byte) (int32, error) {
	switch {
	case !decryptable(content):
		return valueStays, nil
	case !inCSFLE(content):
		o.seen = true
		return valueQueryable, nil
	}
	o.seen = true
	id, err := payload.CiphertextKeyID(content)
	if err != nil {
		return 0, decryptingError(o.reply, content, err)
	}
	o.sealed++
	o.bytes += len(content)
	i, first := o.ids.of(id)
	if first {
		o.keys = append(o.keys, openingKey{id: id})
	}
	return int32(i), nil
}

// open appends the reply with its values decrypted to dst.
func (o *opener) open(ctx context.Context, dst []byte) ([]byte, error) {
	o.openAhead(ctx)
	o.ctx = ctx
	return bsonraw.RewriteFound(slices.Grow(dst, o.size()), o.reply, o.found, o.replacer)
}

// size is what the reply takes at most when its values are decrypted.
func (o *opener) size() int {
	size := len(o.reply)
	for _, v := range o.values {
		if v.key >= 0 && o.keys[v.key].err == nil {
			size -= bsonraw.BinaryHead + payload.Overhead
		}
	}
	return max(size, 0) // what is shorter than its overhead is malformed, which shows when it is its turn
}

// replaceNext is a bsonraw.Replace.
func (o *opener) replaceNext(dst, content []byte) ([]byte, bsonraw.Replacement, error) {
	if o.next++; o.next%patience == 0 && o.ctx.Err() != nil {
		return nil, bsonraw.Replacement{}, fmt.Errorf("decrypting a reply: %w", o.ctx.Err())
	}
	return o.replace(dst, o.next-1, content)
}

// replace decrypts value number i, whose content this is.
func (o *opener) replace(dst []byte, i int, content []byte) ([]byte, bsonraw.Replacement, error) {
	keep := bsonraw.Replacement{Keep: true}
	switch o.values[i].key {
	case valueStays:
		return dst, keep, nil
	case valueQueryable:
		return dst, keep, o.leave(leftValues{kind: payload.Kind(content[0]), first: content, why: errQueryable})
	}
	k := &o.keys[o.values[i].key]
	if k.err != nil {
		if _, err := payload.ParseCiphertext(content); err != nil && !o.fail { // with Fail the missing key is named first, as drivers do
			return nil, keep, decryptingError(o.reply, content, err)
		}
		return dst, keep, o.leave(leftValues{kind: payload.Kind(content[0]), keyID: k.id, first: content, why: k.err})
	}
	if plain, t, done := o.ahead.result(i); done {
		o.opened = true
		return append(dst, plain...), bsonraw.Replacement{Type: t}, nil
	}
	dst, t, err := o.cipher.AppendDecryptContent(k.key, dst, content)
	if err != nil {
		return nil, keep, decryptingError(o.reply, content, err)
	}
	o.opened = true
	return dst, bsonraw.Replacement{Type: t}, nil
}

// maxReported is how many keys one reply's log names: after keys were shredded on purpose a reply may lack thousands.
const maxReported = 10

// leave notes a value that stays as it is, or makes it an error.
func (o *opener) leave(v leftValues) error {
	if o.fail {
		return decryptingError(o.reply, v.first, v.why)
	}
	o.kept++
	for i := range o.left {
		if o.left[i].kind == v.kind && o.left[i].keyID == v.keyID {
			o.left[i].count++
			return nil
		}
	}
	if v.count = 1; len(o.left) < maxReported {
		o.left = append(o.left, v)
	} else {
		o.unreported++
	}
	return nil
}

// report logs a line for each key, with its first value's path, and how many values there are beyond those.
func (o *opener) report(ctx context.Context, logger *slog.Logger) {
	for _, v := range o.left {
		path, _ := pathOf(o.reply, v.first)
		logger.WarnContext(ctx, "values stay encrypted: their data key cannot be had",
			"keyId", v.keyID.String(), "kind", v.kind.String(), "path", path, "values", v.count, "reason", v.why.Error())
	}
	if o.unreported > 0 {
		logger.WarnContext(ctx, "values stay encrypted: further data keys cannot be had", "values", o.unreported)
	}
}

func decryptingError(reply bson.Raw, content []byte, err error) error {
	path, _ := pathOf(reply, content)
	return fmt.Errorf("decrypting field %q: %w", path, err)
}

// pathOf is the dotted path of the value whose content is this very slice of doc. The caller has scanned doc up to there.
func pathOf(doc, content []byte) (string, bool) {
	it := bsonraw.Iterate(doc)
	for it.Next() {
		e := it.Element
		if found, ok := bsonraw.EncryptedPayload(e.Type, e.Value); ok && len(found) > 0 && &found[0] == &content[0] {
			return string(e.Key), true
		}
		if e.IsContainer() {
			if rest, ok := pathOf(e.Value, content); ok {
				return string(e.Key) + "." + rest, true
			}
		}
	}
	return "", false
}
