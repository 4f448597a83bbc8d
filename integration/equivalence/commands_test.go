package equivalence

// commands are of every kind that a client may send, with canaries (see birds) in every place where a value of an encrypted
// field can stand. Whether they pass, are refused or fail on the server is not the question here; those with "@open" must pass.
var commands = []string{
	// match
	`{"find": "c", "filter": {"ssn": "@text", "name": "@open"}}`,
	`{"find": "c", "filter": {"number": {"$eq": "@long"}, "born": {"$ne": "@date"}}}`,
	`{"find": "c", "filter": {"ref": {"$in": ["@id", "@id"]}, "photo": {"$nin": ["@binary"]}}}`,
	`{"find": "c", "filter": {"$or": [{"addr.zip": "@text"}, {"$and": [{"x_1": {"$not": {"$eq": "@text"}}}, {"$nor": [{"ssn": "@text"}]}]}]}}`,
	`{"find": "c", "filter": {"x_3": "@text"}, "projection": {"ssn": 1, "addr.zip": 1}, "sort": {"name": 1}, "skip": 0, "limit": 3}`,
	`{"find": "c", "filter": {"phone": "@text"}}`, `{"find": "c", "filter": {"weight": "@double"}}`,
	`{"find": "c", "filter": {"bank": {"iban": "@text"}}}`, `{"find": "c", "filter": {"bank.iban": "@text"}}`, `{"find": "c", "filter": {"marks": "@text"}}`,
	`{"find": "c", "filter": {"marks": {"$elemMatch": {"$eq": "@text"}}}}`, `{"find": "c", "filter": {"addr": {"zip": "@text"}}}`,
	`{"find": "c", "filter": {"addr": {"$in": [{"zip": "@text"}]}}}`, `{"find": "c", "filter": {"addr": {"$elemMatch": {"zip": "@text"}}}}`,
	`{"find": "c", "filter": {"addr.0.zip": "@text"}}`, `{"find": "c", "filter": {"ssn": {"$gt": "@text"}}}`, `{"find": "c", "filter": {"ssn": {"$regex": "@text"}}}`,
	`{"find": "c", "filter": {"ssn": {"$all": ["@text"]}}}`, `{"find": "c", "filter": {"ssn": "@long"}}`, `{"find": "c", "filter": {"number": "@double"}}`,
	`{"find": "c", "filter": {"ssn": {"$eq": {"$ne": "@text"}}}}`, `{"find": "c", "filter": {"ssn": {"$type": "@text"}}}`, `{"find": "c", "filter": {"ssn": {"$unknown": "@text"}}}`,
	`{"find": "c", "filter": {"$unknown": {"ssn": "@text"}}}`, `{"find": "c", "filter": {"$where": "@text"}}`, `{"find": "c", "filter": {"$text": {"$search": "@text"}}}`,
	`{"find": "c", "filter": {"$expr": {"$eq": ["$ssn", "@text"]}}}`, `{"find": "c", "filter": {"$expr": {"$in": ["$number", ["@long", "@long"]]}}}`,
	`{"find": "c", "filter": {"$expr": {"$gt": ["$ssn", "@text"]}}}`, `{"find": "c", "filter": {"$expr": {"$eq": ["$addr", {"zip": "@text"}]}}}`,
	`{"find": "c", "filter": {"$jsonSchema": {"properties": {"ssn": {"enum": ["@text"]}}}}}`,

	// other fields of find, and fields that nobody knows
	`{"find": "c", "projection": {"same": {"$eq": ["$ssn", "@text"]}}}`, `{"find": "c", "projection": {"marks": {"$elemMatch": {"$eq": "@text"}}}}`,
	`{"find": "c", "min": {"ssn": "@text"}, "hint": {"ssn": 1}}`, `{"find": "c", "max": {"ssn": "@text"}, "hint": {"ssn": 1}}`, `{"find": "c", "sort": {"ssn": "@text"}}`,
	`{"find": "c", "let": {"x": "@text"}, "filter": {"$expr": {"$eq": ["$ssn", "$$x"]}}}`, `{"find": "c", "where": {"ssn": "@text"}}`, `{"find": "c", "filter": {}, "filter": {"ssn": "@text"}}`,
	`{"find": "c", "hint": {"ssn": "@text"}}`,

	// count, distinct, delete
	`{"count": "c", "query": {"ssn": "@text"}}`, `{"count": "c", "query": {"ssn": {"$lt": "@text"}}}`, `{"distinct": "c", "key": "ssn", "query": {"ssn": {"$ne": "@text"}}}`,
	`{"distinct": "c", "key": "phone", "query": {"ssn": "@text"}}`, `{"distinct": "c", "key": "number", "query": {"number": {"$nin": ["@long"]}, "name": {"$ne": "@open"}}}`,
	`{"delete": "c", "deletes": [{"q": {"ssn": "@text"}, "limit": 1}, {"q": {"number": {"$in": ["@long"]}}, "limit": 0}]}`,
	`{"delete": "c", "deletes": [{"q": {"ssn": {"$gte": "@text"}}, "limit": 1}]}`, `{"delete": "c", "deletes": [{"q": {"name": "@open"}, "limit": 1}]}`,

	// insert, update, findAndModify
	`{"insert": "c", "documents": [{"_id": 77, "ssn": "@text", "marks": ["@text", ["@double"]], "addr": {"zip": "@text"}, "name": "@open"}]}`,
	`{"insert": "c", "documents": [{"_id": 77, "ssn": "@text"}]}`, `{"insert": "c", "documents": [{"addr": [{"zip": "@text"}]}]}`, `{"insert": "c", "documents": [{"ssn": "@long"}]}`,
	`{"insert": "c", "documents": [{"addr.zip": "@text"}]}`, `{"insert": "c", "documents": [{"ssn": ["@text"]}]}`, `{"insert": "c", "documents": [{"x_": "@text", "_x_9": 1}]}`,
	`{"update": "c", "updates": [{"q": {"ssn": "@text"}, "u": {"$set": {"phone": "@text", "x_7": "@text"}}}, {"q": {"_id": 77}, "u": {"$set": {"addr": {"zip": "@text", "street": "@open"}}}, "multi": true}]}`,
	`{"update": "c", "updates": [{"q": {"_id": 78}, "u": {"$setOnInsert": {"ssn": "@text", "bank": {"iban": "@text"}}}, "upsert": true}]}`,
	`{"update": "c", "updates": [{"q": {"ssn": "@text"}, "u": {"ssn": "@text", "addr": {"zip": "@text"}}, "upsert": true}]}`,
	`{"update": "c", "updates": [{"q": {}, "u": {"$set": {"bank.iban": "@text"}}}]}`, `{"update": "c", "updates": [{"q": {}, "u": {"$push": {"marks": "@text"}}}]}`,
	`{"update": "c", "updates": [{"q": {}, "u": {"$addToSet": {"addr": {"zip": "@text"}}}}]}`, `{"update": "c", "updates": [{"q": {}, "u": {"$inc": {"number": "@long"}}}]}`,
	`{"update": "c", "updates": [{"q": {}, "u": {"$max": {"number": "@long"}}}]}`, `{"update": "c", "updates": [{"q": {}, "u": {"$min": {"addr": {"zip": "@text"}}}}]}`,
	`{"update": "c", "updates": [{"q": {}, "u": {"$pull": {"addr": {"zip": "@text"}}}}]}`, `{"update": "c", "updates": [{"q": {}, "u": {"$unset": {"ssn": "@text"}}}]}`,
	`{"update": "c", "updates": [{"q": {}, "u": {"$currentDate": {"born": "@text"}}}]}`, `{"update": "c", "updates": [{"q": {}, "u": {"$set": {"marks.$": "@text"}}}]}`,
	`{"update": "c", "updates": [{"q": {}, "u": {"$set": {"marks.$[e]": 1}}, "arrayFilters": [{"e": "@text"}]}]}`, `{"update": "c", "updates": [{"q": {}, "u": {"$unknown": {"ssn": "@text"}}}]}`,
	`{"update": "c", "updates": [{"q": {}, "u": [{"$set": {"ssn": "@text"}}]}]}`, `{"update": "c", "updates": [{"q": {}, "u": {"$set": {"name": 1}}, "c": {"x": "@text"}}]}`,
	`{"update": "c", "updates": [{"q": {"_id": 77}, "u": {"$set": {"ssn": "@text"}, "$inc": {"ssn": 1}}}]}`,
	`{"findAndModify": "c", "query": {"ssn": "@text"}, "update": {"$set": {"number": "@long"}}}`, `{"findAndModify": "c", "query": {"addr.zip": {"$in": ["@text"]}}, "remove": true}`,
	`{"findAndModify": "c", "query": {"_id": 77}, "update": {"_id": 77, "ssn": "@text", "photo": "@binary"}, "new": true}`, `{"findandmodify": "c", "query": {"x_1": "@text"}, "update": {"$set": {"x_1": "@text"}}}`,
	`{"findAndModify": "c", "query": {"weight": {"$gt": "@double"}}, "remove": true}`, `{"findAndModify": "c", "query": {}, "fields": {"s": {"$eq": ["$ssn", "@text"]}}, "remove": true}`,

	// aggregate
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$match": {"ssn": {"$ne": "@text"}, "name": {"$ne": "@open"}}}, {"$sort": {"name": 1}}, {"$limit": 5}, {"$project": {"ssn": 1, "phone": 1}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$match": {"number": {"$in": ["@long", "@long"]}}}, {"$count": "n"}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$group": {"_id": "$ssn", "n": {"$sum": 1}}}, {"$match": {"_id": "@text"}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$group": {"_id": null, "n": {"$sum": {"$cond": [{"$eq": ["$ssn", "@text"]}, 1, 0]}}}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$addFields": {"copy": "$ssn"}}, {"$match": {"copy": "@text"}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$project": {"copy": "$addr"}}, {"$match": {"copy.zip": {"$in": ["@text"]}}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$set": {"ssn": 1}}, {"$match": {"addr.zip": "@text"}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$project": {"same": {"$eq": ["$ssn", "@text"]}, "other": {"$ne": ["@text", "$x_1"]}, "one": {"$in": ["$ssn", ["@text", "@text"]]}}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$project": {"same": {"$eq": ["$ssn", {"$literal": "@text"}]}, "cmp": {"$cmp": ["$ssn", "@text"]}}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$addFields": {"x": {"$switch": {"branches": [{"case": {"$eq": ["$ssn", "@text"]}, "then": 1}], "default": 0}}}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$addFields": {"x": {"$let": {"vars": {"v": "@text"}, "in": {"$eq": ["$ssn", "$$v"]}}}}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$match": {"$expr": {"$eq": [{"$concat": ["$ssn", "@text"]}, "@text"]}}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$bucket": {"groupBy": "$ssn", "boundaries": ["@text", "@text"], "default": "@text"}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$redact": {"$cond": [{"$eq": ["$ssn", "@text"]}, "$$KEEP", "$$PRUNE"]}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$replaceRoot": {"newRoot": "$addr"}}, {"$match": {"zip": "@text"}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$lookup": {"from": "c", "as": "j", "let": {}, "pipeline": [{"$match": {"ssn": "@text"}}]}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$lookup": {"from": "c", "localField": "ssn", "foreignField": "ssn", "as": "j"}}, {"$unwind": "$j"}, {"$match": {"j.ssn": "@text"}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$graphLookup": {"from": "c", "startWith": "@text", "connectFromField": "ssn", "connectToField": "ssn", "as": "g", "restrictSearchWithMatch": {"ssn": "@text"}}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$facet": {"a": [{"$match": {"ssn": "@text"}}]}}]}`, `{"aggregate": "c", "cursor": {}, "pipeline": [{"$unionWith": {"coll": "c", "pipeline": [{"$match": {"ssn": "@text"}}]}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$geoNear": {"near": [0, 0], "distanceField": "d", "query": {"ssn": "@text"}}}]}`, `{"aggregate": "c", "cursor": {}, "pipeline": [{"$unknown": {"ssn": "@text"}}]}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$match": {"ssn": "@text"}}, {"$out": "d"}]}`, `{"aggregate": "c", "cursor": {}, "pipeline": [{"$match": {"$expr": {"$eq": ["$ssn", "$$x"]}}}], "let": {"x": "@text"}}`,
	`{"aggregate": "c", "cursor": {}, "pipeline": [{"$sortByCount": {"$eq": ["$ssn", "@text"]}}]}`, `{"aggregate": "c", "cursor": {}, "pipeline": [{"$fill": {"output": {"ssn": {"value": "@text"}}}}]}`,

	// explain
	`{"explain": {"find": "c", "filter": {"ssn": "@text", "name": "@open"}}}`, `{"explain": {"count": "c", "query": {"number": "@long"}}, "verbosity": "queryPlanner"}`,
	`{"explain": {"aggregate": "c", "pipeline": [{"$match": {"ssn": "@text"}}], "cursor": {}}}`, `{"explain": {"update": "c", "updates": [{"q": {"ssn": "@text"}, "u": {"$set": {"phone": "@text"}}}]}}`,
	`{"explain": {"delete": "c", "deletes": [{"q": {"ssn": "@text"}, "limit": 1}]}}`, `{"explain": {"distinct": "c", "key": "ssn", "query": {"ssn": "@text"}}}`,
	`{"explain": {"findAndModify": "c", "query": {"ssn": "@text"}, "update": {"$set": {"ssn": "@text"}}}}`, `{"explain": {"find": "c", "filter": {"ssn": {"$gt": "@text"}}}}`,
	`{"explain": {"unknown": "c", "filter": {"ssn": "@text"}}}`, `{"explain": {"explain": {"find": "c", "filter": {"ssn": "@text"}}}}`,

	// definitions, and commands of no collection
	`{"createIndexes": "c", "indexes": [{"key": {"name": 1}, "name": "i", "partialFilterExpression": {"ssn": "@text"}}]}`, `{"createIndexes": "c", "indexes": [{"key": {"ssn": "@text"}, "name": "j"}]}`,
	`{"create": "c", "validator": {"ssn": "@text"}}`, `{"create": "c", "validator": {"$jsonSchema": {"properties": {"ssn": {"enum": ["@text"]}}}}}`, `{"collMod": "c", "validator": {"ssn": {"$in": ["@text"]}}}`,
	`{"create": "v", "viewOn": "c", "pipeline": [{"$match": {"ssn": "@text"}}]}`, `{"bulkWrite": 1, "ops": [{"insert": 0, "document": {"ssn": "@text"}}], "nsInfo": [{"ns": "@ns"}]}`,
	`{"mapReduce": "c", "map": "m", "reduce": "r", "query": {"ssn": "@text"}, "out": "d"}`, `{"validate": "c", "x": "@text"}`, `{"unknown": "c", "filter": {"ssn": "@text"}}`,
}
