package schema

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// Buried says whether a validator has an encryption schema below another operator, such as $and. Drivers look for $jsonSchema at the top of a validator only, so
// that to them the collection seems to encrypt nothing. A $jsonSchema there that is no schema counts too. The error is about a validator that is not valid BSON,
// or nests too deep.
func Buried(validator bson.Raw) (bool, error) { return buried(validator, 0) }

func buried(filter bson.Raw, depth int) (bool, error) {
	if depth == bsonraw.MaxDepth {
		return false, bsonraw.ErrTooDeep
	}
	it := bsonraw.Iterate(filter)
	for it.Next() {
		e := it.Element
		switch {
		case !e.IsContainer():
			continue
		case string(e.Key) != "$jsonSchema":
			if found, err := buried(e.Value, depth+1); found || err != nil {
				return found, err
			}
		case depth > 0:
			if s, err := Parse(e.Value, Remote); err != nil || s.Encrypts() {
				return true, nil
			}
		}
	}
	return false, it.Err
}
