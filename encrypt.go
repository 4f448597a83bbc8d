package fieldcrypt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

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
	s := e.sealing()
	defer e.releaseSealing(s)
	out, sealed, err := e.encrypt(ctx, s, s.buffer[:0], db, cmd)
	if err != nil || !sealed {
		return out, err
	}
	return s.take(out), nil
}

// AppendEncrypt appends what Encrypt returns to dst: with room enough there, nothing is allocated. All of the spare capacity of dst may be written to, and must
// not overlap cmd. On error it returns dst as it was.
func (e *AutoEncryption) AppendEncrypt(ctx context.Context, dst []byte, db string, cmd bson.Raw) ([]byte, error) {
	s := e.sealing()
	defer e.releaseSealing(s)
	dst = slices.Grow(dst, sealedSize(cmd))
	room := dst[len(dst):cap(dst)]
	out, sealed, err := e.encrypt(ctx, s, room[:0], db, cmd)
	switch {
	case err != nil:
		return dst, err
	case sealed && len(out) <= len(room) && &out[0] == &room[0]:
		return dst[:len(dst)+len(out)], nil
	case sealed: // it took more room than there was, and the next command finds as much
		dst = slices.Grow(dst, sealedSize(out))
	}
	return append(dst, out...), nil
}

// encrypt writes a command to buffer, which is empty; sealed says whether it did.
func (e *AutoEncryption) encrypt(ctx context.Context, s *sealing, buffer []byte, db string, cmd bson.Raw) (out bson.Raw, sealed bool, err error) {
	if e.closed.Load() {
		return nil, false, mongo.ErrClientDisconnected
	}
	if e.bypass {
		return cmd, false, nil
	}
	if err := sameDatabase(db, cmd); err != nil {
		return nil, false, err
	}
	if err := s.target.Classify(db, cmd); err != nil {
		return nil, false, err
	}
	target := s.target
	switch {
	case target.Disposition == analyze.Bypassed:
		e.schemas.noteBypassed(db, target.Command, cmd)
		return cmd, false, nil
	case target.Disposition != analyze.Analysed:
		return nil, false, fmt.Errorf("command not supported for auto encryption: %s", target.Command)
	case e.bypassAnalysis:
		return cmd, false, nil
	}
	schemas, err := e.schemas.lookup(ctx, target, cmd)
	if err != nil {
		return nil, false, err
	}
	return e.seal(ctx, s, buffer, cmd, schemas)
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
func (e *AutoEncryption) seal(ctx context.Context, s *sealing, buffer []byte, cmd bson.Raw, schemas schemaSet) (out bson.Raw, sealed bool, err error) {
	if !schemas.encrypts() { // a sealer has nothing to do: whether the command passes is decided all the same
		res, err := analyze.Command(nil, s.target, cmd, schemas, &s.sealer, e.analysis)
		return res.Command, false, err
	}
	buffer = slices.Grow(buffer, sealedSize(cmd))
	s.batch.active = s.target.Command == "insert" && len(cmd) >= batchSize
	res, err := analyze.Command(buffer, s.target, cmd, schemas, &s.sealer, e.analysis)
	if err == nil && s.incomplete {
		if err := e.loadSealingKeys(ctx, &s.sealer); err != nil {
			return nil, false, err
		}
		s.batch.restart()
		res, err = analyze.Command(buffer, s.target, cmd, schemas, &s.sealer, e.analysis)
		if err == nil && s.incomplete {
			err = errors.New("sealing a command: the second walk met a data key that the first did not")
		}
	}
	switch {
	case err != nil:
		return nil, false, err
	case !res.HasPlaceholders:
		return res.Command, false, nil
	}
	if err := s.batch.fill(ctx, res.Command); err != nil {
		return nil, false, err
	}
	return res.Command, true, nil
}

// sealedSize is the room that is made for a command: it has some ciphertexts.
func sealedSize(cmd bson.Raw) int { return len(cmd) + len(cmd)/4 + 256 }

// encrypts says whether any of the schemas does.
func (set schemaSet) encrypts() bool {
	for _, s := range set {
		if s.Encrypts() {
			return true
		}
	}
	return false
}

// sealing is what the encryption of one command works with. It waits for the next command afterwards, so that little is allocated but the result.
type sealing struct {
	sealer
	target analyze.Target
	buffer []byte
}

func (e *AutoEncryption) sealing() *sealing {
	s, ok := e.sealings.Get().(*sealing)
	if !ok {
		s = &sealing{sealer: sealer{memory: e.keys}}
	}
	return s
}

func (e *AutoEncryption) releaseSealing(s *sealing) {
	s.cipher.Close()
	clear(s.keys) // the cache decides how long a key stays in memory
	s.refs.reset()
	s.keys, s.incomplete = s.keys[:0], false
	s.batch.reset()
	e.sealings.Put(s)
}

// maxIdleBuffer is how many bytes wait for the next command.
const maxIdleBuffer = 1 << 20

// take gives the command that was written to the buffer: a copy of the size that it takes, or the buffer itself if that is too large to wait.
func (s *sealing) take(cmd bson.Raw) bson.Raw {
	if cap(cmd) > maxIdleBuffer {
		s.buffer = nil
		return cmd
	}
	s.buffer = cmd[:0]
	return bytes.Clone(cmd)
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
	for i := range s.keys {
		k := &s.keys[i]
		if k.ref.altName != "" {
			k.id, k.key, k.err = keys.KeyByAltName(k.ref.altName)
		} else {
			k.id = k.ref.id
			k.key, k.err = keys.Key(k.ref.id)
		}
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
	ref keyRef
	id  payload.KeyID
	key *payload.Key
	err error
}

// sealer seals the fields of one command and remembers each key, so that one command uses one key from its first field to
// its last. As soon as one key is not in memory it is incomplete: it seals nothing more and only collects keys.
type sealer struct {
	memory     *keyvault.Cache
	refs       numbers[keyRef]
	keys       []sealingKey // by number of the reference
	incomplete bool
	cipher     payload.Cipher
	batch      batch
}

var _ analyze.Sealer = (*sealer)(nil)

// Seal implements analyze.Sealer.
func (s *sealer) Seal(dst []byte, field *schema.Encrypted, value bson.RawValue) ([]byte, error) {
	ref := keyRef{altName: field.KeyAltName}
	if ref.altName == "" {
		ref.id = field.KeyID
	}
	i, first := s.refs.of(ref)
	if first {
		s.keys = append(s.keys, s.recall(ref))
	}
	k := &s.keys[i]
	switch {
	case k.err != nil:
		return nil, k.err
	case s.incomplete:
		return dst, nil
	}
	if s.batch.active {
		return s.batch.appendRoom(dst, field.Algorithm, k, value)
	}
	return s.cipher.AppendEncrypt(k.key, dst, field.Algorithm, k.id, value)
}

// recall is a key that the command has not used before, from memory if it is there.
func (s *sealer) recall(ref keyRef) sealingKey {
	k := sealingKey{ref: ref, id: ref.id}
	var ok bool
	if ref.altName != "" {
		k.id, k.key, ok = s.memory.LookupAltName(ref.altName)
	} else {
		k.key, ok = s.memory.Lookup(ref.id)
	}
	s.incomplete = s.incomplete || !ok
	return k
}

// request asks for every key the command needs, also for those in memory: they may be gone by the second walk.
func (s *sealer) request() keyvault.Request {
	var r keyvault.Request
	for _, k := range s.keys {
		if k.ref.altName != "" {
			r.AltNames = append(r.AltNames, k.ref.altName)
		} else {
			r.IDs = append(r.IDs, k.ref.id)
		}
	}
	return r
}
