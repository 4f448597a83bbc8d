package analyze_test

import (
	"encoding/binary"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// pipes draws pipelines and expressions whose constants are canaries.
func (g *drawer) pipes() *pipes {
	return &pipes{T: g.T, roots: g.roots, own: "c", compared: g.compared, used: map[string]bool{}, wild: g.oddities > 0}
}

// compared makes a canary that is compared with a place; none where the model does not know what the place is.
func (g *drawer) compared(s *shape) any {
	e := s.enc()
	if e == nil && s.encrypts() {
		return "x"
	}
	c := canary{text: fmt.Sprintf("canary%04dx", len(g.canaries)), secret: e != nil, enc: e}
	bsonType := "string"
	if e != nil && len(e.types) > 0 {
		bsonType = e.types[0]
	}
	var v any
	switch bsonType {
	case "long":
		n := int64(0x6361_6e61_7279_0000) + int64(len(g.canaries))
		c.text, v = string(binary.LittleEndian.AppendUint64(nil, uint64(n))), n
	case "binData":
		v = bson.Binary{Data: []byte(c.text)}
	case "javascript":
		v = bson.JavaScript(c.text)
	case "symbol":
		v = bson.Symbol(c.text)
	default:
		v = c.text
	}
	g.canaries = append(g.canaries, c)
	return v
}

func (g *drawer) pipeline() bson.A {
	if g.chance(4) {
		return g.simplePipeline()
	}
	stages, _ := g.pipes().pipeline(shapeOf(g.root), 4, 0)
	if g.chance(8) {
		near := bson.D{{Key: "near", Value: bson.A{1, 2}}, {Key: "key", Value: "plain"}, {Key: "distanceField", Value: "far"}, {Key: "query", Value: g.filter(g.top(), 1)}}
		stages = append(bson.A{bson.D{{Key: "$geoNear", Value: near}}}, stages...)
	}
	if g.odd() {
		refused := pick(g, "$out", "$merge", "$fill", "$setWindowFields", "$densify", "$search", "$vectorSearch", "$documents", "$changeStream", "$x")
		stages = append(stages, bson.D{{Key: refused, Value: bson.D{{Key: "x", Value: g.always()}}}})
	}
	return stages
}

// simplePipeline draws a pipeline whose documents stay the collection's own, with stranger arguments.
func (g *drawer) simplePipeline() bson.A {
	pipeline := bson.A{bson.D{{Key: "$match", Value: g.filter(g.top(), 0)}}}
	for range rapid.IntRange(0, 2).Draw(g.T, "stages") {
		stage := pick(g, "$match", "$limit", "$sort")
		var argument any
		switch stage {
		case "$match":
			argument = g.filter(g.top(), 0)
		case "$sort":
			argument = g.keys()
		default:
			argument = int32(1)
		}
		if g.odd() || g.oddities > 0 && g.chance(2) {
			stage = pick(g, "$limit", "$skip", "$sample", "$count", "$facet", "$lookup", "$graphLookup", "$unionWith", "$unwind", "$bucket", "$geoNear", "$x")
			argument = g.about(g.top(), 2)
		}
		pipeline = append(pipeline, bson.D{{Key: stage, Value: argument}})
	}
	sum := any(1)
	if g.odd() {
		sum = bson.D{{Key: "$max", Value: bson.A{bson.D{{Key: "x", Value: g.compared(nil)}}}}}
	}
	return append(pipeline, bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: bson.D{{Key: "$sum", Value: sum}}}}}})
}

// validator draws a validator, some with the schema in force, some of those with a description of values from further out.
func (g *drawer) validator(schema bson.D) bson.D {
	validator := g.filter(g.top(), 1)
	if g.chance(2) {
		if g.chance(2) {
			path := g.path(g.top())
			described := any(bson.D{{Key: "enum", Value: bson.A{g.canary(g.top().path(path))}}})
			parts := strings.Split(path, ".")
			for i := len(parts) - 1; i >= 0; i-- {
				described = bson.D{{Key: "properties", Value: bson.D{{Key: parts[i], Value: described}}}}
			}
			schema = append(bson.D{{Key: pick(g, "anyOf", "oneOf", "allOf"), Value: bson.A{described}}}, schema...)
		}
		validator = append(validator, bson.E{Key: "$jsonSchema", Value: schema})
	}
	return validator
}
