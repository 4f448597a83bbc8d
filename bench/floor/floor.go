package floor

import (
	"errors"
	"fmt"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/bench/measure"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// Side is the floor. What it makes of a command or reply is the ciphertexts or plaintexts in it, one after the other.
type Side struct{}

var _ measure.Side = Side{}

// Name implements measure.Side.
func (Side) Name() string { return "floor" }

// Open implements measure.Side.
func (Side) Open(t measure.Task) (func(int) ([]byte, error), func(), error) {
	if t.Procs == 1 {
		b, err := newBench(t)
		if err != nil {
			return nil, nil, err
		}
		return b.do, func() {}, nil
	}
	if _, err := newBench(t); err != nil {
		return nil, nil, err
	}
	var idle sync.Pool // a prepared key is for one goroutine at a time
	return func(i int) ([]byte, error) {
		b, ok := idle.Get().(*bench)
		if !ok {
			b, _ = newBench(t) // as above
		}
		defer idle.Put(b)
		return b.do(i)
	}, func() {}, nil
}

// job is one value to seal, or one ciphertext to open.
type job struct {
	key   *key
	ad    []byte // of a value to seal
	bytes []byte
}

// bench is a task taken apart.
type bench struct {
	inputs [][]job
	buf    []byte
	unwrap func(job) (*key, error) // of tasks that begin without keys
}

func (b *bench) do(i int) ([]byte, error) {
	out := b.buf[:0]
	var err error
	for _, j := range b.inputs[i%len(b.inputs)] {
		if b.unwrap != nil {
			if j.key, err = b.unwrap(j); err != nil {
				return nil, err
			}
		}
		if j.ad != nil {
			out = j.key.seal(out, j.ad, j.bytes)
		} else if out, err = j.key.open(out, j.bytes); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func newBench(t measure.Task) (*bench, error) {
	b := &bench{}
	ring, err := newRing(t)
	if err != nil {
		return nil, err
	}
	size := 0
	for _, input := range t.Inputs {
		jobs, err := split(t, input)
		if err != nil {
			return nil, err
		}
		n := 0
		for i := range jobs {
			if t.Operation != measure.FirstReply {
				if jobs[i].key, err = ring.key(jobs[i].id()); err != nil {
					return nil, err
				}
			}
			n += adSize + ivSize + len(jobs[i].bytes) + 16 + tagSize
		}
		b.inputs = append(b.inputs, jobs)
		size = max(size, n)
	}
	if t.Operation == measure.FirstReply {
		b.unwrap = func(j job) (*key, error) { return ring.unwrap(j.id()) }
	}
	b.buf = make([]byte, 0, size)
	return b, nil
}

func (j job) id() payload.KeyID {
	if j.ad != nil {
		return payload.KeyID(j.ad[1:])
	}
	return payload.KeyID(j.bytes[1:])
}

// split finds what there is to seal or to open.
func split(t measure.Task, input []byte) (jobs []job, err error) {
	switch t.Operation {
	case measure.EncryptValue:
		alg, err := payload.ParseAlgorithm(t.Algorithm)
		if err != nil {
			return nil, err
		}
		return []job{{ad: header(alg, payload.KeyID(t.KeyID), bson.Type(t.Type)), bytes: input}}, nil
	case measure.DecryptValue:
		return []job{{bytes: input}}, nil
	case measure.EncryptCommand:
		err = encrypted(t.Analysis, func(content []byte) error {
			m, err := payload.ParseMarking(content)
			if err != nil {
				return err
			}
			jobs = append(jobs, job{ad: header(m.Algorithm, *m.KeyID, m.Value.Type), bytes: m.Value.Value})
			return nil
		})
		return jobs, err
	case measure.DecryptReply, measure.FirstReply:
		err = encrypted(input, func(content []byte) error {
			jobs = append(jobs, job{bytes: content})
			return nil
		})
		return jobs, err
	}
	return nil, fmt.Errorf("the floor does not %s", t.Operation)
}

func header(alg payload.Algorithm, id payload.KeyID, t bson.Type) []byte {
	return append(append([]byte{byte(alg)}, id[:]...), byte(t))
}

// encrypted calls each with the content of every binary of subtype 6 in doc.
func encrypted(doc bson.Raw, each func([]byte) error) error {
	elements, err := doc.Elements()
	if err != nil {
		return err
	}
	for _, e := range elements {
		v := e.Value()
		switch v.Type {
		case bson.TypeEmbeddedDocument, bson.TypeArray:
			err = encrypted(v.Value, each)
		case bson.TypeBinary:
			if subtype, content := v.Binary(); subtype == payload.Subtype {
				err = each(content)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ring is the key vault, read, and the keys that were prepared.
type ring struct {
	master  *key
	wrapped map[payload.KeyID][]byte
	ready   map[payload.KeyID]*key
	buf     []byte
}

func newRing(t measure.Task) (*ring, error) {
	master, err := newKey(t.MasterKey)
	if err != nil {
		return nil, err
	}
	r := &ring{master: master, wrapped: make(map[payload.KeyID][]byte), ready: make(map[payload.KeyID]*key), buf: make([]byte, 0, 128)}
	for _, doc := range t.DataKeys {
		k, err := keyvault.ParseDataKey(doc)
		if err != nil {
			return nil, err
		}
		r.wrapped[k.ID] = k.KeyMaterial
	}
	return r, nil
}

func (r *ring) key(id payload.KeyID) (*key, error) {
	if k, ok := r.ready[id]; ok {
		return k, nil
	}
	k, err := r.unwrap(id)
	r.ready[id] = k
	return k, err
}

var errNoKey = errors.New("no such data key")

// unwrap opens and prepares a data key.
func (r *ring) unwrap(id payload.KeyID) (*key, error) {
	wrapped, ok := r.wrapped[id]
	if !ok {
		return nil, errNoKey
	}
	material, err := r.master.unwrap(r.buf[:0], wrapped)
	if err != nil {
		return nil, err
	}
	return newKey(material)
}
