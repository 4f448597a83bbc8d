package interop

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
)

// Both take, or refuse, the same forms of masterKey, and use each other's keys. What they store may differ: libmongocrypt makes host:port of an
// AWS endpoint, fieldcrypt keeps it as it was given.
func TestMasterKeyForms(t *testing.T) {
	c := everything(t)
	h, p := both(t, c)
	aws, moto, server := newAWSKey(t), setting(t, "MOTO"), setting(t, "KMIP")
	at := func(endpoint string) bson.D {
		return bson.D{{Key: "region", Value: "us-east-1"}, {Key: "key", Value: aws}, {Key: "endpoint", Value: endpoint}}
	}
	text := document(t, bson.D{{Key: "v", Value: "457-55-5462"}}).Lookup("v")
	for _, test := range []struct {
		wrapping
		taken bool
	}{
		{wrapping{"aws, https", "aws", at("https://" + moto)}, true},
		{wrapping{"aws, https and slash", "aws", at("https://" + moto + "/")}, true},
		{wrapping{"aws, other order", "aws", bson.D{{Key: "endpoint", Value: moto}, {Key: "key", Value: aws}, {Key: "region", Value: "us-east-1"}}}, true},
		{wrapping{"aws, with provider", "aws", append(bson.D{{Key: "provider", Value: "aws"}}, at(moto)...)}, true},
		{wrapping{"aws, unknown field", "aws", append(at(moto), bson.E{Key: "x", Value: 1})}, false},
		{wrapping{"aws, no dot", "aws", at("localhost")}, false},
		{wrapping{"aws, empty region", "aws", bson.D{{Key: "region", Value: ""}, {Key: "key", Value: aws}, {Key: "endpoint", Value: moto}}}, false},
		{wrapping{"aws, no such alias", "aws", bson.D{{Key: "region", Value: "us-east-1"}, {Key: "key", Value: "alias/none"}, {Key: "endpoint", Value: moto}}}, false},
		{wrapping{"kmip, endpoint", "kmip", bson.D{{Key: "endpoint", Value: server}}}, true},
		{wrapping{"kmip, delegated and endpoint", "kmip", bson.D{{Key: "delegated", Value: true}, {Key: "endpoint", Value: server}}}, true},
		{wrapping{"kmip, not delegated", "kmip", bson.D{{Key: "delegated", Value: false}}}, true},
		{wrapping{"kmip, delegated is a number", "kmip", bson.D{{Key: "delegated", Value: 1}}}, false},
		{wrapping{"kmip, keyId is a number", "kmip", bson.D{{Key: "keyId", Value: 1}}}, false},
		{wrapping{"kmip, unknown field", "kmip", bson.D{{Key: "x", Value: 1}}}, false},
		{wrapping{"local, unknown field", "local", bson.D{{Key: "x", Value: 1}}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			mine, err := h.ce.CreateDataKey(t.Context(), test.provider, fieldcrypt.DataKeyOptions{MasterKey: test.masterKey})
			theirs, theirErr := p.ask(t, "create", bson.E{Key: "provider", Value: test.provider}, bson.E{Key: "masterKey", Value: test.masterKey})
			if (err == nil) != test.taken || (theirErr == nil) != test.taken {
				t.Fatalf("fieldcrypt says %v, libmongocrypt %v; expected to be taken: %t", err, theirErr, test.taken)
			}
			if !test.taken {
				return
			}
			for _, key := range []bson.Binary{mine, asBinary(theirs)} {
				seal(t, h, p, text, deterministic, bson.E{Key: "keyId", Value: key}, true)
			}
		})
	}
}
