package aggmodel_test

var projectCases = []pipelineCase{
	{name: "inclusion keeps the document's order", docs: `[{"b":2,"_id":1,"a":1,"c":3}]`, pipeline: `[{"$project":{"a":1,"b":true}}]`, want: `[{"b":2,"_id":1,"a":1}]`},
	{name: "inclusion without _id", docs: `[{"_id":1,"a":1}]`, pipeline: `[{"$project":{"_id":0,"a":1}}]`, want: `[{"a":1}]`},
	{name: "only _id excluded", docs: `[{"_id":1,"a":1}]`, pipeline: `[{"$project":{"_id":0}}]`, want: `[{"a":1}]`},
	{name: "only _id included", docs: `[{"_id":1,"a":1}]`, pipeline: `[{"$project":{"_id":1}}]`, want: `[{"_id":1}]`},
	{name: "exclusion", docs: `[{"_id":1,"a":{"b":1,"c":2},"d":1}]`, pipeline: `[{"$project":{"a.b":0,"d":0}}]`, want: `[{"_id":1,"a":{"c":2}}]`},
	{name: "exclusion nested", docs: `[{"_id":1,"a":[{"b":1,"c":2},5,[{"b":1}]]}]`, pipeline: `[{"$project":{"a":{"b":0}}}]`, want: `[{"_id":1,"a":[{"c":2},5,[{}]]}]`},
	{name: "inclusion dotted, through arrays", docs: `[{"_id":1,"a":[{"b":1,"c":2},5,{"c":1},[{"b":3,"c":4}]]},{"_id":2,"a":5},{"_id":3,"a":{"c":1}},{"_id":4}]`,
		pipeline: `[{"$project":{"a.b":1}}]`, want: `[{"_id":1,"a":[{"b":1},{},[{"b":3}]]},{"_id":2},{"_id":3,"a":{}},{"_id":4}]`},
	{name: "computed fields come after included ones", docs: `[{"_id":1,"a":1,"b":2}]`, pipeline: `[{"$project":{"x":"$a","b":1,"y":"text"}}]`, want: `[{"_id":1,"b":2,"x":1,"y":"text"}]`},
	{name: "computed from a missing field is missing", docs: `[{"_id":1}]`, pipeline: `[{"$project":{"x":"$a","y":["$a",1],"z":{"$ifNull":["$a","none"]},"w":"$$REMOVE"}}]`, want: `[{"_id":1,"y":[null,1],"z":"none"}]`},
	{name: "computed nested", docs: `[{"_id":1,"a":{"b":1,"c":2}}]`, pipeline: `[{"$project":{"a":{"b":1,"d":"$a.c"}}}]`, want: `[{"_id":1,"a":{"b":1,"d":2}}]`},
	{name: "computed nested in an array and in place of a scalar", docs: `[{"_id":1,"a":[1,{"c":1},[2]]},{"_id":2,"a":1},{"_id":3}]`, pipeline: `[{"$project":{"a.b":"$_id"}}]`,
		want: `[{"_id":1,"a":[{"b":1},{"b":1},[{"b":1}]]},{"_id":2,"a":{"b":2}},{"_id":3,"a":{"b":3}}]`},
	{name: "a literal number needs $literal", docs: `[{"_id":1,"a":5}]`, pipeline: `[{"$project":{"a":1,"b":{"$literal":1},"c":{"$const":"$a"}}}]`, want: `[{"_id":1,"a":5,"b":1,"c":"$a"}]`},

	{name: "addFields replaces in place and appends", docs: `[{"_id":1,"a":1,"b":2}]`, pipeline: `[{"$addFields":{"c":3,"a":"$b","b":"$a"}}]`, want: `[{"_id":1,"a":2,"b":1,"c":3}]`},
	{name: "addFields dotted", docs: `[{"_id":1,"s":{"d":"car"}},{"_id":2,"s":7},{"_id":3}]`, pipeline: `[{"$addFields":{"s.f":"x"}}]`, want: `[{"_id":1,"s":{"d":"car","f":"x"}},{"_id":2,"s":{"f":"x"}},{"_id":3,"s":{"f":"x"}}]`},
	{name: "addFields on arrays", docs: `[{"_id":1,"a":[{"x":1},2,[]]}]`, pipeline: `[{"$set":{"a":{"y":"$_id"}}}]`, want: `[{"_id":1,"a":[{"x":1,"y":1},{"y":1},[]]}]`},
	{name: "addFields with missing removes", docs: `[{"_id":1,"a":1,"b":1}]`, pipeline: `[{"$addFields":{"a":"$$REMOVE","b":"$none"}}]`, want: `[{"_id":1}]`},
	{name: "addFields an array and an operator", docs: `[{"_id":1,"a":1}]`, pipeline: `[{"$addFields":{"t":{"$add":["$a",1]},"l":["$a",{"x":"$a"}]}}]`, want: `[{"_id":1,"a":1,"t":2,"l":[1,{"x":1}]}]`},
	{name: "unset", docs: `[{"_id":1,"a":{"b":1,"c":1},"d":[{"e":1,"f":1}]}]`, pipeline: `[{"$unset":["a.b","d.e"]},{"$unset":"_id"}]`, want: `[{"a":{"c":1},"d":[{"f":1}]}]`},
}

