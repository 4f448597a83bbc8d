package migrate

import (
	"bytes"
	"context"
	"errors"
	"math"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a key vault with a few keys, and the schema of the documents.
type world struct {
	ce       *fieldcrypt.ClientEncryption
	now, old bson.Binary // data keys: the schema's, and one of before
	schema   *schema.Schema
}

const (
	det    = "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"
	random = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
)

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{}
	var err error
	if w.ce, err = fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{
		KeyVault: keyvault.NewMemoryStore(), KmsProviders: map[string]map[string]any{"local": {"key": bytes.Repeat([]byte{7}, 96)}},
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.ce.Close(context.Background()) })
	key := func(names ...string) bson.Binary {
		id, err := w.ce.CreateDataKey(t.Context(), "local", fieldcrypt.DataKeyOptions{KeyAltNames: names})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	w.now, w.old = key(), key()
	key("alice")
	key("bob")
	encrypt := func(alg string, key any, types ...string) bson.D {
		e := bson.D{{Key: "algorithm", Value: alg}, {Key: "keyId", Value: key}}
		if len(types) == 1 {
			e = append(e, bson.E{Key: "bsonType", Value: types[0]})
		}
		return bson.D{{Key: "encrypt", Value: e}}
	}
	w.schema = parse(t, bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D{
		{Key: "ssn", Value: encrypt(det, bson.A{w.now}, "string")},
		{Key: "any", Value: encrypt(random, bson.A{w.now})},
		{Key: "own", Value: encrypt(random, "/owner")},
		{Key: "sub", Value: bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D{
			{Key: "n", Value: encrypt(det, bson.A{w.now}, "int")},
			{Key: "0", Value: encrypt(random, bson.A{w.now})},
		}}}},
	}}, {Key: "patternProperties", Value: bson.D{{Key: "^x_", Value: encrypt(random, bson.A{w.now})}}}})
	return w
}

