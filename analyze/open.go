package analyze

// openQuestion is something that neither MongoDB's manual nor its public driver tests decide, and what is done about it here.
type openQuestion struct {
	id       string
	question string
	choice   string
	rules    []*rule    // that refuse by this choice
	allow    Relaxation // the option that chooses otherwise; 0 when there is none
}

// openQuestions lists them all, those that other packages answer too, for the page on compatibility.
var openQuestions = []openQuestion{
	{"H-1", "$type on an encrypted field", "refused: the server would see binData; AllowType lets it pass", []*rule{ruleMatchType}, AllowType},
	{"H-2", "sort and $sort by an encrypted field", "refused: the server would order ciphertext; AllowSort lets it pass", []*rule{ruleSort}, AllowSort},
	{"H-3", "a document or array compared with a field that holds encrypted fields", "refused", []*rule{rulePrefixLiteral}, 0},
	{"H-4", "$setOnInsert on an encrypted field", "sealed, like $set: it stores its argument just so", nil, 0},
	{"H-5", "which keywords a local schema may have", "package schema decides, and refuses what it does not know", nil, 0},
	{"H-6", "when a schema that encrypts doubles and the like deterministically is refused", "package schema decides; a value of such a type is refused in any case", nil, 0},
	{"H-7", "error numbers", "those that are public, 0 for the rest", []*rule{rulePointerUpdate}, 0},
	{"H-8", "which text refuses another operator than equality on a randomly encrypted field",
		"that of the operator; equality, $in and the like have the one about randomized encryption", []*rule{ruleMatchRandom, ruleRandomEquality}, 0},
	{"H-9", "whether Exact rewrites a command without a sealed value", "no: it stays as it is, byte for byte", nil, 0},
	{"H-10", "the name of the reply's field that says there are placeholders", "for what speaks that protocol to decide: this package gives Result", nil, 0},
	{"H-11", "a value that cannot be decrypted", "an option decides (Undecryptable); this package decrypts nothing", nil, 0},
	{"H-12", "several key ids for one field", "package schema decides", nil, 0},
	{"H-13", "an array of documents where the schema has one document with encrypted fields", "refused", []*rule{ruleArrayAtPrefix}, 0},
	{"H-14", "a view or a time series over a schema that encrypts", "refused, whether the schema is its own, its source's or that of another collection in its pipeline", []*rule{ruleView}, 0},
	{"H-15", "$elemMatch, $all, projections and variables that reach an encrypted field",
		"$all is refused on it, $elemMatch too when it reaches it; projections and variables follow the rules of expressions", []*rule{ruleElemMatch, ruleMatchOperator, ruleMatchRandom}, 0},
	{"H-16", "aggregation stages that newer servers have", "decided one by one; a stage that is not listed is refused", []*rule{ruleStage}, 0},
	{"H-17", "the order of key alt names in a new data key", "ClientEncryption decides", nil, 0},
	{"H-18", "commands that newer drivers know", "kept as data; a command that is not listed is refused", []*rule{ruleCommand}, 0},
	{"I-1", "text, 2d and 2dsphere indexes over an encrypted field", "refused; 1, -1, hashed and wildcard pass", []*rule{ruleIndexKind}, 0},
	{"I-2", "an index that expires documents by an encrypted field", "refused: nothing would ever be deleted", []*rule{ruleExpiry, ruleExpiryByName}, 0},
	{"I-3", "an index option that is not listed", "refused", []*rule{ruleIndexOption}, 0},
	{"I-4", "bulkWrite over several collections", "each operation is judged by the schema of its own; one that names no entry of nsInfo is refused", []*rule{ruleBulkOperation, ruleBulkIndex}, 0},
	{"I-5", "min and max, the bounds of an index, on an encrypted field", "refused", []*rule{ruleBounds}, 0},
	{"I-6", "an upsert that could make the server generate an _id that the schema encrypts", "refused", []*rule{ruleMissingID}, 0},
	{"I-7", "distinct over a document that holds encrypted fields", "refused", []*rule{ruleDistinct}, 0},
	{"I-8", "a field name with a dot in a document to store that reads like the path of an encrypted field", "refused", []*rule{ruleDottedName}, 0},
}
