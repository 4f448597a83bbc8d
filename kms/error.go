package kms

import (
	"fmt"
	"strings"
)

// Error is a request that a KMS refused or that did not reach it, of whatever provider. It holds neither key material nor credentials.
//
// It wraps ErrDenied when the KMS answered that the credentials or the key are not to be used, and the context's error when the context
// ended first. A wrapped key that is damaged or that another master key wrapped is neither.
type Error struct {
	Provider  string // its id, such as "aws:prod"
	Operation string // in the KMS's words, such as Decrypt
	Key       string // as the master key names it; empty before it exists
	Endpoint  string // where the KMS was asked: host[:port], or a region
	Status    int    // of HTTP; 0 without an answer, or with another protocol
	Code      string // what the KMS answered, such as AccessDeniedException; empty when the answer was not the KMS's
	Message   string // in the KMS's words, or why there was no answer
	CanRetry  bool   // the same request may succeed later
	Cause     error  // ErrDenied, context.Canceled, context.DeadlineExceeded or nil
}

// Error says who asked whom for what, what came back and whether to try again.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "KMS provider `%s`: %s", e.Provider, e.Operation)
	if e.Key != "" {
		fmt.Fprintf(&b, " with key %.200q", e.Key)
	}
	if e.Endpoint != "" {
		fmt.Fprintf(&b, " at %.200q", e.Endpoint)
	}
	for _, part := range []string{e.Code, e.Message} {
		if part != "" {
			b.WriteString(": " + part)
		}
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " (HTTP status %d)", e.Status)
	}
	if e.CanRetry {
		b.WriteString("; it may work later")
	}
	return b.String()
}

// Unwrap returns Cause.
func (e *Error) Unwrap() error { return e.Cause }

// Temporary says whether the same request may succeed later: the KMS was overloaded, failed or could not be reached.
func (e *Error) Temporary() bool { return e.CanRetry }