func parse(t testing.TB, doc any) *schema.Schema {
	t.Helper()
	raw, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Parse(raw, schema.Local)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// script decides what happens in a story. It is drawn beforehand, since a migration's goroutines may not draw; where it ends, the least happens.
type script struct {
	*rapid.T
	bytes []byte
}

func (s *script) upTo(n int) int {
	if len(s.bytes) == 0 {
		return 0
	}
	b := s.bytes[0]
	s.bytes = s.bytes[1:]
	return int(b) % (n + 1)
}

func pick[T any](s *script, from []T) T { return from[s.upTo(len(from)-1)] }

// value makes a BSON value.
func value(v any) bson.RawValue {
	doc, err := bson.Marshal(bson.D{{Key: "v", Value: v}})
	if err != nil {
		panic(err)
	}
	return bson.Raw(doc).Lookup("v")
}

// sealed is v as a client with another schema, or the same, has written it.
func (w *world) sealed(v bson.RawValue, alg string, key bson.Binary, name string) bson.RawValue {
	opts := fieldcrypt.EncryptOptions{Algorithm: alg, KeyAltName: name}
	if name == "" {
		opts.KeyID = &key
	}
	b, err := w.ce.Encrypt(context.Background(), v, opts)
	if err != nil {
		panic(err)
	}
	return value(b)
}

// opened is a document as a client with all keys reads it, field by field.
func (w *world) opened(doc bson.Raw) bson.Raw {
	out, err := bsonraw.Rewrite(nil, doc, func(dst, content []byte) ([]byte, bsonraw.Replacement, error) {
		v, err := w.ce.Decrypt(context.Background(), bson.Binary{Subtype: payload.Subtype, Data: content})
		if err != nil {
			return dst, bsonraw.Replacement{Keep: true}, nil
		}
		return append(dst, v.Value...), bsonraw.Replacement{Type: v.Type}, nil
	})
	if err != nil {
		panic(err)
	}
	return out
}

// plaintexts are values for the field any: among them such as are equal to the server, but not identical.
var plaintexts = []any{
	"a", "A", "", int32(0), int32(1), int64(1), 1.0, 0.0, math.Copysign(0, -1), math.NaN(), math.Float64frombits(0x7ff8000000000002), 2.5, true,
	bson.D{{Key: "k", Value: int32(1)}}, bson.D{{Key: "k", Value: int64(1)}}, bson.D{{Key: "k", Value: 1.0}}, bson.D{},
	bson.A{int32(1)}, bson.A{1.0}, bson.A{bson.A{int32(1)}}, bson.A{}, bson.Binary{Data: []byte{1}}, bson.Binary{Subtype: 5, Data: []byte{1}},
	bson.DateTime(5), bson.Timestamp{T: 1, I: 2}, bson.ObjectID{1}, bson.Regex{Pattern: "^a"}, nil,
}

// twins are values that a server takes for equal, or for elements of each other.
var twins = [][]any{
	{int32(1), int64(1), 1.0, bson.A{int32(1)}, bson.A{1.0}, bson.A{bson.A{int32(1)}}},
	{0.0, math.Copysign(0, -1), int32(0)},
	{math.NaN(), math.Float64frombits(0x7ff8000000000002)},
	{bson.D{{Key: "k", Value: int32(1)}}, bson.D{{Key: "k", Value: int64(1)}}, bson.D{{Key: "k", Value: 1.0}}},
	{"a", bson.A{"a"}},
}

// twin draws a value that is nearly v, if there is one.
func twin(t *script, v bson.RawValue) (bson.RawValue, bool) {
	for _, group := range twins {
		for _, member := range group {
			if m := value(member); m.Type == v.Type && bytes.Equal(m.Value, v.Value) {
				return value(pick(t, group)), true
			}
		}
	}
	return v, false
}

// field draws a value for one of the fields, plaintext or ciphertext of whatever client.
func (w *world) field(t *script, name string) bson.RawValue {
	var v bson.RawValue
	alg, owner := random, ""
	switch name {
	case "ssn":
		v, alg = value(pick(t, []any{"a", "b", "", "ab", int32(1), nil, bson.A{"a"}})), det
	case "n":
		v, alg = value(pick(t, []any{int32(1), int32(2), int64(1), 1.0, "1", bson.A{int32(1)}})), det
	case "own":
		owner = pick(t, []string{"alice", "bob"})
		fallthrough
	default:
		if v = value(pick(t, plaintexts)); t.upTo(1) == 1 {
			v = value(pick(t, pick(t, twins)))
		}
	}
	key := w.now
	switch t.upTo(9) {
	case 0, 1, 2: // a client that encrypts as the schema says
	case 3:
		key = w.old
	case 4:
		alg = map[string]string{det: random, random: det}[alg]
	default: // one that does not encrypt
		return v
	}
	algorithm, _ := payload.ParseAlgorithm(alg)
	if payload.EncryptableValue(v, algorithm) != nil {
		return v
	}
	return w.sealed(v, alg, key, owner)
}

var ids = []any{
	int32(1), int64(2), 3.5, math.NaN(), math.Inf(-1), "a", "b", "", bson.D{{Key: "a", Value: int32(1)}}, bson.D{{Key: "a", Value: "x"}}, bson.Binary{Data: []byte{1}},
	bson.Binary{Subtype: 4, Data: []byte{1, 2}}, bson.ObjectID{1}, bson.ObjectID{2}, true, false, bson.DateTime(1), bson.Timestamp{T: 1}, nil, bson.MinKey{}, bson.MaxKey{},
}

// document draws a document as some application writes it.
func (w *world) document(t *script) bson.Raw {
	doc := bson.D{{Key: "_id", Value: pick(t, ids)}, {Key: "rev", Value: int64(t.upTo(250))}}
	add := func(d bson.D, name, kind string) bson.D {
		if t.upTo(1) == 1 {
			return append(d, bson.E{Key: name, Value: w.field(t, kind)})
		}
		return d
	}
	doc = add(add(add(add(doc, "ssn", "ssn"), "any", "any"), "own", "own"), "x_1", "any")
	switch t.upTo(9) {
	case 0:
	case 1:
		doc = append(doc, bson.E{Key: "owner", Value: "nobody"})
	case 2:
		doc = append(doc, bson.E{Key: "owner", Value: int32(1)})
	default:
		doc = append(doc, bson.E{Key: "owner", Value: pick(t, []string{"alice", "bob"})})
	}
	sub := add(add(bson.D{}, "n", "n"), "0", "any")
	switch t.upTo(5) {
	case 0:
	case 1:
		doc = append(doc, bson.E{Key: "sub", Value: bson.A{sub, int32(1)}})
	case 2:
		doc = append(doc, bson.E{Key: "sub", Value: "text"})
	default:
		doc = append(doc, bson.E{Key: "sub", Value: sub})
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return raw
}

// story is a collection, what its applications have written last, and what they will write next.
type story struct {
	*collection
	w     *world
	truth map[string]bson.Raw // the documents as written, by id
}

func (s *story) write(doc bson.Raw) {
	s.put(doc)
	s.truth[idKey(doc.Lookup("_id"))] = doc
}

// someoneWrites draws up to two writes.
func (s *story) someoneWrites(t *script) {
	for range 1 + t.upTo(1) {
		doc := s.w.document(t)
		if t.upTo(5) == 5 {
			s.remove(doc.Lookup("_id"))
			delete(s.truth, idKey(doc.Lookup("_id")))
			continue
		}
		if have := s.all(); len(have) > 0 && t.upTo(1) == 1 { // one field only, of what is there
			old := pick(t, have)
			if truth := s.truth[idKey(old.Lookup("_id"))]; !bytes.Equal(s.w.opened(old), s.w.opened(truth)) {
				continue // between an update and its repair: to write back whole what is read now is no decision for the equal value
			}
			doc = old
			for _, name := range []string{"any", "x_1"} {
				if v := old.Lookup(name); !v.IsZero() {
					if v, ok := twin(t, v); ok {
						doc = assign(doc, []string{name}, v)
					} else if t.upTo(1) == 1 {
						doc = assign(doc, []string{name}, s.w.field(t, "any"))
					}
				}
			}
		}
		s.write(doc)
	}
}

// check says whether every document reads as its last writer wrote it, and what the job does not touch is as it was.
func (s *story) check(t *script) {
	if len(s.docs) != len(s.truth) {
		t.Fatalf("there are %d documents, want %d", len(s.docs), len(s.truth))
	}
	for _, doc := range s.docs {
		wrote := s.truth[idKey(doc.Lookup("_id"))]
		if got, want := s.w.opened(doc), s.w.opened(wrote); !bytes.Equal(got, want) {
			t.Fatalf("a document reads %v\nwritten was %v", got, want)
		}
	}
}

func (s *story) migration(t *script, opts Options) *Migration {
	opts.Encryption, opts.Schema, opts.Workers = s.w.ce, s.w.schema, 1
	opts.Ranges = 1 + t.upTo(2)
	opts.BatchSize = 1 + t.upTo(3)
	m, err := newMigration(opts, s.collection)
	if err != nil {
		t.Fatal(err)
	}
	m.pause = func(ctx context.Context, _ int) error { return ctx.Err() }
	return m
}

var jobsOfModel = map[string]func(*Migration, context.Context) (*Report, error){
	"run": (*Migration).Run, "rekey": (*Migration).Rekey, "decrypt": (*Migration).Decrypt,
}

// Whatever applications write while a job runs, no write is lost, and once they have stopped the job leaves nothing that it could change. Answers may get
// lost, and the job may be stopped and begun again.
func TestNoWriteIsLost(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	rapid.Check(t, func(rt *rapid.T) {
		t := &script{T: rt, bytes: rapid.SliceOfN(rapid.Byte(), 400, 3000).Draw(rt, "script")}
		s := &story{collection: &collection{}, w: w, truth: map[string]bson.Raw{}}
		for range 1 + t.upTo(7) {
			s.write(w.document(t))
		}
		name := pick(t, []string{"run", "rekey", "decrypt"})
		faults := t.upTo(3)
		busy := true
		s.meanwhile = func(string) {
			if busy && t.upTo(2) == 2 {
				s.someoneWrites(t)
			}
		}
		s.fail = func(op string) error {
			// A process that ends, or a server that stays away, between an inexact update and its repair leaves an equal value: the package's comment
			// says so, and here it does not happen. A cursor survives on its own.
			if faults == 0 || op == "find" || op == "swapped" || t.upTo(5) != 5 {
				return nil
			}
			faults--
			return errLost
		}
		stops := t.upTo(2)
		for ; stops > 0; stops-- {
			after := t.upTo(20)
			ctx, cancel := context.WithCancelCause(ctx)
			m := s.migration(t, Options{Passes: 2, Progress: func(Progress) {
				if after--; after < 0 {
					cancel(errKilled)
				}
			}})
			if _, err := jobsOfModel[name](m, ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			cancel(nil)
			s.check(t)
		}
		m := s.migration(t, Options{Passes: 2})
		if _, err := jobsOfModel[name](m, ctx); err != nil {
			t.Fatal(err)
		}
		s.check(t)
		busy, faults = false, 0
		report, err := jobsOfModel[name](s.migration(t, Options{}), ctx)
		if err != nil || !report.Settled {
			t.Fatalf("%+v %v", report, err)
		}
		s.check(t)
		s.done(t, name, report)
	})
}

// done says whether the job has left nothing that it should have changed: judged here anew, and not by the code under test.
func (s *story) done(t *script, job string, report *Report) {
	listed := map[string]State{}
	for _, f := range report.Findings {
		listed[idKey(f.ID)+f.Path] = f.State
	}
	for _, doc := range s.docs {
		owner, _ := doc.Lookup("owner").StringValueOK()
		for path, v := range map[string]bson.RawValue{
			"ssn": at(doc, "ssn"), "any": at(doc, "any"), "own": at(doc, "own"), "x_1": at(doc, "x_1"), "sub.n": at(doc, "sub.n"), "sub.0": at(doc, "sub.0"),
		} {
			if v.IsZero() {
				continue
			}
			content, sealed := bsonraw.EncryptedPayload(v.Type, v.Value)
			takes := v.Type != bson.TypeNull
			switch path {
			case "ssn":
				takes = v.Type == bson.TypeString
			case "sub.n":
				takes = v.Type == bson.TypeInt32
			case "own":
				takes = takes && (owner == "alice" || owner == "bob")
			}
			_, found := listed[idKey(doc.Lookup("_id"))+path]
			switch {
			case job == "run" && takes && !sealed, job == "decrypt" && sealed:
				t.Fatalf("left: %s in %v", path, doc)
			case job == "run" && !sealed && !takes && !found:
				t.Fatalf("not reported: %s in %v", path, doc)
			case job == "rekey" && sealed:
				c, err := payload.ParseCiphertext(content)
				if err != nil {
					t.Fatal(err)
				}
				want, alg := s.w.now, payload.Random
				if path == "ssn" || path == "sub.n" {
					alg = payload.Deterministic
				}
				if path == "own" {
					if !takes {
						continue
					}
					if want, err = s.w.ce.EncryptionKeyID(context.Background(), fieldcrypt.EncryptOptions{KeyAltName: owner, Algorithm: random}); err != nil {
						t.Fatal(err)
					}
				}
				fits := path == "any" || path == "x_1" || path == "own" || path == "sub.0" || path == "ssn" && c.Type == bson.TypeString || path == "sub.n" && c.Type == bson.TypeInt32
				if fits && (!bytes.Equal(c.KeyID[:], want.Data) || c.Algorithm != alg) {
					t.Fatalf("not moved: %s in %v", path, doc)
				}
				if !fits && !found {
					t.Fatalf("not reported: %s in %v", path, doc)
				}
			}
		}
	}
	if len(report.Findings) > 0 && report.OK() {
		t.Fatal("findings, but all is well")
	}
}
