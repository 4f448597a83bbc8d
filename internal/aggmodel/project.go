package aggmodel

import "go.mongodb.org/mongo-driver/v2/bson"

// leaf is one path of a $project or $addFields stage with what it stands for.
type leaf struct {
	path []string
	spec any
}

// leaves flattens nested documents: {a: {b: 1}} is the same as {"a.b": 1}.
func leaves(operator string, prefix []string, spec bson.D) ([]leaf, error) {
	if len(spec) == 0 {
		return nil, refuse(operator, "must name at least one field")
	}
	var all []leaf
	for _, f := range spec {
		names, err := parsePath(operator, f.Key)
		if err != nil {
			return nil, err
		}
		path := append(append([]string{}, prefix...), names...)
		if doc, ok := f.Value.(bson.D); ok && !isOperator(doc) {
			below, err := leaves(operator, path, doc)
			if err != nil {
				return nil, err
			}
			all = append(all, below...)
			continue
		}
		all = append(all, leaf{path, f.Value})
	}
	return all, nil
}

// flag reads true, 1 and other numbers (include) and false and 0 (exclude); everything else is an expression.
func (l leaf) flag() (include, isFlag bool) {
	return truthy(l.spec), isNumber(l.spec) || class(l.spec) == classBool
}

func (l leaf) isID() bool { return len(l.path) == 1 && l.path[0] == "_id" }

func (t *fieldTree) addComputed(operator string, l leaf) error {
	e, err := compile(l.spec)
	if err != nil {
		return err
	}
	return t.add(operator, l.path, fieldEntry{computed: e})
}

func compileAddFields(name string, spec any) (stage, error) {
	doc, ok := spec.(bson.D)
	if !ok {
		return nil, refuse(name, "got %s, want object", typeName(spec))
	}
	all, err := leaves(name, nil, doc)
	if err != nil {
		return nil, err
	}
	tree := &fieldTree{}
	for _, l := range all {
		if err := tree.addComputed(name, l); err != nil {
			return nil, err
		}
	}
	return perDocument(tree.compute), nil
}

func compileUnset(name string, spec any) (stage, error) {
	tree := &fieldTree{}
	for _, v := range arguments(spec) {
		text, ok := v.(string)
		if !ok {
			return nil, refuse(name, "got %s, want string", typeName(v))
		}
		path, err := parsePath(name, text)
		if err != nil {
			return nil, err
		}
		if err := tree.add(name, path, fieldEntry{marked: true}); err != nil {
			return nil, err
		}
	}
	if len(tree.entries) == 0 {
		return nil, refuse(name, "must name at least one field")
	}
	return perDocument(func(_ *scope, doc bson.D) (bson.D, error) { return tree.exclude(doc), nil }), nil
}

func compileProject(name string, spec any) (stage, error) {
	doc, ok := spec.(bson.D)
	if !ok {
		return nil, refuse(name, "got %s, want object", typeName(spec))
	}
	all, err := leaves(name, nil, doc)
	if err != nil {
		return nil, err
	}
	excluding, err := isExclusion(name, all)
	if err != nil {
		return nil, err
	}
	tree := &fieldTree{}
	keepID := true
	for _, l := range all {
		include, isFlag := l.flag()
		switch {
		case !isFlag:
			err = tree.addComputed(name, l)
		case include != excluding:
			err = tree.add(name, l.path, fieldEntry{marked: true})
		case !include: // _id: 0 with fields to include
			keepID = false
		}
		if err != nil {
			return nil, err
		}
	}
	if excluding {
		return perDocument(func(_ *scope, doc bson.D) (bson.D, error) { return tree.exclude(doc), nil }), nil
	}
	if keepID && tree.find("_id") == nil {
		err = tree.add(name, []string{"_id"}, fieldEntry{marked: true})
	}
	return perDocument(func(s *scope, doc bson.D) (bson.D, error) { return tree.compute(s, tree.include(doc)) }), err
}

// isExclusion: all fields but _id must agree; _id alone decides for itself.
func isExclusion(name string, all []leaf) (bool, error) {
	var includes, excludes, excludesID bool
	for _, l := range all {
		include, isFlag := l.flag()
		switch {
		case l.isID() && isFlag:
			excludesID = !include
		case isFlag && !include:
			excludes = true
		default:
			includes = true
		}
	}
	if includes && excludes {
		return false, refuse(name, "cannot include or compute some fields and exclude others")
	}
	return excludes || excludesID && !includes, nil
}
