package analyze

import (
	"errors"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// Target is what a command is aimed at.
type Target struct {
	Command     string // the command's name, e.g. "find"
	Disposition Disposition
	// Namespaces are the collections ("db.coll") whose schemas Command needs: first the command's own, then those that its
	// pipeline reads or writes. Empty unless Analysed.
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
	t := Target{Command: string(it.Element.Key)}
	if bypassedCommands[t.Command] || strings.EqualFold(t.Command, "isMaster") {
		t.Disposition = Bypassed
		return t, nil
	}
	if _, analysed := analysedCommands[t.Command]; !analysed {
		return t, refused(ruleCommand, "", t.Command)
	}
	db, err := database(db, cmd)
	if err != nil {
		return t, err
	}
	if t.Namespaces, err = namespaces(db, cmd, t.Command, it.Element.RawValue()); err != nil {
		return t, err
	}
	t.Disposition = Analysed
	return t, nil
}

// maxFields bounds the fields of a command, each of which is compared with those before it; no command knows half as many.
const maxFields = 100

// database gives the command's $db, else db. On the way it refuses a command with a field twice: what one of them says would
// decide on what the other one carries.
func database(db string, cmd []byte) (string, error) {
	it := bsonraw.Iterate(cmd)
	for n := 0; it.Next(); n++ {
		name := string(it.Element.Key)
		if n == maxFields {
			return "", refused(ruleTooManyFields, "", "")
		}
		if repeats(cmd, it.Element) {
			return "", refused(ruleFieldTwice, "", name)
		}
		if name != "$db" {
			continue
		}
		if it.Element.Type != bson.TypeString {
			return "", refused(ruleMalformed, "", name)
		}
		db = it.Element.RawValue().StringValue()
	}
	return db, it.Err
}

// namespaces lists the collections that a command touches, its own first.
func namespaces(db string, cmd []byte, name string, target bson.RawValue) ([]string, error) {
	switch name {
	case "explain":
		return explained(db, target)
	case "bulkWrite":
		return bulkNamespaces(cmd)
	}
	if target.Type != bson.TypeString {
		return nil, refused(ruleNonCollection, "", name)
	}
	coll := target.StringValue()
	if coll == "" {
		return nil, refused(ruleEmptyCollection, "", name)
	}
	if strings.ContainsRune(coll, 0) || strings.ContainsRune(db, 0) {
		return nil, refused(ruleMalformed, "", name)
	}
	found := []string{db + "." + coll}
	switch name {
	case "create", "collMod": // a view keeps the constants of its pipeline in clear
		source, _, err := find(cmd, "viewOn")
		if err != nil {
			return nil, err
		}
		if found, err = addNamespace(found, db, source); err != nil {
			return nil, err
		}
	case "aggregate":
	default:
		return found, nil
	}
	pipeline, _, err := find(cmd, "pipeline")
	if err != nil {
		return nil, err
	}
	return pipelineNamespaces(found, db, pipeline, 0)
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
		ns, _, err := find(it.Element.Value, "ns")
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

// pipelineNamespaces adds the collections that a pipeline's stages read or write.
func pipelineNamespaces(found []string, db string, pipeline bson.RawValue, depth int) ([]string, error) {
	if pipeline.Type != bson.TypeArray {
		return found, nil // an expression, or malformed: the server, or the stage's rule, decides
	}
	if depth == bsonraw.MaxDepth {
		return nil, refused(ruleDepth, "", "pipeline")
	}
	stages := bsonraw.Iterate(pipeline.Value)
	for stages.Next() {
		if stages.Element.Type != bson.TypeEmbeddedDocument {
			continue
		}
		it := bsonraw.Iterate(stages.Element.Value)
		for it.Next() {
			var err error
			if found, err = stageNamespaces(found, db, string(it.Element.Key), it.Element.RawValue(), depth); err != nil {
				return nil, err
			}
		}
		if it.Err != nil {
			return nil, it.Err
		}
	}
	return found, stages.Err
}

func stageNamespaces(found []string, db, stage string, v bson.RawValue, depth int) ([]string, error) {
	switch stage {
	case "$out":
		return addNamespace(found, db, v)
	case "$unionWith", "$merge", "$lookup", "$graphLookup", "$facet":
	default:
		return found, nil
	}
	if v.Type == bson.TypeString {
		return addNamespace(found, db, v)
	}
	if v.Type != bson.TypeEmbeddedDocument {
		return found, nil
	}
	it := bsonraw.Iterate(v.Value)
	for it.Next() {
		var err error
		switch key := string(it.Element.Key); {
		case stage == "$facet", key == "pipeline":
			found, err = pipelineNamespaces(found, db, it.Element.RawValue(), depth+1)
		case key == "from", key == "coll", key == "into":
			found, err = addNamespace(found, db, it.Element.RawValue())
		}
		if err != nil {
			return nil, err
		}
	}
	return found, it.Err
}

// addNamespace reads a collection given as a name or as {db, coll}.
func addNamespace(found []string, db string, v bson.RawValue) ([]string, error) {
	if v.Type == bson.TypeEmbeddedDocument {
		other, inOther, err := find(v.Value, "db")
		if err != nil {
			return nil, err
		}
		if inOther && other.Type == bson.TypeString {
			db = other.StringValue()
		}
		if v, _, err = find(v.Value, "coll"); err != nil {
			return nil, err
		}
	}
	if v.Type != bson.TypeString {
		return found, nil
	}
	if strings.ContainsRune(db, 0) || strings.ContainsRune(v.StringValue(), 0) {
		return nil, refused(ruleMalformed, "", "pipeline")
	}
	if ns := db + "." + v.StringValue(); !slices.Contains(found, ns) {
		found = append(found, ns)
	}
	return found, nil
}
