package page

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/fieldcrypt/fieldcrypt/audit"
)

// segment is a part of a bar.
type segment struct {
	Class    string // of the style sheet
	Name     string
	Values   int64
	X, Width float64 // of 1000
}

// barWidth is the width of the bars' view box.
const barWidth = 1000

// thinnest is the least width of a part that is not nothing: a single plaintext value among millions must be seen.
const thinnest = 6

// bar is the values of fields, side by side.
func bar(fields ...*audit.Field) []segment {
	parts := []segment{
		{Class: "clean", Name: "encrypted as the schema says"},
		{Class: "faulty", Name: "encrypted, with a problem"},
		{Class: "plain", Name: "plaintext"},
		{Class: "empty", Name: "empty"},
	}
	for _, f := range fields {
		for i, n := range []int64{f.Clean, f.Faulty(), f.Plaintext(), f.Empty} {
			parts[i].Values += n
		}
	}
	return stack(parts)
}

// within is the bar of all encrypted fields of a collection.
func within(c *audit.Collection) []segment { return bar(c.Fields...) }

// overall is the bar of all collections.
func overall(v view) []segment {
	var fields []*audit.Field
	for _, c := range v.Collections {
		fields = append(fields, c.Fields...)
	}
	return bar(fields...)
}

// told is a bar for who does not see it.
func told(parts []segment) string {
	var all []string
	for _, p := range parts {
		all = append(all, p.Name+": "+grouped(p.Values))
	}
	return strings.Join(all, "; ")
}

// stack gives the parts their places.
func stack(parts []segment) []segment {
	parts = slices.DeleteFunc(parts, func(s segment) bool { return s.Values <= 0 })
	all := int64(0)
	for _, s := range parts {
		all += s.Values
	}
	sum := 0.0
	for i := range parts {
		parts[i].Width = max(thinnest, barWidth*float64(parts[i].Values)/float64(all))
		sum += parts[i].Width
	}
	x := 0.0
	for i := range parts {
		parts[i].Width *= barWidth / sum
		parts[i].X = x
		x += parts[i].Width
	}
	return parts
}

// names lists counts, the greatest first.
func names[K cmp.Ordered](counts map[K]int64, name func(K) string) (all []string) {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b K) int { return cmp.Or(-cmp.Compare(counts[a], counts[b]), cmp.Compare(a, b)) })
	for _, k := range keys {
		all = append(all, name(k)+": "+grouped(counts[k]))
	}
	return all
}
