package draw

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// The names in a command.
const (
	Database   = "db"
	Collection = "c"
	Other      = "other" // the collection that a pipeline looks into
)

// Commands are the names of the commands that are drawn.
var Commands = []string{
	"insert", "find", "update", "findAndModify", "delete", "aggregate", "count", "distinct", "explain", "bulkWrite", "create", "collMod", "createIndexes",
}

// Command draws a command of that name on Collection, most of the time one that query analysis lets through.
func (d *Drawer) Command(name string, own, other *Schema) bson.Raw {
	c := commander{d, own, other}
	es := append([]E{{name, String(Collection)}}, c.body(name)...)
	switch name {
	case "bulkWrite":
		es[0].Value = Int(1)
	case "explain":
		es = es[1:]
	}
	if d.Chance(3) {
		es = append(es, E{"$db", String(Database)})
	}
	if d.Chance(3) {
		es = append(es, E{"lsid", Document(E{"id", Binary(bson.TypeBinaryUUID, d.Bytes(16))})})
	}
	return bson.Raw(Document(es...).Value)
}

type commander struct {
	*Drawer
	schema, other *Schema
}

func (c commander) body(name string) []E {
	switch name {
	case "insert":
		return []E{{"documents", c.some(4, func() bson.RawValue { return c.stored() })}, {"ordered", Bool(c.Chance(2))}}
	case "find":
		return []E{{"filter", c.filter()}, {"limit", Int(c.IntN(10))}, {"projection", Document(E{"a", Int(1)}, E{"x", Int(1)})}}
	case "count":
		return []E{{"query", c.filter()}}
	case "distinct":
		return []E{{"key", String(Pick(c.Drawer, "x", "x.y"))}, {"query", c.filter()}}
	case "delete":
		return []E{{"deletes", c.some(3, func() bson.RawValue { return Document(E{"q", c.filter()}, E{"limit", Int(c.IntN(2))}) })}}
	case "update":
		return []E{{"updates", c.some(3, c.updateStatement)}, {"ordered", Bool(true)}}
	case "findAndModify":
		return []E{{"query", c.filter()}, {"update", c.update()}, {"new", Bool(c.Chance(2))}}
	case "aggregate":
		return []E{{"pipeline", c.some(4, c.stage)}, {"cursor", Document()}}
	case "explain":
		inner := Pick(c.Drawer, "find", "count", "distinct", "delete", "update", "findAndModify", "aggregate")
		return []E{{"explain", Document(append([]E{{inner, String(Collection)}}, c.body(inner)...)...)}, {"verbosity", String("queryPlanner")}}
	case "bulkWrite":
		return []E{{"ops", c.some(3, c.operation)}, {"nsInfo", Array(Document(E{"ns", String(Database + "." + Collection)}))}}
	case "create", "collMod":
		return []E{{"validator", c.plain()}}
	case "createIndexes":
		index := Document(E{"key", Document(E{"x", Int(1)})}, E{"name", String("x_1")}, E{"partialFilterExpression", c.plain()})
		return []E{{"indexes", Array(index)}}
	}
	panic("no such command: " + name)
}

// some draws an array of 1 to most.
func (c commander) some(most int, one func() bson.RawValue) bson.RawValue {
	var all []bson.RawValue
	for range 1 + c.IntN(most) {
		all = append(all, one())
	}
	return Array(all...)
}

// stored draws a document to be stored.
func (c commander) stored() bson.RawValue {
	es := []E{{"_id", Int(c.IntN(1000))}}
	if c.schema.Pointers {
		es = append(es, E{KeyField, String(AltName(c.IntN(AltNames)))})
	}
	var fields []Field
	for _, f := range c.schema.Fields {
		if !c.Chance(5) {
			fields = append(fields, f)
		}
	}
	return Document(append(es, c.fill(fields, 0)...)...)
}

// fill draws what a document at depth holds: its part of fields, and at the top others, which are not encrypted.
func (c commander) fill(fields []Field, depth int) (es []E) {
	for len(fields) > 0 {
		name := fields[0].Path[depth]
		var below, rest []Field
		for _, f := range fields {
			if f.Path[depth] == name {
				below = append(below, f)
			} else {
				rest = append(rest, f)
			}
		}
		if len(below[0].Path) == depth+1 {
			es = append(es, E{name, c.Value(Pick(c.Drawer, below[0].Types...), 3)})
		} else {
			es = append(es, E{name, Document(c.fill(below, depth+1)...)})
		}
		fields = rest
	}
	if depth == 0 && c.Chance(2) {
		es = slices.Insert(es, c.IntN(len(es)+1), E{Pick(c.Drawer, "x", "y", "z"), c.Any(3)})
	}
	return es
}

// field draws one of the fields that ok takes.
func (c commander) field(ok func(Field) bool) (Field, bool) {
	var fit []Field
	for _, f := range c.schema.Fields {
		if ok(f) {
			fit = append(fit, f)
		}
	}
	if len(fit) == 0 {
		return Field{}, false
	}
	return Pick(c.Drawer, fit...), true
}

