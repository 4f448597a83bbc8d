package analyze

import (
	"bytes"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

var (
	ruleAccumulator = &rule{"accumulator-on-encrypted", "{operator} not allowed on encrypted values: the server would compute with ciphertext",
		"take $push, $first or $last, and compute after decryption", 0}
	ruleAccumulatorUnknown = &rule{"accumulator-not-supported", "{operator} is not an accumulator supported on a collection with encrypted fields",
		"use documented accumulators without JavaScript, or compute after decryption", 0}
)

// outcome is what an accumulator gives.
type outcome int

const (
	givesPlain  outcome = iota // something computed
	givesValue                 // one of the values
	givesValues                // an array of them
)

// argument is what a field in the argument of an accumulator holds.
type argument int

const (
	argumentValue argument = iota // the expression whose values are accumulated
	argumentPlain                 // another expression, mostly a literal, never over encrypted fields
	argumentSort                  // a sort specification
	argumentWord                  // a string, no expression
)

// accumulator is one row: the cells decide the class of the values that it takes.
type accumulator struct {
	operator
	gives  outcome
	fields map[string]argument // when its argument is a document with these fields; else it is the expression itself
}

// accumulators lists the accumulators of $group, $bucket and $bucketAuto. Those that are not here are refused, $accumulator among them.
//
// Source: MongoDB manual, "Supported Operations for Automatic Encryption": $addToSet and $push. $first, $last and the like take values as
// they are too, chosen by what is not encrypted.
var accumulators = []accumulator{
	{operator: takesAlong("$first", "$last"), gives: givesValue},
	{operator: takesAlong("$push"), gives: givesValues},
	{operator: takesAlong("$firstN", "$lastN"), gives: givesValues, fields: map[string]argument{"input": argumentValue, "n": argumentPlain}},
	{operator: takesAlong("$top", "$bottom"), gives: givesValue, fields: map[string]argument{"output": argumentValue, "sortBy": argumentSort}},
	{operator: takesAlong("$topN", "$bottomN"), gives: givesValues,
		fields: map[string]argument{"output": argumentValue, "sortBy": argumentSort, "n": argumentPlain}},
	{operator: operator{names: []string{"$addToSet"}, plain: decision{verb: pass}, deterministic: decision{verb: pass},
		random: no(ruleGroupRandom), prefix: no(ruleGroupPrefix), below: no(ruleBelowEncrypted), migrating: ruleMigratingForms}, gives: givesValues},
	{operator: operandsWithout(ruleAccumulator, "$sum", "$avg", "$min", "$max", "$stdDevPop", "$stdDevSamp", "$mergeObjects")},
	{operator: operandsWithout(ruleAccumulator, "$minN", "$maxN"), fields: map[string]argument{"input": argumentValue, "n": argumentPlain}},
	{operator: operandsWithout(ruleAccumulator, "$median"), fields: map[string]argument{"input": argumentValue, "method": argumentWord}},
	{operator: operandsWithout(ruleAccumulator, "$percentile"),
		fields: map[string]argument{"input": argumentValue, "p": argumentPlain, "method": argumentWord}},
	{operator: operandsWithout(ruleAccumulator, "$count"), fields: map[string]argument{}},
}

// accumulatorOption decides the expressions beside the accumulated ones: how many to take, which percentiles.
var accumulatorOption = operandsWithout(ruleAccumulator, "n", "p")

func accumulatorNamed(name string) *accumulator {
	for i := range accumulators {
		if slices.Contains(accumulators[i].names, name) {
			return &accumulators[i]
		}
	}
	return nil
}

// accumulated writes {name: {accumulator: argument}}.
func (p *pipeline) accumulated(dst []byte, e bsonraw.Element) (out []byte, value *schema.Node, err error) {
	if e.Type != bson.TypeEmbeddedDocument || !isFieldName(e.Key) {
		return nil, nil, p.refuse(ruleMalformed, string(e.Key))
	}
	it := bsonraw.Iterate(e.Value)
	if !it.Next() {
		return nil, nil, orError(it.Err, p.refuse(ruleMalformed, string(e.Key)))
	}
	op := it.Element
	if it.Next() || it.Err != nil {
		return nil, nil, orError(it.Err, p.refuse(ruleMalformed, string(e.Key)))
	}
	row := accumulatorNamed(string(op.Key))
	if row == nil {
		return nil, nil, p.refuse(ruleAccumulatorUnknown, string(op.Key))
	}
	dst, start := bsonraw.BeginDocument(dst, e.Key)
	if row.fields == nil {
		dst, value, err = p.accumulatedValue(dst, op.Key, op.RawValue(), row, string(op.Key))
	} else {
		dst, value, err = p.accumulatorFields(dst, op, row)
	}
	if err != nil {
		return nil, nil, err
	}
	switch row.gives {
	case givesPlain:
		value = nil
	case givesValues:
		value = schema.ArrayOf(value)
	}
	return bsonraw.End(dst, start), value, nil
}

// accumulatedValue writes the expression whose values the accumulator name takes.
func (p *pipeline) accumulatedValue(dst, key []byte, v bson.RawValue, row *accumulator, name string) (out []byte, value *schema.Node, err error) {
	switch {
	case name == "$addToSet":
		return p.groupKey(dst, key, v, &row.operator, name)
	case row.gives == givesPlain:
		return p.value(dst, key, v, wrapped, &row.operator, name)
	}
	p.op = name
	dst, got, err := p.evaluate(dst, key, v, wrapped)
	if err != nil {
		return nil, nil, err
	}
	p.op = name
	return dst, got.node, p.acceptResult(&row.operator, got)
}

// accumulatorFields writes an argument with several fields.
func (p *pipeline) accumulatorFields(dst []byte, op bsonraw.Element, row *accumulator) (out []byte, value *schema.Node, err error) {
	name := string(op.Key)
	dst, err = p.fields(dst, op, func(dst []byte, f bsonraw.Element) (out []byte, err error) {
		kind, known := row.fields[string(f.Key)]
		switch {
		case !known:
			return nil, p.refuse(ruleStageField, string(f.Key))
		case kind == argumentValue:
			out, value, err = p.accumulatedValue(dst, f.Key, f.RawValue(), row, name)
			return out, err
		case kind == argumentPlain:
			out, _, err = p.value(dst, f.Key, f.RawValue(), bare, &accumulatorOption, name)
			return out, err
		case kind == argumentSort:
			return append(dst, f.Raw...), p.sort(f.RawValue())
		default:
			return p.keep(dst, f, f.Type == bson.TypeString)
		}
	})
	return dst, value, err
}

// isFieldName says whether a field of a document that a stage builds may have this name.
func isFieldName(name []byte) bool {
	return len(name) > 0 && name[0] != '$' && !bytes.ContainsRune(name, '.')
}
