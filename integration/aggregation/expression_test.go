package aggregation

import (
	"go.mongodb.org/mongo-driver/v2/bson"
)

// condition draws a query.
func (d *drawn) condition() bson.D {
	p := d.place()
	switch v := p.value(d.T); number(d.T, 7) {
	case 0:
		return one(p.path, one("$in", bson.A{v, p.value(d.T)}))
	case 1:
		return one(p.path, one("$ne", v))
	case 2:
		return one(p.path, one("$exists", chance(d.T, 2)))
	case 3:
		return one("$expr", d.predicate(0))
	case 4:
		other := d.place()
		return one("$or", bson.A{one(p.path, v), one(other.path, other.value(d.T))})
	default:
		return one(p.path, v)
	}
}

// expression draws one that gives a value of any type.
func (d *drawn) expression(depth int) any {
	path := "$" + d.place().path
	if depth > 1 {
		return path
	}
	inner := func() any { return d.expression(depth + 1) }
	switch number(d.T, 11) {
	case 0:
		return one("$cond", bson.A{d.predicate(depth + 1), inner(), inner()})
	case 1:
		return one("$ifNull", bson.A{inner(), inner()})
	case 2:
		branch := bson.D{{Key: "case", Value: d.predicate(depth + 1)}, {Key: "then", Value: inner()}}
		return one("$switch", bson.D{{Key: "branches", Value: bson.A{branch}}, {Key: "default", Value: inner()}})
	case 3:
		return one("$let", bson.D{{Key: "vars", Value: one("x", inner())}, {Key: "in", Value: pick(d.T, any("$$x"), any(bson.A{"$$x"}), inner())}})
	case 4:
		return one("s", inner())
	case 5:
		return one("$concat", bson.A{"$p", pick(d.T, "$o.y", path)})
	case 6, 7:
		return d.predicate(depth)
	case 8:
		return one("$literal", "red")
	default:
		return path
	}
}

// predicate draws an expression that is true or false.
func (d *drawn) predicate(depth int) any {
	p := d.place()
	operand := pick(d.T, any("$"+p.path), any("$$CURRENT."+p.path))
	switch v := p.value(d.T); number(d.T, 7) {
	case 0:
		return one("$in", bson.A{operand, bson.A{v, p.value(d.T)}})
	case 1:
		return one(pick(d.T, "$eq", "$ne"), bson.A{"$" + d.like(p).path, operand})
	case 2:
		return one(pick(d.T, "$eq", "$ne"), bson.A{operand, d.expression(depth + 1)})
	case 3:
		return one("$and", bson.A{one("$eq", bson.A{operand, v}), one("$ne", bson.A{"$p", "red"})})
	case 4:
		return one("$not", bson.A{one("$eq", bson.A{one("$literal", v), operand})})
	default:
		return one(pick(d.T, "$eq", "$ne"), bson.A{operand, v})
	}
}
