package aggmodel

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// stage makes documents of documents. It changes none of those that it is given.
type stage func(*scope, []bson.D) ([]bson.D, error)

type pipeline []stage

func (p pipeline) run(s *scope, docs []bson.D) ([]bson.D, error) {
	for _, stage := range p {
		var err error
		if docs, err = stage(s, docs); err != nil {
			return nil, err
		}
	}
	return docs, nil
}

func compilePipeline(spec any) (pipeline, error) {
	list, ok := spec.(bson.A)
	if !ok {
		return nil, refuse("pipeline", "got %s, want array", typeName(spec))
	}
	var stages pipeline
	for _, v := range list {
		doc, ok := v.(bson.D)
		if !ok || len(doc) != 1 {
			return nil, refuse("pipeline", "a stage must be an object with exactly one field")
		}
		s, err := compileStage(doc[0].Key, doc[0].Value)
		if err != nil {
			return nil, err
		}
		stages = append(stages, s)
	}
	return stages, nil
}

func compileStage(name string, spec any) (stage, error) {
	switch name {
	case "$addFields", "$set":
		return compileAddFields(name, spec)
	case "$bucket":
		return compileBucket(spec)
	case "$bucketAuto":
		return compileBucketAuto(spec)
	case "$count":
		return compileCount(spec)
	case "$facet":
		return compileFacet(spec)
	case "$graphLookup":
		return compileGraphLookup(spec)
	case "$group":
		return compileGroup(spec)
	case "$limit", "$skip":
		return compileLimit(name, spec)
	case "$lookup":
		return compileLookup(spec)
	case "$match":
		return compileMatch(spec)
	case "$project":
		return compileProject(name, spec)
	case "$redact":
		return compileRedact(spec)
	case "$replaceRoot", "$replaceWith":
		return compileReplaceRoot(name, spec)
	case "$sample":
		return compileSample(spec)
	case "$sort":
		return compileSort(spec)
	case "$sortByCount":
		return compileSortByCount(spec)
	case "$unionWith":
		return compileUnionWith(spec)
	case "$unset":
		return compileUnset(name, spec)
	case "$unwind":
		return compileUnwind(spec)
	}
	return nil, unsupported("stage %s", name)
}

// perDocument is a stage that makes one document of each; f's scope is about that document.
func perDocument(f func(*scope, bson.D) (bson.D, error)) stage {
	return expandEach(func(s *scope, doc bson.D) ([]bson.D, error) {
		changed, err := f(s, doc)
		return []bson.D{changed}, err
	})
}

// expandEach is a stage that makes any number of documents of each.
func expandEach(f func(*scope, bson.D) ([]bson.D, error)) stage {
	return func(s *scope, docs []bson.D) ([]bson.D, error) {
		var out []bson.D
		for _, doc := range docs {
			made, err := f(s.document(doc), doc)
			if err != nil {
				return nil, err
			}
			out = append(out, made...)
		}
		return out, nil
	}
}

func compileMatch(spec any) (stage, error) {
	filter, ok := spec.(bson.D)
	if !ok {
		return nil, refuse("$match", "got %s, want object", typeName(spec))
	}
	p, err := compileFilter(filter)
	return expandEach(func(s *scope, doc bson.D) ([]bson.D, error) {
		if ok, err := p(s); !ok || err != nil {
			return nil, err
		}
		return []bson.D{doc}, nil
	}), err
}

func compileLimit(name string, spec any) (stage, error) {
	n, ok := integer(spec)
	if !ok || n < 0 || n == 0 && name == "$limit" {
		return nil, refuse(name, "must be a whole number, positive for $limit and not negative for $skip")
	}
	return func(_ *scope, docs []bson.D) ([]bson.D, error) {
		at := min(n, int64(len(docs)))
		if name == "$limit" {
			return docs[:at], nil
		}
		return docs[at:], nil
	}, nil
}

func compileSample(spec any) (stage, error) {
	args, err := named("$sample", spec, []string{"size"}, nil)
	if err != nil {
		return nil, err
	}
	n, ok := integer(args["size"])
	if !ok || n < 0 {
		return nil, refuse("$sample", "size must be a whole number, not negative")
	}
	if n == 0 {
		return nil, unsupported("$sample of size 0, which depends on the server's version")
	}
	return compileLimit("$limit", n)
}

// compileCount makes one document, or none when there were none.
func compileCount(spec any) (stage, error) {
	name, ok := spec.(string)
	if !ok {
		return nil, refuse("$count", "got %s, want string", typeName(spec))
	}
	if path, err := parsePath("$count", name); err != nil || len(path) > 1 || name == "_id" {
		return nil, refuse("$count", "not a name for a field")
	}
	return func(_ *scope, docs []bson.D) ([]bson.D, error) {
		if len(docs) == 0 {
			return nil, nil
		}
		return []bson.D{{{Key: name, Value: int32(len(docs))}}}, nil
	}, nil
}

func compileReplaceRoot(name string, spec any) (stage, error) {
	if name == "$replaceRoot" {
		args, err := named(name, spec, []string{"newRoot"}, nil)
		if err != nil {
			return nil, err
		}
		spec = args["newRoot"]
	}
	root, err := compile(spec)
	return perDocument(func(s *scope, _ bson.D) (bson.D, error) {
		v, err := root(s)
		if err != nil {
			return nil, err
		}
		doc, ok := v.(bson.D)
		if !ok {
			return nil, refuse(name, "the new root is %s, want object", typeName(v))
		}
		return doc, nil
	}), err
}

func compileFacet(spec any) (stage, error) {
	doc, ok := spec.(bson.D)
	if !ok || len(doc) == 0 {
		return nil, refuse("$facet", "must be an object with at least one pipeline")
	}
	facets := make([]pipeline, len(doc))
	for i, f := range doc {
		list, _ := f.Value.(bson.A)
		if slices.ContainsFunc(list, func(v any) bool { s, ok := v.(bson.D); return ok && get(s, "$facet") != absent }) {
			return nil, refuse("$facet", "cannot hold another $facet")
		}
		var err error
		if facets[i], err = compilePipeline(f.Value); err != nil {
			return nil, err
		}
	}
	return func(s *scope, docs []bson.D) ([]bson.D, error) {
		out := bson.D{}
		for i, f := range doc {
			found, err := facets[i].run(s, docs)
			if err != nil {
				return nil, err
			}
			out = append(out, bson.E{Key: f.Key, Value: documentArray(found)})
		}
		return []bson.D{out}, nil
	}, nil
}

func documentArray(docs []bson.D) bson.A {
	array := bson.A{}
	for _, doc := range docs {
		array = append(array, doc)
	}
	return array
}
