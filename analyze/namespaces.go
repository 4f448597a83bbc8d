package analyze

import (
	"bytes"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// collections gathers the namespaces that a pipeline's stages read or write, each once.
type collections struct {
	list []string
	seen map[string]bool // of list, once it is long
}

func (c *collections) has(ns string) bool {
	const long = 16
	if len(c.list) < long {
		return slices.Contains(c.list, ns)
	}
	if c.seen == nil {
		c.seen = map[string]bool{}
		for _, listed := range c.list {
			c.seen[listed] = true
		}
	}
	return c.seen[ns]
}

// add reads a collection given as a name or as {db, coll}.
func (c *collections) add(db string, v bson.RawValue) error {
	if v.Type == bson.TypeEmbeddedDocument {
		other, err := only(v.Value, "db")
		if err != nil {
			return err
		}
		if name, isString := text(other); isString {
			db = string(name)
		}
		if v, err = only(v.Value, "coll"); err != nil {
			return err
		}
	}
	coll, isString := text(v)
	if !isString {
		if v.Type == bson.TypeSymbol { // no server takes it for a name, but the rest must not pass unread for that
			return refused(ruleMalformed, "", "pipeline")
		}
		return nil
	}
	if strings.ContainsRune(db, 0) || bytes.IndexByte(coll, 0) >= 0 {
		return refused(ruleMalformed, "", "pipeline")
	}
	if ns := db + "." + string(coll); !c.has(ns) {
		c.list = append(c.list, ns)
		if c.seen != nil {
			c.seen[ns] = true
		}
	}
	return nil
}

func (c *collections) ofPipeline(db string, pipeline bson.RawValue, depth int) error {
	if pipeline.Type != bson.TypeArray {
		return nil // an expression, or malformed: the server, or the stage's rule, decides
	}
	if depth == bsonraw.MaxDepth {
		return refused(ruleDepth, "", "pipeline")
	}
	stages := bsonraw.Iterate(pipeline.Value)
	for stages.Next() {
		if stages.Element.Type != bson.TypeEmbeddedDocument {
			continue
		}
		it := bsonraw.Iterate(stages.Element.Value)
		for it.Next() {
			if err := c.ofStage(db, it.Element, depth); err != nil {
				return err
			}
		}
		if it.Err != nil {
			return it.Err
		}
	}
	return stages.Err
}

func (c *collections) ofStage(db string, stage bsonraw.Element, depth int) error {
	v := stage.RawValue()
	name := string(stage.Key)
	switch name {
	case "$out":
		return c.add(db, v)
	case "$rankFusion", "$scoreFusion", "$facet":
		return c.ofArrays(db, v, depth)
	case "$merge":
		if err := c.ofArrays(db, v, depth); err != nil { // whenMatched
			return err
		}
	case "$unionWith", "$lookup", "$graphLookup":
	default:
		return nil
	}
	if _, isString := text(v); isString {
		return c.add(db, v)
	}
	if v.Type != bson.TypeEmbeddedDocument {
		return nil
	}
	it := bsonraw.Iterate(v.Value)
	for it.Next() {
		var err error
		switch string(it.Element.Key) {
		case "pipeline":
			err = c.ofPipeline(db, it.Element.RawValue(), depth+1)
		case "from", "coll", "into":
			err = c.add(db, it.Element.RawValue())
		}
		if err != nil {
			return err
		}
	}
	return it.Err
}

// ofArrays takes every array in v, at whatever depth, for a pipeline: what a server makes of a stage of another shape is not certain.
func (c *collections) ofArrays(db string, v bson.RawValue, depth int) error {
	switch {
	case depth == bsonraw.MaxDepth:
		return refused(ruleDepth, "", "pipeline")
	case v.Type == bson.TypeArray:
		if err := c.ofPipeline(db, v, depth); err != nil {
			return err
		}
	case v.Type != bson.TypeEmbeddedDocument:
		return nil
	}
	it := bsonraw.Iterate(v.Value)
	for it.Next() {
		if err := c.ofArrays(db, it.Element.RawValue(), depth+1); err != nil {
			return err
		}
	}
	return it.Err
}

// only is the field of that name in doc, which may not have it twice: which of the two a server takes is not certain.
func only(doc []byte, name string) (found bson.RawValue, err error) {
	it := bsonraw.Iterate(doc)
	for it.Next() {
		if string(it.Element.Key) != name {
			continue
		}
		if found.Type != 0 {
			return found, refused(ruleFieldTwice, "", name)
		}
		found = it.Element.RawValue()
	}
	return found, it.Err
}
