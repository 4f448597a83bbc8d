package clients

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// TestDocumentDB runs the programs of Amazon DocumentDB's users, who make the data key in Python: by explicit encryption, for which no analysis is
// needed, and by automatic encryption, which they get by the daemon.
func TestDocumentDB(t *testing.T) {
	for _, p := range []struct {
		name    string
		way     way
		refusal []string
	}{
		{name: "documentdb", way: none},
		{"documentdb_automatic", running, []string{"Invalid match expression operator on encrypted field, which is encrypted with the randomized encryption"}},
	} {
		t.Run(p.name, func(t *testing.T) {
			environment := append(p.way.start(t), awsService(t).environment...)
			for _, s := range servers(t) {
				t.Run(s.name, func(t *testing.T) {
					e := startEngine(t, s.uri, awsService(t))
					theirs := e.employee("from " + p.name)[:3]
					words := run(t, "python", append(environment, e.environment()...), p.name+".py")
					words.check(t, "inserted")
					sameDocument(t, "the client finds its own document as", words.document(t, "found"), theirs)
					if p.refusal != nil {
						words.checkRefusal(t, p.refusal)
					}
					e.dataKey = e.named(t, "documentdb")
					e.checkStored(t, theirs)
					sameDocument(t, "this module reads the client's document as", e.findBy(t, theirs[:1]), theirs)
				})
			}
		})
	}
}

// named returns the data key with an alt name.
func (e *engine) named(t *testing.T, altName string) bson.Binary {
	t.Helper()
	key, err := e.keys.GetKeyByAltName(t.Context(), altName)
	if err != nil {
		t.Fatal(err)
	}
	return key.ID.Binary()
}
