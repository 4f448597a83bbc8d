package fieldcrypt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// Decrypt returns reply with every ciphertext in it decrypted, wherever it stands; the very slice given when there is none.
// reply is not changed. It waits only when a data key is not in memory: one find on the key vault for all that lack.
//
// A value whose key cannot be had is treated as Undecryptable says. A ciphertext that is malformed or fails authentication, a key
// vault that cannot be reached and malformed BSON are errors.
func (e *AutoEncryption) Decrypt(ctx context.Context, reply bson.Raw) (bson.Raw, error) {
	var needed map[payload.KeyID]*openingKey
	seen := false
	err := bsonraw.Scan(reply, func(content []byte) error {
		if !decryptable(content) {
			return nil
		}
		seen = true
		if !inCSFLE(content) {
			return nil
		}
		c, err := payload.ParseHeader(content)
		if err != nil {
			return decryptingError(reply, content, err)
		}
		if _, ok := needed[c.KeyID]; !ok {
			if needed == nil {
				needed = make(map[payload.KeyID]*openingKey)
			}
			needed[c.KeyID] = &openingKey{}
		}
		return nil
	})
	switch {
	case err != nil && !e.isLookup(ctx):
		return nil, fmt.Errorf("reading a reply: %w", err)
	case !seen || e.isLookup(ctx):
		return reply, nil
	case e.closed.Load():
		return nil, mongo.ErrClientDisconnected
	}
	if err := e.loadOpeningKeys(ctx, needed); err != nil {
		return nil, err
	}
	return e.open(ctx, reply, needed)
}

// decryptable says whether a subtype 6 value is something that decryption looks at, of this or of another feature.
func decryptable(content []byte) bool {
	return len(content) > 0 && payload.Kind(content[0]).Decryptable()
}

func inCSFLE(content []byte) bool {
	k := payload.Kind(content[0])
	return k == payload.KindDeterministic || k == payload.KindRandom
}

// openingKey is a data key, or why it cannot be had.
type openingKey struct {
	key *payload.Key
	err error
}

// loadOpeningKeys fills needed, from memory if it can. What is not Undecryptable's to decide is an error.
func (e *AutoEncryption) loadOpeningKeys(ctx context.Context, needed map[payload.KeyID]*openingKey) error {
	var req keyvault.Request
	complete := true
	for id, k := range needed {
		var ok bool
		k.key, ok = e.keys.Lookup(id)
		complete = complete && ok
		req.IDs = append(req.IDs, id)
	}
	if complete {
		return nil
	}
	keys, err := e.keys.Load(ctx, req)
	if err != nil {
		return fmt.Errorf("loading the data keys for a reply: %w", err)
	}
	for id, k := range needed {
		if k.key, k.err = keys.Key(id); k.err != nil && !unavailable(k.err) {
			return fmt.Errorf("loading the data keys for a reply: %w", k.err)
		}
	}
	return nil
}

// unavailable says whether err means that this client is not meant to have the key, or nobody is any more; not that something is broken.
func unavailable(err error) bool {
	return errors.Is(err, keyvault.ErrNotFound) || errors.Is(err, kms.ErrDenied) || errors.Is(err, kms.ErrNotConfigured)
}

func (e *AutoEncryption) open(ctx context.Context, reply bson.Raw, keys map[payload.KeyID]*openingKey) (bson.Raw, error) {
	o := opener{reply: reply, keys: keys, fail: e.undecryptable == Fail}
	out, err := bsonraw.Rewrite(make([]byte, 0, len(reply)), reply, o.replace)
	if err != nil {
		return nil, err
	}
	o.report(ctx, e.logger)
	e.kept.Add(o.kept)
	if !o.opened {
		return reply, nil
	}
	return out, nil
}

// opener decrypts the values of one reply.
type opener struct {
	reply  bson.Raw
	keys   map[payload.KeyID]*openingKey
	fail   bool
	opened bool
	kept   uint64

	left       []leftValues
	unreported uint64
}

// leftValues are the values of one reply that stay as they are for the same reason.
type leftValues struct {
	kind  payload.Kind
	keyID payload.KeyID // zero for Queryable Encryption, whose layouts differ
	first []byte        // content of the first one
	count uint64
	why   error
}

var errQueryable = errors.New("queryable encryption is not supported")

func (o *opener) replace(dst, content []byte) ([]byte, bsonraw.Replacement, error) {
	keep := bsonraw.Replacement{Keep: true}
	switch {
	case !decryptable(content):
		return dst, keep, nil
	case !inCSFLE(content):
		return dst, keep, o.leave(leftValues{kind: payload.Kind(content[0]), first: content, why: errQueryable})
	}
	c, err := payload.ParseHeader(content)
	if err != nil {
		return nil, keep, decryptingError(o.reply, content, err)
	}
	k := o.keys[c.KeyID]
	if k.err != nil {
		if _, err := payload.ParseCiphertext(content); err != nil && !o.fail { // with Fail the missing key is named first, as drivers do
			return nil, keep, decryptingError(o.reply, content, err)
		}
		return dst, keep, o.leave(leftValues{kind: payload.Kind(content[0]), keyID: c.KeyID, first: content, why: k.err})
	}
	dst, err = k.key.AppendDecrypt(dst, c)
	if err != nil {
		return nil, keep, decryptingError(o.reply, content, err)
	}
	o.opened = true
	return dst, bsonraw.Replacement{Type: c.Type}, nil
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
