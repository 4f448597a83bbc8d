package analyze

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

var ruleBucket = &rule{"bucket-on-encrypted", "buckets over an encrypted field would order ciphertext, not values",
	"use another field, or make the buckets after decryption", 0}

// bucket writes $bucket or $bucketAuto, which group by the order of values. What they put under _id is plain.
func (p *pipeline) bucket(dst []byte, e bsonraw.Element) ([]byte, error) {
	stage, auto := "$bucket", string(e.Key) == "$bucketAuto"
	if auto {
		stage = "$bucketAuto"
	}
	var result *schema.Node
	dst, err := p.fields(dst, e, func(dst []byte, f bsonraw.Element) (out []byte, err error) {
		switch name := string(f.Key); {
		case name == "groupBy":
			out, _, err = p.stageValue(dst, f.Key, f.RawValue(), stage+".groupBy")
			return out, err
		case name == "output":
			out, result, err = p.bucketOutput(dst, f)
			return out, err
		case !auto && name == "boundaries":
			return p.boundaries(dst, f)
		case !auto && name == "default":
			return p.bucketLiteral(dst, f, "$bucket.default")
		case auto && name == "buckets":
			return p.keep(dst, f, isNumber(f.RawValue()))
		case auto && name == "granularity":
			return p.keep(dst, f, f.Type == bson.TypeString)
		default:
			return nil, p.refuse(ruleStageField, name)
		}
	})
	p.root = result
	return dst, err
}

func (p *pipeline) boundaries(dst []byte, e bsonraw.Element) ([]byte, error) {
	if e.Type != bson.TypeArray {
		return nil, p.refuse(ruleMalformed, "boundaries")
	}
	dst, start := bsonraw.BeginArray(dst, e.Key)
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		var err error
		if dst, err = p.bucketLiteral(dst, it.Element, "$bucket.boundaries"); err != nil {
			return nil, err
		}
	}
	return bsonraw.End(dst, start), it.Err
}

// bucketLiteral writes what must be a constant: not all servers know {$const: …} here.
func (p *pipeline) bucketLiteral(dst []byte, e bsonraw.Element, name string) ([]byte, error) {
	dst, _, err := p.value(dst, e.Key, e.RawValue(), bare, byName(stageOperands, name), name)
	return dst, err
}

// bucketOutput writes {name: {accumulator: …}, …}.
func (p *pipeline) bucketOutput(dst []byte, e bsonraw.Element) (out []byte, result *schema.Node, err error) {
	var outputs []schema.Field
	dst, err = p.fields(dst, e, func(dst []byte, f bsonraw.Element) ([]byte, error) {
		dst, value, err := p.accumulated(dst, f)
		outputs = append(outputs, schema.Field{Path: string(f.Key), Node: value})
		return dst, err
	})
	if err != nil {
		return nil, nil, err
	}
	result, err = p.built(outputs)
	return dst, result, err
}
