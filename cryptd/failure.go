package cryptd

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Failure is what a driver is told of an error, as the fields code, codeName and errmsg of a server's reply. The text begins with the
// one of MongoDB's own analysis where that is public, and ends with what to do instead. It never holds a value.
type Failure struct {
	Code     int32
	CodeName string
	Message  string
}

// CodeRefused is the number of all refusals for which no public one of MongoDB's is known. No error of MongoDB's has it, as far as is
// public; its code name is FieldcryptRefused. The rule that refuses is in the text, as "[rule name]".
const CodeRefused = 51999

// MongoDB's own numbers of errors, with their names, where those are public; others are called Location and the number.
const (
	codeInternal   = 1
	codeInvalid    = 22
	codeTooLong    = 10334
	nameOfLocation = "Location"
)

var codeNames = map[int]string{
	codeInternal: "InternalError",
	9:            "FailedToParse",
	14:           "TypeMismatch",
	codeInvalid:  "InvalidBSON",
	codeTooLong:  "BSONObjectTooLarge",
	CodeRefused:  "FieldcryptRefused",
}

// Describe puts an error of [Analyzer.Analyze] into what a driver is told. A panic that a carrier has caught belongs to Internal.
func Describe(err error) Failure {
	var refused *analyze.RefusedError
	var bad *schema.Error
	switch {
	case errors.As(err, &refused):
		return failure(refused.Code, refused.Error())
	case errors.As(err, &bad):
		return failure(bad.Code, describeSchema(err, bad))
	case errors.Is(err, errTooLong), errors.Is(err, errRequestTooLong):
		return failure(codeTooLong, err.Error())
	}
	return failure(codeInvalid, err.Error())
}

func describeSchema(err error, bad *schema.Error) string {
	at, of := bad.Path, ""
	if at == "" {
		at = "the root"
	}
	var named *namedError
	if errors.As(err, &named) {
		of = " of " + printable(named.ns)
	}
	return fmt.Sprintf("%s, at %s in the encryption schema%s [rule encryption-schema]; %s", bad.Message, at, of, bad.Hint)
}

// namedError says which of several schemas is at fault.
type namedError struct {
	ns  string
	err error
}

func (e *namedError) Error() string { return "schema of " + printable(e.ns) + ": " + e.err.Error() }

func (e *namedError) Unwrap() error { return e.err }

func failure(code int, message string) Failure {
	if code == 0 {
		code = CodeRefused
	}
	name, known := codeNames[code]
	if !known {
		name = nameOfLocation + strconv.Itoa(code)
	}
	return Failure{Code: int32(code), CodeName: name, Message: message}
}

// Internal is what a driver is told when the analysis itself has failed: a fault of this program, not of the request. What has failed
// must not be told: a panic may hold a value.
func Internal() Failure {
	return failure(codeInternal, "the analysis failed, the command was not let through; please report it with the shape of the command, without its values")
}
