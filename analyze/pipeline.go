package analyze

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// stage is what to do with an aggregation stage over a collection that encrypts. Stages that are not here are refused.
type stage int

const (
	stageMatch   stage = iota // its argument is a filter
	stageNumber               // its argument is a number; it leaves every field what it is
	stageSample               // its argument is {size: number}; it leaves every field what it is
	stageSort                 // its argument is a sort specification
	stageProject              // including and excluding fields leaves every field what it is
	stageCount                // what comes out has no encrypted field
	stageGroup                // counting only; what comes out has no encrypted field
)

var stages = map[string]stage{
	"$match":   stageMatch,
	"$limit":   stageNumber,
	"$skip":    stageNumber,
	"$sample":  stageSample,
	"$sort":    stageSort,
	"$project": stageProject,
	"$count":   stageCount,
	"$group":   stageGroup,
}

// pipeline writes the pipeline of aggregate. In Exact mode one without a sealed value stays as it is.
func (a *analysis) pipeline(dst []byte, e bsonraw.Element) ([]byte, error) {
	if e.Type != bson.TypeArray {
		return nil, a.refuse(ruleMalformed, "pipeline")
	}
	mark, before, root := len(dst), a.sealed, a.root
	defer func() { a.root = root }()
	dst, start := bsonraw.BeginArray(dst, e.Key)
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		if it.Element.Type != bson.TypeEmbeddedDocument {
			return nil, a.refuse(ruleMalformed, "pipeline")
		}
		var err error
		dst = bsonraw.AppendKey(dst, it.Element.Type, it.Element.Key)
		if dst, err = a.stage(dst, it.Element.Value); err != nil {
			return nil, err
		}
	}
	if it.Err != nil {
		return nil, it.Err
	}
	return a.unchangedUnlessSealed(bsonraw.End(dst, start), mark, before, e.Raw), nil
}

// stage writes one stage, a document with the stage's name as its only field.
func (a *analysis) stage(dst, doc []byte) ([]byte, error) {
	it := bsonraw.Iterate(doc)
	if !it.Next() {
		return nil, orError(it.Err, a.refuse(ruleMalformed, "pipeline"))
	}
	e := it.Element
	if it.Next() || it.Err != nil {
		return nil, orError(it.Err, a.refuse(ruleMalformed, "pipeline"))
	}
	kind, known := stages[string(e.Key)]
	if !known {
		return nil, a.refuse(ruleStage, string(e.Key))
	}
	dst, start := bsonraw.Begin(dst)
	dst, err := a.stageBody(dst, e, kind)
	if err != nil {
		return nil, err
	}
	return bsonraw.End(dst, start), nil
}

func (a *analysis) stageBody(dst []byte, e bsonraw.Element, kind stage) ([]byte, error) {
	v := e.RawValue()
	var err error
	switch kind {
	case stageMatch:
		return a.query(bsonraw.AppendKey(dst, v.Type, e.Key), v)
	case stageNumber:
		if !isNumber(v) {
			err = a.refuse(ruleMalformed, string(e.Key))
		}
	case stageSample:
		err = a.sample(v)
	case stageSort:
		err = a.sort(v)
	case stageProject:
		err = a.projection(v)
	case stageCount:
		if v.Type != bson.TypeString {
			err = a.refuse(ruleMalformed, "$count")
		}
		a.root = nil
	case stageGroup:
		a.root = nil
		return a.group(dst, e)
	}
	if err != nil {
		return nil, err
	}
	return append(dst, e.Raw...), nil
}

// sample checks {size: number}.
func (a *analysis) sample(v bson.RawValue) error {
	if v.Type != bson.TypeEmbeddedDocument {
		return a.refuse(ruleMalformed, "$sample")
	}
	it := bsonraw.Iterate(v.Value)
	for it.Next() {
		if string(it.Element.Key) != "size" || !isNumber(it.Element.RawValue()) {
			return a.refuse(ruleMalformed, "$sample")
		}
	}
	return it.Err
}

// group writes a $group that only counts, which is what the drivers' CountDocuments sends: {_id: constant, n: {$sum: constant}}.
func (a *analysis) group(dst []byte, e bsonraw.Element) ([]byte, error) {
	if e.Type != bson.TypeEmbeddedDocument {
		return nil, a.refuse(ruleMalformed, "$group")
	}
	dst, start := bsonraw.BeginDocument(dst, e.Key)
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		var err error
		if string(it.Element.Key) == "_id" {
			dst, err = a.constant(dst, it.Element)
		} else {
			dst, err = a.counter(dst, it.Element)
		}
		if err != nil {
			return nil, err
		}
	}
	return bsonraw.End(dst, start), it.Err
}

// counter writes {name: {$sum: constant}} or {name: {$count: {}}}.
func (a *analysis) counter(dst []byte, e bsonraw.Element) ([]byte, error) {
	if e.Type != bson.TypeEmbeddedDocument {
		return nil, a.refuse(ruleGroup, "$group")
	}
	it := bsonraw.Iterate(e.Value)
	if !it.Next() {
		return nil, orError(it.Err, a.refuse(ruleGroup, "$group"))
	}
	accumulator := it.Element
	if it.Next() || it.Err != nil {
		return nil, orError(it.Err, a.refuse(ruleGroup, "$group"))
	}
	switch string(accumulator.Key) {
	case "$count":
		if accumulator.Type != bson.TypeEmbeddedDocument || len(accumulator.Value) != 5 {
			return nil, a.refuse(ruleGroup, "$count")
		}
		return append(dst, e.Raw...), nil
	case "$sum":
		dst, start := bsonraw.BeginDocument(dst, e.Key)
		dst, err := a.constant(dst, accumulator)
		if err != nil {
			return nil, err
		}
		return bsonraw.End(dst, start), nil
	}
	return nil, a.refuse(ruleGroup, string(accumulator.Key))
}

// constant writes a number or null in the place of an expression; anything else might refer to a field. Exact writes
// {$const: …} once the pipeline has a sealed value.
func (a *analysis) constant(dst []byte, e bsonraw.Element) ([]byte, error) {
	switch e.Type {
	case bson.TypeNull, bson.TypeBoolean, bson.TypeInt32, bson.TypeInt64, bson.TypeDouble:
	default:
		return nil, a.refuse(ruleGroup, "$group")
	}
	if a.rewrite == Minimal {
		return append(dst, e.Raw...), nil
	}
	dst, start := bsonraw.BeginDocument(dst, e.Key)
	return bsonraw.End(bsonraw.AppendValue(dst, "$const", e.RawValue()), start), nil
}
