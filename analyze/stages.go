package analyze

// stage is what to do with an aggregation stage.
type stage int

const (
	stageRefused   stage = iota
	stageMatch           // a filter
	stageNumber          // a number; documents stay what they are
	stageSample          // {size: number}; documents stay what they are
	stageSort            // a sort specification; documents stay what they are
	stageProject         // fields included, excluded and computed
	stageAddFields       // fields computed beside those that are there
	stageUnset           // the names of fields to drop
	stageReplaceRoot
	stageReplaceWith
	stageUnwind
	stageRedact
	stageCount
	stageGroup
	stageSortByCount
	stageBucket
	stageBucketAuto
	stageGeoNear
	stageStats // about the collection, not from it
	stageLookup
	stageGraphLookup
	stageUnionWith
	stageFacet
)

// stages lists the known stages. Over a schema that encrypts, those that are not here are refused too. How a stage's argument may use
// fields of each class is in stageOperands and accumulators, and in the tables of match operators and expressions.
//
// Source: MongoDB manual, "Supported Operations for Automatic Encryption", section on aggregation stages. $set, $unset and $replaceWith are
// other names of listed ones. $facet and $unionWith are not listed there: they only combine pipelines, each of which is decided here.
var stages = map[string]stage{
	"$addFields":   stageAddFields,
	"$bucket":      stageBucket,
	"$bucketAuto":  stageBucketAuto,
	"$collStats":   stageStats,
	"$count":       stageCount,
	"$facet":       stageFacet,
	"$geoNear":     stageGeoNear,
	"$graphLookup": stageGraphLookup,
	"$group":       stageGroup,
	"$indexStats":  stageStats,
	"$limit":       stageNumber,
	"$lookup":      stageLookup,
	"$match":       stageMatch,
	"$project":     stageProject,
	"$redact":      stageRedact,
	"$replaceRoot": stageReplaceRoot,
	"$replaceWith": stageReplaceWith,
	"$sample":      stageSample,
	"$set":         stageAddFields,
	"$skip":        stageNumber,
	"$sort":        stageSort,
	"$sortByCount": stageSortByCount,
	"$unionWith":   stageUnionWith,
	"$unset":       stageUnset,
	"$unwind":      stageUnwind,

	"$changeStream":                stageRefused,
	"$changeStreamSplitLargeEvent": stageRefused,
	"$currentOp":                   stageRefused,
	"$densify":                     stageRefused,
	"$documents":                   stageRefused,
	"$fill":                        stageRefused,
	"$listLocalSessions":           stageRefused,
	"$listSampledQueries":          stageRefused,
	"$listSearchIndexes":           stageRefused,
	"$listSessions":                stageRefused,
	"$merge":                       stageRefused,
	"$out":                         stageRefused,
	"$planCacheStats":              stageRefused,
	"$querySettings":               stageRefused,
	"$queryStats":                  stageRefused,
	"$rankFusion":                  stageRefused,
	"$score":                       stageRefused,
	"$scoreFusion":                 stageRefused,
	"$search":                      stageRefused,
	"$searchMeta":                  stageRefused,
	"$setWindowFields":             stageRefused,
	"$shardedDataDistribution":     stageRefused,
	"$vectorSearch":                stageRefused,
}

// stageOperands decides the fields, and the expressions like fields, in the arguments of stages; the rest is constant, a filter or a sort.
var stageOperands = []operator{
	// Taking a field along, hiding it, or setting it anew is right for every field that the server can see.
	takesAlong("$project", "$addFields", "$set", "$unset", "$lookup.as", "$graphLookup.as", "$unwind.includeArrayIndex"),
	{names: []string{"$replaceRoot", "$replaceWith"}, plain: decision{verb: pass}, deterministic: no(ruleReplaceRoot),
		random: no(ruleReplaceRoot), prefix: decision{verb: pass}, below: no(ruleBelowEncrypted)},
	// The server takes what is no array for the only element. A document is none; what is encrypted may be one.
	{names: []string{"$unwind"}, plain: decision{verb: pass}, deterministic: no(ruleUnwind), random: no(ruleUnwind),
		prefix: decision{verb: pass}, below: no(ruleBelowEncrypted)},
	{names: []string{"$group._id", "$sortByCount"}, plain: decision{verb: pass}, deterministic: decision{verb: pass},
		random: no(ruleGroupRandom), prefix: no(ruleGroupPrefix), below: no(ruleBelowEncrypted), migrating: ruleMigratingForms},
	operandsWithout(ruleBucket, "$bucket.groupBy", "$bucket.boundaries", "$bucket.default", "$bucketAuto.groupBy"),
	operandsWithout(ruleGeoNear, "$geoNear.key", "$geoNear.distanceField", "$geoNear.includeLocs", "$geoNear.near"),
	operandsWithout(ruleLookupLet, "$lookup.let"),
	// Deterministically encrypted fields join fields of the same collection that are encrypted alike.
	{names: []string{"$lookup.localField", "$lookup.foreignField", "$graphLookup.startWith", "$graphLookup.connectFromField",
		"$graphLookup.connectToField"}, plain: decision{verb: rename}, deterministic: decision{verb: rename},
		random: no(ruleJoinRandom), prefix: no(ruleJoinPrefix), below: no(ruleBelowEncrypted), migrating: ruleMigratingForms},
	operandsWithout(ruleDepthField, "$graphLookup.depthField"),
}

// takesAlong is a row for what takes values along without looking at them.
func takesAlong(names ...string) operator {
	along := decision{verb: pass}
	return operator{names: names, plain: along, deterministic: along, random: along, prefix: along, below: no(ruleBelowEncrypted)}
}
