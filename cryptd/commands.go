package cryptd

import (
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// isAnalysis says whether a command goes to the Analyzer: those that package analyze takes.
func isAnalysis(name []byte) bool {
	switch string(name) {
	case "find", "insert", "update", "delete", "aggregate", "findAndModify", "count", "distinct", "explain", "bulkWrite",
		"create", "createIndexes", "collMod":
		return true
	}
	return false
}

// isHello says whether a command is one of those that may come as an OP_QUERY.
func isHello(name string) bool { return name == "hello" || strings.EqualFold(name, "isMaster") }

// run answers a command that is none to be analysed.
func (c *connection) run(command bson.Raw) bson.Raw {
	if err := bsonraw.Validate(command); err != nil {
		return document(failed(Describe(errInvalid)))
	}
	name := string(commandName(command))
	switch {
	case isHello(name):
		return document(c.hello(name, command))
	case strings.EqualFold(name, "buildInfo"):
		return document(c.buildInfo())
	}
	switch name {
	case "ping", "endSessions", "killCursors": // there are neither sessions nor cursors that could be left
		return document(bson.D{})
	}
	return document(failed(notFound(name)))
}

var errInvalid = errors.New("the command is not valid BSON")

// document writes a reply, with ok: 1 unless it has failed.
func document(reply bson.D) bson.Raw {
	if len(reply) == 0 || reply[0].Key != "ok" {
		reply = append(reply, bson.E{Key: "ok", Value: 1.0})
	}
	raw, _ := bson.Marshal(reply) // replies hold nothing that cannot be written
	return raw
}

// failed is the reply that tells of a failure.
func failed(f Failure) bson.D {
	return bson.D{{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: strings.ToValidUTF8(f.Message, "\uFFFD")}, {Key: "code", Value: f.Code}, {Key: "codeName", Value: f.CodeName}}
}

func notFound(name string) Failure {
	return Failure{59, "CommandNotFound", "no such command: '" + printable(name) + "'; this is the query analysis of automatic encryption, not a database"}
}

func notInQuery(name string) Failure {
	return Failure{352, "UnsupportedOpQueryCommand", "Unsupported OP_QUERY command: " + printable(name) + "; only hello and isMaster may come so, all others as OP_MSG"}
}
