package aggmodel

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// predicate says whether the document that the scope is about matches.
type predicate func(*scope) (bool, error)

// compileFilter reads a query filter: conditions on fields and the logical operators, all of which must hold.
func compileFilter(filter bson.D) (predicate, error) {
	var all []predicate
	for _, f := range filter {
		p, err := compileFilterField(f.Key, f.Value)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return every(all), nil
}

func compileFilterField(name string, spec any) (predicate, error) {
	switch name {
	case "$and":
		list, err := compileFilters(name, spec)
		return every(list), err
	case "$or":
		list, err := compileFilters(name, spec)
		return negate(every(negateAll(list))), err
	case "$nor":
		list, err := compileFilters(name, spec)
		return every(negateAll(list)), err
	case "$comment":
		return every(nil), nil
	case "$expr":
		e, err := compile(spec)
		return func(s *scope) (bool, error) {
			v, err := e(s)
			return truthy(v), err
		}, err
	}
	if strings.HasPrefix(name, "$") {
		return nil, unsupported("query operator %s", name)
	}
	path := strings.Split(name, ".")
	c, err := compileCondition(spec)
	return func(s *scope) (bool, error) {
		doc, err := s.lookup("CURRENT")
		return err == nil && c(operand{resolve(doc, path), false}), err
	}, err
}

func compileFilters(operator string, spec any) ([]predicate, error) {
	list, ok := spec.(bson.A)
	if !ok || len(list) == 0 {
		return nil, refuse(operator, "must be an array with at least one filter")
	}
	var all []predicate
	for _, filter := range list {
		doc, ok := filter.(bson.D)
		if !ok {
			return nil, refuse(operator, "got %s, want filters", typeName(filter))
		}
		p, err := compileFilter(doc)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

func every(all []predicate) predicate {
	return func(s *scope) (bool, error) {
		for _, p := range all {
			if ok, err := p(s); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	}
}

func negate(p predicate) predicate {
	return func(s *scope) (bool, error) {
		ok, err := p(s)
		return !ok, err
	}
}

func negateAll(all []predicate) []predicate {
	negated := make([]predicate, len(all))
	for i, p := range all {
		negated[i] = negate(p)
	}
	return negated
}

// operand is what a path has led to. Most operators look at each value and, where it is an array, at its elements too; an
// operand is single when it is an element itself, inside $elemMatch, whose own elements are not looked at.
type operand struct {
	values []any
	single bool
}

// candidates are the values to compare with.
func (o operand) candidates() []any {
	if o.single {
		return o.values
	}
	var found []any
	for _, v := range o.values {
		if array, ok := v.(bson.A); ok {
			found = append(found, array...)
		}
		found = append(found, v)
	}
	return found
}

// condition is what a filter wants of the values at one path.
type condition func(operand) bool

// anyIs holds when one of the candidates is as wanted.
func anyIs(wanted func(v any) bool) condition {
	return func(o operand) bool { return slices.ContainsFunc(o.candidates(), wanted) }
}

func not(c condition) condition { return func(o operand) bool { return !c(o) } }

func both(conditions []condition) condition {
	return func(o operand) bool {
		return !slices.ContainsFunc(conditions, func(c condition) bool { return !c(o) })
	}
}

// compileCondition reads what stands for a path: operators, a regular expression, or a value to be equal to.
func compileCondition(spec any) (condition, error) {
	if doc, ok := spec.(bson.D); ok && isOperator(doc) {
		return compileOperators(doc)
	}
	return compileValue(spec)
}

func compileValue(spec any) (condition, error) {
	if regex, ok := spec.(bson.Regex); ok {
		return compileRegex(regex)
	}
	return anyIs(equals(spec)), nil
}

// equals: null is also equal to missing.
func equals(want any) func(any) bool {
	return func(v any) bool { return want == nil && nullish(v) || equal(v, want) }
}

func compileOperators(doc bson.D) (condition, error) {
	var all []condition
	for _, f := range doc {
		if !strings.HasPrefix(f.Key, "$") {
			return nil, refuse(doc[0].Key, "operators and fields cannot stand together")
		}
		c, err := compileQueryOperator(f.Key, f.Value, doc)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return both(all), nil
}

// compileQueryOperator reads one operator; doc is all that stand together, because $regex has its $options there.
func compileQueryOperator(name string, spec any, doc bson.D) (condition, error) {
	switch name {
	case "$eq":
		return anyIs(equals(spec)), nil
	case "$ne":
		if class(spec) == classRegex {
			return nil, refuse(name, "cannot have a regular expression")
		}
		return not(anyIs(equals(spec))), nil
	case "$gt", "$gte", "$lt", "$lte":
		return compileRange(name, spec)
	case "$in":
		return compileIn(name, spec)
	case "$nin":
		c, err := compileIn(name, spec)
		return not(c), err
	case "$exists":
		c := func(o operand) bool { return slices.ContainsFunc(o.values, func(v any) bool { return v != absent }) }
		if !truthy(spec) {
			return not(c), nil
		}
		return c, nil
	case "$not":
		return compileNot(spec)
	case "$type":
		return compileType(spec)
	case "$regex":
		return compileRegexOperator(spec, get(doc, "$options"))
	case "$options":
		if get(doc, "$regex") == absent {
			return nil, refuse(name, "needs a $regex")
		}
		return both(nil), nil
	case "$size":
		return compileSize(spec)
	case "$all":
		return compileAllOf(spec)
	case "$elemMatch":
		return compileElemMatch(spec)
	case "$mod":
		return compileMod(spec)
	}
	return nil, unsupported("query operator %s", name)
}
