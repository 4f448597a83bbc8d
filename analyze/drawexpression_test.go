package analyze_test

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// pipes draws pipelines, filters and expressions over the shapes of some collections, such as people write. The wild ones, one in
// three, use fields where no one should.
type pipes struct {
	*rapid.T
	roots    map[string]*shape // by name of the collection
	own      string            // the collection of the command
	compared func(*shape) any  // draws a constant that is compared with a place
	used     map[string]bool   // stages and operators that stand where the documents hold something encrypted
	vars     []string          // variables in reach, all plain
	wild     bool
}

// evenly draws a number below n, each as often as the others: rapid's own generators prefer the small ones.
func evenly(t *rapid.T, n int) int {
	v := 0
	for most := 1; most < 8*n; most *= 2 {
		v *= 2
		if rapid.Bool().Draw(t, "bit") {
			v++
		}
	}
	return v % n
}

func (g *pipes) number(n int) int { return evenly(g.T, n) }

func (g *pipes) chance(of int) bool { return g.number(of) == 0 }

func (g *pipes) odd() bool { return g.wild && g.chance(5) }

func (g *pipes) pick(values ...string) string { return values[g.number(len(values))] }

// note takes down that an operator or stage stands where root holds something encrypted.
func (g *pipes) note(name string, root *shape) string {
	if root.encrypts() {
		g.used[name] = true
	}
	return name
}

// field draws a path in root to a place of some kind; to any when there is none, or as something odd.
func (g *pipes) field(root *shape, kind func(*shape) bool) found {
	all := root.paths()
	of := slices.DeleteFunc(slices.Clone(all), func(f found) bool { return !kind(f.shape) })
	if len(of) == 0 || g.odd() {
		of = all
	}
	return of[g.number(len(of))]
}

// compares draws a path to compare something with: mostly to a deterministically encrypted field, some to what the model does not know,
// or to an array.
func (g *pipes) compares(root *shape) found {
	doubtful := func(s *shape) bool { return s.isArray() || s != nil && s.unsure }
	if g.chance(4) && has(root, doubtful) {
		return g.field(root, doubtful)
	}
	return g.field(root, (*shape).deterministic)
}

// has says whether root has a place of some kind.
func has(root *shape, kind func(*shape) bool) bool {
	return slices.ContainsFunc(root.paths(), func(f found) bool { return kind(f.shape) })
}

// reference writes the path of an expression.
func (g *pipes) reference(path string) any {
	switch g.number(8) {
	case 0:
		return "$$ROOT." + path
	case 1:
		return "$$CURRENT." + path
	}
	return "$" + path
}

// constant writes a constant that is compared with a place, or is like it.
func (g *pipes) constant(s *shape, root *shape) any {
	v := g.compared(s)
	if g.chance(4) {
		return bson.D{{Key: g.note("$literal", root), Value: v}}
	}
	return v
}

// expression draws an expression over documents like root, and says what it gives.
func (g *pipes) expression(root *shape, depth int) (any, *shape) {
	kind := g.number(20)
	if depth > 2 {
		kind %= 6
	}
	switch kind {
	default:
		f := g.field(root, func(*shape) bool { return true })
		return g.reference(f.path), f.shape
	case 3:
		return g.constant(nil, root), nil
	case 4:
		if g.chance(3) {
			return "$$REMOVE", absent
		}
		return nil, absent
	case 6, 7:
		return g.choice(root, depth+1)
	case 8:
		x, a := g.branch(root, depth+1)
		y, b := g.branch(root, depth+1)
		return bson.D{{Key: g.note("$ifNull", root), Value: bson.A{x, y}}}, a.or(b)
	case 9:
		return g.let(root, depth+1)
	case 10:
		return g.getField(root)
	case 11:
		x, a := g.expression(root, depth+1)
		y, b := g.expression(root, depth+1)
		return bson.D{{Key: "x", Value: x}, {Key: "y", Value: y}}, absent.with("x", a).with("y", b)
	case 12:
		x, a := g.expression(root, depth+1)
		y, b := g.branch(root, depth+1)
		return bson.A{x, y}, a.or(b).array()
	case 13:
		return g.element(root, depth+1)
	case 14, 15:
		return g.boolean(root, depth+1), nil
	case 16, 17:
		return g.plainOperator(root, depth+1), nil
	case 18:
		return "$$ROOT", root
	}
}

