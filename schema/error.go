package schema

import (
	"fmt"
	"strconv"
	"strings"
)

// Numbers of the errors that MongoDB reports publicly for the same faults.
const (
	codeFailedToParse       = 9
	codeTypeMismatch        = 14
	codeUnknownField        = 40415
	codePointerEscape       = 51063
	codePointerEmpty        = 51064
	codePointerNoSlash      = 51065
	codePointerDeep         = 51067
	codeKeyIDNotUUID        = 51084
	codeKeyIDShape          = 51085
	codeKeyIDElementNoBytes = 51088
)

// invalid begins the message whenever "encrypt" stands where it must not; MongoDB's driver tests look for it.
const invalid = "Invalid schema containing the 'encrypt' keyword. "

// Error is a refused schema, or (from [Node.Child] and [Node.Lookup]) a field on which a schema contradicts itself.
type Error struct {
	Path    string // place in the schema, "" for the root: "properties.ssn.encrypt.keyId"
	Keyword string // the keyword or field at fault: "keyId"; "" when it is the whole document
	Message string // what is wrong; holds MongoDB's own text where that is public
	Hint    string // what to write instead
	Code    int    // MongoDB's error number where that is public, else 0
}

func (e *Error) Error() string {
	at := e.Path
	if at == "" {
		at = "the root"
	}
	return fmt.Sprintf("encryption schema, at %s: %s; hint: %s", at, e.Message, e.Hint)
}

// code sets the error number.
func (e *Error) code(n int) *Error {
	e.Code = n
	return e
}

// below moves the place one step down from the keyword: to the field or the array element at fault.
func (e *Error) below(step string) *Error {
	e.Path += "." + clip(step)
	return e
}

// quote shows a name from the schema, shortened: names have no limit of their own.
func quote(s string) string { return strconv.Quote(clip(s)) }

func clip(s string) string {
	const limit = 200
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