// matchDocs, filters and the _ids that match.
var matchCases = append(
	matches(`[{"_id":1,"a":1},{"_id":2,"a":[1,2]},{"_id":3,"a":null},{"_id":4},{"_id":5,"a":"x"},{"_id":6,"a":[]},{"_id":7,"a":[[1,2]]},{"_id":8,"a":5.5}]`, [][2]string{
		{`{}`, `[1,2,3,4,5,6,7,8]`},
		{`{"a":1}`, `[1,2]`},
		{`{"a":{"$eq":1.0}}`, `[1,2]`},
		{`{"a":[1,2]}`, `[2,7]`},
		{`{"a":null}`, `[3,4]`},
		{`{"a":{"$ne":null}}`, `[1,2,5,6,7,8]`},
		{`{"a":{"$ne":1}}`, `[3,4,5,6,7,8]`},
		{`{"a":{"$in":[1,null]}}`, `[1,2,3,4]`},
		{`{"a":{"$in":[]}}`, `[]`},
		{`{"a":{"$nin":[1,null]}}`, `[5,6,7,8]`},
		{`{"a":{"$gt":1}}`, `[2,8]`},
		{`{"a":{"$gte":1}}`, `[1,2,8]`},
		{`{"a":{"$lt":2}}`, `[1,2]`},
		{`{"a":{"$gte":"a"}}`, `[5]`},
		{`{"a":{"$gte":null}}`, `[3,4]`},
		{`{"a":{"$gt":null}}`, `[]`},
		{`{"a":{"$gt":1,"$lt":2}}`, `[2]`},
		{`{"a":{"$not":{"$gt":1}}}`, `[1,3,4,5,6,7]`},
		{`{"a":{"$exists":true}}`, `[1,2,3,5,6,7,8]`},
		{`{"a":{"$exists":false}}`, `[4]`},
		{`{"a":{"$exists":0}}`, `[4]`},
		{`{"a":{"$type":"array"}}`, `[2,6,7]`},
		{`{"a":{"$type":"number"}}`, `[1,2,8]`},
		{`{"a":{"$type":["string",10]}}`, `[3,5]`},
		{`{"a":{"$size":2}}`, `[2]`},
		{`{"a":{"$size":0}}`, `[6]`},
		{`{"a":{"$all":[1,2]}}`, `[2]`},
		{`{"a":{"$all":[[1,2]]}}`, `[2,7]`},
		{`{"a":{"$all":[]}}`, `[]`},
		{`{"a":{"$all":[{"$elemMatch":{"$gt":1}}]}}`, `[2]`},
		{`{"a":{"$elemMatch":{"$gte":1,"$lt":2}}}`, `[2]`},
		{`{"a":{"$elemMatch":{"$elemMatch":{"$eq":2}}}}`, `[7]`},
		{`{"a":{"$mod":[2,1]}}`, `[1,2,8]`},
		{`{"a.0":1}`, `[2,7]`},
		{`{"a.0":{"$exists":true}}`, `[2,7]`},
		{`{"a.0.1":2}`, `[7]`},
		{`{"$or":[{"a":5.5},{"a":"x"}]}`, `[5,8]`},
		{`{"$nor":[{"a":5.5},{"a":{"$exists":true}}]}`, `[4]`},
		{`{"$and":[{"a":1},{"a":2}]}`, `[2]`},
		{`{"$expr":{"$eq":["$a",1]}}`, `[1]`},
		{`{"$expr":{"$gt":["$a",1]}}`, `[2,5,6,7,8]`},
		{`{"$expr":{"$lt":["$a",null]}}`, `[4]`},
	}),
	append(matches(`[{"_id":1,"a":{"b":1,"c":2}},{"_id":2,"a":[{"b":1,"c":5},{"b":2,"c":2}]},{"_id":3,"a":{"c":2,"b":1}},{"_id":4,"a":[{"b":[1,3]}]},{"_id":5,"a":4},{"_id":6}]`, [][2]string{
		{`{"a.b":1}`, `[1,2,3,4]`},
		{`{"a":{"b":1,"c":2}}`, `[1]`},
		{`{"a.b":1,"a.c":2}`, `[1,2,3]`},
		{`{"a":{"$elemMatch":{"b":1,"c":2}}}`, `[]`},
		{`{"a":{"$elemMatch":{"b":2,"c":{"$gt":1}}}}`, `[2]`},
		{`{"a":{"$elemMatch":{"$or":[{"b":2},{"b":3}]}}}`, `[2,4]`},
		{`{"a.b":null}`, `[5,6]`},
		{`{"a.b":{"$exists":false}}`, `[5,6]`},
		{`{"a.1.b":2}`, `[2]`},
		{`{"a.b":{"$size":2}}`, `[4]`},
		{`{"a.b":{"$elemMatch":{"$gt":2}}}`, `[4]`},
		{`{"a.b":{"$ne":1}}`, `[5,6]`},
	}),
		matches(`[{"_id":1,"a":"Abc"},{"_id":2,"a":["xbc","abd"]},{"_id":3,"a":{"$binary":{"base64":"YWJj","subType":"06"}}},{"_id":4,"a":{"$binary":{"base64":"YWJj","subType":"00"}}},{"_id":5,"a":3}]`, [][2]string{
			{`{"a":{"$regex":"^ab"}}`, `[2]`},
			{`{"a":{"$regex":"^ab","$options":"i"}}`, `[1,2]`},
			{`{"a":{"$regularExpression":{"pattern":"BC$","options":"i"}}}`, `[1,2]`},
			{`{"a":{"$not":{"$regex":"b"}}}`, `[3,4,5]`},
			{`{"a":{"$in":[{"$regularExpression":{"pattern":"^x","options":""}},3]}}`, `[2,5]`},
			{`{"a":{"$binary":{"base64":"YWJj","subType":"06"}}}`, `[3]`},
			{`{"a":{"$gte":{"$binary":{"base64":"YWJj","subType":"00"}}}}`, `[3,4]`},
			{`{"a":{"$type":"binData"}}`, `[3,4]`},
		})...)...)

func matches(docs string, filters [][2]string) (cases []pipelineCase) {
	for _, f := range filters {
		cases = append(cases, pipelineCase{name: "match " + f[0], docs: docs, want: `[{"_id":null,"ids":` + f[1] + `}]`,
			pipeline: `[{"$match":` + f[0] + `},{"$group":{"_id":null,"ids":{"$push":"$_id"}}}]`})
		if f[1] == `[]` {
			cases[len(cases)-1].want = `[]`
		}
	}
	return cases
}
