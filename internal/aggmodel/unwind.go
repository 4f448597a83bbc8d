package aggmodel

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

type unwind struct {
	path     []string
	index    []string // nil: none
	preserve bool
}

func compileUnwind(spec any) (stage, error) {
	const name = "$unwind"
	if _, ok := spec.(string); ok {
		spec = bson.D{{Key: "path", Value: spec}}
	}
	args, err := named(name, spec, []string{"path"}, []string{"includeArrayIndex", "preserveNullAndEmptyArrays"})
	if err != nil {
		return nil, err
	}
	var u unwind
	path, ok := args["path"].(string)
	if !ok || !strings.HasPrefix(path, "$") {
		return nil, refuse(name, "path must be a string that begins with $")
	}
	if u.path, err = parsePath(name, path[1:]); err != nil {
		return nil, err
	}
	if v := args["includeArrayIndex"]; v != absent {
		if u.index, err = pathArgument(name, v); err != nil {
			return nil, err
		}
	}
	if v := args["preserveNullAndEmptyArrays"]; v != absent {
		if u.preserve, ok = v.(bool); !ok {
			return nil, refuse(name, "preserveNullAndEmptyArrays is %s, want bool", typeName(v))
		}
	}
	return expandEach(u.run), nil
}

// run: what is neither an array nor null is one element, with no position.
func (u *unwind) run(_ *scope, doc bson.D) ([]bson.D, error) {
	v := walkDocuments(doc, u.path)
	array, isArray := v.(bson.A)
	switch {
	case isArray && len(array) > 0:
		var out []bson.D
		for i, element := range array {
			made, err := u.one(doc, element, int64(i))
			if err != nil {
				return nil, err
			}
			out = append(out, made)
		}
		return out, nil
	case isArray:
		v = absent
	}
	if nullish(v) && !u.preserve {
		return nil, nil
	}
	made, err := u.one(doc, v, nil)
	return []bson.D{made}, err
}

func (u *unwind) one(doc bson.D, element, position any) (bson.D, error) {
	if element != absent || walkDocuments(doc, u.path) != absent {
		var err error
		if doc, err = setPath(doc, u.path, element); err != nil {
			return nil, err
		}
	}
	if u.index == nil {
		return doc, nil
	}
	return setPath(doc, u.index, position)
}
