package analyze

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Rewrite chooses how much of a command changes.
type Rewrite int

const (
	// Minimal changes only the values that are sealed, so that servers with a small dialect understand the command.
	Minimal Rewrite = iota
	// Exact writes the command as mongocryptd does: in a filter with a sealed value {a: 1, b: 2} becomes
	// {$and: [{a: {$eq: 1}}, {b: {$eq: 2}}]}, update statements carry multi and upsert, constants in expressions become {$const: …}.
	Exact
)

// Options; the zero value is useful.
type Options struct {
	Rewrite Rewrite // default Minimal
}

// Result is an analysed command.
type Result struct {
	Command            bson.Raw // the very slice that was given when nothing was sealed
	HasPlaceholders    bool     // at least one value was sealed
	RequiresEncryption bool     // some schema involved encrypts
}

// Command analyses cmd, of which target is what Classify says, and appends the rewritten command to dst if something had to be
// sealed. schemas holds the schema of each of target's namespaces; one that is missing or nil encrypts nothing. Without any
// schema that encrypts, cmd passes unread, and so does a bypassed command. cmd is never changed, and must not overlap the spare
// capacity of dst.
//
// The error is a *[RefusedError], a *[schema.Error] (two patterns that contradict each other hit one name), wraps the Sealer's own, or
// says that the BSON is malformed. None of them holds a value.
func Command(dst []byte, target Target, cmd bson.Raw, schemas map[string]*schema.Schema, sealer Sealer, opts Options) (Result, error) {
	switch {
	case target.Disposition == Bypassed:
		return Result{Command: cmd}, nil
	case target.Disposition != Analysed || len(target.Namespaces) == 0:
		return Result{}, refused(ruleCommand, "", target.Command)
	}
	unchanged := Result{Command: cmd}
	for i, ns := range target.Namespaces {
		if schemas[ns].Encrypts() {
			unchanged.RequiresEncryption = true
			if i > 0 {
				return Result{}, refused(ruleOther(target.Command), "", ns)
			}
		}
	}
	if !unchanged.RequiresEncryption {
		return unchanged, nil
	}
	own := schemas[target.Namespaces[0]]
	a := &analysis{sealer: sealer, rewrite: opts.Rewrite, root: own.Root(), schema: own}
	start := len(dst)
	dst, err := a.command(dst, cmd)
	switch {
	case errors.Is(err, bsonraw.ErrTooDeep):
		return Result{}, refused(ruleDepth, "", target.Command)
	case err != nil:
		return Result{}, err
	case a.sealed == 0:
		return unchanged, nil
	}
	return Result{Command: dst[start:], HasPlaceholders: true, RequiresEncryption: true}, nil
}

// ruleOther says why a command may not touch a second collection that encrypts.
func ruleOther(command string) *rule {
	switch command {
	case "create", "collMod":
		return ruleView
	case "bulkWrite":
		return ruleBulkWrite
	}
	return ruleOtherCollection
}

// analysis is the state of one walk.
type analysis struct {
	sealer  Sealer
	rewrite Rewrite
	schema  *schema.Schema
	root    *schema.Node // the collection's schema; nil once a pipeline stage has left no encrypted field
	path    []byte       // dotted path of the field at hand, for errors
	sealed  int          // values sealed so far
	op      string       // the operator whose argument is at hand; empty in a document that is stored whole
	forbid  *rule        // when set, nothing may be sealed: the reason
	depth   int
}

// enter goes to a field below the present one; leave(n) with the result comes back.
func (a *analysis) enter(name []byte) (n int) {
	n = len(a.path)
	if n > 0 {
		a.path = append(a.path, '.')
	}
	a.path = append(a.path, name...)
	return n
}

func (a *analysis) leave(n int) { a.path = a.path[:n] }

// nest guards recursion; call the result when done.
func (a *analysis) nest() error {
	if a.depth == bsonraw.MaxDepth {
		return bsonraw.ErrTooDeep
	}
	a.depth++
	return nil
}

// lookup resolves a dotted path. An array index in a path that would lead to an encrypted field without it is refused:
// encrypted fields cannot lie in arrays, so the path is a mistake that would miss the field or write it in clear.
func (a *analysis) lookup(node *schema.Node, path string) (schema.Match, error) {
	m, err := node.Lookup(path)
	if err != nil || m.Class != schema.Plain || !node.Encrypts() || !strings.ContainsAny(path, "0123456789") {
		return m, err
	}
	reaches, err := a.reachesThroughArrays(node, path)
	if reaches {
		err = a.refuse(ruleArrayIndex, "")
	}
	return m, err
}

