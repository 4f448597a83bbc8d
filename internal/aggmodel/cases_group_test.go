package aggmodel_test

const sales = `[{"_id":1,"item":"abc","price":10,"quantity":2},{"_id":2,"item":"jkl","price":20,"quantity":1},{"_id":3,"item":"xyz","price":5,"quantity":5},{"_id":4,"item":"abc","price":10,"quantity":10},{"_id":5,"item":"xyz","price":5,"quantity":10}]`

var groupCases = []pipelineCase{
	{name: "group with sum and avg", docs: sales,
		pipeline: `[{"$group":{"_id":"$item","total":{"$sum":{"$multiply":["$price","$quantity"]}},"mean":{"$avg":"$quantity"},"n":{"$sum":1}}}]`,
		want:     `[{"_id":"abc","total":120,"mean":6.0,"n":2},{"_id":"jkl","total":20,"mean":1.0,"n":1},{"_id":"xyz","total":75,"mean":7.5,"n":2}]`},
	{name: "group all", docs: sales, pipeline: `[{"$group":{"_id":null,"n":{"$count":{}},"first":{"$first":"$item"},"last":{"$last":"$item"},"min":{"$min":"$price"},"max":{"$max":"$price"}}}]`,
		want: `[{"_id":null,"n":5,"first":"abc","last":"xyz","min":5,"max":20}]`},
	{name: "group of nothing", pipeline: `[{"$group":{"_id":null,"n":{"$sum":1}}}]`, want: `[]`},
	{name: "group by a field: missing is null", docs: `[{"_id":1},{"_id":2,"a":null},{"_id":3,"a":1}]`,
		pipeline: `[{"$group":{"_id":"$a","ids":{"$push":"$_id"}}}]`, want: `[{"_id":null,"ids":[1,2]},{"_id":1,"ids":[3]}]`},
	{name: "group by a document: missing is left out", docs: `[{"_id":1,"b":1},{"_id":2,"a":null,"b":1}]`,
		pipeline: `[{"$group":{"_id":{"a":"$a","b":"$b"},"ids":{"$push":"$_id"}}}]`, want: `[{"_id":{"b":1},"ids":[1]},{"_id":{"a":null,"b":1},"ids":[2]}]`},
	{name: "group: numbers of all types are one key, arrays are keys", docs: `[{"a":1},{"a":1.0},{"a":{"$numberLong":"1"}},{"a":[1]},{"a":[1.0]}]`,
		pipeline: `[{"$group":{"_id":"$a","n":{"$sum":1}}}]`, want: `[{"_id":1,"n":3},{"_id":[1],"n":2}]`},
	{name: "group: binary keys are equal byte-wise, with the subtype",
		docs:     `[{"a":{"$binary":{"base64":"AQ==","subType":"06"}}},{"a":{"$binary":{"base64":"AQ==","subType":"00"}}},{"a":{"$binary":{"base64":"AQ==","subType":"06"}}}]`,
		pipeline: `[{"$group":{"_id":"$a","n":{"$sum":1}}}]`,
		want:     `[{"_id":{"$binary":{"base64":"AQ==","subType":"06"}},"n":2},{"_id":{"$binary":{"base64":"AQ==","subType":"00"}},"n":1}]`},
	{name: "accumulators pass over what does not fit", docs: `[{"a":"x"},{"a":null},{},{"a":3},{"a":[4]}]`,
		pipeline: `[{"$group":{"_id":null,"sum":{"$sum":"$a"},"avg":{"$avg":"$a"},"min":{"$min":"$a"},"max":{"$max":"$a"},"push":{"$push":"$a"},"set":{"$addToSet":"$a"}}}]`,
		want:     `[{"_id":null,"sum":3,"avg":3.0,"min":3,"max":[4],"push":["x",null,3,[4]],"set":["x",null,3,[4]]}]`},
	{name: "accumulators of nothing that fits", docs: `[{"a":"x"},{}]`,
		pipeline: `[{"$group":{"_id":null,"sum":{"$sum":"$a"},"avg":{"$avg":"$a"},"min":{"$min":"$b"},"max":{"$max":"$b"},"last":{"$last":"$b"},"push":{"$push":"$b"}}}]`,
		want:     `[{"_id":null,"sum":0,"avg":null,"min":null,"max":null,"last":null,"push":[]}]`},
	{name: "addToSet", docs: `[{"a":1},{"a":1.0},{"a":{"x":1,"y":2}},{"a":{"y":2,"x":1}}]`, pipeline: `[{"$group":{"_id":null,"s":{"$addToSet":"$a"}}}]`,
		want: `[{"_id":null,"s":[1,{"x":1,"y":2},{"y":2,"x":1}]}]`},
	{name: "mergeObjects", docs: `[{"q":{"a":1,"b":1}},{"q":null},{"q":{"c":2,"a":3}}]`, pipeline: `[{"$group":{"_id":null,"m":{"$mergeObjects":"$q"}}}]`,
		want: `[{"_id":null,"m":{"a":3,"b":1,"c":2}}]`},
	{name: "sum of doubles and of a sum too large for int", docs: `[{"a":0.1,"i":2147483647},{"a":0.2,"i":1}]`,
		pipeline: `[{"$group":{"_id":null,"d":{"$sum":"$a"},"i":{"$sum":"$i"}}}]`, want: `[{"_id":null,"d":0.30000000000000004,"i":{"$numberLong":"2147483648"}}]`},
	{name: "sortByCount", docs: `[{"t":["a","b"]},{"t":["b"]}]`, pipeline: `[{"$unwind":"$t"},{"$sortByCount":"$t"}]`, want: `[{"_id":"b","count":2},{"_id":"a","count":1}]`},

	{name: "bucket with default and output", docs: `[{"_id":1,"p":199.99},{"_id":2,"p":280},{"_id":3,"p":76.04},{"_id":4},{"_id":5,"p":200}]`,
		pipeline: `[{"$bucket":{"groupBy":"$p","boundaries":[0,200,400],"default":"Other","output":{"count":{"$sum":1},"ids":{"$push":"$_id"}}}}]`,
		want:     `[{"_id":0,"count":2,"ids":[1,3]},{"_id":200,"count":2,"ids":[2,5]},{"_id":"Other","count":1,"ids":[4]}]`},
	{name: "bucketAuto", docs: `[{"p":199.99},{"p":280},{"p":76.04},{"p":167.3},{"p":483},{"p":385},{"p":159},{"p":118.42}]`, // manual: $bucketAuto
		pipeline: `[{"$bucketAuto":{"groupBy":"$p","buckets":4}}]`,
		want:     `[{"_id":{"min":76.04,"max":159},"count":2},{"_id":{"min":159,"max":199.99},"count":2},{"_id":{"min":199.99,"max":385},"count":2},{"_id":{"min":385,"max":483},"count":2}]`},
	{name: "bucketAuto keeps equal values together", docs: `[{"p":1},{"p":1},{"p":1},{"p":2}]`, pipeline: `[{"$bucketAuto":{"groupBy":"$p","buckets":3}}]`,
		want: `[{"_id":{"min":1,"max":2},"count":3},{"_id":{"min":2,"max":2},"count":1}]`},
}

