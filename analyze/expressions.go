package analyze

import "slices"

// form is how an expression operator's argument is read.
type form int

const (
	formOperands   form = iota // one expression, a list of them, or a document of named ones; nothing encrypted in any of them
	formLiteral                // a constant, whatever it looks like
	formString                 // a string that is no expression
	formNone                   // nothing: {} or []
	formConditions             // one condition, or a list of them
	formComparison             // [expression, expression]
	formMembership             // [expression, list]
	formCondition              // $cond
	formSwitch                 // $switch
	formFirst                  // $ifNull
	formLet                    // $let
	formField                  // $getField
	formElement                // an array, or [array, expression, …]: gives an element of it
	formCount                  // the same, but gives nothing of the array
)

// expressionOperator is one row: the cells are for the operands that the operator works on; those of which it hands one on ($cond,
// $switch, $ifNull, $let, $getField) may be undecided as well.
type expressionOperator struct {
	operator
	form      form
	variables []string // named arguments that are names of variables
	order     string   // the named argument that is an order of array elements
	condition string   // the named argument of which only the truth counts
}

// expressionNamed finds a row; nil when the operator is not known.
func expressionNamed(name string) *expressionOperator {
	for i := range expressionOperators {
		if slices.Contains(expressionOperators[i].names, name) {
			return &expressionOperators[i]
		}
	}
	return nil
}

// plainOperands is the row of operators that take nothing encrypted.
func plainOperands(names ...string) expressionOperator {
	return expressionOperator{operator: operandsWithout(ruleExpressionOperator, names...)}
}

// operandsWithout is a row that refuses everything encrypted with r.
func operandsWithout(r *rule, names ...string) operator {
	return operator{names: names, plain: decision{verb: pass}, deterministic: no(r), random: no(r), prefix: no(r), below: no(ruleBelowEncrypted)}
}

// handsOn is the row of an operator that gives one of its operands, encrypted or not.
func handsOn(f form, names ...string) expressionOperator {
	return expressionOperator{form: f, operator: operator{names: names, plain: decision{verb: pass}, deterministic: decision{verb: pass},
		random: decision{verb: pass}, prefix: decision{verb: pass}, below: no(ruleBelowEncrypted)}}
}

// withoutOperands is the row of operators that take no expression, so that there is nothing encrypted.
func withoutOperands(f form, names ...string) expressionOperator {
	p := decision{verb: pass}
	return expressionOperator{form: f, operator: operator{names: names, plain: p, deterministic: p, random: p, prefix: p, below: p}}
}

// never is the row of operators that no collection with encrypted fields allows.
func never(r *rule, names ...string) expressionOperator {
	return expressionOperator{operator: operator{names: names, plain: no(r), deterministic: no(r), random: no(r), prefix: no(r), below: no(r)}}
}

