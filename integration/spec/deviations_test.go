package spec

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/azure"
)

// deviation is where this module, on purpose, does not do what a file says.
type deviation struct {
	why    string                                // printed with the result
	expect func(want bson.Raw) (bson.Raw, error) // makes an expected document, at any depth, the one that is expected instead
}

// deviations has the tests that a deviation changes. All else in them is compared as the files say.
var deviations = map[caseName]deviation{
	{"unified", "createDataKey", "create datakey with Azure KMS provider"}: keyVersion,
	{"unified", "rewrapManyDataKey", "rewrap with new Azure KMS provider"}: keyVersion,
	{"unified", "rewrapManyDataKey", "rewrap with current KMS provider"}:   keyVersion,
}

var keyVersion = deviation{
	"the stored azure masterKey also has the keyVersion that wrapped: without it a rotated key cannot be unwrapped",
	func(want bson.Raw) (bson.Raw, error) {
		if provider, _ := want.Lookup("provider").StringValueOK(); provider != "azure" {
			return want, nil
		}
		return with(want, "keyVersion", azure.VersionID(0))
	},
}

// with returns a document with one field changed or, if it is not there, added.
func with(doc bson.Raw, key string, value any) (bson.Raw, error) {
	var fields bson.D
	if err := bson.Unmarshal(doc, &fields); err != nil {
		return nil, err
	}
	for i := range fields {
		if fields[i].Key == key {
			fields[i].Value = value
			return bson.Marshal(fields)
		}
	}
	return bson.Marshal(append(fields, bson.E{Key: key, Value: value}))
}
