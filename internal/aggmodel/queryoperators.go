package aggmodel

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// compileRange is $gt, $gte, $lt and $lte. Only values of the operand's own class are compared with it ("type bracketing"),
// but for MinKey and MaxKey. NaN is neither less nor greater than a number; null compares as equality does.
func compileRange(name string, bound any) (condition, error) {
	inclusive := strings.HasSuffix(name, "e")
	sign := 1
	if strings.HasPrefix(name, "$lt") {
		sign = -1
	}
	switch class(bound) {
	case classRegex:
		return nil, refuse(name, "cannot have a regular expression")
	case classMinKey, classMaxKey:
		return nil, unsupported("%s with MinKey or MaxKey", name)
	}
	return anyIs(func(v any) bool {
		if equals(bound)(v) {
			return inclusive
		}
		return class(v) == class(bound) && !isNaN(v) && !isNaN(bound) && sign*compare(v, bound) > 0
	}), nil
}

func compileIn(name string, spec any) (condition, error) {
	list, ok := spec.(bson.A)
	if !ok {
		return nil, refuse(name, "got %s, want array", typeName(spec))
	}
	var any []condition
	for _, v := range list {
		if doc, ok := v.(bson.D); ok && isOperator(doc) {
			return nil, refuse(name, "cannot hold operators")
		}
		c, err := compileValue(v)
		if err != nil {
			return nil, err
		}
		any = append(any, c)
	}
	return func(o operand) bool {
		return slices.ContainsFunc(any, func(c condition) bool { return c(o) })
	}, nil
}

func compileNot(spec any) (condition, error) {
	switch spec := spec.(type) {
	case bson.Regex:
		c, err := compileRegex(spec)
		return not(c), err
	case bson.D:
		if isOperator(spec) {
			c, err := compileOperators(spec)
			return not(c), err
		}
	}
	return nil, refuse("$not", "must have operators or a regular expression")
}

// compileType: "array" is the type of the field itself, every other type that of the field or an element.
func compileType(spec any) (condition, error) {
	list := arguments(spec)
	if len(list) == 0 {
		return nil, refuse("$type", "must name at least one type")
	}
	var names []string
	for _, v := range list {
		found := typesCalled(v)
		if len(found) == 0 {
			return nil, refuse("$type", "unknown type")
		}
		names = append(names, found...)
	}
	return anyIs(func(v any) bool { return slices.Contains(names, typeName(v)) }), nil
}

// typesCalled are the names of the types that a name, an alias or a number of $type stands for.
func typesCalled(v any) (names []string) {
	number, whole := integer(v)
	for name, n := range typeNumbers {
		isNumeric := slices.Contains([]string{"int", "long", "double", "decimal"}, name)
		if v == name || v == "number" && isNumeric || whole && n == number {
			names = append(names, name)
		}
	}
	return names
}

func compileRegexOperator(pattern, options any) (condition, error) {
	var regex bson.Regex
	switch p := pattern.(type) {
	case string:
		regex.Pattern = p
	case bson.Regex:
		regex = p
	default:
		return nil, refuse("$regex", "got %s, want string or regex", typeName(pattern))
	}
	if options != absent {
		text, ok := options.(string)
		if !ok {
			return nil, refuse("$options", "got %s, want string", typeName(options))
		}
		if regex.Options != "" {
			return nil, refuse("$options", "options set both here and in $regex")
		}
		regex.Options = text
	}
	return compileRegex(regex)
}

// compileRegex matches strings, and regular expressions that are equal. What Go's syntax does not share with PCRE is not modelled.
func compileRegex(regex bson.Regex) (condition, error) {
	flags := ""
	for _, option := range regex.Options {
		if !strings.ContainsRune("ims", option) {
			return nil, unsupported("option of a regular expression")
		}
		flags += string(option)
	}
	pattern := regex.Pattern
	if flags != "" {
		pattern = "(?" + flags + ")" + pattern
	}
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return nil, unsupported("regular expression that Go does not read")
	}
	return anyIs(func(v any) bool {
		s, ok := v.(string)
		return ok && compiled.MatchString(s) || equal(v, regex)
	}), nil
}