// expressionOperators decides every aggregation expression operator. Those that are not here are refused.
//
// Source: MongoDB manual, "Supported Operations for Automatic Encryption": of all expressions only $cond, $eq, $ifNull, $in, $let,
// $literal, $ne and $switch may take an encrypted field. $getField is another way of writing a path; of arrays with encrypted fields in
// them, which the manual leaves open, nothing but the elements and their number is to be had.
var expressionOperators = []expressionOperator{
	{form: formComparison, operator: operator{names: []string{"$eq", "$ne"}, plain: decision{verb: pass}, deterministic: decision{verb: sealValue},
		random: no(ruleComparedRandom), prefix: no(ruleComparedPrefix), below: no(ruleBelowEncrypted)}},
	{form: formMembership, operator: operator{names: []string{"$in"}, plain: decision{verb: pass}, deterministic: decision{verb: sealEach},
		random: no(ruleComparedRandom), prefix: no(ruleComparedPrefix), below: no(ruleBelowEncrypted)}},
	handsOn(formCondition, "$cond"),
	handsOn(formSwitch, "$switch"),
	handsOn(formFirst, "$ifNull"),
	handsOn(formLet, "$let"),
	handsOn(formField, "$getField"),
	withoutOperands(formLiteral, "$literal", "$const"),
	{form: formElement, operator: operandsWithout(ruleExpressionOperator, "$arrayElemAt", "$first", "$last")},
	{form: formCount, operator: operandsWithout(ruleExpressionOperator, "$isArray", "$size")},
	withoutOperands(formString, "$meta"),
	withoutOperands(formNone, "$createObjectId", "$rand"),

	{form: formConditions, operator: operandsWithout(ruleExpressionCondition, "$and", "$not", "$or")},
	plainOperands("$cmp", "$gt", "$gte", "$lt", "$lte"),
	plainOperands("$abs", "$add", "$ceil", "$divide", "$exp", "$floor", "$ln", "$log", "$log10", "$mod", "$multiply", "$pow", "$round",
		"$sigmoid", "$sqrt", "$subtract", "$trunc"),
	plainOperands("$acos", "$acosh", "$asin", "$asinh", "$atan", "$atan2", "$atanh", "$cos", "$cosh", "$degreesToRadians", "$radiansToDegrees",
		"$sin", "$sinh", "$tan", "$tanh"),
	plainOperands("$bitAnd", "$bitNot", "$bitOr", "$bitXor"),
	plainOperands("$concat", "$indexOfBytes", "$indexOfCP", "$ltrim", "$regexFind", "$regexFindAll", "$regexMatch", "$replaceAll", "$replaceOne",
		"$rtrim", "$split", "$strLenBytes", "$strLenCP", "$strcasecmp", "$substr", "$substrBytes", "$substrCP", "$toLower", "$toUpper", "$trim"),
	plainOperands("$dateAdd", "$dateDiff", "$dateFromParts", "$dateFromString", "$dateSubtract", "$dateToParts", "$dateToString", "$dateTrunc",
		"$dayOfMonth", "$dayOfWeek", "$dayOfYear", "$hour", "$isoDayOfWeek", "$isoWeek", "$isoWeekYear", "$millisecond", "$minute", "$month",
		"$second", "$tsIncrement", "$tsSecond", "$week", "$year"),
	plainOperands("$convert", "$isNumber", "$toBool", "$toDate", "$toDecimal", "$toDouble", "$toInt", "$toLong", "$toObjectId", "$toString",
		"$toUUID", "$type"),
	plainOperands("$arrayToObject", "$concatArrays", "$firstN", "$indexOfArray", "$lastN", "$maxN", "$minN", "$range", "$reverseArray",
		"$slice", "$zip"),
	{operator: operandsWithout(ruleExpressionOperator, "$map", "$reduce"), variables: []string{"as", "arrayIndexAs", "valueAs"}},
	{operator: operandsWithout(ruleExpressionOperator, "$filter"), variables: []string{"as", "arrayIndexAs"}, condition: "cond"},
	{operator: operandsWithout(ruleExpressionOperator, "$sortArray"), order: "sortBy"},
	plainOperands("$allElementsTrue", "$anyElementTrue", "$setDifference", "$setEquals", "$setIntersection", "$setIsSubset", "$setUnion"),
	plainOperands("$mergeObjects", "$objectToArray", "$setField", "$unsetField"),
	plainOperands("$avg", "$max", "$median", "$min", "$percentile", "$stdDevPop", "$stdDevSamp", "$sum"),
	plainOperands("$binarySize", "$bsonSize", "$toHashedIndexKey"),

	never(ruleExpressionScript, "$accumulator", "$function"),
	never(ruleExpressionQueryable, "$encStrContains", "$encStrEndsWith", "$encStrNormalizedEq", "$encStrStartsWith"),
}

// Rows for the parts of operators that are decided in a way of their own.
var (
	conditionOperand = operandsWithout(ruleExpressionCondition, "condition of $cond, $switch, $expr and $redact")
	boundOperand     = operandsWithout(ruleExpressionBound, "variable of $let")
	comparedOperand  = operandsWithout(ruleComparedResult, "result of an expression in $eq, $ne and $in")
	fieldNameOperand = operandsWithout(ruleExpressionOperator, "field of $getField")
)

