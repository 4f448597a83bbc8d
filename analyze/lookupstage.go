package analyze

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

var (
	ruleJoinRandom = &rule{"join-on-random", "Cannot query on fields encrypted with the randomized encryption: equal values have different ciphertexts, so that a join would find nothing",
		"join by another field, or encrypt this one deterministically", 0}
	ruleJoinPrefix = &rule{"join-on-prefix", "a join by a document that holds encrypted fields is not supported", "join by one of its inner fields", 0}
	ruleJoin       = &rule{"join-metadata", "the fields of a join must be encrypted alike or both be unencrypted",
		"join fields with the same algorithm, key and bsonType", 0}
	ruleLookupLet = &rule{"lookup-let-on-encrypted", "a variable of $lookup cannot hold anything encrypted",
		"join by localField and foreignField, or look up in a command of its own", 0}
)

// join is the two ends of an equality between the documents at hand and those of another collection.
type join struct {
	from           collection
	local, foreign schema.Match
}

// joined refuses a join in which equal values are not equal on ciphertext, or which MongoDB's manual, "Supported Operations for Automatic
// Encryption", does not allow: encrypted fields join a collection with itself only.
func (p *pipeline) joined(j join, stage string) error {
	switch {
	case j.local.Class == schema.Plain && j.foreign.Class == schema.Plain:
		return nil
	case j.from.namespace != p.collection.namespace:
		return p.refuse(ruleOtherCollection, stage)
	case !j.local.Field.SameMetadata(j.foreign.Field):
		return p.refuse(ruleJoin, stage)
	}
	return nil
}

// lookupStage writes $lookup.
func (p *pipeline) lookupStage(dst []byte, e bsonraw.Element) ([]byte, error) {
	from, err := p.foreign(e, "from")
	if err != nil {
		return nil, err
	}
	result := from.schema.Root()
	var local, foreign, as bson.RawValue
	piped := false
	dst, err = p.fields(dst, e, func(dst []byte, f bsonraw.Element) (out []byte, err error) {
		switch string(f.Key) {
		case "from":
		case "localField":
			local = f.RawValue()
		case "foreignField":
			foreign = f.RawValue()
		case "as":
			as = f.RawValue()
		case "let":
			return p.lookupLet(dst, f)
		case "pipeline":
			piped = true
			out, result, err = p.over(dst, f, from)
			return out, err
		default:
			return nil, p.refuse(ruleStageField, string(f.Key))
		}
		return append(dst, f.Raw...), nil
	})
	if err != nil {
		return nil, err
	}
	if !piped || local.Type != 0 || foreign.Type != 0 {
		if err := p.lookupJoin(from, local, foreign); err != nil {
			return nil, err
		}
	}
	return dst, p.setField(as, schema.ArrayOf(result), "$lookup")
}

// lookupJoin checks localField and foreignField.
func (p *pipeline) lookupJoin(from collection, local, foreign bson.RawValue) error {
	l, err := p.stagePath(p.root, local, "$lookup.localField")
	if err != nil {
		return err
	}
	f, err := p.stagePath(from.schema.Root(), foreign, "$lookup.foreignField")
	if err != nil {
		return err
	}
	n := p.enter([]byte(local.StringValue()))
	defer p.leave(n)
	return p.joined(join{from, l, f}, "$lookup")
}

// lookupLet writes {name: expression, …}.
func (p *pipeline) lookupLet(dst []byte, e bsonraw.Element) ([]byte, error) {
	return p.fields(dst, e, func(dst []byte, f bsonraw.Element) ([]byte, error) {
		p.op = "$lookup.let"
		if err := p.bindable(string(f.Key)); err != nil {
			return nil, err
		}
		dst, _, err := p.stageValue(dst, f.Key, f.RawValue(), "$lookup.let")
		return dst, err
	})
}
