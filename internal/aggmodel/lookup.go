package aggmodel

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// join is a $lookup: by equality of fields, by a pipeline with variables, or by both.
type join struct {
	from           string
	local, foreign []string // nil without equality
	vars           variables
	pipeline       pipeline
	as             []string
}

func compileLookup(spec any) (stage, error) {
	const name = "$lookup"
	args, err := named(name, spec, []string{"from", "as"}, []string{"localField", "foreignField", "let", "pipeline"})
	if err != nil {
		return nil, err
	}
	var j join
	if j.from, err = collectionName(name, args["from"]); err != nil {
		return nil, err
	}
	if j.as, err = pathArgument(name, args["as"]); err != nil {
		return nil, err
	}
	hasLocal, hasForeign := args["localField"] != absent, args["foreignField"] != absent
	if hasLocal != hasForeign || !hasLocal && args["pipeline"] == absent {
		return nil, refuse(name, "needs localField and foreignField, or a pipeline, or all three")
	}
	if hasLocal {
		if j.local, err = pathArgument(name, args["localField"]); err != nil {
			return nil, err
		}
		if j.foreign, err = pathArgument(name, args["foreignField"]); err != nil {
			return nil, err
		}
	}
	if args["let"] != absent {
		if args["pipeline"] == absent {
			return nil, refuse(name, "let needs a pipeline")
		}
		if j.vars, err = compileVariables(name, args["let"]); err != nil {
			return nil, err
		}
	}
	if args["pipeline"] != absent {
		if j.pipeline, err = compilePipeline(args["pipeline"]); err != nil {
			return nil, err
		}
	}
	return perDocument(j.run), nil
}

func (j *join) run(s *scope, doc bson.D) (bson.D, error) {
	inner, err := j.vars.bind(s)
	if err != nil {
		return nil, err
	}
	found := s.collections[j.from]
	if j.local != nil {
		values, err := localValues(doc, j.local)
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(slices.Clone(found), func(d bson.D) bool { return !joins(d, j.foreign, values) })
	}
	if found, err = j.pipeline.run(inner, found); err != nil {
		return nil, err
	}
	return setPath(doc, j.as, documentArray(found))
}

// localValues are those that a document joins with: the elements of an array, null for a missing field. The manual does not say
// what an empty array joins with, nor documents in an array that lack the field.
func localValues(doc bson.D, path []string) ([]any, error) {
	if slices.ContainsFunc(path, func(name string) bool { _, ok := index(name); return ok }) {
		return nil, unsupported("a localField with a number in it")
	}
	found := resolve(doc, path)
	if project(doc, path) == absent { // which it is not through an array
		return []any{nil}, nil
	}
	values := elements(found)
	if len(values) == 0 || slices.ContainsFunc(found, func(v any) bool { return v == absent }) {
		return nil, unsupported("a localField with an empty array, or in an array where it is missing")
	}
	return values, nil
}

// elements are the values, with arrays replaced by their elements.
func elements(values []any) []any {
	var found []any
	for _, v := range values {
		if array, ok := v.(bson.A); ok {
			found = append(found, array...)
		} else {
			found = append(found, v)
		}
	}
	return found
}

// joins says whether the path has one of the values in the document, as a filter with $in would.
func joins(doc bson.D, path []string, values []any) bool {
	candidates := operand{resolve(doc, path), false}.candidates()
	return slices.ContainsFunc(values, func(v any) bool { return slices.ContainsFunc(candidates, equals(v)) })
}

func collectionName(operator string, v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bson.D:
		return "", unsupported("%s from another database", operator)
	}
	return "", refuse(operator, "the collection is %s, want string", typeName(v))
}

func pathArgument(operator string, v any) ([]string, error) {
	path, ok := v.(string)
	if !ok {
		return nil, refuse(operator, "a field path is %s, want string", typeName(v))
	}
	return parsePath(operator, path)
}

func compileUnionWith(spec any) (stage, error) {
	const name = "$unionWith"
	if _, ok := spec.(string); ok {
		spec = bson.D{{Key: "coll", Value: spec}}
	}
	args, err := named(name, spec, []string{"coll"}, []string{"pipeline"})
	if err != nil {
		return nil, err
	}
	from, err := collectionName(name, args["coll"])
	if err != nil {
		return nil, err
	}
	var stages pipeline
	if args["pipeline"] != absent {
		if stages, err = compilePipeline(args["pipeline"]); err != nil {
			return nil, err
		}
	}
	return func(s *scope, docs []bson.D) ([]bson.D, error) {
		more, err := stages.run(s, s.collections[from])
		return slices.Concat(docs, more), err
	}, nil
}