var joinCases = []pipelineCase{
	{name: "lookup", // manual: $lookup, "Perform a Single Equality Join"
		docs: `[{"_id":1,"item":"almonds"},{"_id":2,"item":"pecans"},{"_id":3}]`, others: `{"d":[{"_id":1,"sku":"almonds"},{"_id":2,"sku":"bread"},{"_id":4,"sku":"pecans"},{"_id":5,"sku":null},{"_id":6}]}`,
		pipeline: `[{"$lookup":{"from":"d","localField":"item","foreignField":"sku","as":"docs"}}]`,
		want:     `[{"_id":1,"item":"almonds","docs":[{"_id":1,"sku":"almonds"}]},{"_id":2,"item":"pecans","docs":[{"_id":4,"sku":"pecans"}]},{"_id":3,"docs":[{"_id":5,"sku":null},{"_id":6}]}]`},
	{name: "lookup with an array", // manual: "Use $lookup with an Array"
		docs: `[{"_id":1,"enrollment":["giraffe","artie"]}]`, others: `{"d":[{"_id":1,"name":"artie"},{"_id":2,"name":"panda"},{"_id":3,"name":["giraffe","x"]}]}`,
		pipeline: `[{"$lookup":{"from":"d","localField":"enrollment","foreignField":"name","as":"m"}}]`,
		want:     `[{"_id":1,"enrollment":["giraffe","artie"],"m":[{"_id":1,"name":"artie"},{"_id":3,"name":["giraffe","x"]}]}]`},
	{name: "lookup through arrays of documents", docs: `[{"_id":1,"a":[{"b":1},{"b":[2,3]}]}]`, others: `{"d":[{"_id":1,"x":{"y":1}},{"_id":2,"x":[{"y":2}]},{"_id":3,"x":[{"y":[5,3]}]},{"_id":4}]}`,
		pipeline: `[{"$lookup":{"from":"d","localField":"a.b","foreignField":"x.y","as":"m.n"}},{"$project":{"m.n._id":1}}]`,
		want:     `[{"_id":1,"m":{"n":[{"_id":1},{"_id":2},{"_id":3}]}}]`},
	{name: "lookup: numbers join across types, null joins missing", docs: `[{"_id":1,"a":1.0},{"_id":2,"a":null}]`, others: `{"d":[{"_id":1,"b":1},{"_id":2},{"_id":3,"b":{"$numberLong":"1"}},{"_id":4,"b":[]}]}`,
		pipeline: `[{"$lookup":{"from":"d","localField":"a","foreignField":"b","as":"m"}},{"$project":{"m._id":1}}]`,
		want:     `[{"_id":1,"m":[{"_id":1},{"_id":3}]},{"_id":2,"m":[{"_id":2}]}]`},
	{name: "lookup: a missing field below a scalar is null", docs: `[{"_id":1,"a":5}]`, others: `{"d":[{"_id":1,"b":1},{"_id":2}]}`,
		pipeline: `[{"$lookup":{"from":"d","localField":"a.x","foreignField":"b","as":"m"}}]`, want: `[{"_id":1,"a":5,"m":[{"_id":2}]}]`},
	{name: "lookup in a collection that does not exist replaces as", docs: `[{"_id":1,"x":5,"y":1}]`, pipeline: `[{"$lookup":{"from":"none","localField":"a","foreignField":"b","as":"x"}}]`, want: `[{"_id":1,"x":[],"y":1}]`},
	{name: "lookup with let and pipeline", // manual: "Perform Multiple Joins and a Correlated Subquery"
		docs: `[{"_id":1,"item":"almonds","ordered":2},{"_id":2,"item":"pecans","ordered":99}]`, others: `{"d":[{"_id":1,"stock":"almonds","warehouse":"A","instock":120},{"_id":2,"stock":"pecans","warehouse":"A","instock":80},{"_id":3,"stock":"almonds","warehouse":"B","instock":60}]}`,
		pipeline: `[{"$lookup":{"from":"d","let":{"item":"$item","qty":"$ordered"},"pipeline":[{"$match":{"$expr":{"$and":[{"$eq":["$stock","$$item"]},{"$gte":["$instock","$$qty"]}]}}},{"$project":{"stock":0,"_id":0}}],"as":"s"}}]`,
		want:     `[{"_id":1,"item":"almonds","ordered":2,"s":[{"warehouse":"A","instock":120},{"warehouse":"B","instock":60}]},{"_id":2,"item":"pecans","ordered":99,"s":[]}]`},
	{name: "lookup with fields, let and pipeline", docs: `[{"_id":1,"r":"x","drink":"soda"}]`, others: `{"d":[{"_id":1,"name":"x","bev":["soda"]},{"_id":2,"name":"x","bev":[]},{"_id":3,"name":"y","bev":["soda"]}]}`,
		pipeline: `[{"$lookup":{"from":"d","localField":"r","foreignField":"name","let":{"v":"$drink"},"pipeline":[{"$match":{"$expr":{"$in":["$$v","$bev"]}}}],"as":"m"}},{"$project":{"m._id":1}}]`,
		want:     `[{"_id":1,"m":[{"_id":1}]}]`},
	{name: "lookup with a pipeline only", docs: `[{"_id":1},{"_id":2}]`, others: `{"d":[{"_id":7},{"_id":8}]}`, pipeline: `[{"$lookup":{"from":"d","pipeline":[{"$limit":1}],"as":"m"}}]`, want: `[{"_id":1,"m":[{"_id":7}]},{"_id":2,"m":[{"_id":7}]}]`},

	{name: "graphLookup", // manual: $graphLookup, "Within a Single Collection"
		docs:     `[{"_id":1,"name":"Dev"},{"_id":2,"name":"Eliot","reportsTo":"Dev"},{"_id":3,"name":"Ron","reportsTo":"Eliot"},{"_id":5,"name":"Asya","reportsTo":"Ron"}]`,
		pipeline: `[{"$graphLookup":{"from":"c","startWith":"$reportsTo","connectFromField":"reportsTo","connectToField":"name","as":"h","depthField":"d"}},{"$project":{"h._id":1,"h.d":1}}]`,
		want:     `[{"_id":1,"h":[]},{"_id":2,"h":[{"_id":1,"d":{"$numberLong":"0"}}]},{"_id":3,"h":[{"_id":2,"d":{"$numberLong":"0"}},{"_id":1,"d":{"$numberLong":"1"}}]},{"_id":5,"h":[{"_id":3,"d":{"$numberLong":"0"}},{"_id":2,"d":{"$numberLong":"1"}},{"_id":1,"d":{"$numberLong":"2"}}]}]`},
	{name: "graphLookup with maxDepth, arrays and cycles", // manual: "Across Multiple Collections"
		docs: `[{"_id":0,"at":"JFK"}]`, others: `{"d":[{"_id":0,"airport":"JFK","connects":["BOS","ORD"]},{"_id":1,"airport":"BOS","connects":["JFK","PWM"]},{"_id":2,"airport":"ORD","connects":["JFK"]},{"_id":3,"airport":"PWM","connects":["BOS","LHR"]},{"_id":4,"airport":"LHR","connects":["PWM"]}]}`,
		pipeline: `[{"$graphLookup":{"from":"d","startWith":"$at","connectFromField":"connects","connectToField":"airport","maxDepth":2,"as":"m"}},{"$project":{"m._id":1}}]`,
		want:     `[{"_id":0,"m":[{"_id":0},{"_id":1},{"_id":2},{"_id":3}]}]`},
	{name: "graphLookup restricted", docs: `[{"_id":0,"f":["a","b"]}]`, others: `{"d":[{"_id":1,"n":"a","to":"c","golf":true},{"_id":2,"n":"b","to":"c"},{"_id":3,"n":"c","golf":true}]}`,
		pipeline: `[{"$graphLookup":{"from":"d","startWith":"$f","connectFromField":"to","connectToField":"n","restrictSearchWithMatch":{"golf":true},"as":"m"}},{"$project":{"m._id":1}}]`,
		want:     `[{"_id":0,"m":[{"_id":1},{"_id":3}]}]`},
	{name: "unionWith", docs: `[{"_id":1}]`, others: `{"d":[{"_id":2},{"_id":3}]}`, pipeline: `[{"$unionWith":"d"},{"$unionWith":{"coll":"d","pipeline":[{"$match":{"_id":3}}]}}]`, want: `[{"_id":1},{"_id":2},{"_id":3},{"_id":3}]`},
}
