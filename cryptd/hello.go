package cryptd

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/wire"
)

const (
	// wireVersion is that of MongoDB 8.1, the first whose analysis took several schemas; 17 would do for all else. The next, 27, would
	// promise Queryable Encryption beside schemas: libmongocrypt refuses that with a good message below it.
	wireVersion = 26
	// protocolVersion is the server version of wireVersion.
	protocolVersion = "8.1.0"

	maxDocument = 16 << 20
)

// hello is what mongocryptd answers. It leaves out logicalSessionTimeoutMinutes, so that drivers send no sessions, and topologyVersion, so
// that they ask from time to time instead of waiting in a hello that never ends.
func (c *connection) hello(name string, command bson.Raw) bson.D {
	primary := "isWritablePrimary"
	if name != "hello" {
		primary = "ismaster"
	}
	reply := bson.D{{Key: primary, Value: true}}
	if ok, _ := command.Lookup("helloOk").BooleanOK(); ok {
		reply = append(reply, bson.E{Key: "helloOk", Value: true})
	}
	reply = append(reply, bson.D{
		{Key: "iscryptd", Value: true},
		{Key: "maxBsonObjectSize", Value: int32(maxDocument)},
		{Key: "maxMessageSizeBytes", Value: int32(wire.MaxMessageSize)},
		{Key: "localTime", Value: time.Now()},
		{Key: "maxWireVersion", Value: int32(wireVersion)},
		{Key: "minWireVersion", Value: int32(0)},
	}...)
	if common := compression(command); len(common) > 0 {
		reply = append(reply, bson.E{Key: "compression", Value: common})
	}
	return reply
}

// compression lists the compressors that the client offers and wire knows, each once.
func compression(command bson.Raw) (common bson.A) {
	offered, _ := command.Lookup("compression").ArrayOK()
	values, _ := offered.Values()
	var seen [wire.Zstd + 1]bool
	for _, v := range values {
		name, _ := v.StringValueOK()
		if known, ok := wire.CompressorByName(name); ok && !seen[known] {
			seen[known] = true
			common = append(common, name)
		}
	}
	return common
}

func (c *connection) buildInfo() bson.D {
	return bson.D{
		{Key: "version", Value: protocolVersion}, // of the MongoDB whose protocol this is: programs compare it with others
		{Key: "versionArray", Value: bson.A{int32(8), int32(1), int32(0), int32(0)}},
		{Key: "modules", Value: bson.A{}},
		{Key: "fieldcrypt", Value: c.Version},
		{Key: "maxBsonObjectSize", Value: int32(maxDocument)},
	}
}
