package aggmodel

import "go.mongodb.org/mongo-driver/v2/bson"

// typeNumbers are the BSON types that the model knows, by the name that $type uses (manual: "BSON Types").
var typeNumbers = map[string]int64{
	"double": 1, "string": 2, "object": 3, "array": 4, "binData": 5, "undefined": 6, "objectId": 7, "bool": 8, "date": 9,
	"null": 10, "regex": 11, "int": 16, "timestamp": 17, "long": 18, "minKey": -1, "maxKey": 127,
	// Names of types that no value of the model has.
	"dbPointer": 12, "javascript": 13, "symbol": 14, "javascriptWithScope": 15, "decimal": 19,
}

func typeName(v any) string {
	switch v.(type) {
	case missing:
		return "missing"
	case int32:
		return "int"
	case int64:
		return "long"
	case float64:
		return "double"
	case bson.Undefined:
		return "undefined"
	}
	return map[int]string{
		classMinKey: "minKey", classNull: "null", classString: "string", classDocument: "object", classArray: "array",
		classBinary: "binData", classObjectID: "objectId", classBool: "bool", classDate: "date", classTimestamp: "timestamp",
		classRegex: "regex", classMaxKey: "maxKey",
	}[class(v)]
}

// truthy: what conditions take for true. Only false, null, missing and zero are not.
func truthy(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case int32, int64, float64:
		return !equal(v, int32(0))
	}
	return !nullish(v)
}

// integer reads a number of any type that is a whole number.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int32:
		return int64(v), true
	case int64:
		return v, true
	case float64:
		return int64(v), v == float64(int64(v)) && v > -1<<63 && v < 1<<63
	}
	return 0, false
}

func isNumber(v any) bool { return class(v) == classNumber }
