package analyze

import (
	"bytes"
	"errors"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// Target is what a command is aimed at.
type Target struct {
	Command     string // the command's name, e.g. "find"
	Disposition Disposition
	// Namespaces are the collections ("db.coll") whose schemas Command needs: first the command's own, then those that its
	// pipeline reads or writes, each once; those of bulkWrite as nsInfo has them, in its order. Empty unless Analysed.
	Namespaces []string
}

// Classify reads a command's name and namespaces. db is the database for a command without $db.
//
// The error is a *RefusedError for a command that is never let through (unknown, or without a single collection), else it
// says what is malformed.
func Classify(db string, cmd bson.Raw) (Target, error) {
	var t Target
	err := t.Classify(db, cmd)
	return t, err
}

// Classify is the function of that name, and writes over t: in t's own memory, and with its strings where they are the same again. Whoever
// classifies many commands so saves the allocations; nobody else may hold on to t.Namespaces.
func (t *Target) Classify(db string, cmd bson.Raw) error {
	before := *t
	*t = Target{Namespaces: t.Namespaces[:0]}
	it := bsonraw.Iterate(cmd)
	if !it.Next() {
		return orError(it.Err, errors.New("analyzing command: got an empty document, expected a command"))
	}
	name := it.Element.Key
	if bypassedCommands[string(name)] || bytes.EqualFold(name, []byte("isMaster")) {
		t.Command, t.Disposition = string(name), Bypassed
		return nil
	}
	if _, analysed := analysedCommands[string(name)]; !analysed {
		t.Command = string(name)
		return refused(ruleCommand, "", t.Command)
	}
	if err := t.classify(before, db, cmd, it.Element); err != nil {
		*t = Target{Command: string(name)}
		return err
	}
	t.Disposition = Analysed
	return nil
}

// classify lists the collections that an analysed command touches, its own first.
func (t *Target) classify(before Target, db string, cmd []byte, e bsonraw.Element) error {
	var room [maxName]byte
	in, err := database(room[:0], db, cmd)
	if err != nil {
		return err
	}
	switch string(e.Key) {
	case "explain":
		t.Command = "explain"
		t.Namespaces, err = explained(string(in), e.RawValue())
		return err
	case "bulkWrite":
		t.Command = "bulkWrite"
		t.Namespaces, err = bulkNamespaces(cmd)
		return err
	}
	coll, isString := text(e.RawValue())
	switch {
	case !isString:
		return refused(ruleNonCollection, "", string(e.Key))
	case len(coll) == 0:
		return refused(ruleEmptyCollection, "", string(e.Key))
	case bytes.IndexByte(coll, 0) >= 0 || bytes.IndexByte(in, 0) >= 0:
		return refused(ruleMalformed, "", string(e.Key))
	}
	var own string
	t.Command, own = joined(before, e.Key, append(append(in, '.'), coll...))
	t.Namespaces = append(t.Namespaces, own)
	switch t.Command {
	case "create", "collMod", "aggregate":
		t.Namespaces, err = others(t.Namespaces, own[:len(own)-len(coll)-1], cmd)
	}
	return err
}

// joined makes strings of the name of a command and the namespace of its collection: with one allocation, or those of before if they are the same.
func joined(before Target, command, own []byte) (name, ns string) {
	if len(before.Namespaces) > 0 && before.Command == string(command) && before.Namespaces[0] == string(own) {
		return before.Command, before.Namespaces[0]
	}
	var room [2 * maxName]byte
	both := string(append(append(room[:0], command...), own...))
	return both[:len(command)], both[len(command):]
}

// maxName is how long names grow before they cost an allocation of their own.
const maxName = 128

// text is the content of a string.
func text(v bson.RawValue) ([]byte, bool) {
	if v.Type != bson.TypeString {
		return nil, false
	}
	return v.Value[4 : len(v.Value)-1], true
}

// maxFields bounds the fields of a command, each of which is compared with those before it; no command knows half as many.
const maxFields = 100

// database appends the command's $db, else db. On the way it refuses a command with a field twice: what one of them says would
// decide on what the other one carries.
func database(dst []byte, db string, cmd []byte) ([]byte, error) {
	dst = append(dst, db...)
	it := bsonraw.Iterate(cmd)
	for n := 0; it.Next(); n++ {
		if n == maxFields {
			return nil, refused(ruleTooManyFields, "", "")
		}
		if repeats(cmd, it.Element) {
			return nil, refused(ruleFieldTwice, "", string(it.Element.Key))
		}
		if string(it.Element.Key) != "$db" {
			continue
		}
		name, isString := text(it.Element.RawValue())
		if !isString {
			return nil, refused(ruleMalformed, "", "$db")
		}
		dst = append(dst[:0], name...)
	}
	return dst, it.Err
}

// others adds the collections that a command over the collection own reads or writes besides: that of the view it makes, which keeps
// the constants of its pipeline in clear, and those of its pipeline.
func others(own []string, db string, cmd []byte) ([]string, error) {
	found := collections{list: own}
	source, _, err := find(cmd, "viewOn")
	if err != nil {
		return nil, err
	}
	if err := found.add(db, source); err != nil {
		return nil, err
	}
	pipeline, _, err := find(cmd, "pipeline")
	if err == nil {
		err = found.ofPipeline(db, pipeline, 0)
	}
	return found.list, err
}

func explained(db string, inner bson.RawValue) ([]string, error) {
	if inner.Type != bson.TypeEmbeddedDocument {
		return nil, refused(ruleNonCollection, "", "explain")
	}
	it := bsonraw.Iterate(inner.Value)
	if it.Next() && string(it.Element.Key) == "explain" {
		return nil, refused(ruleCommand, "", "explain of explain")
	}
	if v, given, err := find(inner.Value, "$db"); err != nil {
		return nil, err
	} else if name, _ := v.StringValueOK(); given && db != "" && name != db {
		return nil, refused(ruleDatabase, "", "explain")
	}
	t, err := Classify(db, inner.Value)
	if err == nil && t.Disposition != Analysed {
		err = refused(ruleCommand, "", "explain of "+t.Command)
	}
	return t.Namespaces, err
}

// bulkNamespaces reads nsInfo of the server's bulkWrite command.
func bulkNamespaces(cmd []byte) ([]string, error) {
	infos, found, err := find(cmd, "nsInfo")
	if err != nil {
		return nil, err
	}
	if !found || infos.Type != bson.TypeArray {
		return nil, refused(ruleNonCollection, "", "bulkWrite")
	}
	var list []string
	it := bsonraw.Iterate(infos.Value)
	for it.Next() {
		if it.Element.Type != bson.TypeEmbeddedDocument {
			return nil, refused(ruleNonCollection, "", "bulkWrite")
		}
		ns, err := only(it.Element.Value, "ns")
		if err != nil {
			return nil, err
		}
		if ns.Type != bson.TypeString || !strings.Contains(ns.StringValue(), ".") || strings.ContainsRune(ns.StringValue(), 0) {
			return nil, refused(ruleNonCollection, "", "bulkWrite")
		}
		list = append(list, ns.StringValue())
	}
	if it.Err == nil && len(list) == 0 {
		return nil, refused(ruleNonCollection, "", "bulkWrite")
	}
	return list, it.Err
}
