package workload

import (
	"context"
	"fmt"
	"math/rand/v2"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/bench/measure"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// oneCore is for everything that one caller does: what a core takes, whoever else uses the machine.
const oneCore, allCores = 1, 0

func task(operation measure.Operation, v *Vault, procs int) measure.Task {
	return measure.Task{Operation: operation, Database: database, MasterKey: v.MasterKey, DataKeys: v.Documents, Procs: procs}
}

func encryptValue(v bson.RawValue, algorithm string) func() (*Built, error) {
	return func() (*Built, error) {
		vault, err := NewVault(1)
		if err != nil {
			return nil, err
		}
		t := task(measure.EncryptValue, vault, oneCore)
		t.Inputs, t.Type, t.Algorithm, t.KeyID = [][]byte{v.Value}, byte(v.Type), algorithm, vault.IDs[0][:]
		return &Built{Task: t, Plain: t.Inputs, Vault: vault}, nil
	}
}

// decryptValue is of one value for each of so many keys, which come in no order.
func decryptValue(v bson.RawValue, keys int) func() (*Built, error) {
	return func() (*Built, error) {
		vault, err := NewVault(keys)
		if err != nil {
			return nil, err
		}
		b := &Built{Task: task(measure.DecryptValue, vault, oneCore), Vault: vault}
		for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(keys) {
			c, err := vault.seal(i, payload.Random, v)
			if err != nil {
				return nil, err
			}
			b.Task.Inputs, b.Plain = append(b.Task.Inputs, c), append(b.Plain, v.Value)
		}
		return b, nil
	}
}

// firstReply is a reply with one value for each of so many keys.
func firstReply(v bson.RawValue, keys int) func() (*Built, error) {
	return func() (*Built, error) {
		vault, err := NewVault(keys)
		if err != nil {
			return nil, err
		}
		var plain, sealed bson.A
		for i := range keys {
			c, err := vault.seal(i, payload.Random, v)
			if err != nil {
				return nil, err
			}
			plain = append(plain, bson.D{{Key: "v", Value: v}})
			sealed = append(sealed, bson.D{{Key: "v", Value: bson.Binary{Subtype: payload.Subtype, Data: c}}})
		}
		return reply(task(measure.FirstReply, vault, oneCore), vault, findReply(plain), findReply(sealed))
	}
}

func reply(t measure.Task, vault *Vault, plain, sealed any) (*Built, error) {
	p, err := bson.Marshal(plain)
	if err != nil {
		return nil, err
	}
	s, err := bson.Marshal(sealed)
	if err != nil {
		return nil, err
	}
	t.Inputs = [][]byte{s}
	return &Built{Task: t, Plain: [][]byte{p}, Vault: vault}, nil
}

// bulk is the benchmark of the driver specifications: one document of so many strings.
func bulk(fields, procs int) func() (*Built, error) {
	return func() (*Built, error) {
		vault, err := NewVault(1)
		if err != nil {
			return nil, err
		}
		var plain, sealed bson.D
		for i := range fields {
			name, v := fmt.Sprintf("key%04d", i+1), value(fmt.Sprintf("value %04d", i+1))
			c, err := vault.seal(0, payload.Deterministic, v)
			if err != nil {
				return nil, err
			}
			plain = append(plain, bson.E{Key: name, Value: v})
			sealed = append(sealed, bson.E{Key: name, Value: bson.Binary{Subtype: payload.Subtype, Data: c}})
		}
		return reply(task(measure.DecryptReply, vault, procs), vault, plain, sealed)
	}
}

func insert(docs, procs int) func() (*Built, error) {
	return func() (*Built, error) {
		vault, err := NewVault(1)
		if err != nil {
			return nil, err
		}
		t := task(measure.EncryptCommand, vault, procs)
		s := schema(vault.IDs[0])
		if t.SchemaMap, err = bson.Marshal(bson.D{{Key: database + "." + collection, Value: s}}); err != nil {
			return nil, err
		}
		command := insertCommand(docs)
		if t.Analysis, err = analysis(command, s); err != nil {
			return nil, err
		}
		plain, err := bson.Marshal(command)
		if err != nil {
			return nil, err
		}
		t.Inputs = [][]byte{plain}
		return &Built{Task: t, Plain: t.Inputs, Vault: vault}, nil
	}
}

// find is a reply of so many documents, encrypted or not.
func find(docs, procs int, encrypted bool) func() (*Built, error) {
	return func() (*Built, error) {
		b, err := insert(docs, procs)()
		if err != nil {
			return nil, err
		}
		stored := any(employees(docs))
		if encrypted {
			e, err := b.Vault.engine(b.Task.SchemaMap)
			if err != nil {
				return nil, err
			}
			defer e.Close()
			command, err := e.Encrypt(context.Background(), database, b.Task.Inputs[0])
			if err != nil {
				return nil, err
			}
			stored = command.Lookup("documents")
		}
		t := task(measure.DecryptReply, b.Vault, procs)
		return reply(t, b.Vault, findReply(employees(docs)), findReply(stored))
	}
}
