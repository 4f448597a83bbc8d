package analyze

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// isTypeNames says whether v, the argument of $type, is a BSON type by alias or number, or an array of them: anything else could be a
// value of the field, sent in clear.
func isTypeNames(v bson.RawValue) bool {
	if v.Type != bson.TypeArray {
		return isTypeName(v)
	}
	it := bsonraw.Iterate(v.Value)
	for it.Next() {
		if !isTypeName(it.Element.RawValue()) {
			return false
		}
	}
	return it.Err == nil
}

func isTypeName(v bson.RawValue) bool {
	alias, _ := v.StringValueOK()
	number, isNumber := integer(v)
	if alias == "number" || isNumber && number == -1 {
		return true
	}
	for t := bson.TypeDouble; t <= bson.TypeDecimal128; t++ {
		if alias == payload.TypeAlias(t) || isNumber && number == int64(t) {
			return true
		}
	}
	return alias == payload.TypeAlias(bson.TypeMinKey) || alias == payload.TypeAlias(bson.TypeMaxKey) || isNumber && number == int64(bson.TypeMaxKey)
}
