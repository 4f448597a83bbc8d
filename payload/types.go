package payload

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// TypeError refuses to encrypt a value because of its BSON type.
type TypeError struct {
	Type      bson.Type
	Algorithm Algorithm
	reason    string
}

// Error names the type by its alias, never the value.
func (e *TypeError) Error() string {
	return fmt.Sprintf("cannot encrypt element of type: %s: %s", TypeAlias(e.Type), e.reason)
}

// Encryptable says whether alg takes values of type t; nil means yes. As in MongoDB, null, undefined, minKey and maxKey are never
// encrypted, because the type, which is not hidden, gives their one value away; double, decimal, bool, object, array and
// javascriptWithScope only with Random, because equal values of theirs may differ in their bytes, or have too few values to hide in.
// The error is a *TypeError, or says that alg is none. Of a binary it cannot see the subtype: see [EncryptableValue].
func Encryptable(t bson.Type, alg Algorithm) error {
	if err := alg.check(); err != nil {
		return err
	}
	switch t {
	case bson.TypeString, bson.TypeBinary, bson.TypeObjectID, bson.TypeDateTime, bson.TypeRegex, bson.TypeDBPointer,
		bson.TypeJavaScript, bson.TypeSymbol, bson.TypeInt32, bson.TypeTimestamp, bson.TypeInt64:
		return nil
	case bson.TypeDouble, bson.TypeDecimal128, bson.TypeBoolean, bson.TypeEmbeddedDocument, bson.TypeArray, bson.TypeCodeWithScope:
		if alg == Random {
			return nil
		}
		return &TypeError{t, alg, "BSON type invalid for deterministic encryption; " + Random.String() + " takes it"}
	}
	return &TypeError{t, alg, "BSON type invalid for encryption"}
}

// EncryptableValue is Encryptable for v's type, and also refuses binaries of subtype 6, which are encrypted already.
func EncryptableValue(v bson.RawValue, alg Algorithm) error {
	if err := Encryptable(v.Type, alg); err != nil {
		return err
	}
	if v.Type == bson.TypeBinary && len(v.Value) > 4 && v.Value[4] == Subtype {
		return &TypeError{v.Type, alg, "BSON binary subtype 6 is invalid for encryption; it holds an encrypted value"}
	}
	return nil
}

// TypeAlias returns the name that the $type operator and the bsonType keyword use for t: "string", "int", "objectId", "binData",
// "javascriptWithScope", …; "unknown (0x42)" when t is no BSON type.
func TypeAlias(t bson.Type) string {
	switch t {
	case bson.TypeDouble:
		return "double"
	case bson.TypeString:
		return "string"
	case bson.TypeEmbeddedDocument:
		return "object"
	case bson.TypeArray:
		return "array"
	case bson.TypeBinary:
		return "binData"
	case bson.TypeUndefined:
		return "undefined"
	case bson.TypeObjectID:
		return "objectId"
	case bson.TypeBoolean:
		return "bool"
	case bson.TypeDateTime:
		return "date"
	case bson.TypeNull:
		return "null"
	case bson.TypeRegex:
		return "regex"
	case bson.TypeDBPointer:
		return "dbPointer"
	case bson.TypeJavaScript:
		return "javascript"
	case bson.TypeSymbol:
		return "symbol"
	case bson.TypeCodeWithScope:
		return "javascriptWithScope"
	case bson.TypeInt32:
		return "int"
	case bson.TypeTimestamp:
		return "timestamp"
	case bson.TypeInt64:
		return "long"
	case bson.TypeDecimal128:
		return "decimal"
	case bson.TypeMinKey:
		return "minKey"
	case bson.TypeMaxKey:
		return "maxKey"
	}
	return fmt.Sprintf("unknown (0x%02x)", byte(t))
}
