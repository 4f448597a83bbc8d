package analyze

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// maxStages is how many stages the pipelines of one command may have in all. Source: MongoDB manual, "Aggregation Pipeline Limits".
const maxStages = 1000

var rulePipelineLong = &rule{"pipeline-too-long", "the command has more than 1000 aggregation stages", "use fewer stages", 0}

// pipeline is the walk over one pipeline, that of a command or one inside a stage: root is what the stages so far have made of the
// documents.
type pipeline struct {
	*analysis
	collection collection // that it reads
	count      int        // stages so far, those inside others included
}

// pipeline writes the pipeline of aggregate. In Exact mode one without a sealed value stays as it is.
func (a *analysis) pipeline(dst []byte, e bsonraw.Element) ([]byte, error) {
	mark, before := len(dst), a.sealed
	p := &pipeline{analysis: a, collection: collection{a.target.Namespaces[0], a.schema}}
	dst, _, err := p.over(dst, e, p.collection)
	if err != nil {
		return nil, err
	}
	return a.unchangedUnlessSealed(dst, mark, before, e.Raw), nil
}

// stages writes the pipeline e over documents like root, and gives the documents that come out.
func (p *pipeline) stages(dst []byte, e bsonraw.Element, root *schema.Node) (out []byte, result *schema.Node, err error) {
	if e.Type != bson.TypeArray {
		return nil, nil, p.refuse(ruleMalformed, "pipeline")
	}
	if err := p.nest(); err != nil {
		return nil, nil, err
	}
	around := p.root
	p.root = root
	defer func() {
		p.root = around
		p.depth--
	}()
	dst, start := bsonraw.BeginArray(dst, e.Key)
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		p.count++
		switch {
		case p.count > maxStages:
			return nil, nil, p.refuse(rulePipelineLong, "pipeline")
		case it.Element.Type != bson.TypeEmbeddedDocument:
			return nil, nil, p.refuse(ruleMalformed, "pipeline")
		}
		dst = bsonraw.AppendKey(dst, it.Element.Type, it.Element.Key)
		if dst, err = p.stage(dst, it.Element.Value); err != nil {
			return nil, nil, err
		}
	}
	return bsonraw.End(dst, start), p.root, it.Err
}

// stage writes one stage, a document with the stage's name as its only field, and makes root what comes out of it.
func (p *pipeline) stage(dst, doc []byte) ([]byte, error) {
	it := bsonraw.Iterate(doc)
	if !it.Next() {
		return nil, orError(it.Err, p.refuse(ruleMalformed, "pipeline"))
	}
	e := it.Element
	if it.Next() || it.Err != nil {
		return nil, orError(it.Err, p.refuse(ruleMalformed, "pipeline"))
	}
	dst, start := bsonraw.Begin(dst)
	dst, err := p.stageBody(dst, e, stages[string(e.Key)])
	if err != nil {
		return nil, err
	}
	return bsonraw.End(dst, start), nil
}

func (p *pipeline) stageBody(dst []byte, e bsonraw.Element, kind stage) ([]byte, error) {
	switch kind {
	case stageMatch:
		return p.query(bsonraw.AppendKey(dst, e.Type, e.Key), e.RawValue())
	case stageProject, stageAddFields:
		return p.reshape(dst, e)
	case stageReplaceRoot:
		return p.replaceRoot(dst, e)
	case stageReplaceWith:
		return p.replaceWith(dst, e, e.Key)
	case stageRedact:
		return p.redactStage(dst, e)
	case stageGroup:
		return p.group(dst, e)
	case stageSortByCount:
		return p.sortByCount(dst, e)
	case stageBucket, stageBucketAuto:
		return p.bucket(dst, e)
	case stageGeoNear:
		return p.geoNear(dst, e)
	case stageLookup:
		return p.lookupStage(dst, e)
	case stageGraphLookup:
		return p.graphLookup(dst, e)
	case stageUnionWith:
		return p.unionWith(dst, e)
	case stageFacet:
		return p.facet(dst, e)
	}
	if err := p.simpleStage(e, kind); err != nil {
		return nil, err
	}
	return append(dst, e.Raw...), nil
}

// simpleStage checks a stage in which there is nothing to seal.
func (p *pipeline) simpleStage(e bsonraw.Element, kind stage) error {
	switch kind {
	case stageNumber:
		if !isNumber(e.RawValue()) {
			return p.refuse(ruleMalformed, string(e.Key))
		}
		return nil
	case stageSample:
		return p.sample(e.RawValue())
	case stageSort:
		return p.sort(e.RawValue())
	case stageUnset:
		return p.unset(e)
	case stageUnwind:
		return p.unwind(e)
	case stageCount:
		name, isString := e.RawValue().StringValueOK()
		if !isString || strings.HasPrefix(name, "$") {
			return p.refuse(ruleMalformed, "$count")
		}
		p.root = nil
		return nil
	case stageStats:
		p.root = nil
		return p.stats(e)
	default:
		return p.refuse(ruleStage, string(e.Key))
	}
}

// sample checks {size: number}.
func (p *pipeline) sample(v bson.RawValue) error {
	if v.Type != bson.TypeEmbeddedDocument {
		return p.refuse(ruleMalformed, "$sample")
	}
	it := bsonraw.Iterate(v.Value)
	for it.Next() {
		if string(it.Element.Key) != "size" || !isNumber(it.Element.RawValue()) {
			return p.refuse(ruleMalformed, "$sample")
		}
	}
	return it.Err
}

// stats checks the argument of $collStats or $indexStats: documents of flags and numbers.
func (p *pipeline) stats(e bsonraw.Element) error {
	if e.Type != bson.TypeEmbeddedDocument {
		return p.refuse(ruleMalformed, string(e.Key))
	}
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		if it.Element.Type != bson.TypeEmbeddedDocument {
			return p.refuse(ruleMalformed, string(e.Key))
		}
		options := bsonraw.Iterate(it.Element.Value)
		for options.Next() {
			if v := options.Element.RawValue(); !isNumber(v) && v.Type != bson.TypeBoolean {
				return p.refuse(ruleMalformed, string(e.Key))
			}
		}
		if options.Err != nil {
			return options.Err
		}
	}
	return it.Err
}
