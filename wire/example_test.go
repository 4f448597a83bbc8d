package wire_test

import (
	"bytes"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/wire"
)

// A client's side and a server's: a command as bytes, and what is read from them.
func Example() {
	ping, err := bson.Marshal(bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "admin"}})
	if err != nil {
		panic(err)
	}
	request := wire.Msg{RequestID: 7, Body: ping}
	sent, err := request.Append(nil)
	if err != nil {
		panic(err)
	}

	message, header, err := wire.Read(bytes.NewReader(sent), nil, wire.MaxMessageSize)
	if err != nil {
		panic(err)
	}
	var received wire.Msg
	if err := received.Decode(message); err != nil {
		panic(err)
	}
	fmt.Println(header.OpCode, received.RequestID, received.Body)
	// Output: OP_MSG 7 {"ping": {"$numberInt":"1"},"$db": "admin"}
}
