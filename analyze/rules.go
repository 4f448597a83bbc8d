package analyze

import (
	"fmt"
	"strconv"
	"strings"
)

// RefusedError says why a command is not let through. It names rule, path and operator, never a value.
type RefusedError struct {
	Rule     string // stable name of the rule, e.g. "match-operator-on-encrypted"
	Path     string // dotted path of the field; empty when no single field is to blame
	Operator string // operator, stage, command or command field; may be empty
	Message  string // what is wrong
	Hint     string // what to do instead; may be empty
	Code     int    // MongoDB's error number where it is public, else 0
}

// Error gives message, path, operator and hint in one line.
func (e *RefusedError) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	if e.Path != "" {
		fmt.Fprintf(&b, ", field %q", e.Path)
	}
	if e.Operator != "" && !strings.Contains(e.Message, e.Operator) {
		fmt.Fprintf(&b, ", in %s", e.Operator)
	}
	fmt.Fprintf(&b, " [rule %s]", e.Rule)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// rule is one reason to refuse. In its texts {operator} stands for the operator at hand; in the hint also {path} for the path at hand and
// {field} for the encrypted field that it leads to or through.
type rule struct {
	name    string
	message string
	hint    string
	code    int
}

// The texts that begin with a capital letter are those of MongoDB's own analysis, which its public driver tests look for.
var (
	ruleCommand = &rule{"command-not-supported", "command not supported for auto encryption: {operator}",
		"run it through a client without automatic encryption", 0}
	ruleCommandField = &rule{"command-field-unknown", "command field {operator} is not known to be safe on a collection with encrypted fields",
		"leave the field out, or send the command through a client without automatic encryption", 0}
	ruleNonCollection = &rule{"command-without-collection", "non-collection command not supported for auto encryption: {operator}",
		"run it through a client without automatic encryption", 0}
	ruleEmptyCollection = &rule{"command-empty-collection", "empty collection name on command: {operator}", "name a collection", 0}
	ruleMalformed       = &rule{"command-malformed", "the argument of {operator} has the wrong BSON type",
		"write it as the server's manual does: what is malformed cannot be searched for values to encrypt", 0}
	ruleFieldTwice    = &rule{"command-field-twice", "field {operator} is given twice", "give it once: which of the two a server takes is not certain", 0}
	ruleTooManyFields = &rule{"command-too-many-fields", "the command has more than 100 fields", "leave out what the server does not know", 0}
	ruleDatabase      = &rule{"command-two-databases", "the command names two databases", "leave $db out of the explained command, or give it the same value", 0}
	ruleBulkOperation = &rule{"bulk-operation", "an operation of bulkWrite does not begin with insert, update or delete, or names two of them: {operator}",
		"write it as the server's manual does, {insert: 0, document: …} for example", 0}
	ruleBulkIndex = &rule{"bulk-namespace-index", "{operator} in an operation of bulkWrite is not the index of an entry of nsInfo",
		"give the index as an int, counted from 0", 0}
	ruleOtherCollection = &rule{"pipeline-other-collection", "Pipeline over an encrypted collection cannot reference additional collections",
		"an encrypted field joins its own collection only: join by a field that is not encrypted, or run the other collection's part as a query of its own", 0}
	ruleMissingSchema = &rule{"schema-missing", "Missing encryption schema for namespace: {operator}",
		"give the schemas of all collections that the command reads, an empty one for those that encrypt nothing", 0}
	ruleLetField = &rule{"let-field", "a variable of a command (let) is evaluated before there is a document: it cannot refer to a field",
		"write constants, {$literal: value} for one that begins with a dollar sign", 0}
	ruleView = &rule{"create-view", "a view or time series over a schema that encrypts cannot be created through automatic encryption",
		"create it through a client without automatic encryption, and do not query encrypted fields through it", 0}

	ruleRandomEquality = &rule{"match-equality-on-random", "Cannot query on fields encrypted with the randomized encryption",
		"query by another field, filter after decryption, or encrypt {field} deterministically in the schema, if its type can be", 0}
	ruleMatchOperator = &rule{"match-operator-on-encrypted", "Invalid match expression operator on encrypted field",
		"the server sees ciphertext only: use $eq, $ne, $in or $nin on a deterministically encrypted field, or filter after decryption", 0}
	ruleMatchRandom = &rule{"match-operator-on-random", "Invalid match expression operator on encrypted field, which is encrypted with the randomized encryption",
		"nothing but $exists can be asked of it: query by another field, filter after decryption, or encrypt this one deterministically and ask for exact values", 0}
	ruleMatchType = &rule{"match-type-on-encrypted", "Invalid match expression operator on encrypted field: the server sees the type of the ciphertext",
		"the schema says which type the field has: ask {\"{path}\": {$exists: true}}, or allow $type (AllowType) and ask for binData", 0}
	ruleBelowEncrypted = &rule{"path-below-encrypted", "the path runs below a field that is encrypted whole",
		"read or write {field} as a whole, or encrypt the inner fields instead in the schema", 0}
	ruleUpdateBelow = &rule{"update-below-encrypted", "the path runs below a field that is encrypted whole",
		"set the whole object: read it, change it and {$set: {\"{field}\": …}}, or encrypt the inner fields instead in the schema", 0}
	ruleUnknown = &rule{"path-unknown-until-runtime", "Cannot get metadata for path whose encryption properties are not known until runtime",
		"take arrays apart with $unwind first, and give both branches of a condition fields that are encrypted alike", 0}
	rulePrefixLiteral = &rule{"literal-over-encrypted", "a document or array is compared with a field that holds encrypted fields",
		"compare the inner fields one by one with dotted paths: {\"{path}.field\": value}", 0}
	ruleMatchUnsupported = &rule{"match-operator-unsupported", "Unsupported match expression operator for encryption",
		"on a collection with encrypted fields use plain comparisons instead", 0}
	ruleMatchUnknown = &rule{"match-operator-unknown", "{operator} is not a match operator known here, so it may carry a value that must be encrypted",
		"use documented operators only, or a client without automatic encryption", 0}
	ruleEqualityNull = &rule{"match-equality-null", "Illegal equality to null predicate for encrypted field",
		"null is never encrypted: ask {\"{path}\": {$exists: false}} for a missing field, true for one that is there", 0}
	ruleInNull = &rule{"match-in-null", "Illegal equality to null inside $in against an encrypted field",
		"null is never encrypted: take it out of the list and ask {\"{path}\": {$exists: false}} for a missing field, true for one that is there", 0}
	ruleRegex = &rule{"match-regex-on-encrypted", "Invalid match expression operator on encrypted field: a regular expression cannot run on ciphertext",
		"ask for exact values with $eq or $in, or filter after decryption", 0}
	ruleArrayIndex = &rule{"path-array-index", "the path has an array index inside a document that holds encrypted fields",
		"encrypted fields cannot lie in arrays: address the field without the index", 0}
	ruleElemMatch = &rule{"match-elemmatch-reaches-encrypted", "Invalid match expression operator on encrypted field: $elemMatch reaches an encrypted field",
		"encrypted fields cannot lie in arrays: use the dotted path instead of $elemMatch", 0}
	ruleFlag = &rule{"flag-on-encrypted", "{operator} on an encrypted field takes true, false, 1, 0, null or an empty string only: its argument is sent in clear",
		"give it true, or \"\" with $unset", 0}
	ruleIndexKind = &rule{"index-kind-on-encrypted", "an index of kind {operator} cannot read ciphertext",
		"leave encrypted fields, and documents that hold them, out of it; 1, -1 and hashed serve equality", 0}
	ruleIndexLanguage = &rule{"index-language-on-encrypted", "language_override names an encrypted field, in which a text index finds no language",
		"keep the language in a field that is not encrypted", 0}
	ruleIndexOption = &rule{"index-option-unknown", "{operator} is not an option of an index known here, so it may carry a value that must be encrypted",
		"use documented options only, or a client without automatic encryption", 0}
	ruleExpiry = &rule{"index-expiry-on-encrypted", "an encrypted field holds no date that the server could see: nothing would ever be deleted",
		"keep the date that documents expire by in a field that is not encrypted", 0}
	ruleExpiryByName = &rule{"index-expiry-by-name", "expireAfterSeconds is changed for an index known by name only, which may be over an encrypted field",
		"name the index by keyPattern instead", 0}
	ruleIndexKey  = &rule{"index-key-on-encrypted", "the keys of an index over encrypted fields may only be 1, -1 or a kind of index", "give each field 1 or -1", 0}
	ruleValidator = &rule{"validator-on-encrypted", "Comparison to encrypted fields not supported in collection validator",
		"take the encrypted field out of the validator or partial filter; {$exists: true} is allowed", 0}
	ruleValidatorSchema = &rule{"validator-schema-differs", "the validator's $jsonSchema does not encrypt the same fields as the schema in force, or describes their values",
		"give the collection and schemaMap the same schema, and take enum, pattern, minimum and maximum out of what may be about an encrypted field", 0}

	ruleType          = &rule{"value-type", "Cannot encrypt element of type: {operator}", "", 0}
	ruleCiphertext    = &rule{"value-already-encrypted", "Cannot encrypt element of type: binData subtype 6, the value is encrypted already", "send plaintext and let automatic encryption do its work, or bypass it for values you encrypt yourself", 0}
	ruleTimestamp     = &rule{"insert-timestamp-zero", "A command that inserts cannot supply Timestamp(0, 0) for an encrypted top-level field, the server would replace it", "send a real timestamp", 0}
	ruleMissingID     = &rule{"insert-missing-id", "the schema encrypts _id, but the document has none and the server would make one in clear", "set _id in the document (for an upsert: in the query as an equality)", 0}
	ruleArrayAtPrefix = &rule{"array-over-encrypted", "an array stands where the schema wants one document that holds encrypted fields",
		"encrypted fields cannot lie in arrays: encrypt the array whole (random), or store one document", 0}
	ruleDottedName = &rule{"dotted-field-name", "a field name with a dot in it reads like the path of an encrypted field, but is not",
		"nest the document: {a: {b: value}} instead of {\"a.b\": value}", 0}
	rulePointerTarget = &rule{"key-pointer-target", "the JSON pointer keyId {operator} must lead to a string in the same document that is not encrypted",
		"set the field that the pointer names to a key alt name", 0}
	rulePointerUpdate = &rule{"key-pointer-in-update", "A non-static (JSONPointer) keyId is not supported.",
		"a field whose key is named in the document can only be inserted: delete and insert the document anew, or give {field} a fixed keyId in the schema", 51093}

	ruleIncMul        = &rule{"update-arithmetic-on-encrypted", "$inc and $mul not allowed on encrypted values", "read, change and $set the value", 0}
	ruleMaxMin        = &rule{"update-order-on-encrypted", "$max and $min not allowed on encrypted values", "read, compare and $set the value", 0}
	ruleCurrentDate   = &rule{"update-date-on-encrypted", "$currentDate not allowed on encrypted values", "$set the date from the application", 0}
	ruleArrayOperator = &rule{"update-array-on-encrypted", "{operator} not allowed on encrypted values", "read the array, change it and $set it whole", 0}
	ruleUpdateOp      = &rule{"update-operator-on-encrypted", "{operator} not allowed on encrypted values", "read, change and $set the value", 0}
	ruleUpdateUnknown = &rule{"update-operator-unknown", "{operator} is not an update operator known here, so it may carry a value that must be encrypted",
		"use documented operators only, or a client without automatic encryption", 0}
	rulePositional = &rule{"update-positional", "Cannot encrypt fields below '$' positional update operator", "encrypted fields cannot lie in arrays: $set the encrypted field whole", 0}
	ruleArrayPath  = &rule{"update-array-path", "Array update operations not allowed on encrypted values", "encrypted fields cannot lie in arrays: $set the encrypted field whole", 0}
	ruleRename     = &rule{"update-rename", "$rename between two encrypted fields must have the same metadata or both be unencrypted",
		"read the value, $set it under the new name and $unset the old one", 0}
	ruleUpdatePipeline = &rule{"update-pipeline", "an update with an aggregation pipeline is not supported on a collection with encrypted fields",
		"use update operators such as $set", 0}
	ruleReplacementOperator = &rule{"replacement-with-operator", "a replacement document has a field that looks like the update operator {operator}",
		"send either update operators only, or a document without them", 0}
	ruleArrayFilter = &rule{"array-filter", "an array filter is not tied to a path without encrypted fields", "use each identifier in an update path, and keep encrypted fields out of it", 0}

	ruleSort   = &rule{"sort-on-encrypted", "sorting by an encrypted field would order ciphertext, not values", "sort after decryption, or by another field", 0}
	ruleBounds = &rule{"bounds-on-encrypted", "index bounds on an encrypted field would compare ciphertext and carry plaintext",
		"use an equality in the filter instead", 0}
	ruleDistinct       = &rule{"distinct-on-prefix", "distinct over a document that holds encrypted fields is not supported", "ask for the distinct values of an inner field", 0}
	ruleDistinctRandom = &rule{"distinct-on-random", "Cannot query on fields encrypted with the randomized encryption: equal values have different ciphertexts",
		"read the field with find and make it distinct after decryption, or encrypt it deterministically", 0}
	ruleDistinctPointer = &rule{"distinct-on-pointer", "The distinct key is not allowed to be marked for encryption with a non-UUID keyId",
		"read the field with find and make it distinct after decryption", 0}

	ruleStage = &rule{"stage-not-supported", "Aggregation stage {operator} is not allowed or supported with automatic encryption.",
		"run the stages before it, and do the rest after decryption", 0}
	ruleDepth = &rule{"nesting-too-deep", "the command nests too deeply", "", 0}
)

