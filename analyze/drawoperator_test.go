package analyze_test

import (
	"go.mongodb.org/mongo-driver/v2/bson"
)

// boolean draws a condition.
func (g *pipes) boolean(root *shape, depth int) any {
	kind := g.number(13)
	if depth > 3 {
		kind %= 8
	}
	equality := g.pick("$eq", "$ne")
	pair := func(name string, x, y any) any {
		if g.chance(2) {
			x, y = y, x
		}
		return bson.D{{Key: g.note(name, root), Value: bson.A{x, y}}}
	}
	switch kind {
	default:
		f := g.compares(root)
		return pair(equality, g.reference(f.path), g.constant(f.shape, root))
	case 3, 4:
		f := g.compares(root)
		return bson.D{{Key: g.note("$in", root), Value: bson.A{g.reference(f.path), g.list(f.shape, root)}}}
	case 5:
		f := g.field(root, (*shape).deterministic)
		other := g.field(root, func(s *shape) bool { return s.deterministic() && (s.alike(f.shape) || g.wild) })
		return pair(equality, "$"+f.path, "$"+other.path)
	case 6:
		f := g.field(root, (*shape).isPlain)
		return pair(equality, "$"+f.path, g.constant(f.shape, root))
	case 7:
		f := g.field(root, (*shape).isPlain)
		return bson.D{{Key: g.note(g.pick("$gt", "$gte", "$lt", "$lte", "$in"), root), Value: bson.A{"$" + f.path, g.list(f.shape, root)}}}
	case 8:
		return bson.D{{Key: g.note(g.pick("$and", "$or"), root), Value: bson.A{g.boolean(root, depth+1), g.boolean(root, depth+1)}}}
	case 9:
		return bson.D{{Key: g.note("$not", root), Value: bson.A{g.boolean(root, depth+1)}}}
	case 10:
		return pair(equality, g.plain(root, depth+1), g.plain(root, depth+1))
	case 11:
		if g.odd() {
			return "$" + g.field(root, (*shape).encrypts).path
		}
		x, s := g.expression(root, depth+1)
		return pair(equality, x, g.constant(s, root))
	case 12:
		bound := bson.D{{Key: "v", Value: "$" + g.field(root, (*shape).isPlain).path}}
		return bson.D{{Key: g.note("$let", root), Value: bson.D{{Key: "vars", Value: bound}, {Key: "in", Value: pair(equality, "$$v", g.constant(unsure, root))}}}}
	}
}

func (g *pipes) list(s, root *shape) any {
	list := bson.A{g.compared(s), g.compared(s)}
	if g.odd() {
		return bson.A{g.compared(s), "$" + g.field(root, (*shape).isPlain).path}
	}
	if g.chance(3) {
		return bson.D{{Key: g.note("$literal", root), Value: list}}
	}
	return list
}

// plain draws an operand in which nothing is encrypted.
func (g *pipes) plain(root *shape, depth int) any {
	switch kind := g.number(6); {
	case kind == 0 && depth < 3:
		return g.boolean(root, depth+1)
	case kind == 1 && depth < 3:
		return g.plainOperator(root, depth+1)
	case kind == 2 && len(g.vars) > 0:
		return "$$" + g.pick(g.vars...)
	case kind == 3:
		return g.constant(unsure, root) // what is beside it need not be plain
	}
	return "$" + g.field(root, (*shape).isPlain).path
}

func (g *pipes) plainOperator(root *shape, depth int) any {
	p := func() any { return g.plain(root, depth+1) }
	name := g.note(g.pick("$cmp", "$gt", "$lte", "$type", "$isArray", "$size", "$concat", "$toString", "$max", "$map", "$filter", "$reduce", "$setUnion",
		"$concatArrays", "$mergeObjects", "$add", "$slice", "$objectToArray", "$setIntersection"), root)
	is := func(v any) bson.D { return bson.D{{Key: name, Value: v}} }
	switch name {
	case "$type":
		return is(p())
	case "$isArray", "$size":
		if f := g.field(root, (*shape).isArray); f.isArray() && g.chance(2) {
			return is("$" + f.path)
		}
		return is(bson.A{bson.A{p(), p()}})
	case "$toString":
		return is(bson.D{{Key: "$type", Value: p()}})
	case "$concat":
		return is(bson.A{bson.D{{Key: "$type", Value: p()}}, "-"})
	case "$map":
		return is(bson.D{{Key: "input", Value: bson.A{p(), p()}}, {Key: "as", Value: "e"}, {Key: "in", Value: bson.A{"$$e", p()}}})
	case "$filter":
		return is(bson.D{{Key: "input", Value: bson.A{p(), p()}}, {Key: "as", Value: "e"}, {Key: "cond", Value: bson.D{{Key: "$eq", Value: bson.A{"$$e", p()}}}}})
	case "$reduce":
		return is(bson.D{{Key: "input", Value: bson.A{p()}}, {Key: "initialValue", Value: bson.A{}}, {Key: "in", Value: bson.D{{Key: "$concatArrays", Value: bson.A{"$$value", bson.A{"$$this"}}}}}})
	case "$setUnion", "$concatArrays", "$setIntersection":
		return is(bson.A{bson.A{p()}, bson.A{p()}})
	case "$mergeObjects":
		return is(bson.A{bson.D{{Key: "m", Value: p()}}, bson.D{{Key: "n", Value: p()}}})
	case "$add":
		return is(bson.A{1, bson.D{{Key: "$cmp", Value: bson.A{p(), p()}}}})
	case "$slice":
		return is(bson.A{bson.A{p(), p()}, 1})
	case "$objectToArray":
		return is(bson.D{{Key: "k", Value: p()}})
	}
	return is(bson.A{p(), p()})
}