// compared is a field that queries may compare with constants. Constants that are regular expressions mean something else in queries.
func compared(f Field) bool {
	return f.Algorithm == payload.Deterministic && f.Types[0] != bson.TypeRegex
}

func settable(f Field) bool { return !f.Pointer }

func (c commander) filter() bson.RawValue {
	var es []E
	seen := map[string]bool{}
	for range 1 + c.IntN(3) {
		e := c.condition()
		if !seen[e.Key] {
			es = append(es, e)
		}
		seen[e.Key] = true
	}
	return Document(es...)
}

func (c commander) condition() E {
	switch c.IntN(6) {
	case 0:
		return E{Pick(c.Drawer, "$and", "$or", "$nor"), c.some(2, func() bson.RawValue { return Document(c.comparison()) })}
	case 1:
		return E{"x", Document(E{Pick(c.Drawer, "$gt", "$lt", "$eq"), c.constant()})}
	case 2:
		if f, ok := c.field(settable); ok {
			return E{f.Name(), Document(E{"$exists", Bool(c.Chance(2))})}
		}
	}
	return c.comparison()
}

// constant draws a constant without documents in it, in which analysis might look for fields.
func (c commander) constant() bson.RawValue {
	return c.Value(Pick(c.Drawer, bson.TypeString, bson.TypeInt32, bson.TypeDouble, bson.TypeDecimal128, bson.TypeBinary, bson.TypeDateTime), 0)
}

func (c commander) comparison() E {
	f, ok := c.field(compared)
	if !ok {
		return E{Pick(c.Drawer, "x", "y"), c.constant()}
	}
	value := func() bson.RawValue { return c.Value(f.Types[0], 0) }
	v := value()
	switch c.IntN(6) {
	case 0:
		v = Document(E{Pick(c.Drawer, "$eq", "$ne"), v})
	case 1, 2:
		v = Document(E{Pick(c.Drawer, "$in", "$nin"), c.some(4, value)})
	case 3:
		v = Document(E{"$not", Document(E{"$eq", v})})
	}
	return E{f.Name(), v}
}

// plain draws a filter without comparisons with encrypted fields.
func (c commander) plain() bson.RawValue {
	return Document(E{"x", Document(E{"$gt", c.constant()})}, E{"y", c.constant()})
}

func (c commander) updateStatement() bson.RawValue {
	es := []E{{"q", c.filter()}, {"u", c.update()}}
	if c.Chance(2) {
		es = append(es, E{"upsert", Bool(c.Chance(2))})
	}
	return Document(es...)
}

// update draws a replacement or operators.
func (c commander) update() bson.RawValue {
	if !c.schema.Pointers && c.Chance(4) {
		return c.stored()
	}
	set, unset := c.settings(), E{"$unset", Document(E{"x", String("")})}
	set = append(set, E{"x", c.Any(3)})
	switch c.IntN(4) {
	case 0:
		return Document(E{"$set", Document(set...)}, unset)
	case 1:
		return Document(E{"$setOnInsert", Document(set...)}, E{"$inc", Document(E{"y", Int(1)})})
	}
	return Document(E{"$set", Document(set...)})
}

func (c commander) settings() (es []E) {
	f, ok := c.field(settable)
	if !ok {
		return nil
	}
	es = []E{{f.Name(), c.Value(Pick(c.Drawer, f.Types...), 3)}}
	if g, _ := c.field(settable); g.Name() != f.Name() {
		es = append(es, E{g.Name(), c.Value(Pick(c.Drawer, g.Types...), 3)})
	}
	return es
}

func (c commander) operation() bson.RawValue {
	switch c.IntN(3) {
	case 0:
		return Document(E{"insert", Int(0)}, E{"document", c.stored()})
	case 1:
		return Document(E{"update", Int(0)}, E{"filter", c.filter()}, E{"updateMods", c.update()})
	}
	return Document(E{"delete", Int(0)}, E{"filter", c.filter()})
}

func (c commander) stage() bson.RawValue {
	switch c.IntN(8) {
	case 0:
		return Document(E{"$limit", Int(1 + c.IntN(10))})
	case 1, 2:
		if f, ok := c.field(compared); ok && !strings.Contains(f.Name(), "$") {
			eq := Document(E{Pick(c.Drawer, "$eq", "$ne"), Array(String("$"+f.Name()), Document(E{"$literal", c.Value(f.Types[0], 0)}))})
			return Document(E{"$addFields", Document(E{"z", eq})})
		}
	case 3:
		in := commander{c.Drawer, c.other, c.other}
		pipeline := Array(Document(E{"$match", in.filter()}))
		return Document(E{"$lookup", Document(E{"from", String(Other)}, E{"pipeline", pipeline}, E{"as", String("z")})})
	case 4:
		return Document(E{"$sort", Document(E{"x", Int(1)})})
	}
	return Document(E{"$match", c.filter()})
}
