package analyze_test

import (
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// top is the location of a whole document.
func (g *drawer) top() where { return top(g.root) }

// always makes a canary that must not pass wherever it stands: it is compared with an encrypted field.
func (g *drawer) always() string {
	text := g.canary(g.top())
	g.canaries[len(g.canaries)-1].secret = true
	return text
}

var commands = []string{"insert", "find", "count", "distinct", "delete", "update", "findAndModify", "aggregate", "explain", "create", "collMod", "createIndexes",
	"bulkWrite"}

// command draws a command; schema is the document of the schema in force.
func (g *drawer) command(name string, schema bson.D) bson.D {
	cmd := bson.D{{Key: name, Value: "c"}}
	add := func(key string, value any) { cmd = append(cmd, bson.E{Key: key, Value: value}) }
	switch name {
	case "insert":
		add("documents", bson.A{g.stored(), g.stored()})
	case "find":
		add("filter", g.filter(g.top(), 0))
		if f := g.pipes().field(shapeOf(g.root), (*shape).encrypts); f.enc() != nil && g.odd() { // a constant that comes by another way
			cmd[1].Value = bson.D{{Key: "$expr", Value: bson.D{{Key: "$eq", Value: bson.A{"$" + f.path, "$$v"}}}}}
			add("let", bson.D{{Key: "v", Value: g.always()}})
		}
		switch rapid.IntRange(0, 5).Draw(g.T, "projection") {
		case 0:
			add("projection", g.projection())
		case 1:
			projection, _ := g.pipes().projection(shapeOf(g.root))
			add("projection", projection)
		}
		if g.chance(4) || g.odd() {
			add(pick(g, "sort", "min", "max", "hint"), g.keys())
		}
	case "count":
		add("query", g.filter(g.top(), 0))
	case "distinct":
		add("key", g.path(g.top()))
		add("query", g.filter(g.top(), 0))
	case "delete":
		add("deletes", bson.A{bson.D{{Key: "q", Value: g.filter(g.top(), 0)}, {Key: "limit", Value: 1}}})
	case "update":
		add("updates", bson.A{append(bson.D{{Key: "q", Value: g.query()}, {Key: "upsert", Value: g.chance(4)}}, g.update("u")...)})
	case "findAndModify":
		add("query", g.query())
		cmd = append(cmd, g.update("update")...)
	case "aggregate":
		add("pipeline", g.pipeline())
		add("cursor", bson.D{})
	case "explain":
		return bson.D{{Key: "explain", Value: g.command(pick(g, commands[:7]...), schema)}}
	case "create":
		add("validator", g.validator(schema))
	case "collMod":
		if g.chance(2) {
			add("validator", g.validator(schema))
		}
		add("index", bson.D{{Key: "keyPattern", Value: g.keys()}, {Key: "expireAfterSeconds", Value: 60}})
	case "bulkWrite":
		cmd[0].Value = 1
		g.bulk(add)
	case "createIndexes":
		add("indexes", bson.A{bson.D{{Key: "key", Value: g.keys()}, {Key: "partialFilterExpression", Value: g.filter(g.top(), 0)}}})
	}
	if g.odd() {
		add(pick(g, "unknown", "filter", "query", "comment2"), bson.D{{Key: "v", Value: g.always()}})
	}
	return cmd
}

// query draws the filter of an update, half of the time without anything odd, to leave that for the update.
func (g *drawer) query() bson.D {
	if g.chance(2) {
		return g.filter(g.top(), 0)
	}
	saved := g.oddities
	g.oddities = 0
	defer func() { g.oddities = saved }()
	return g.filter(g.top(), 2)
}

// stored draws a document with what most need: an _id and the name of a key.
func (g *drawer) stored() bson.D {
	doc := g.document(g.top(), 0)
	if !g.odd() {
		head := bson.D{{Key: "_id", Value: g.value(g.top().field("_id"), 1)}, {Key: keyName, Value: "alice"}}
		doc = append(head, doc...)
	}
	return doc
}

// update draws an update under the name key, and sometimes array filters for it.
func (g *drawer) update(key string) bson.D {
	switch {
	case g.chance(3):
		return bson.D{{Key: key, Value: g.document(g.top(), 0)}}
	case g.odd():
		return bson.D{{Key: key, Value: bson.A{bson.D{{Key: "$set", Value: g.about(g.top(), 0)}}}}}
	}
	var updates bson.D
	elements := where{root: g.root} // where $[i] leads to
	few := 2
	if g.oddities > 0 {
		few = 1
	}
	for range rapid.IntRange(1, few).Draw(g.T, "updates") {
		operator := pick(g, "$set", "$set", "$set", "$setOnInsert", "$unset", "$rename", "$push")
		if g.oddities > 0 && g.chance(2) {
			operator = pick(g, "$inc", "$mul", "$max", "$min", "$currentDate", "$addToSet", "$pop", "$pull", "$pullAll", "$push", "$bit", "$unknown", "x")
		}
		modifications := bson.D{}
		for range rapid.IntRange(1, few).Draw(g.T, "modifications") {
			path := g.path(g.top())
			if before, _, found := strings.Cut(path, ".$[i]"); found {
				elements = elements.or(g.top().updated(before))
			}
			w := g.top().updated(path)
			if operator == "x" { // a replacement
				w = g.top().field("x").field(path)
			}
			if slices.Contains([]string{"$push", "$addToSet", "$pull", "$pullAll"}, operator) { // elements, of an array that they may begin
				w = w.or(w.path("0"))
			}
			argument := g.modification(operator, w)
			if operator != "$rename" && g.odd() { // whatever the operator asks for
				argument = pick(g, g.value(w, 1), any(g.canary(w)))
			}
			modifications = append(modifications, bson.E{Key: path, Value: argument})
		}
		updates = append(updates, bson.E{Key: operator, Value: modifications})
	}
	out := bson.D{{Key: key, Value: updates}}
	if len(elements.paths) > 0 || g.odd() {
		out = append(out, bson.E{Key: "arrayFilters", Value: bson.A{g.arrayFilter(elements)}})
	}
	return out
}

func (g *drawer) modification(operator string, w where) any {
	switch {
	case operator == "$rename" && g.odd():
		return pick(g, any(g.canary(g.top())), any(1)) // the argument is a name
	case operator == "$rename":
		return g.path(g.top())
	case operator == "$unset":
		return pick(g, any(""), any(1), any(true))
	case operator == "$push" && w.at() == nil:
		return bson.D{{Key: "$each", Value: bson.A{g.value(w.path("0"), 1)}}}
	case operator == "$push":
		return int32(1)
	}
	return g.value(w, 1)
}

func (g *drawer) arrayFilter(elements where) any {
	if len(elements.paths) == 0 || g.odd() {
		return g.about(g.top(), 3)
	}
	path := g.path(g.top())
	return bson.D{{Key: "i." + path, Value: g.canary(elements.path(path).or(elements))}}
}

func (g *drawer) projection() bson.D {
	doc := bson.D{}
	for range rapid.IntRange(1, 3).Draw(g.T, "projected") {
		path := g.path(g.top())
		value := pick(g, any(1), any(true), any(0.0))
		if g.odd() {
			w := g.top().path(path)
			value = pick(g, any(bson.D{{Key: "$eq", Value: bson.A{"$a", g.compared(shapeOf(g.root).field("a"))}}}), any(bson.D{{Key: "$elemMatch", Value: g.filter(w, 2)}}),
				any(bson.D{{Key: "$slice", Value: g.canary(w)}}))
		}
		doc = append(doc, bson.E{Key: path, Value: value})
	}
	return doc
}

// keys draws a sort, bounds, or the keys of an index.
func (g *drawer) keys() any {
	path := g.path(g.top())
	if g.odd() {
		return pick(g, any(bson.D{{Key: path, Value: g.value(g.top().path(path), 2)}}), any(bson.A{g.about(g.top(), 3)}))
	}
	return bson.D{{Key: path, Value: 1}}
}

// bulk draws the operations of bulkWrite on any of the collections.
func (g *drawer) bulk(add func(string, any)) {
	var infos, ops bson.A
	names := slices.Sorted(maps.Keys(g.roots))
	for _, name := range names {
		infos = append(infos, bson.D{{Key: "ns", Value: "db." + name}})
	}
	own := g.root
	for range rapid.IntRange(1, 3).Draw(g.T, "operations") {
		i := rapid.IntRange(0, len(names)-1).Draw(g.T, "namespace")
		if g.root = nil; g.roots[names[i]] != nil {
			g.root = g.roots[names[i]].place
		}
		switch pick(g, "insert", "update", "delete") {
		case "insert":
			ops = append(ops, bson.D{{Key: "insert", Value: i}, {Key: "document", Value: g.stored()}})
		case "update":
			ops = append(ops, append(bson.D{{Key: "update", Value: i}, {Key: "filter", Value: g.query()}}, g.update("updateMods")...))
		default:
			ops = append(ops, bson.D{{Key: "delete", Value: i}, {Key: "filter", Value: g.filter(g.top(), 0)}})
		}
	}
	g.root = own
	add("ops", ops)
	add("nsInfo", infos)
}
