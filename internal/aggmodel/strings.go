package aggmodel

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// concat: a null or missing argument decides before a later one of a wrong type is looked at.
func concat(name string, args []any) (any, error) {
	var joined strings.Builder
	for _, v := range args {
		if nullish(v) {
			return nil, nil
		}
		s, ok := v.(string)
		if !ok {
			return nil, refuse(name, "got %s, want string", typeName(v))
		}
		joined.WriteString(s)
	}
	return joined.String(), nil
}

func strLenCP(name string, args []any) (any, error) {
	s, ok := args[0].(string)
	if !ok {
		return nil, refuse(name, "got %s, want string", typeName(args[0]))
	}
	return int32(utf8.RuneCountInString(s)), nil
}

func substrCP(name string, args []any) (any, error) {
	s, err := coerce(name, args[0])
	if err != nil {
		return nil, err
	}
	start, ok1 := integer(args[1])
	n, ok2 := integer(args[2])
	if !ok1 || !ok2 || start < 0 || n < 0 {
		return nil, refuse(name, "start and length must be whole numbers, not negative")
	}
	runes := []rune(s)
	start = min(start, int64(len(runes)))
	return string(runes[start : start+min(n, int64(len(runes))-start)]), nil
}

// toLower and toUpper change ASCII letters only.
func toLower(name string, args []any) (any, error) { return mapASCII(name, args[0], 'A', 'Z') }
func toUpper(name string, args []any) (any, error) { return mapASCII(name, args[0], 'a', 'z') }

func mapASCII(name string, v any, from, to byte) (any, error) {
	s, err := coerce(name, v)
	if err != nil {
		return nil, err
	}
	changed := []byte(s)
	for i, c := range changed {
		if from <= c && c <= to {
			changed[i] = c ^ 0x20
		}
	}
	return string(changed), nil
}

// coerce is the silent conversion of the string operators' arguments: null is "", numbers and dates are written out.
func coerce(name string, v any) (string, error) {
	switch {
	case nullish(v):
		return "", nil
	case class(v) == classString, isNumber(v), class(v) == classDate:
		return format(v)
	case class(v) == classTimestamp:
		return "", unsupported("%s of a timestamp", name)
	}
	return "", refuse(name, "cannot take %s for a string", typeName(v))
}

func toString(name string, args []any) (any, error) {
	switch v := args[0].(type) {
	case nil, missing, bson.Undefined:
		return nil, nil
	case bool:
		return strconv.FormatBool(v), nil
	case bson.ObjectID:
		return v.Hex(), nil
	case bson.Binary:
		return nil, unsupported("%s of binary data, which depends on the server's version", name)
	case string, int32, int64, float64, bson.DateTime:
		return format(v)
	}
	return nil, refuse(name, "cannot convert %s", typeName(args[0]))
}

// format writes strings, numbers and dates. Doubles that a server may write with an exponent are not modelled.
func format(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bson.DateTime:
		return v.Time().UTC().Format("2006-01-02T15:04:05.000Z"), nil
	case float64:
		text := strconv.FormatFloat(v, 'f', -1, 64)
		if len(text) > 12 || strings.HasPrefix(strings.TrimPrefix(text, "-"), "0.0000") || text == "NaN" || strings.HasSuffix(text, "Inf") {
			return "", unsupported("writing out a double with many digits")
		}
		return text, nil
	}
	n, _ := integer(v)
	return strconv.FormatInt(n, 10), nil
}
