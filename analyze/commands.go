package analyze

// Disposition is what happens to a command.
type Disposition int

const (
	// Refused commands are not known to be safe, or work on no single collection.
	Refused Disposition = iota
	// Analysed commands go through Command.
	Analysed
	// Bypassed commands carry no values of documents and are sent as they are.
	Bypassed
)

// part is what a field of a command, or of a statement in it, holds.
type part int

const (
	partPass         part = iota // nothing that can belong to an encrypted field
	partFilter                   // a query document
	partDocuments                // documents to insert
	partDocument                 // one of them
	partUpdates                  // update statements
	partDeletes                  // delete statements
	partUpdate                   // update operators or a replacement
	partArrayFilters             // conditions on array elements of the update beside it
	partSort
	partBounds
	partProjection
	partPipeline
	partDistinctKey
	partIndexes
	partValidator
	partLet       // variables for the expressions of the command
	partConstants // variables for an update with a pipeline
	partView
	partHint
	partCommand     // of explain
	partExpiry      // seconds after which documents are deleted, by _id
	partIndexChange // of collMod
	partOperations  // of bulkWrite
	partNamespaces  // of bulkWrite
)

// parts maps field names to what they hold. A field that is not listed is refused.
type parts map[string]part

// genericParts may stand in any command. Source: MongoDB manual, "Database Commands"; driver specifications (sessions,
// transactions, stable API, server selection).
var genericParts = parts{
	"$db": partPass, "$readPreference": partPass, "$clusterTime": partPass, "lsid": partPass, "txnNumber": partPass,
	"startTransaction": partPass, "autocommit": partPass, "readConcern": partPass, "writeConcern": partPass,
	"maxTimeMS": partPass, "comment": partPass, "apiVersion": partPass, "apiStrict": partPass, "apiDeprecationErrors": partPass,
}

// analysedCommands lists the analysed commands with every field that they may have.
var analysedCommands = map[string]parts{
	"insert": {"documents": partDocuments, "ordered": partPass, "bypassDocumentValidation": partPass},
	"find": {
		"filter": partFilter, "sort": partSort, "projection": partProjection, "hint": partHint, "skip": partPass, "limit": partPass,
		"batchSize": partPass, "singleBatch": partPass, "max": partBounds, "min": partBounds, "returnKey": partPass,
		"showRecordId": partPass, "tailable": partPass, "oplogReplay": partPass, "noCursorTimeout": partPass, "awaitData": partPass,
		"allowPartialResults": partPass, "collation": partPass, "allowDiskUse": partPass, "let": partLet,
	},
	"count":    {"query": partFilter, "limit": partPass, "skip": partPass, "hint": partHint, "collation": partPass},
	"distinct": {"key": partDistinctKey, "query": partFilter, "collation": partPass, "hint": partHint},
	"delete":   {"deletes": partDeletes, "ordered": partPass, "let": partLet},
	"update":   {"updates": partUpdates, "ordered": partPass, "bypassDocumentValidation": partPass, "let": partLet},
	"findAndModify": {
		"query": partFilter, "sort": partSort, "remove": partPass, "update": partUpdate, "new": partPass, "fields": partProjection,
		"upsert": partPass, "bypassDocumentValidation": partPass, "collation": partPass, "arrayFilters": partArrayFilters,
		"hint": partHint, "let": partLet,
	},
	"aggregate": {
		"pipeline": partPipeline, "cursor": partPass, "allowDiskUse": partPass, "bypassDocumentValidation": partPass,
		"hint": partHint, "collation": partPass, "explain": partPass, "let": partLet,
	},
	"explain": {"explain": partCommand, "verbosity": partPass},
	"create": {
		"capped": partPass, "size": partPass, "max": partPass, "storageEngine": partPass, "indexOptionDefaults": partPass,
		"collation": partPass, "clusteredIndex": partPass, "changeStreamPreAndPostImages": partPass, "expireAfterSeconds": partExpiry,
		"autoIndexId": partPass, "idIndex": partPass, "validationLevel": partPass, "validationAction": partPass,
		"validator": partValidator, "viewOn": partView, "pipeline": partView, "timeseries": partView,
	},
	"collMod": {
		"index": partIndexChange, "validationLevel": partPass, "validationAction": partPass, "expireAfterSeconds": partExpiry,
		"changeStreamPreAndPostImages": partPass, "recordPreImages": partPass, "dryRun": partPass,
		"validator": partValidator, "viewOn": partView, "pipeline": partView, "timeseries": partView,
	},
	"createIndexes": {"indexes": partIndexes, "commitQuorum": partPass},
	"bulkWrite": {
		"ops": partOperations, "nsInfo": partNamespaces, "ordered": partPass, "bypassDocumentValidation": partPass, "errorsOnly": partPass,
		"cursor": partPass, "let": partLet,
	},
}

// updateStatement and deleteStatement are the fields of one entry of updates and deletes.
var (
	updateStatement = parts{
		"q": partFilter, "u": partUpdate, "multi": partPass, "upsert": partPass, "collation": partPass, "hint": partHint,
		"arrayFilters": partArrayFilters, "sort": partSort, "c": partConstants,
	}
	deleteStatement = parts{"q": partFilter, "limit": partPass, "collation": partPass, "hint": partHint}
)

// bypassedCommands carry no values of documents. Source: MongoDB driver specification "Client Side Encryption", section on
// auto encryption of commands, and the later additions of libmongocrypt.
var bypassedCommands = map[string]bool{
	"getMore": true, "authenticate": true, "getnonce": true, "logout": true, "hello": true, "abortTransaction": true,
	"commitTransaction": true, "endSessions": true, "startSession": true, "drop": true, "dropDatabase": true, "dropIndexes": true,
	"killCursors": true, "listCollections": true, "listDatabases": true, "listIndexes": true, "renameCollection": true,
	"ping": true, "saslStart": true, "saslContinue": true, "killAllSessions": true, "killSessions": true,
	"killAllSessionsByPattern": true, "refreshSessions": true, "buildInfo": true, "buildinfo": true, "getCmdLineOpts": true,
	"getLog": true, "createSearchIndexes": true, "listSearchIndexes": true, "dropSearchIndex": true, "updateSearchIndex": true,
	"serverStatus": true,
}
