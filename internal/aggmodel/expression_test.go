package aggmodel_test

import (
	"cmp"
	"errors"
	"math"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/aggmodel"
)

// expressionDoc is what the expressions below run on.
const expressionDoc = `{"_id":1,"i":7,"l":{"$numberLong":"9007199254740993"},"d":2.5,"s":"Ab","n":null,"a":[3,1,null,2],"e":[],
	"o":{"x":1,"y":{"z":2}},"docs":[{"b":1},{"b":[2,3]},{"c":4},5,[{"b":6}]],"when":{"$date":"2020-01-01T00:00:00Z"},
	"bin":{"$binary":{"base64":"AQI=","subType":"06"}},"yes":true,"oid":{"$oid":"507f1f77bcf86cd799439011"}}`

// The value; or "missing"; or "refused" or "unsupported" for the error.
var expressionCases = []struct{ expression, want string }{
	// Paths, variables and literals.
	{`"$o.y.z"`, `2`},
	{`"$o.nothing.z"`, `missing`},
	{`"$s.x"`, `missing`},
	{`"$docs.b"`, `[1,[2,3]]`},
	{`"$docs.0"`, `[]`},
	{`"$a.x"`, `[]`},
	{`"$$ROOT.o.x"`, `1`},
	{`"$$CURRENT.i"`, `7`},
	{`"$$REMOVE"`, `missing`},
	{`"$$NOW"`, `unsupported`},
	{`"$$PRUNE"`, `refused`},
	{`"text"`, `"text"`},
	{`{"a":"$i","b":{"c":"$gone"}}`, `{"a":7,"b":{}}`},
	{`["$i","$gone"]`, `[7,null]`},
	{`{"a.b":1}`, `refused`},
	{`{"$literal":"$i"}`, `"$i"`},
	{`{"$const":{"$add":1}}`, `{"$add":1}`},

	// Comparison: across types, missing before null.
	{`{"$eq":["$i",7.0]}`, `true`},
	{`{"$eq":["$gone",null]}`, `false`},
	{`{"$lt":["$gone",null]}`, `true`},
	{`{"$gt":["x",5]}`, `true`},
	{`{"$gt":["$bin","$s"]}`, `true`},
	{`{"$gt":["$oid","$bin"]}`, `true`},
	{`{"$eq":["$bin",{"$binary":{"base64":"AQI=","subType":"00"}}]}`, `false`},
	{`{"$cmp":[{"x":1,"y":2},{"y":2,"x":1}]}`, `-1`},
	{`{"$cmp":["$a",[3]]}`, `1`},
	{`{"$eq":["$l",9007199254740992.0]}`, `false`},
	{`{"$lt":[{"$numberDouble":"NaN"},-1]}`, `true`},
	{`{"$lte":[1,1]}`, `true`},
	{`{"$gte":[1,2]}`, `false`},
	{`{"$ne":["$gone","$never"]}`, `false`},
	{`{"$eq":[1]}`, `refused`},

	// Conditions. The branch not taken is not evaluated.
	{`{"$and":[]}`, `true`},
	{`{"$or":[]}`, `false`},
	{`{"$and":["$yes","",[]]}`, `true`},
	{`{"$and":[0,{"$divide":["$i",0]}]}`, `false`},
	{`{"$or":[null,"$gone",0.0]}`, `false`},
	{`{"$not":"$n"}`, `true`},
	{`{"$not":["$i"]}`, `false`},
	{`{"$cond":["$yes",1,2]}`, `1`},
	{`{"$cond":{"if":"$gone","then":1,"else":"$never"}}`, `missing`},
	{`{"$cond":{"if":"$gone","then":1}}`, `refused`},
	{`{"$cond":{"if":1,"then":1,"else":1,"x":1}}`, `refused`},
	{`{"$ifNull":["$gone","$n","x"]}`, `"x"`},
	{`{"$ifNull":["$gone","$never"]}`, `missing`},
	{`{"$ifNull":["$gone"]}`, `refused`},
	{`{"$switch":{"branches":[{"case":"$n","then":1},{"case":"$i","then":2}]}}`, `2`},
	{`{"$switch":{"branches":[{"case":"$n","then":1}],"default":3}}`, `3`},
	{`{"$switch":{"branches":[{"case":"$n","then":1}]}}`, `refused`},
	{`{"$let":{"vars":{"x":"$i","y":{"$add":["$i",1]}},"in":{"$multiply":["$$x","$$y"]}}}`, `56`},
	{`{"$let":{"vars":{"x":1},"in":{"$let":{"vars":{"x":2,"y":"$$x"},"in":["$$x","$$y"]}}}}`, `[2,1]`},
	{`{"$let":{"vars":{"CURRENT":"$o"},"in":"$x"}}`, `1`},

	// Arithmetic.
	{`{"$add":["$i",1]}`, `8`},
	{`{"$add":["$i",0.5]}`, `7.5`},
	{`{"$add":["$i","$gone"]}`, `null`},
	{`{"$add":["$i","$s"]}`, `refused`},
	{`{"$add":["$i","$bin"]}`, `refused`},
	{`{"$add":[2147483647,1]}`, `{"$numberLong":"2147483648"}`},
	{`{"$add":["$when",1000]}`, `{"$date":"2020-01-01T00:00:01Z"}`},
	{`{"$add":["$when","$when"]}`, `refused`},
	{`{"$subtract":["$when",1000]}`, `{"$date":"2019-12-31T23:59:59Z"}`},
	{`{"$subtract":["$when","$when"]}`, `{"$numberLong":"0"}`},
	{`{"$subtract":[5,"$when"]}`, `refused`},
	{`{"$subtract":["$i",2]}`, `5`},
	{`{"$multiply":["$i","$d"]}`, `17.5`},
	{`{"$multiply":[65536,65536]}`, `{"$numberLong":"4294967296"}`},
	{`{"$divide":[6,3]}`, `2.0`},
	{`{"$divide":["$i",0]}`, `refused`},
	{`{"$mod":[-7,4]}`, `-3`},
	{`{"$mod":["$i",2.5]}`, `2.0`},
	{`{"$mod":["$i",0]}`, `refused`},

	// Arrays.
	{`{"$size":"$a"}`, `4`},
	{`{"$size":"$n"}`, `refused`},
	{`{"$isArray":"$a"}`, `true`},
	{`{"$isArray":["$n"]}`, `false`},
	{`{"$isArray":[[1,2]]}`, `true`},
	{`{"$arrayElemAt":["$a",-1]}`, `2`},
	{`{"$arrayElemAt":["$a",9]}`, `missing`},
	{`{"$arrayElemAt":["$n",0]}`, `null`},
	{`{"$arrayElemAt":["$s",0]}`, `refused`},
	{`{"$first":"$a"}`, `3`},
	{`{"$last":"$e"}`, `missing`},
	{`{"$in":[2.0,"$a"]}`, `true`},
	{`{"$in":["$bin",["$bin"]]}`, `true`},
	{`{"$in":[1,"$n"]}`, `refused`},
	{`{"$concatArrays":["$a",["x"]]}`, `[3,1,null,2,"x"]`},
	{`{"$concatArrays":["$a","$gone"]}`, `null`},
	{`{"$slice":["$a",2]}`, `[3,1]`},
	{`{"$slice":["$a",-2]}`, `[null,2]`},
	{`{"$slice":["$a",1,2]}`, `[1,null]`},
	{`{"$slice":["$a",-9,2]}`, `[3,1]`},
	{`{"$slice":["$a",9,2]}`, `[]`},
	{`{"$slice":["$a",1,0]}`, `refused`},
	{`{"$setUnion":["$a",[1,5]]}`, `[null,1,2,3,5]`},
	{`{"$setUnion":["$a","$n"]}`, `null`},
	{`{"$setIntersection":[[1,2,2],[2,1.0,7]]}`, `[1,2]`},
	{`{"$setIntersection":["$a","$gone"]}`, `null`},
	{`{"$setIntersection":["$a",1]}`, `refused`},
	{`{"$map":{"input":"$a","in":{"$add":["$$this",1]}}}`, `[4,2,null,3]`},
	{`{"$map":{"input":"$docs","as":"x","in":"$$x.b"}}`, `[1,[2,3],null,null,[6]]`},
	{`{"$map":{"input":"$gone","in":1}}`, `null`},
	{`{"$map":{"input":"$i","in":1}}`, `refused`},
	{`{"$filter":{"input":"$a","as":"x","cond":{"$gte":["$$x",2]}}}`, `[3,2]`},
	{`{"$filter":{"input":"$a","cond":true,"limit":1}}`, `[3]`},
	{`{"$reduce":{"input":"$a","initialValue":0,"in":{"$add":["$$value",{"$ifNull":["$$this",0]}]}}}`, `6`},
	{`{"$reduce":{"input":"$n","initialValue":0,"in":1}}`, `null`},
	{`{"$sum":"$a"}`, `6`},
	{`{"$sum":["$i","$d","$a"]}`, `9.5`},
	{`{"$avg":"$a"}`, `2.0`},
	{`{"$avg":"$e"}`, `null`},
	{`{"$min":"$a"}`, `1`},
	{`{"$max":["$i","$s"]}`, `"Ab"`},
	{`{"$max":"$gone"}`, `null`},

	// Objects.
	{`{"$mergeObjects":["$o",{"x":9,"w":0},null,"$gone"]}`, `{"x":9,"y":{"z":2},"w":0}`},
	{`{"$mergeObjects":["$o",1]}`, `refused`},
	{`{"$objectToArray":"$o"}`, `[{"k":"x","v":1},{"k":"y","v":{"z":2}}]`},
	{`{"$objectToArray":"$n"}`, `null`},
	{`{"$objectToArray":"$bin"}`, `refused`},
	{`{"$arrayToObject":[[["a",1],["b","$i"]]]}`, `{"a":1,"b":7}`},
	{`{"$arrayToObject":{"$objectToArray":"$o"}}`, `{"x":1,"y":{"z":2}}`},
	{`{"$arrayToObject":[[{"k":"a"}]]}`, `refused`},
	{`{"$getField":"i"}`, `7`},
	{`{"$getField":{"field":"x","input":"$o"}}`, `1`},
	{`{"$getField":{"field":"x","input":"$n"}}`, `null`},
	{`{"$getField":{"field":{"$literal":"x.y"},"input":"$o"}}`, `missing`},
	{`{"$getField":{"field":1,"input":"$o"}}`, `refused`},

	// Strings and types.
	{`{"$concat":["$s","-","c"]}`, `"Ab-c"`},
	{`{"$concat":["$s","$gone"]}`, `null`},
	{`{"$concat":["$s",1]}`, `refused`},
	{`{"$concat":["$s","$bin"]}`, `refused`},
	{`{"$toUpper":"$s"}`, `"AB"`},
	{`{"$toLower":"$s"}`, `"ab"`},
	{`{"$toUpper":"$gone"}`, `""`},
	{`{"$toUpper":"$bin"}`, `refused`},
	{`{"$toLower":"Ä"}`, `"Ä"`},
	{`{"$strLenCP":"é€"}`, `2`},
	{`{"$strLenCP":"$n"}`, `refused`},
	{`{"$substrCP":["é€x",1,5]}`, `"€x"`},
	{`{"$substrCP":["$n",0,1]}`, `""`},
	{`{"$substrCP":["$s",-1,1]}`, `refused`},
	{`{"$type":"$gone"}`, `"missing"`},
	{`{"$type":"$l"}`, `"long"`},
	{`{"$type":["$bin"]}`, `"binData"`},
	{`{"$type":[["$a"]]}`, `"array"`},
	{`{"$toString":"$i"}`, `"7"`},
	{`{"$toString":"$d"}`, `"2.5"`},
	{`{"$toString":"$yes"}`, `"true"`},
	{`{"$toString":"$when"}`, `"2020-01-01T00:00:00.000Z"`},
	{`{"$toString":"$oid"}`, `"507f1f77bcf86cd799439011"`},
	{`{"$toString":"$gone"}`, `null`},
	{`{"$toString":"$a"}`, `refused`},
	{`{"$toString":"$bin"}`, `unsupported`},
	{`{"$sin":1}`, `unsupported`},
}

