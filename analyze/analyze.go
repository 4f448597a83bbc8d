package analyze

import (
	"bytes"
	"errors"
	"strconv"

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

// Relaxation is a set of things that are refused unless they are asked for. None of them can send a value of an encrypted field in
// clear; what each gives is not what the same command gives on plaintext.
type Relaxation uint

const (
	// AllowType lets $type stand on an encrypted field. The server sees ciphertext there, so that {$type: "binData"} matches every
	// encrypted value, and the field's own type none.
	AllowType Relaxation = 1 << iota
	// AllowSort lets encrypted fields, and documents that hold them, stand in a sort. The server orders ciphertext: deterministically
	// encrypted fields have equal values side by side, in an order that says nothing of the values; randomly encrypted ones no order at all.
	AllowSort
)

// Options; the zero value is useful.
type Options struct {
	Rewrite Rewrite    // default Minimal
	Allow   Relaxation // default none: refuse. Without effect on commands that touch a collection that is migrated ([schema.Schema.During])
}

// Result is an analysed command.
type Result struct {
	Command            bson.Raw // the very slice that was given when nothing was sealed
	HasPlaceholders    bool     // at least one value was sealed
	RequiresEncryption bool     // some schema involved encrypts
}

// Command analyses cmd, of which target is what Classify says, and appends the rewritten command to dst if something had to be
// sealed. schemas holds the schema of each of target's namespaces; nil for one that encrypts nothing, and one that is missing is refused.
// Without any schema that encrypts, cmd passes unread, and so does a bypassed command. cmd is never changed, and must not overlap the spare
// capacity of dst, all of which may be written to. With 128 bytes of it to spare, nothing else is allocated for commands without
// expressions, projections and pipelines.
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
	migrating := false
	for _, ns := range target.Namespaces {
		s, given := schemas[ns]
		if !given {
			return Result{}, refused(ruleMissingSchema, "", ns)
		}
		unchanged.RequiresEncryption = unchanged.RequiresEncryption || s.Encrypts()
		migrating = migrating || s.Migration().ReadsBoth()
	}
	if !unchanged.RequiresEncryption {
		return unchanged, nil
	}
	given := dst
	dst, path := pathRoom(dst)
	a := &analysis{sealer: sealer, rewrite: opts.Rewrite, allow: opts.Allow, target: target, schemas: schemas, path: path}
	if migrating {
		a.migrating, a.allow = true, 0 // what a relaxation says of ciphertext does not hold where there is plaintext, too
	}
	a.use(target.Namespaces[0])
	dst, err := a.command(dst, cmd)
	switch {
	case errors.Is(err, bsonraw.ErrTooDeep):
		return Result{}, refused(ruleDepth, "", target.Command)
	case err != nil:
		return Result{}, err
	case a.sealed == 0:
		return unchanged, nil
	}
	if cap(given) > 0 && &dst[0] == &given[:1][0] {
		dst = given[:len(dst)] // with the room for paths, so that a buffer used again and again does not shrink
	}
	return Result{Command: dst[len(given):], HasPlaceholders: true, RequiresEncryption: true}, nil
}

// pathRoom cuts room for the path of the field at hand off the end of dst's spare capacity, if there is much: the buffer that takes the
// command is then all the memory that an analysis needs.
func pathRoom(dst []byte) (out, path []byte) {
	const room = 128
	end := cap(dst) - room
	if end < len(dst) {
		return dst, nil
	}
	return dst[:len(dst):end], dst[end:end:cap(dst)]
}

// analysis is the state of one walk.
type analysis struct {
	sealer       Sealer
	rewrite      Rewrite
	allow        Relaxation
	target       Target
	schemas      map[string]*schema.Schema // of all of target's namespaces
	schema       *schema.Schema            // of the collection at hand
	root         *schema.Node              // its documents, in a pipeline as the stages so far have made them; nil: nothing is encrypted
	path         []byte                    // dotted path of the field at hand, for errors
	sealed       int                       // values sealed so far
	op           string                    // the operator whose argument is at hand; empty in a document that is stored whole
	forbid       *rule                     // when set, nothing may be sealed: the reason
	redact       redactMode                // set in the expression of $redact
	keys         keyNames                  // of the document at hand
	undocumented bool                      // there is no document yet that an expression could refer to
	depth        int
	levels       []*schema.Node // in $redact: every document that $$CURRENT may be
	migrating    bool           // one of the collections is: both forms of what is compared go out
	collated     bool           // when migrating: the command or statement at hand has a collation
	places       int            // that stages and expressions have made of documents so far, as schema.Node.Places counts
}

// use makes the collection ns, one of target's, the one at hand.
func (a *analysis) use(ns string) {
	a.schema = a.schemas[ns]
	a.root = a.schema.Root()
}

// apart writes with a copy of the analysis, which goes on from there. What holds on to its analysis makes Go keep it on the heap; the
// walk of everyday commands, which does not, costs no allocation that way.
func (a *analysis) apart(write func(*analysis) ([]byte, error)) ([]byte, error) {
	b := *a
	dst, err := write(&b)
	*a = b
	return dst, err
}

// nest guards recursion; when it gives no error, take one off a.depth at the end.
func (a *analysis) nest() error {
	if a.depth == bsonraw.MaxDepth {
		return bsonraw.ErrTooDeep
	}
	a.depth++
	return nil
}

// unchangedUnlessSealed gives what was written since mark, or the original bytes when nothing was sealed meanwhile, so that
// parts without a sealed value stay as the application wrote them.
func (a *analysis) unchangedUnlessSealed(dst []byte, mark, sealedBefore int, original []byte) []byte {
	if a.sealed == sealedBefore && a.rewrite == Exact { // Minimal has written the very same
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
