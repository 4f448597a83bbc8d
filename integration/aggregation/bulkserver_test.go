package aggregation

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// bulk is a bulkWrite command, as far as the tests use it. Encryption makes the driver send ops and nsInfo in the body.
type bulk struct {
	ErrorsOnly bool `bson:"errorsOnly"`
	Ordered    bool
	Ops        []bson.Raw
	NsInfo     []struct{ Ns string } `bson:"nsInfo"`
}

// bulkWrite executes the operations one by one and replies as MongoDB's manual says of the command "bulkWrite".
func (s *server) bulkWrite(ctx context.Context, cmd bson.Raw) (bson.D, error) {
	var b bulk
	if err := bson.Unmarshal(cmd, &b); err != nil {
		return nil, err
	}
	batch, totals := bson.A{}, map[string]int32{}
	for i, op := range b.Ops {
		result, failed, err := s.write(ctx, &b, op, totals)
		if err != nil {
			return nil, fmt.Errorf("operation %d: %w", i, err)
		}
		if failed || !b.ErrorsOnly {
			batch = append(batch, append(bson.D{{Key: "idx", Value: int32(i)}}, result...))
		}
		if failed && b.Ordered {
			break
		}
	}
	reply := bson.D{{Key: "ok", Value: 1.0}, {Key: "cursor", Value: bson.D{
		{Key: "id", Value: int64(0)}, {Key: "firstBatch", Value: batch}, {Key: "ns", Value: "admin.$cmd.bulkWrite"},
	}}}
	for _, name := range []string{"nErrors", "nInserted", "nMatched", "nModified", "nUpserted", "nDeleted"} {
		reply = append(reply, bson.E{Key: name, Value: totals[name]})
	}
	return reply, nil
}

// statement is one operation in a command of its own.
func statement(op bson.Raw) (command, list string, doc any, err error) {
	elements, err := op.Elements()
	if err != nil || len(elements) == 0 {
		return "", "", nil, fmt.Errorf("not an operation: %v", err)
	}
	command = elements[0].Key()
	names := map[string]map[string]string{
		"update": {"filter": "q", "updateMods": "u", "multi": "multi", "upsert": "upsert"},
		"delete": {"filter": "q", "multi": "limit"},
	}[command]
	if command == "insert" {
		return command, "documents", op.Lookup("document"), nil
	}
	fields := bson.D{}
	for _, e := range elements[1:] {
		name, known := names[e.Key()]
		if !known {
			return "", "", nil, fmt.Errorf("field %s of %s is not supported", e.Key(), command)
		}
		value := any(e.Value())
		if name == "limit" {
			value = map[bool]int32{true: 0, false: 1}[e.Value().Boolean()]
		}
		fields = append(fields, bson.E{Key: name, Value: value})
	}
	return command, command + "s", fields, nil
}

// outcome is the reply to a statement.
type outcome struct {
	N         int32
	NModified int32 `bson:"nModified"`
	Upserted  []struct {
		ID any `bson:"_id"`
	}
	WriteErrors []struct {
		Code   int32
		Errmsg string
	} `bson:"writeErrors"`
}

// write executes one operation and gives its entry of the reply.
func (s *server) write(ctx context.Context, b *bulk, op bson.Raw, totals map[string]int32) (entry bson.D, failed bool, err error) {
	command, list, doc, err := statement(op)
	if err != nil {
		return nil, false, err
	}
	index := int(op.Lookup(command).Int32())
	if index < 0 || index >= len(b.NsInfo) {
		return nil, false, fmt.Errorf("no namespace %d", index)
	}
	db, collection, _ := strings.Cut(b.NsInfo[index].Ns, ".")
	raw, err := s.plain.Database(db).RunCommand(ctx, bson.D{{Key: command, Value: collection}, {Key: list, Value: bson.A{doc}}}).Raw()
	if raw == nil { // with write errors the driver gives both
		return nil, false, err
	}
	var got outcome
	if err := bson.Unmarshal(raw, &got); err != nil {
		return nil, false, err
	}
	if len(got.WriteErrors) > 0 {
		totals["nErrors"]++
		e := got.WriteErrors[0]
		return bson.D{{Key: "ok", Value: 0.0}, {Key: "code", Value: e.Code}, {Key: "errmsg", Value: e.Errmsg}, {Key: "n", Value: int32(0)}}, true, nil
	}
	return got.entry(command, totals), false, nil
}

// entry is the reply to an operation that succeeded, counted in totals.
func (o outcome) entry(command string, totals map[string]int32) bson.D {
	entry := bson.D{{Key: "ok", Value: 1.0}, {Key: "n", Value: o.N}}
	switch command {
	case "insert":
		totals["nInserted"] += o.N
	case "delete":
		totals["nDeleted"] += o.N
	case "update":
		entry = append(entry, bson.E{Key: "nModified", Value: o.NModified})
		totals["nModified"] += o.NModified
		if len(o.Upserted) == 0 {
			totals["nMatched"] += o.N
			break
		}
		totals["nUpserted"]++
		entry = append(entry, bson.E{Key: "upserted", Value: bson.D{{Key: "_id", Value: o.Upserted[0].ID}}})
	}
	return entry
}
