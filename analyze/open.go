package analyze

// openQuestion is something that neither MongoDB's manual nor its public driver tests decide, and what is done about it here.
type openQuestion struct {
	question string
	choice   string
	rules    []*rule    // that refuse by this choice
	allow    Relaxation // the option that chooses otherwise; 0 when there is none
}

// openQuestions lists them all, those that other packages answer too. docs/compatibility.md shows them.
var openQuestions = []openQuestion{
	// Schemas and values.
	{"which keywords a schema given by the client may have",
		"those that lead to fields, name types or describe (properties, patternProperties, additionalProperties, bsonType, type, title, description), encrypt and encryptMetadata; " +
			"every other is an error. In a collection's validator the keywords that validate may stand as well, but encrypt not below one that applies to some documents or to array elements only", nil, 0},
	{"whether a schema is refused that encrypts a type which its algorithm cannot (a double deterministically)",
		"yes, when it is read, with the text \"Cannot encrypt element of type\"; so is a value of such a type where the schema names none", []*rule{ruleType}, 0},
	{"several key ids for one field", "the schema is refused: which of them would encrypt is not known", nil, 0},
	{"an array of documents where the schema has one document with encrypted fields", "refused", []*rule{ruleArrayAtPrefix}, 0},
	{"a field name with a dot in a document to store that reads like the path of an encrypted field", "refused", []*rule{ruleDottedName}, 0},
	{"which errors have a number", "those whose number is public; the others have 0", []*rule{rulePointerUpdate}, 0},

	// Queries.
	{"$type on an encrypted field", "refused: the server would see binData", []*rule{ruleMatchType}, AllowType},
	{"sort and $sort by an encrypted field", "refused: the server would order ciphertext", []*rule{ruleSort}, AllowSort},
	{"a document or array compared with a field that holds encrypted fields", "refused, where it could hold one of them; a scalar passes", []*rule{rulePrefixLiteral}, 0},
	{"the places of $near, $geoWithin and the like on a document that holds encrypted fields", "refused: the encrypted fields could be the coordinates", []*rule{ruleMatchOperator}, 0},
	{"which text refuses another operator than equality on a randomly encrypted field",
		"that of the operator; equality, $in and the like have the one about randomized encryption", []*rule{ruleMatchRandom, ruleRandomEquality}, 0},
	{"$all and $elemMatch on an encrypted field, and $elemMatch that reaches one", "refused: there are no arrays with encrypted fields in them, and in one that is encrypted whole the server sees no elements",
		[]*rule{ruleMatchOperator, ruleMatchRandom, ruleElemMatch}, 0},
	{"$exists with a longer argument than a flag", "refused on an encrypted field: it would be sent in clear", []*rule{ruleFlag}, 0},
	{"operators in a find's projection ($, $slice, $meta, $elemMatch) on an encrypted field", "refused", []*rule{ruleProjectionOperator}, 0},
	{"min and max, the bounds of an index, on an encrypted field", "refused: they carry values", []*rule{ruleBounds}, 0},
	{"distinct over a document that holds encrypted fields", "refused", []*rule{ruleDistinct}, 0},
	{"variables of a command (let)", "they pass, and so do comparisons with plain fields; a comparison of one with an encrypted field is refused", []*rule{ruleComparedPlain}, 0},
	{"what of a collation is checked", "nothing: it passes in every command, and has no effect on the equality of ciphertexts. An index or collection with a collation is the same", nil, 0},

	// Updates.
	{"$setOnInsert on an encrypted field", "sealed, like $set: it stores its argument just so", nil, 0},
	{"an upsert that could make the server generate an _id that the schema encrypts", "refused", []*rule{ruleMissingID}, 0},
	{"bulkWrite over several collections", "each operation is judged by the schema of its own; one that names no entry of nsInfo, or reads like two operations, is refused", []*rule{ruleBulkOperation, ruleBulkIndex}, 0},

	// Definitions.
	{"a view or a time series over a schema that encrypts", "refused, whether the schema is its own, its source's or that of another collection in its pipeline", []*rule{ruleView}, 0},
	{"text, 2d and 2dsphere indexes over an encrypted field", "refused; 1, -1, hashed and wildcard indexes pass", []*rule{ruleIndexKind, ruleIndexLanguage}, 0},
	{"an index that expires documents by an encrypted field", "refused: nothing would ever be deleted", []*rule{ruleExpiry, ruleExpiryByName}, 0},
	{"a unique index over a randomly encrypted field", "allowed, as MongoDB's manual has it, but it is of no use: equal values have different ciphertexts", nil, 0},
	{"an index option that is not listed", "refused", []*rule{ruleIndexOption}, 0},
	{"$exists on an encrypted field in a validator or partial filter", "allowed: there is no value in it, and it is right for ciphertext", nil, 0},

	// Pipelines.
	{"aggregation stages and commands that newer servers and drivers have", "decided one by one, in tables; what is not listed is refused", []*rule{ruleStage, ruleCommand}, 0},
	{"$facet and $unionWith, which the manual does not list", "allowed: they combine pipelines, each of which is decided by itself", nil, 0},
	{"$unionWith of collections in which a field is not encrypted alike", "the field may be there, but no later stage may ask for it", []*rule{ruleUnknown}, 0},
	{"a later stage asks for an encrypted field's path after a stage has dropped the field or put something else there",
		"refused: the value it is compared with may be one that was meant for the encrypted field", []*rule{ruleReplaced}, 0},
	{"$addToSet of a randomly encrypted field, or of a document with encrypted fields", "refused though the manual names $addToSet: each ciphertext would be a value of its own",
		[]*rule{ruleGroupRandom, ruleGroupPrefix}, 0},
	{"$first, $last, $top, $bottom and those with N as accumulators of encrypted values", "allowed: they take values as they are, chosen by fields that are not encrypted", nil, 0},
	{"$unwind of an encrypted field", "refused: of one that is encrypted whole the server sees no elements. A document that holds encrypted fields passes, as it is no array", []*rule{ruleUnwind}, 0},
	{"$replaceRoot with an encrypted field", "refused; a document that holds encrypted fields passes", []*rule{ruleReplaceRoot}, 0},
	{"$bucket and $bucketAuto by an encrypted field", "refused: buckets need an order", []*rule{ruleBucket}, 0},
	{"$redact with $$DESCEND where the schema encrypts a field that may be a document or an array", "refused: the server cannot go into it", []*rule{ruleRedact}, 0},
	{"$redact with $$DESCEND that looks for a path which leads to an encrypted field from some document inside the documents, or after a stage that made other documents",
		"refused", []*rule{ruleExpressionLevels}, 0},
	{"$lookup and $graphLookup by encrypted fields of two collections", "refused, even if they are encrypted alike: the manual has encrypted fields join a collection with itself only", []*rule{ruleOtherCollection}, 0},
	{"$graphLookup into another collection", "allowed when nothing encrypted connects the documents", []*rule{ruleOtherCollection}, 0},
	{"another database in from or coll ({db, coll})", "refused: which servers take it, and for what, differs", []*rule{ruleOtherCollection}, 0},

	// Expressions.
	{"null, a missing field or $$REMOVE in a branch beside an encrypted field", "the result is like the field: null is never encrypted, and what may be done with the field is right for both", nil, 0},
	{"another constant, or a field that is encrypted otherwise, beside it", "the result is unknown: it may be there, but nothing may be asked of it", []*rule{ruleUnknown}, 0},
	{"a literal document or array as a condition: {$expr: {field: value}}", "refused: it is always true, and mostly a filter by mistake whose value would be sent in clear", []*rule{ruleExpressionAlwaysTrue}, 0},
	{"$size, $isArray, $first, $last and $arrayElemAt on an array of encrypted values that an earlier stage made", "allowed: an element is like the field, and the number is right", nil, 0},
	{"$getField", "another way to write a path, so that it gives a field like it; with a name that is no constant it is refused where it could read an encrypted field", []*rule{ruleExpressionFieldName}, 0},
	{"two encrypted fields compared with each other", "allowed when both are deterministic with the same key and type", []*rule{ruleComparedMetadata}, 0},
	{"an encrypted field compared with a plain one", "refused: the server compares ciphertext with plaintext", []*rule{ruleComparedPlain}, 0},
	{"an encrypted field in the list of $in", "refused: a list with encrypted elements is unknown", []*rule{ruleUnknown}, 0},

	// What goes in and out.
	{"whether Exact rewrites a command without a sealed value", "no: it stays as it is, byte for byte", nil, 0},
	{"the name of the field that says there are placeholders", "the command line writes hasEncryptionPlaceholders", nil, 0},
	{"a value that cannot be decrypted", "the option Undecryptable decides: by default a value whose key is gone or denied stays BinData; tampering is always an error", nil, 0},
	{"the order of key alt names in a new data key", "as they were given", nil, 0},
	{"documents stored before encryption", "a collection can be declared to be migrated: equality then asks for plaintext and ciphertext, and what has no such form is refused",
		[]*rule{ruleMigratingForms, ruleMigratingCollation, ruleMigratingApart, ruleMigratingUpsert}, 0},
}
