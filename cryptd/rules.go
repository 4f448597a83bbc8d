package cryptd

import (
	"strconv"
	"strings"

	"github.com/fieldcrypt/fieldcrypt/analyze"
)

// rule is one reason to refuse a request that has nothing to do with what its command says. In the message {name} stands for the
// field or collection at fault.
type rule struct{ name, message, hint string }

// The texts that begin with a capital letter, and that of ruleMissingField, are those of mongocryptd as drivers' users have seen them.
var (
	ruleMissingField = rule{"request-field-missing", "{name} is a required command field",
		"analysis needs the schema that libmongocrypt adds to each command: send commands through a driver with automatic encryption"}
	ruleMissingSchema = rule{"schema-missing", "Missing encryption schema for namespace: {name}",
		"drivers look for the schemas of $lookup and $unionWith only, libmongocrypt before 1.13 for none; a command that touches the collection otherwise needs a client without automatic encryption"}
	ruleMixed = rule{"request-two-encryptions", "Cannot specify both encryptionInformation and csfleEncryptionSchemas unless csfleEncryptionSchemas only contains non-encryption JSON schema validators",
		"Queryable Encryption is not supported here, and never together with a schema that encrypts"}
	ruleQueryable = rule{"queryable-encryption", "Queryable Encryption is not supported: {name} lists encrypted fields",
		"encrypt the collection with a schema (schemaMap, or $jsonSchema in its validator), or use MongoDB's own analysis for this client"}
	ruleBoth     = rule{"request-two-schemas", "Cannot specify both {name}", "send the schemas in one form"}
	ruleTwice    = rule{"request-field-twice", "{name} is given twice in the request", "give it once: which of the two counts is not certain"}
	ruleShape    = rule{"request-malformed", "{name} has the wrong BSON type or holds a field that is not known", "send requests as libmongocrypt writes them"}
	ruleDatabase = rule{"request-database", "the request names no database, or two", "give the command's database in $db"}
)

func refuse(r rule, name string) *analyze.RefusedError {
	shown := printable(name)
	return &analyze.RefusedError{Rule: r.name, Operator: shown, Message: strings.ReplaceAll(r.message, "{name}", shown), Hint: r.hint}
}

// printable makes a name from a request fit for a message.
func printable(name string) string {
	const most = 300
	if len(name) > most {
		name = name[:most] + "…"
	}
	quoted := strconv.Quote(name)
	return quoted[1 : len(quoted)-1]
}
