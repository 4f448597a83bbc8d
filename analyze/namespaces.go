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
		other, inOther, err := find(v.Value, "db")
		if err != nil {
			return err
		}
		if inOther && other.Type == bson.TypeString {
			db = other.StringValue()
		}
		if v, _, err = find(v.Value, "coll"); err != nil {
			return err
		}
	}
	coll, isString := text(v)
	if !isString {
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
	case "$unionWith", "$merge", "$lookup", "$graphLookup", "$facet":
	default:
		return nil
	}
	if v.Type == bson.TypeString {
		return c.add(db, v)
	}
	if v.Type != bson.TypeEmbeddedDocument {
		return nil
	}
	it := bsonraw.Iterate(v.Value)
	for it.Next() {
		var err error
		switch key := string(it.Element.Key); {
		case name == "$facet", key == "pipeline":
			err = c.ofPipeline(db, it.Element.RawValue(), depth+1)
		case key == "from", key == "coll", key == "into":
			err = c.add(db, it.Element.RawValue())
		}
		if err != nil {
			return err
		}
	}
	return it.Err
}
