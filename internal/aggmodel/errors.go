package aggmodel

import (
	"errors"
	"fmt"
)

// ErrUnsupported is wrapped by every error about something that the model does not cover. A server may well accept it.
var ErrUnsupported = errors.New("not modelled")

// RefusedError is the error of a pipeline, filter or expression that a server refuses, when parsing it or when running it.
type RefusedError struct {
	Operator string // the stage or operator that refuses, such as "$add"
	Reason   string // without values
}

func (e *RefusedError) Error() string { return e.Operator + ": " + e.Reason }

func refuse(operator, format string, args ...any) error {
	return &RefusedError{operator, fmt.Sprintf(format, args...)}
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUnsupported}, args...)...)
}
