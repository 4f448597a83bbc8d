package keyvault

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"
)

// Error says that the key vault could not be reached, or that it refused an operation. Unwrap gives the driver's error, so that
// mongo.IsTimeout, mongo.IsNetworkError, mongo.IsDuplicateKeyError and errors.Is(err, context.Canceled) work.
type Error struct {
	Namespace string // "db.coll"; empty for a MemoryStore
	Op        string // what was being done: "fetching data keys"
	Err       error
}

func (e *Error) Error() string {
	if e.Namespace == "" {
		return fmt.Sprintf("key vault: %s: %s", e.Op, describe(e.Err))
	}
	return fmt.Sprintf("key vault %s: %s: %s", e.Namespace, e.Op, describe(e.Err))
}

// Unwrap returns the driver's error.
func (e *Error) Unwrap() error { return e.Err }

// describe is err.Error(), but for write errors without the details that a server adds when a validator refuses a document:
// they quote the document, and with it the wrapped key.
func describe(err error) string {
	var parts []string
	add := func(code int, message string) { parts = append(parts, fmt.Sprintf("%s (code %d)", message, code)) }
	var one mongo.WriteException
	var bulk mongo.BulkWriteException
	switch {
	case errors.As(err, &one):
		for _, e := range one.WriteErrors {
			add(e.Code, e.Message)
		}
		if e := one.WriteConcernError; e != nil {
			add(e.Code, e.Message)
		}
	case errors.As(err, &bulk):
		for _, e := range bulk.WriteErrors {
			add(e.Code, e.Message)
		}
		if e := bulk.WriteConcernError; e != nil {
			add(e.Code, e.Message)
		}
	}
	if len(parts) == 0 {
		return err.Error()
	}
	return strings.Join(parts, "; ")
}

// answeredWith says whether a server answered with one of codes.
func answeredWith(err error, codes ...int) bool {
	var refusal mongo.ServerError
	return errors.As(err, &refusal) && slices.ContainsFunc(codes, refusal.HasErrorCode)
}