// reachesThroughArrays says whether a path leads to, above or below an encrypted field when each of its numbers may be the index of an
// array as well as a field's name. The document itself is no array.
func (a *analysis) reachesThroughArrays(node *schema.Node, path string) (bool, error) {
	places := []*schema.Node{node}
	for name := range strings.SplitSeq(path, ".") {
		var next []*schema.Node
		for _, n := range places {
			if n.Encrypted() != nil {
				return true, nil
			}
			child, err := n.Child(name)
			if err != nil {
				return false, err
			}
			if child.Encrypts() && !slices.Contains(next, child) {
				next = append(next, child)
			}
			if isIndex(name) && n != a.root && !slices.Contains(next, n) {
				next = append(next, n)
			}
		}
		places = next
	}
	return len(places) > 0, nil
}

func isIndex(name string) bool { return name != "" && strings.Trim(name, "0123456789") == "" }

// unchangedUnlessSealed gives what was written since mark, or the original bytes when nothing was sealed meanwhile, so that
// parts without a sealed value stay as the application wrote them.
func (a *analysis) unchangedUnlessSealed(dst []byte, mark, sealedBefore int, original []byte) []byte {
	if a.sealed == sealedBefore {
		return append(dst[:mark], original...)
	}
	return dst
}

// mayHoldEncrypted says whether v, in the place of the document node, might hold an encrypted field: it is a document, or an array
// with one in it, or with an element whose index is the name of an encrypted field.
func mayHoldEncrypted(node *schema.Node, v bson.RawValue) (bool, error) {
	if v.Type == bson.TypeArray {
		it := bsonraw.Iterate(v.Value)
		for i := 0; it.Next(); i++ {
			if child, err := node.Child(strconv.Itoa(i)); child.Encrypts() || err != nil {
				return true, err
			}
		}
		if it.Err != nil {
			return false, it.Err
		}
	}
	return holdsDocument(v.Type, v.Value, 0)
}

func holdsDocument(t bson.Type, value []byte, depth int) (bool, error) {
	switch {
	case t == bson.TypeEmbeddedDocument:
		return true, nil
	case t != bson.TypeArray:
		return false, nil
	case depth == bsonraw.MaxDepth:
		return false, bsonraw.ErrTooDeep
	}
	it := bsonraw.Iterate(value)
	for it.Next() {
		if holds, err := holdsDocument(it.Element.Type, it.Element.Value, depth+1); holds || err != nil {
			return holds, err
		}
	}
	return false, it.Err
}

// find is the first element of that name in doc.
func find(doc []byte, name string) (bson.RawValue, bool, error) {
	it := bsonraw.Iterate(doc)
	for it.Next() {
		if string(it.Element.Key) == name {
			return it.Element.RawValue(), true, nil
		}
	}
	return bson.RawValue{}, false, it.Err
}

// repeats says whether doc holds an earlier element with the name of e, one of its elements.
func repeats(doc []byte, e bsonraw.Element) bool {
	it := bsonraw.Iterate(doc)
	for it.Next() && &it.Element.Raw[0] != &e.Raw[0] {
		if bytes.Equal(it.Element.Key, e.Key) {
			return true
		}
	}
	return false
}

// isFalse says whether every server reads v as false.
func isFalse(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeBoolean, bson.TypeInt32, bson.TypeInt64, bson.TypeDouble:
		return len(bytes.Trim(v.Value, "\x00")) == 0
	}
	return false
}

// isFlag says whether v is a bool, 0, 1, null or the empty string.
func isFlag(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeBoolean, bson.TypeNull:
		return true
	case bson.TypeInt32:
		return v.Int32() == 0 || v.Int32() == 1
	case bson.TypeInt64:
		return v.Int64() == 0 || v.Int64() == 1
	case bson.TypeDouble:
		return v.Double() == 0 || v.Double() == 1
	case bson.TypeString:
		return v.StringValue() == ""
	}
	return false
}

func isNumber(v bson.RawValue) bool {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64, bson.TypeDouble, bson.TypeDecimal128:
		return true
	}
	return false
}

// isOperator says whether a key begins with a dollar sign.
func isOperator(key []byte) bool { return len(key) > 0 && key[0] == '$' }
