package clients

import (
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// client is a driver; the folder of its name has its program.
type client struct {
	name    string
	signs   string // "from " this, in the document that the program writes
	ways    []way
	refusal []string // what the exception for a refused query says
}

var automatic = []way{spawned, running, library}

// ours is our message, and our hint.
var ours = []string{"Invalid match expression operator on encrypted field", "the server sees ciphertext only: use $eq, $ne, $in or $nin"}

var clients = []client{
	{"python", "python", automatic, ours},
	{"node", "node", automatic, ours},
	{"java", "java", automatic, ours},
	{"go", "go", automatic, ours},
	{"go-debian", "go", automatic, ours}, // the same program, with an older driver and libmongocrypt
	{"c", "c", automatic, ours},
	{"php", "php", automatic, ours},
	{"mongosh", "mongosh", []way{none}, []string{"Automatic encryption is only available with Atlas and MongoDB Enterprise"}},
}

// TestClients runs each client's program in each way, and checks the program's words against what is stored and what this module reads and writes.
func TestClients(t *testing.T) {
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			for _, w := range c.ways {
				t.Run(w.name, func(t *testing.T) { c.test(t, w) })
			}
		})
	}
}

func (c client) test(t *testing.T, w way) {
	environment := w.start(t)
	for _, s := range servers(t) {
		for _, k := range services(t) {
			t.Run(s.name+"/"+k.name, func(t *testing.T) {
				e := startEngine(t, s.uri, k)
				theirs, mine := e.employee("from "+c.signs), e.employee("from fieldcrypt")
				e.insert(t, mine)
				words := run(t, c.name, slices.Concat(environment, k.environment, e.environment()))
				words.check(t, "inserted")
				sameDocument(t, "the client finds its own document as", words.document(t, "found"), theirs)
				sameDocument(t, "the client reads the document of this module as", words.document(t, "read"), mine)
				words.checkCount(t, 1)
				words.checkRefusal(t, c.refusal)
				theirs = with(theirs, bson.D{{Key: "zip", Value: "20095"}, {Key: "city", Value: "Berlin"}})
				sameDocument(t, "this module reads the client's document as", e.find(t, theirs), theirs)
				e.checkStored(t, theirs)
			})
		}
	}
}

// with returns an employee who has moved.
func with(employee bson.D, address bson.D) bson.D {
	moved := slices.Clone(employee)
	for i := range moved {
		if moved[i].Key == "address" {
			moved[i].Value = address
		}
	}
	return moved
}
