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
	it := bsonraw.Iterate(cmd)
	if !it.Next() {
		return Target{}, orError(it.Err, errors.New("analyzing command: got an empty document, expected a command"))
	}
	name := it.Element.Key
	if bypassedCommands[string(name)] || bytes.EqualFold(name, []byte("isMaster")) {
		return Target{Command: string(name), Disposition: Bypassed}, nil
	}
	if _, analysed := analysedCommands[string(name)]; !analysed {
		return Target{Command: string(name)}, refused(ruleCommand, "", string(name))
	}
	t, err := classified(db, cmd, it.Element)
	if err != nil {
		return Target{Command: string(name)}, err
	}
	t.Disposition = Analysed
	return t, nil
}

// classified lists the collections that an analysed command touches, its own first.
func classified(db string, cmd []byte, e bsonraw.Element) (Target, error) {
	var room [maxName]byte
	in, err := database(room[:0], db, cmd)
	if err != nil {
		return Target{}, err
	}
	switch string(e.Key) {
	case "explain":
		found, err := explained(string(in), e.RawValue())
		return Target{Command: "explain", Namespaces: found}, err
	case "bulkWrite":
		found, err := bulkNamespaces(cmd)
		return Target{Command: "bulkWrite", Namespaces: found}, err
	}
	coll, isString := text(e.RawValue())
	switch {
	case !isString:
		return Target{}, refused(ruleNonCollection, "", string(e.Key))
	case len(coll) == 0:
		return Target{}, refused(ruleEmptyCollection, "", string(e.Key))
	case bytes.IndexByte(coll, 0) >= 0 || bytes.IndexByte(in, 0) >= 0:
		return Target{}, refused(ruleMalformed, "", string(e.Key))
	}
	name, own := joined(e.Key, in, coll)
	t := Target{Command: name, Namespaces: []string{own}}
	switch name {
	case "create", "collMod", "aggregate":
		t.Namespaces, err = others(t.Namespaces, string(in), cmd)
	}
	return t, err
}

// maxName is how long names grow before they cost an allocation of their own.
const maxName = 128

// joined makes the name of a command and the namespace of its collection, in one allocation.
func joined(command, db, coll []byte) (name, ns string) {
	var room [2 * maxName]byte
	both := append(append(room[:0], command...), db...)
	both = append(append(both, '.'), coll...)
	all := string(both)
	return all[:len(command)], all[len(command):]
}

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
