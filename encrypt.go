package fieldcrypt

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Encrypt returns cmd, a command for database db, with every value sealed that belongs to an encrypted field; the very slice
// given when there is none. cmd is not changed. A command that is not certain to be safe is refused.
//
// It waits only when a schema or a data key is not in memory: at most one listCollections per database and one find on the key
// vault for all keys that the command needs.
func (e *AutoEncryption) Encrypt(ctx context.Context, db string, cmd bson.Raw) (bson.Raw, error) {
	if e.closed.Load() {
		return nil, mongo.ErrClientDisconnected
	}
	if e.bypass {
		return cmd, nil
	}
	if err := sameDatabase(db, cmd); err != nil {
		return nil, err
	}
	target, err := analyze.Classify(db, cmd)
	if err != nil {
		return nil, err
	}
	switch {
	case target.Disposition == analyze.Bypassed:
		e.schemas.noteBypassed(db, target.Command, cmd)
		return cmd, nil
	case target.Disposition != analyze.Analysed:
		return nil, fmt.Errorf("command not supported for auto encryption: %s", target.Command)
	case e.bypassAnalysis:
		return cmd, nil
	}
	schemas, err := e.schemas.lookup(ctx, target, cmd)
	if err != nil {
		return nil, err
	}
	return e.seal(ctx, target, cmd, schemas)
}

// sameDatabase refuses a command that names another database than the one it is sent to: the schema of one must not rule over the
// collection of the other.
func sameDatabase(db string, cmd bson.Raw) error {
	it := bsonraw.Iterate(cmd) // the reader that classification uses, so that both see the same fields
	for it.Next() {
		if string(it.Element.Key) != "$db" {
			continue
		}
		if name, ok := it.Element.RawValue().StringValueOK(); !ok || name != db {
			return &analyze.RefusedError{
				Rule: "command-two-databases", Operator: "$db", Message: "the command names another database than the one it is sent to",
				Hint: "leave $db out of the command",
			}
		}
	}
	return it.Err
}

// seal walks the command once when all its keys are in memory. Otherwise the first walk only finds out which keys it needs, and
// whether it is allowed at all; a second one seals.
func (e *AutoEncryption) seal(ctx context.Context, target analyze.Target, cmd bson.Raw, schemas schemaSet) (bson.Raw, error) {
	s := sealer{memory: e.keys}
	res, err := analyze.Command(buffer(cmd, schemas), target, cmd, schemas, &s, e.analysis)
	if err != nil || !s.incomplete {
		return res.Command, err
	}
	if err := e.loadSealingKeys(ctx, &s); err != nil {
		return nil, err
	}
	res, err = analyze.Command(buffer(cmd, schemas), target, cmd, schemas, &s, e.analysis)
	if err == nil && s.incomplete {
		err = errors.New("sealing a command: the second walk met a data key that the first did not")
	}
	if err != nil {
		return nil, err
	}
	return res.Command, nil
}

// buffer has room for cmd and some ciphertexts, if there may be any.
func buffer(cmd bson.Raw, schemas schemaSet) []byte {
	for _, s := range schemas {
		if s.Encrypts() {
			return make([]byte, 0, len(cmd)+len(cmd)/4+256)
		}
	}
	return nil
}

// loadSealingKeys completes s with one request. Keys that cannot be had become errors of the fields that need them.
func (e *AutoEncryption) loadSealingKeys(ctx context.Context, s *sealer) error {
	if e.isLookup(ctx) {
		return errors.New("the key vault's collection has an encryption schema that encrypts: its keys cannot be read")
	}
	keys, err := e.keys.Load(ctx, s.request())
	if err != nil {
		return fmt.Errorf("loading the data keys for a command: %w", err)
	}
	for ref := range s.keys {
		var k sealingKey
		if ref.altName != "" {
			k.id, k.key, k.err = keys.KeyByAltName(ref.altName)
		} else {
			k.id = ref.id
			k.key, k.err = keys.Key(ref.id)
		}
		s.keys[ref] = k
	}
	s.incomplete = false
	return nil
}

// keyRef names a data key as a schema does: by alt name when there is one, else by id.
type keyRef struct {
	id      payload.KeyID
	altName string
}

type sealingKey struct {
	id  payload.KeyID
	key *payload.Key
	err error
}

// sealer seals the fields of one command and remembers each key, so that one command uses one key from its first field to
// its last. As soon as one key is not in memory it is incomplete: it seals nothing more and only collects keys.
type sealer struct {
	memory     *keyvault.Cache
	keys       map[keyRef]sealingKey
	incomplete bool
}

var _ analyze.Sealer = (*sealer)(nil)

// Seal implements analyze.Sealer.
func (s *sealer) Seal(dst []byte, field *schema.Encrypted, value bson.RawValue) ([]byte, error) {
	ref := keyRef{altName: field.KeyAltName}
	if ref.altName == "" {
		ref.id = field.KeyID
	}
	k, known := s.keys[ref]
	if !known {
		k = s.recall(ref)
	}
	switch {
	case k.err != nil:
		return nil, k.err
	case s.incomplete:
		return dst, nil
	}
	return k.key.AppendEncrypt(dst, field.Algorithm, k.id, value)
}

func (s *sealer) recall(ref keyRef) sealingKey {
	k := sealingKey{id: ref.id}
	var ok bool
	if ref.altName != "" {
		k.id, k.key, ok = s.memory.LookupAltName(ref.altName)
	} else {
		k.key, ok = s.memory.Lookup(ref.id)
	}
	if !ok {
		s.incomplete = true
	}
	if s.keys == nil {
		s.keys = make(map[keyRef]sealingKey)
	}
	s.keys[ref] = k
	return k
}

// request asks for every key the command needs, also for those in memory: they may be gone by the second walk.
func (s *sealer) request() keyvault.Request {
	var r keyvault.Request
	for ref := range s.keys {
		if ref.altName != "" {
			r.AltNames = append(r.AltNames, ref.altName)
		} else {
			r.IDs = append(r.IDs, ref.id)
		}
	}
	return r
}
