package schema

import (
	"fmt"
	"strings"
)

// place is where a subschema stands, linked to the one around it: paths are spelled out only when somebody needs them.
type place struct {
	up    *place
	step  string // keywords from up to here: "properties.ssn", "anyOf.0"; "" at the root
	field string // component of Encrypted.Path; "" at the root and where no field can be
	depth int    // BSON levels below the root

	options  options  // what an encrypt here inherits; once the keywords here are read, what those below do
	under    *keyword // outermost keyword above that bars encryption, nil if none
	unpinned *place   // outermost subschema above without bsonType "object", nil if none
}

// child is the place of sub, which keyword kw of pl holds.
func (pl *place) child(kw keyword, sub subschema) *place {
	c := &place{
		up: pl, step: sub.step, field: sub.field, depth: pl.depth + sub.levels,
		options: pl.options, under: pl.under, unpinned: pl.unpinned,
	}
	if c.under == nil && kw.bars != nil {
		c.under = &kw
	}
	return c
}

// String is the place as Error.Path spells it.
func (pl *place) String() string {
	var steps []string
	for ; pl.up != nil; pl = pl.up {
		steps = append(steps, clip(pl.step))
	}
	return joinReversed(steps)
}

// fieldPath is the place as Encrypted.Path spells it.
func (pl *place) fieldPath() string {
	var fields []string
	for ; pl.up != nil; pl = pl.up {
		fields = append(fields, pl.field)
	}
	return joinReversed(fields)
}

// fieldPathLen is the length of fieldPath, without building it.
func (pl *place) fieldPathLen() int {
	n := -1
	for ; pl.up != nil; pl = pl.up {
		n += len(pl.field) + 1
	}
	return max(n, 0)
}

func joinReversed(parts []string) string {
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		b.WriteString(parts[i])
		if i > 0 {
			b.WriteByte('.')
		}
	}
	return b.String()
}

// name is the place in prose.
func (pl *place) name() string {
	if pl.up == nil {
		return "the root"
	}
	return pl.String()
}

// refuse is an error about a keyword that stands at pl; about pl itself when keyword is "".
func (pl *place) refuse(keyword, hint, format string, args ...any) *Error {
	path := pl.String()
	if keyword != "" && path != "" {
		path += "."
	}
	return &Error{Path: path + clip(keyword), Keyword: clip(keyword), Message: fmt.Sprintf(format, args...), Hint: hint}
}

// barred explains why nothing at pl may be encrypted; nil when it may. keyword is encrypt or encryptMetadata.
func (pl *place) barred(keyword string) error {
	switch {
	case pl.under != nil:
		return pl.refuse(keyword, pl.under.bars.hint, invalid+"'%s' cannot stand here: %s", keyword, pl.under.bars.why)
	case pl.unpinned != nil:
		return pl.refuse(keyword, `write bsonType: "object" (the string, not an array of types) at `+pl.unpinned.name(),
			invalid+"'%s' cannot stand here: %s, above it, is not limited to documents by bsonType 'object'", keyword, pl.unpinned.name())
	}
	return nil
}
