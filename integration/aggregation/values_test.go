package aggregation

import (
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// kind is which values a field has, three of each kind, so that equalities find something.
type kind int

const (
	word kind = iota
	small
	secret
	long
	list
	other // documents and what is computed
)

// place is where documents have a value.
type place struct {
	path string
	kind kind
}

// home are the places of the documents in a collection. What of them is encrypted is in startTwins.
var home = []place{
	{"n", small}, {"p", word}, {"q", secret}, {"s", secret}, {"t", secret}, {"i", long}, {"r", secret}, {"o.x", secret}, {"o.y", word}, {"tags", list},
}

var collections = map[string][]place{
	"home": home,
	"away": {{"n", small}, {"p", word}, {"q", secret}, {"s", secret}, {"w", secret}, {"i", long}},
}

// number draws a number below n, each as likely as the others: rapid's own integers, and with them its samples, prefer the small.
func number(t *rapid.T, n int) int {
	return rapid.Custom(func(t *rapid.T) int {
		drawn := 0
		for most := 1; most < 8*n; most *= 2 {
			if drawn *= 2; rapid.Bool().Draw(t, "bit") {
				drawn++
			}
		}
		return drawn % n
	}).Draw(t, "number")
}

func pick[V any](t *rapid.T, values ...V) V { return values[number(t, len(values))] }

// chance is true once in so many times.
func chance(t *rapid.T, of int) bool { return number(t, of) == of-1 }

func (p place) value(t *rapid.T) any {
	i := number(t, 3)
	switch p.kind {
	case small:
		return int32(i)
	case secret:
		return fmt.Sprint("secret ", i)
	case long:
		return 100 + int32(i)
	case list:
		return []bson.A{{"green"}, {"red"}, {"blue", "red"}}[i]
	}
	return []string{"red", "green", "blue"}[i]
}

// document draws one with some of the fields.
func document(t *rapid.T, id int, places []place) bson.D {
	doc, inner := one("_id", int32(id)), bson.D{}
	for _, p := range places {
		if chance(t, 5) {
			continue
		}
		if name, below := strings.CutPrefix(p.path, "o."); below {
			inner = append(inner, bson.E{Key: name, Value: p.value(t)})
			continue
		}
		doc = append(doc, bson.E{Key: p.path, Value: p.value(t)})
	}
	if len(inner) > 0 {
		doc = append(doc, bson.E{Key: "o", Value: inner})
	}
	return doc
}

func one(name string, v any) bson.D { return bson.D{{Key: name, Value: v}} }

// under moves places to below a field, with the field itself.
func under(name string, places []place) []place {
	moved := []place{{name, other}}
	for _, p := range places {
		moved = append(moved, place{name + "." + p.path, p.kind})
	}
	return moved
}

// below gives the places below a field as those of the field's value.
func below(name string, places []place) (inner []place) {
	for _, p := range places {
		if rest, is := strings.CutPrefix(p.path, name+"."); is {
			inner = append(inner, place{rest, p.kind})
		}
	}
	return inner
}

// with puts new places at and below a field in the stead of the present ones.
func with(places []place, name string, made ...place) []place {
	kept := slices.DeleteFunc(slices.Clone(places), func(p place) bool { return strings.HasPrefix(p.path+".", name+".") })
	return append(kept, made...)
}