// arraysAre holds when a value at the path is an array that is as wanted.
func arraysAre(wanted func(bson.A) bool) condition {
	return func(o operand) bool {
		return slices.ContainsFunc(o.values, func(v any) bool {
			array, ok := v.(bson.A)
			return ok && wanted(array)
		})
	}
}

func compileSize(spec any) (condition, error) {
	n, ok := integer(spec)
	if !ok || n < 0 {
		return nil, refuse("$size", "must be a whole number, not negative")
	}
	return arraysAre(func(a bson.A) bool { return int64(len(a)) == n }), nil
}

// compileAllOf is $all: values, each of which must be there, or $elemMatch conditions; none of them matches nothing.
func compileAllOf(spec any) (condition, error) {
	list, ok := spec.(bson.A)
	if !ok {
		return nil, refuse("$all", "got %s, want array", typeName(spec))
	}
	if len(list) == 0 {
		return func(operand) bool { return false }, nil
	}
	var all []condition
	for _, v := range list {
		compileOne := compileValue
		if doc, ok := v.(bson.D); ok && isOperator(doc) {
			if doc[0].Key != "$elemMatch" {
				return nil, refuse("$all", "cannot hold operators other than $elemMatch")
			}
			compileOne = compileCondition
		}
		c, err := compileOne(v)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return both(all), nil
}

// compileElemMatch takes operators that one element must satisfy, or a filter that one element, a document or array, must match.
func compileElemMatch(spec any) (condition, error) {
	doc, ok := spec.(bson.D)
	if !ok {
		return nil, refuse("$elemMatch", "got %s, want object", typeName(spec))
	}
	if hasExpr(doc) {
		return nil, refuse("$elemMatch", "cannot hold $expr")
	}
	if isOperator(doc) && !slices.Contains([]string{"$and", "$or", "$nor"}, doc[0].Key) {
		c, err := compileOperators(doc)
		return arraysAre(func(a bson.A) bool {
			return slices.ContainsFunc(a, func(v any) bool { return c(operand{[]any{v}, true}) })
		}), err
	}
	p, err := compileFilter(doc)
	return arraysAre(func(a bson.A) bool {
		return slices.ContainsFunc(a, func(v any) bool {
			element, ok := asDocument(v)
			if !ok {
				return false
			}
			matches, _ := p((&scope{}).document(element)) // only $expr can fail
			return matches
		})
	}), err
}

// hasExpr looks for $expr where a filter may have it.
func hasExpr(filter bson.D) bool {
	return slices.ContainsFunc(filter, func(f bson.E) bool {
		list, _ := f.Value.(bson.A)
		return f.Key == "$expr" || slices.ContainsFunc(list, func(v any) bool {
			doc, _ := v.(bson.D)
			return hasExpr(doc)
		})
	})
}

// asDocument: an array counts as a document whose names are its positions.
func asDocument(v any) (bson.D, bool) {
	array, ok := v.(bson.A)
	if !ok {
		doc, ok := v.(bson.D)
		return doc, ok
	}
	doc := bson.D{}
	for i, e := range array {
		doc = append(doc, bson.E{Key: strconv.Itoa(i), Value: e})
	}
	return doc, true
}

func compileMod(spec any) (condition, error) {
	list, ok := spec.(bson.A)
	if !ok || len(list) != 2 || !isNumber(list[0]) || !isNumber(list[1]) {
		return nil, refuse("$mod", "must be an array of two numbers")
	}
	divisor, whole1 := integer(list[0])
	remainder, whole2 := integer(list[1])
	if !whole1 || !whole2 {
		return nil, unsupported("$mod with fractions")
	}
	if divisor == 0 {
		return nil, refuse("$mod", "divisor cannot be 0")
	}
	return anyIs(func(v any) bool {
		f, isDouble := v.(float64)
		n, whole := integer(v)
		if isDouble && !whole && f > -1<<63 && f < 1<<63 {
			n, whole = int64(f), true // the fraction is cut off
		}
		return whole && n%divisor == remainder
	}), nil
}
