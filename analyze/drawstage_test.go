package analyze_test

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func (g *pipes) replaceRoot(root *shape, name string) (bson.A, *shape) {
	wrap := func(v any) bson.D {
		if name == "$replaceRoot" {
			v = bson.D{{Key: "newRoot", Value: v}}
		}
		return bson.D{{Key: name, Value: v}}
	}
	if f := g.field(root, (*shape).isDocument); f.isDocument() && g.chance(2) {
		inner := g.field(f.shape, (*shape).encrypts)
		exists := bson.D{{Key: "$match", Value: bson.D{{Key: f.path + "." + inner.path, Value: bson.D{{Key: "$exists", Value: true}}}}}}
		return bson.A{exists, wrap("$" + f.path)}, f.shape
	}
	x, a := g.expression(root, 0)
	y, b := g.branch(root, 0)
	return bson.A{wrap(bson.D{{Key: "x", Value: x}, {Key: "y", Value: y}})}, absent.with("x", a).with("y", b)
}

func (g *pipes) redaction(root *shape) any {
	then, otherwise := g.pick("$$KEEP", "$$KEEP", "$$DESCEND", "$$PRUNE"), g.pick("$$PRUNE", "$$KEEP")
	return bson.D{{Key: g.note("$cond", root), Value: bson.A{g.boolean(root, 1), then, otherwise}}}
}

func (g *pipes) unwind(root *shape) (bson.A, *shape) {
	kind := (*shape).isArray
	if !has(root, kind) {
		kind = (*shape).isPlain
	}
	f := g.field(root, kind)
	var v any = "$" + f.path
	result := root
	if f.isArray() {
		result = root.with(f.path, f.elem)
	}
	if g.chance(2) {
		v = bson.D{{Key: "path", Value: v}, {Key: "preserveNullAndEmptyArrays", Value: g.chance(2)}}
		if g.chance(3) {
			v = append(v.(bson.D), bson.E{Key: "includeArrayIndex", Value: "i"})
			result = result.with("i", nil)
		}
	}
	return bson.A{bson.D{{Key: "$unwind", Value: v}}}, result
}

// key draws what to group by.
func (g *pipes) key(root *shape) (any, *shape) {
	switch g.number(7) {
	case 0:
		return nil, nil
	case 1:
		return g.expression(root, 1)
	case 2:
		x, y := g.field(root, (*shape).deterministic), g.field(root, (*shape).isPlain)
		return bson.D{{Key: "x", Value: "$" + x.path}, {Key: "y", Value: "$" + y.path}}, absent.with("x", x.shape).with("y", y.shape)
	case 3:
		f := g.field(root, (*shape).isPlain)
		return "$" + f.path, f.shape
	}
	f := g.field(root, (*shape).deterministic)
	return "$" + f.path, f.shape
}

func (g *pipes) accumulated(root *shape) (bson.D, *shape) {
	doc, result := bson.D{{Key: "n", Value: bson.D{{Key: "$sum", Value: 1}}}}, absent.with("n", nil)
	for _, name := range []string{"x", "y"} {
		operator := g.note(g.pick("$push", "$addToSet", "$first", "$last", "$max", "$min"), root)
		var v any
		var s *shape
		switch operator {
		case "$addToSet":
			f := g.field(root, (*shape).deterministic)
			v, s = "$"+f.path, f.array()
		case "$push":
			v, s = g.expression(root, 1)
			if s == absent {
				s = nil
			}
			s = s.array()
		case "$first", "$last":
			v, s = g.expression(root, 1)
		default:
			v = g.plain(root, 1)
		}
		doc, result = append(doc, bson.E{Key: name, Value: bson.D{{Key: operator, Value: v}}}), result.with(name, s)
	}
	return doc, result
}

func (g *pipes) lookup(root *shape, depth int) (bson.A, *shape) {
	from := g.collection()
	result := g.roots[from]
	stage := bson.D{{Key: "from", Value: from}}
	form := g.number(4)
	if form < 3 {
		foreign := g.field(result, func(s *shape) bool { return s.deterministic() || s.isPlain() })
		local := g.field(root, func(s *shape) bool { return foreign.enc() == nil && s.isPlain() || s.alike(foreign.shape) })
		stage = append(stage, bson.E{Key: "localField", Value: local.path}, bson.E{Key: "foreignField", Value: foreign.path})
	}
	if form > 1 {
		outer := g.vars
		if g.chance(2) {
			bound := g.plain(root, 1)
			if g.odd() {
				bound = "$" + g.field(root, (*shape).deterministic).path
			}
			stage = append(stage, bson.E{Key: "let", Value: bson.D{{Key: "v", Value: bound}}})
			g.vars = append(slices.Clone(outer), "v")
		}
		var inner bson.A
		inner, result = g.pipeline(result, 2, depth)
		if len(g.vars) > len(outer) && g.chance(2) {
			same := bson.D{{Key: "$eq", Value: bson.A{"$$v", "$" + g.field(g.roots[from], (*shape).isPlain).path}}}
			inner = append(bson.A{bson.D{{Key: "$match", Value: bson.D{{Key: "$expr", Value: same}}}}}, inner...)
		}
		g.vars = outer
		stage = append(stage, bson.E{Key: "pipeline", Value: inner})
	}
	as := g.pick("l", "x")
	return bson.A{bson.D{{Key: "$lookup", Value: append(stage, bson.E{Key: "as", Value: as})}}}, root.with(as, result.array())
}

func (g *pipes) graphLookup(root *shape) (bson.A, *shape) {
	from := g.collection()
	other := g.roots[from]
	to := g.field(other, func(s *shape) bool { return s.deterministic() || s.isPlain() })
	like := func(s *shape) bool { return to.enc() == nil && s.isPlain() || s.alike(to.shape) }
	var start any = "$" + g.field(root, like).path
	if g.chance(3) {
		start = g.compared(to.shape)
	}
	stage := bson.D{{Key: "from", Value: from}, {Key: "startWith", Value: start}, {Key: "connectFromField", Value: g.field(other, like).path},
		{Key: "connectToField", Value: to.path}, {Key: "as", Value: "l"}, {Key: "maxDepth", Value: 1}}
	if g.chance(2) {
		stage = append(stage, bson.E{Key: "restrictSearchWithMatch", Value: g.filter(other, 1)})
	}
	if g.chance(3) {
		stage = append(stage, bson.E{Key: "depthField", Value: "depth"})
		other = other.with("depth", nil)
	}
	return bson.A{bson.D{{Key: "$graphLookup", Value: stage}}}, root.with("l", other.array())
}
