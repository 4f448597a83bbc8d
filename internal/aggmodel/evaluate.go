package aggmodel

import (
	"fmt"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Evaluate runs pipeline over the documents of collection and returns the resulting documents. The pipeline is anything
// that marshals to an array of stages (bson.A, []bson.D, mongo.Pipeline), or a bson.RawArray, or a bson.Raw whose elements are
// the stages. The other collections are there for $lookup, $graphLookup and $unionWith; one that is not in the map is empty,
// as on a server.
//
// The error wraps ErrUnsupported when the model does not cover the pipeline, and is a *RefusedError when a server refuses it.
func Evaluate[D bson.D | bson.Raw](pipeline any, collection string, collections map[string][]D) ([]bson.Raw, error) {
	if array, ok := pipeline.(bson.RawArray); ok {
		pipeline = bson.Raw(array)
	}
	spec, err := decode(pipeline)
	if err != nil {
		return nil, err
	}
	stages, err := compilePipeline(asArray(spec))
	if err != nil {
		return nil, err
	}
	s := &scope{collections: map[string][]bson.D{}}
	for name, docs := range collections {
		for _, doc := range docs {
			decoded, err := decodeDocument(doc)
			if err != nil {
				return nil, err
			}
			s.collections[name] = append(s.collections[name], decoded)
		}
	}
	docs, err := stages.run(s, s.collections[collection])
	if err != nil {
		return nil, err
	}
	return encode(docs)
}

// Expression evaluates an aggregation expression on a document (bson.D or bson.Raw). The bool says that the value is missing,
// as that of a field that the document does not have; the value is then the zero RawValue. Errors are as for Evaluate.
func Expression(doc, expression any) (bson.RawValue, bool, error) {
	d, err := decodeDocument(doc)
	if err != nil {
		return bson.RawValue{}, false, err
	}
	spec, err := decode(expression)
	if err != nil {
		return bson.RawValue{}, false, err
	}
	e, err := compile(spec)
	if err != nil {
		return bson.RawValue{}, false, err
	}
	v, err := e((&scope{}).document(d))
	if err != nil || v == absent {
		return bson.RawValue{}, err == nil, err
	}
	holder, err := encode([]bson.D{{{Key: "v", Value: v}}})
	if err != nil {
		return bson.RawValue{}, false, err
	}
	return holder[0].Lookup("v"), false, nil
}

// Match says whether a document (bson.D or bson.Raw) matches a query filter. Errors are as for Evaluate.
func Match(doc, filter any) (bool, error) {
	d, err := decodeDocument(doc)
	if err != nil {
		return false, err
	}
	f, err := decodeDocument(filter)
	if err != nil {
		return false, err
	}
	p, err := compileFilter(f)
	if err != nil {
		return false, err
	}
	return p((&scope{}).document(d))
}

// decode brings a value into the types that the model computes with: those that bson.Unmarshal gives inside a bson.D.
func decode(v any) (any, error) {
	data, err := bson.Marshal(bson.D{{Key: "v", Value: v}})
	if err != nil {
		return nil, fmt.Errorf("reading a value: %v", err)
	}
	var holder bson.D
	if err := bson.Unmarshal(data, &holder); err != nil {
		return nil, fmt.Errorf("reading a value: %v", err)
	}
	return holder[0].Value, checkTypes(holder[0].Value)
}

func decodeDocument(v any) (bson.D, error) {
	decoded, err := decode(v)
	if err != nil {
		return nil, err
	}
	doc, ok := decoded.(bson.D)
	if !ok {
		return nil, fmt.Errorf("reading a document: got %s", typeName(decoded))
	}
	return doc, nil
}

// checkTypes refuses the types that the model cannot compare.
func checkTypes(v any) error {
	switch v := v.(type) {
	case bson.D:
		for _, f := range v {
			if err := checkTypes(f.Value); err != nil {
				return err
			}
		}
	case bson.A:
		for _, e := range v {
			if err := checkTypes(e); err != nil {
				return err
			}
		}
	default:
		if class(v) == classUnknown {
			return unsupported("values of type %T", v)
		}
	}
	return nil
}

// asArray undoes that a bson.Raw that holds an array cannot be told from a document: keys "0", "1", … make an array.
func asArray(v any) any {
	doc, ok := v.(bson.D)
	if !ok {
		return v
	}
	array := bson.A{}
	for i, f := range doc {
		if f.Key != strconv.Itoa(i) {
			return v
		}
		array = append(array, f.Value)
	}
	return array
}

func encode(docs []bson.D) ([]bson.Raw, error) {
	var raws []bson.Raw
	for _, doc := range docs {
		raw, err := bson.Marshal(doc)
		if err != nil {
			return nil, fmt.Errorf("writing a result: %v", err)
		}
		raws = append(raws, raw)
	}
	return raws, nil
}
