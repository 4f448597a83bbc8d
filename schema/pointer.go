package schema

import (
	"fmt"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// PointerError says why a JSON pointer cannot be read, or leads nowhere in a document.
type PointerError struct {
	Pointer string // as written
	Missing bool   // the pointer is sound, but the document has nothing there
	Message string
	Code    int // MongoDB's error number for a malformed pointer, else 0
}

func (e *PointerError) Error() string {
	return fmt.Sprintf("json pointer %s: %s", quote(e.Pointer), e.Message)
}

// ResolvePointer evaluates a JSON pointer (RFC 6901) such as "/keys/0/name" against doc and returns the value it leads to, which points
// into doc. In documents a token is a field name (the first field of that name counts), in arrays an index. The error is a
// [*PointerError], except for malformed BSON.
func ResolvePointer(doc bson.Raw, pointer string) (bson.RawValue, error) {
	tokens, fault := pointerTokens(pointer)
	if fault != nil {
		return bson.RawValue{}, fault
	}
	at := bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}
	for i, token := range tokens {
		next, found, err := step(at, token)
		if err != nil {
			return bson.RawValue{}, fmt.Errorf("resolving json pointer %s: %v", quote(pointer), err)
		}
		if !found {
			return bson.RawValue{}, &PointerError{Pointer: pointer, Missing: true,
				Message: fmt.Sprintf("nothing at %s: %s at step %d", quote(token), lacks(at.Type), i+1)}
		}
		at = next
	}
	return at, nil
}

// step goes from a document or array to what token names in it.
func step(at bson.RawValue, token string) (value bson.RawValue, found bool, err error) {
	index := -1
	switch at.Type {
	case bson.TypeEmbeddedDocument:
	case bson.TypeArray:
		if index = arrayIndex(token); index < 0 {
			return bson.RawValue{}, false, nil
		}
	default:
		return bson.RawValue{}, false, nil
	}
	it := bsonraw.Iterate(at.Value)
	for i := 0; it.Next(); i++ {
		if i == index || index < 0 && string(it.Element.Key) == token {
			return it.Element.RawValue(), true, nil
		}
	}
	return bson.RawValue{}, false, it.Err
}

// arrayIndex reads an index as RFC 6901 writes it: no sign, no leading zeros; -1 otherwise.
func arrayIndex(token string) int {
	n, err := strconv.ParseInt(token, 10, 32)
	if err != nil || strconv.FormatInt(n, 10) != token || n < 0 {
		return -1
	}
	return int(n)
}

func lacks(t bson.Type) string {
	switch t {
	case bson.TypeEmbeddedDocument:
		return "the document has no such field"
	case bson.TypeArray:
		return "the array has no such element"
	}
	return "a value of type " + payload.TypeAlias(t) + " has nothing below it"
}

var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// pointerTokens splits a pointer into its unescaped tokens. RFC 6901 lets "" point to the whole document; it is refused here because a
// document is never the name of a key.
func pointerTokens(pointer string) ([]string, *PointerError) {
	refuse := func(code int, message string) *PointerError {
		return &PointerError{Pointer: pointer, Message: message, Code: code}
	}
	switch {
	case pointer == "":
		return nil, refuse(codePointerEmpty, "the JSON pointer is empty")
	case pointer[0] != '/':
		return nil, refuse(codePointerNoSlash, "a JSON pointer must begin with '/'")
	case strings.Count(pointer, "/") > maxDepth:
		return nil, refuse(codePointerDeep, fmt.Sprintf("the JSON pointer has more than %d steps", maxDepth))
	}
	for _, after := range strings.Split(pointer, "~")[1:] {
		if after == "" || after[0] != '0' && after[0] != '1' {
			return nil, refuse(codePointerEscape, "in a JSON pointer '~' must be followed by 0 or 1")
		}
	}
	tokens := strings.Split(pointer[1:], "/")
	for i, t := range tokens {
		tokens[i] = unescape.Replace(t)
	}
	return tokens, nil
}

// pointerUse is an encrypted field whose key is named in the document.
type pointerUse struct {
	field *Encrypted
	at    *place
}

// checkPointers refuses pointers to encrypted fields: what stands there would go to the key vault in clear, as the key's name.
func (p *parser) checkPointers(root *Node) error {
	for _, use := range p.pointers {
		tokens, fault := pointerTokens(use.field.KeyPointer)
		if fault != nil {
			return fault
		}
		n := root
		for _, token := range tokens {
			var err error
			if n, err = n.Child(token); err != nil {
				return err
			}
			if enc := n.Encrypted(); enc != nil {
				if err := p.fault(use.at.refuse("encrypt", "point to a field that is not encrypted",
					"the keyId pointer %s leads to the encrypted field '%s'; the name of a key must be readable", quote(use.field.KeyPointer), enc.Path)); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}
