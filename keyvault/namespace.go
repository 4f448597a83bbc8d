package keyvault

import (
	"fmt"
	"strings"
)

// splitNamespace splits "db.coll" at the first dot and checks both names against the rules of the MongoDB manual, "MongoDB Limits and Thresholds",
// so that a slip in the configuration does not create a second, empty key vault.
func splitNamespace(ns string) (db, coll string, err error) {
	bad := func(why string) (string, string, error) {
		return "", "", fmt.Errorf("key vault namespace %q: %s; expected \"<database>.<collection>\"", printable(ns), why)
	}
	db, coll, dotted := strings.Cut(ns, ".")
	switch {
	case !dotted:
		return bad("no dot")
	case db == "":
		return bad("no database name")
	case coll == "":
		return bad("no collection name")
	case len(ns) > 255:
		return bad("longer than 255 bytes")
	case len(db) > 63:
		return bad("a database name longer than 63 bytes")
	case strings.ContainsAny(db, "/\\ \"$*<>:|?\x00"):
		return bad("a character that database names cannot have")
	case strings.ContainsAny(coll, "$\x00"):
		return bad("a character that collection names cannot have")
	case strings.HasPrefix(coll, ".") || strings.HasSuffix(coll, "."):
		return bad("a collection name that begins or ends with a dot")
	case strings.HasPrefix(coll, "system."):
		return bad("a system collection")
	}
	return db, coll, nil
}