// printable makes a name from a command fit for a message.
func printable(name string) string {
	const most = 100
	if len(name) > most {
		name = name[:most] + "…"
	}
	quoted := strconv.Quote(name)
	return quoted[1 : len(quoted)-1]
}

// refuse makes the error of r at the present path.
func (a *analysis) refuse(r *rule, operator string) error {
	err := refused(r, string(a.path), operator)
	if strings.Contains(r.hint, "{path}") {
		err.Hint = strings.ReplaceAll(err.Hint, "{path}", printable(string(a.path)))
	}
	if strings.Contains(r.hint, "{field}") {
		err.Hint = strings.ReplaceAll(err.Hint, "{field}", printable(a.encryptedField()))
	}
	return err
}

// encryptedField is the part of the present path that leads to an encrypted field, else the whole path.
func (a *analysis) encryptedField() string {
	path := string(a.path)
	node := a.root
	for end := 0; node.Encrypts(); end++ {
		name, _, more := strings.Cut(path[end:], ".")
		child, err := node.Child(name)
		end += len(name)
		if child.Encrypted() != nil {
			return path[:end]
		}
		if err != nil || !more {
			break
		}
		node = child
	}
	return path
}

func refused(r *rule, path, operator string) *RefusedError {
	shown := printable(operator)
	if most := 1000; len(path) > most {
		path = path[:most] + "…"
	}
	fill := func(s string) string { return strings.ReplaceAll(s, "{operator}", shown) }
	return &RefusedError{Rule: r.name, Path: path, Operator: shown, Message: fill(r.message), Hint: fill(r.hint), Code: r.code}
}