// branch is an expression that may have a branch like it beside it: mostly fields of one kind.
func (g *pipes) branch(root *shape, depth int) (any, *shape) {
	switch g.number(6) {
	case 0, 1:
		return g.expression(root, depth)
	case 2:
		return nil, absent
	case 3:
		f := g.field(root, (*shape).isPlain)
		return "$" + f.path, f.shape
	}
	f := g.field(root, (*shape).deterministic)
	return "$" + f.path, f.shape
}

// choice draws $cond or $switch.
func (g *pipes) choice(root *shape, depth int) (any, *shape) {
	condition := g.boolean(root, depth)
	x, a := g.branch(root, depth)
	y, b := g.branch(root, depth)
	switch g.pick("list", "document", "$switch") {
	case "list":
		return bson.D{{Key: g.note("$cond", root), Value: bson.A{condition, x, y}}}, a.or(b)
	case "document":
		return bson.D{{Key: g.note("$cond", root), Value: bson.D{{Key: "if", Value: condition}, {Key: "then", Value: x}, {Key: "else", Value: y}}}}, a.or(b)
	}
	branches := bson.A{bson.D{{Key: "case", Value: condition}, {Key: "then", Value: x}}}
	return bson.D{{Key: g.note("$switch", root), Value: bson.D{{Key: "branches", Value: branches}, {Key: "default", Value: y}}}}, a.or(b)
}

func (g *pipes) let(root *shape, depth int) (any, *shape) {
	bound := g.plain(root, depth)
	outer := g.vars
	g.vars = append(slices.Clone(outer), "v")
	in, s := g.expression(root, depth)
	if g.chance(2) {
		in, s = bson.D{{Key: g.note("$eq", root), Value: bson.A{"$$v", g.constant(unsure, root)}}}, nil
	}
	g.vars = outer
	return bson.D{{Key: g.note("$let", root), Value: bson.D{{Key: "vars", Value: bson.D{{Key: "v", Value: bound}}}, {Key: "in", Value: in}}}}, s
}

func (g *pipes) getField(root *shape) (any, *shape) {
	g.note("$getField", root)
	if f := g.field(root, (*shape).isDocument); f.isDocument() && g.chance(2) {
		name := g.field(f.shape, (*shape).deterministic).path
		return bson.D{{Key: "$getField", Value: bson.D{{Key: "field", Value: name}, {Key: "input", Value: "$" + f.path}}}}, literalField(f.shape, name)
	}
	name := g.field(root, (*shape).deterministic).path
	return bson.D{{Key: "$getField", Value: name}}, literalField(root, name)
}

// literalField is the field of that very name: a dot in it leads nowhere, as far as the model knows.
func literalField(s *shape, name string) *shape {
	if slices.Contains([]byte(name), '.') {
		return unsure
	}
	return s.field(name)
}

// element draws an operator that gives an element of an array.
func (g *pipes) element(root *shape, depth int) (any, *shape) {
	var array any
	var s *shape
	if f := g.field(root, (*shape).isArray); f.isArray() && g.chance(2) {
		array, s = "$"+f.path, f.elem
	} else {
		x, a := g.branch(root, depth)
		y, b := g.branch(root, depth)
		array, s = bson.A{bson.A{x, y}}, a.or(b)
	}
	switch name := g.note(g.pick("$first", "$last", "$arrayElemAt"), root); {
	case name != "$arrayElemAt":
		return bson.D{{Key: name, Value: array}}, s
	default:
		if list, isList := array.(bson.A); isList {
			array = list[0]
		}
		return bson.D{{Key: name, Value: bson.A{array, g.number(3) - 1}}}, s
	}
}
