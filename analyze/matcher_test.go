package analyze_test

import (
	"bytes"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// matchesFilter is what a server does with a filter, for the operators whose meaning must survive encryption.
func matchesFilter(t rapid.TB, filter, doc bson.Raw) bool {
	for _, e := range elements(t, filter) {
		v := e.RawValue()
		var ok bool
		switch string(e.Key) {
		case "$and":
			ok = matchesCount(t, v, doc) == len(elements(t, v.Value))
		case "$or":
			ok = matchesCount(t, v, doc) > 0
		case "$nor":
			ok = matchesCount(t, v, doc) == 0
		default:
			ok = matchesCondition(t, v, reach(t, bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}, strings.Split(string(e.Key), ".")))
		}
		if !ok {
			return false
		}
	}
	return true
}

func matchesCount(t rapid.TB, filters bson.RawValue, doc bson.Raw) (n int) {
	for _, f := range elements(t, filters.Value) {
		if matchesFilter(t, f.Value, doc) {
			n++
		}
	}
	return n
}

// matchesCondition applies an operator document or a literal to the values that a path leads to.
func matchesCondition(t rapid.TB, condition bson.RawValue, values []bson.RawValue) bool {
	if condition.Type != bson.TypeEmbeddedDocument {
		return isAmong(t, condition, values)
	}
	operators := elements(t, condition.Value)
	if len(operators) == 0 || operators[0].Key[0] != '$' {
		return isAmong(t, condition, values)
	}
	for _, op := range operators {
		if !matchesOperator(t, string(op.Key), op.RawValue(), values) {
			return false
		}
	}
	return true
}

func matchesOperator(t rapid.TB, name string, v bson.RawValue, values []bson.RawValue) bool {
	switch name {
	case "$eq":
		return isAmong(t, v, values)
	case "$ne":
		return !isAmong(t, v, values)
	case "$in", "$nin":
		found := false
		for _, e := range elements(t, v.Value) {
			found = found || isAmong(t, e.RawValue(), values)
		}
		return found == (name == "$in")
	case "$exists":
		return (len(values) > 0) == v.Boolean()
	case "$not":
		return !matchesCondition(t, v, values)
	}
	t.Fatalf("operator %s is not modelled", name)
	return false
}

// isAmong says whether v equals one of values or an element of one; null also equals what is missing.
func isAmong(t rapid.TB, v bson.RawValue, values []bson.RawValue) bool {
	if v.Type == bson.TypeNull && len(values) == 0 {
		return true
	}
	for _, candidate := range values {
		if equal(candidate, v) {
			return true
		}
		if candidate.Type != bson.TypeArray {
			continue
		}
		for _, e := range elements(t, candidate.Value) {
			if equal(e.RawValue(), v) {
				return true
			}
		}
	}
	return false
}

// equal compares integers by value, everything else by type and bytes.
func equal(x, y bson.RawValue) bool {
	if m, isInt := x.AsInt64OK(); isInt {
		n, isInt := y.AsInt64OK()
		return isInt && m == n
	}
	return x.Type == y.Type && bytes.Equal(x.Value, y.Value)
}

// reach is every value that a path leads to, through elements of arrays too.
func reach(t rapid.TB, v bson.RawValue, path []string) (values []bson.RawValue) {
	if len(path) == 0 {
		return []bson.RawValue{v}
	}
	if v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeArray {
		return nil
	}
	for _, e := range elements(t, v.Value) {
		if string(e.Key) == path[0] {
			values = append(values, reach(t, e.RawValue(), path[1:])...)
		}
		if v.Type == bson.TypeArray && e.Type == bson.TypeEmbeddedDocument {
			values = append(values, reach(t, e.RawValue(), path)...)
		}
	}
	return values
}

func elements(t rapid.TB, doc []byte) (all []bsonraw.Element) {
	it := bsonraw.Iterate(doc)
	for it.Next() {
		all = append(all, it.Element)
	}
	if it.Err != nil {
		t.Fatal(it.Err)
	}
	return all
}