func TestExpression(t *testing.T) {
	var doc bson.Raw
	parse(t, expressionDoc, &doc)
	for _, tt := range expressionCases {
		t.Run(tt.expression, func(t *testing.T) {
			var holder bson.Raw
			parse(t, `{"e":`+tt.expression+`}`, &holder)
			value, missing, err := aggmodel.Expression(doc, holder.Lookup("e"))
			if got := outcome(value, missing, err); got != wanted(t, tt.want) {
				t.Errorf("got %s (error %v), want %s", got, err, tt.want)
			}
		})
	}
}

func outcome(value bson.RawValue, missing bool, err error) string {
	var refused *aggmodel.RefusedError
	switch {
	case errors.As(err, &refused):
		return "refused"
	case errors.Is(err, aggmodel.ErrUnsupported):
		return "unsupported"
	case err != nil:
		return "another error"
	case missing:
		return "missing"
	}
	return value.Type.String() + " " + value.String()
}

func wanted(t *testing.T, text string) string {
	t.Helper()
	switch text {
	case "missing", "refused", "unsupported":
		return text
	}
	var holder bson.Raw
	parse(t, `{"v":`+text+`}`, &holder)
	return outcome(holder.Lookup("v"), false, nil)
}

// Each value is less than the next (manual: "Comparison/Sort Order").
func TestOrder(t *testing.T) {
	ascending := bson.A{
		bson.MinKey{}, bson.Undefined{}, nil,
		math.NaN(), math.Inf(-1), int32(-1), 0.5, int64(1), int64(1 << 53), int64(1<<53 + 1), int64(math.MaxInt64), math.Inf(1),
		"", "A", "a", "é",
		bson.D{}, bson.D{{Key: "a", Value: 1}}, bson.D{{Key: "a", Value: 1}, {Key: "b", Value: 1}}, bson.D{{Key: "a", Value: 2}}, bson.D{{Key: "b", Value: 1}},
		bson.D{{Key: "a", Value: ""}},
		bson.A{}, bson.A{1}, bson.A{1, 0}, bson.A{2}, bson.A{""},
		bson.Binary{Subtype: 6, Data: []byte{9}}, bson.Binary{Data: []byte{1, 1}}, bson.Binary{Subtype: 6, Data: []byte{0, 1}}, bson.Binary{Subtype: 6, Data: []byte{0, 2}},
		bson.ObjectID{1}, bson.ObjectID{2}, false, true, bson.DateTime(-1), bson.DateTime(1),
		bson.Timestamp{T: 1, I: 2}, bson.Timestamp{T: 2}, bson.Regex{Pattern: "a"}, bson.Regex{Pattern: "a", Options: "i"}, bson.MaxKey{},
	}
	literal := func(v any) bson.D { return bson.D{{Key: "$literal", Value: v}} }
	for i, a := range ascending {
		for j, b := range ascending {
			got, _, err := aggmodel.Expression(bson.D{}, bson.D{{Key: "$cmp", Value: bson.A{literal(a), literal(b)}}})
			if err != nil {
				t.Fatal(err)
			}
			if want := int32(cmp.Compare(i, j)); got.Int32() != want {
				t.Errorf("%v with %v: got %d, want %d", a, b, got.Int32(), want)
			}
		}
	}
}

func TestMatch(t *testing.T) {
	doc := bson.D{{Key: "a", Value: bson.A{1, 2}}, {Key: "s", Value: "hello"}}
	for _, tt := range []struct {
		filter any
		want   bool
	}{
		{bson.D{{Key: "a", Value: 2}}, true},
		{bson.D{{Key: "a", Value: 3}}, false},
		{bson.D{{Key: "s", Value: bson.D{{Key: "$regex", Value: "^H.*o$"}, {Key: "$options", Value: "i"}}}}, true},
		{bson.D{{Key: "s", Value: bson.D{{Key: "$regex", Value: bson.Regex{Pattern: "LL"}}}}}, false},
		{bson.D{{Key: "s", Value: bson.D{{Key: "$not", Value: bson.Regex{Pattern: "ll"}}}}}, false},
		{bson.D{{Key: "$expr", Value: bson.D{{Key: "$eq", Value: bson.A{"$$ROOT.a", bson.A{1, 2}}}}}}, true},
	} {
		if got, err := aggmodel.Match(doc, tt.filter); got != tt.want || err != nil {
			t.Errorf("%v: got %v, %v", tt.filter, got, err)
		}
	}
}