// The texts that begin with a capital letter are those of MongoDB's own analysis.
var (
	ruleExpressionUnknown = &rule{"expression-unknown", "Unknown expression {operator}",
		"use documented operators only, or a client without automatic encryption: what is not known here may compare encrypted fields", 0}
	ruleExpressionMalformed = &rule{"expression-malformed", "the argument of {operator} is not one that the operator takes",
		"write it as the server's manual does: what is malformed cannot be searched for values to encrypt", 0}
	ruleExpressionNested = &rule{"expression-nested", "{operator} cannot stand in a filter on the elements of an array",
		"put it at the top level of the filter, or into $and, $or and $nor there", 0}
	ruleExpressionPath = &rule{"expression-path", "a string that begins with a dollar sign is no path of a field",
		"write \"$field.inner\", or {$literal: value} when the string is a constant", 0}
	ruleExpressionVariable = &rule{"expression-variable-unknown", "a string that begins with two dollar signs names no variable known here",
		"use documented variables, or {$literal: value} when the string is a constant", 0}
	ruleExpressionRebound = &rule{"expression-variable-rebound", "{operator} gives CURRENT or ROOT a new meaning, so that paths lead elsewhere",
		"give the variable a name of its own", 0}
	ruleExpressionBound = &rule{"expression-variable-encrypted", "{operator} binds a variable to an encrypted field, or to what holds one",
		"name the field itself where the variable is used", 0}
	ruleExpressionOperator = &rule{"expression-operator-on-encrypted", "{operator} works on an encrypted field, or on what holds one",
		"the server sees ciphertext only: use $eq, $ne or $in with constants on a deterministically encrypted field, or compute after decryption", 0}
	ruleExpressionCondition = &rule{"expression-condition-encrypted", "an encrypted field, or what holds one, stands as a condition: ciphertext is always true",
		"compare the field with a constant: {$eq: [\"$field\", value]}", 0}
	ruleExpressionAlwaysTrue = &rule{"expression-condition-literal", "a literal document or array stands as a condition in {operator}: it is always true",
		"in an expression write {$eq: [\"$field\", value]} for what is {field: value} in a filter", 0}
	ruleExpressionFieldName = &rule{"expression-field-name", "$getField with a name that is no constant may read an encrypted field",
		"give it a constant name, or an input without encrypted fields", 0}
	ruleExpressionScript = &rule{"expression-javascript", "Unsupported match expression operator for encryption: {operator} runs JavaScript",
		"use other expressions, or compute after decryption", 0}
	ruleExpressionQueryable = &rule{"expression-queryable-encryption", "{operator} is for Queryable Encryption only",
		"use $eq, $ne or $in on a deterministically encrypted field", 0}
	ruleExpressionLevels = &rule{"redact-on-encrypted", "$redact with $$DESCEND looks for the path in every document inside a document, and may find an encrypted field",
		"write $$ROOT.field for a field of the whole document, or use $$KEEP instead of $$DESCEND", 0}

	ruleComparedRandom = &rule{"expression-equality-on-random",
		"Cannot query on fields encrypted with the randomized encryption: equal values have different ciphertexts",
		"compare another field, or encrypt this one deterministically", 0}
	ruleComparedPrefix = &rule{"expression-equality-on-prefix", "{operator} compares a document that holds encrypted fields",
		"compare the inner fields one by one: \"$outer.inner\"", 0}
	ruleComparedPlain = &rule{"expression-equality-with-plain", "{operator} compares an encrypted field with a plain field or a variable",
		"compare it with a constant ({$literal: value} when it begins with a dollar sign), or with a field that is encrypted alike", 0}
	ruleComparedResult = &rule{"expression-equality-with-result", "{operator} compares an encrypted field with, or as, the result of an expression",
		"compare the field itself, \"$field\", with one constant; for any of several use $in with a list of constants", 0}
	ruleComparedMetadata = &rule{"expression-equality-metadata", "{operator} compares two fields that are not encrypted alike",
		"equal values have different ciphertexts there: give both fields the same key, algorithm and bsonType in the schema", 0}
	ruleComparedList = &rule{"expression-in-list", "$in looks for an encrypted field in what is no list of constants",
		"give it an array of constants; {$literal: value} for one that begins with a dollar sign", 0}
)
