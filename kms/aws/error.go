package aws

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/aws/smithy-go"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

// Error is a request that the KMS refused or that did not reach it. It holds neither key material nor credentials.
//
// It wraps kms.ErrDenied when the KMS answered that the credentials or the key are not to be used, and the context's error when the context
// ended first. A wrapped key that is damaged or that another master key wrapped is neither.
type Error struct {
	Provider  string // its id, such as "aws:prod"
	Operation string // Encrypt or Decrypt
	Key       string // as the master key names it
	Region    string
	Endpoint  string // host[:port] of the master key; empty for the region's own
	Status    int    // of HTTP; 0 without an answer
	Code      string // what the KMS answered, such as AccessDeniedException; empty when the answer was not the KMS's
	Message   string // in the KMS's words, or why there was no answer

	temporary bool
	cause     error
}

// Error says who asked whom for what, what came back and whether to try again.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "KMS provider `%s`: %s with key %.200q in %s", e.Provider, e.Operation, e.Key, e.Region)
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
	if e.temporary {
		b.WriteString("; it may work later")
	}
	return b.String()
}

// Unwrap returns kms.ErrDenied, context.Canceled, context.DeadlineExceeded or nil.
func (e *Error) Unwrap() error { return e.cause }

// Temporary says whether the same request may succeed later: the KMS was overloaded, failed or could not be reached.
func (e *Error) Temporary() bool { return e.temporary }

// failure describes err; sent is what the request carried and must not be repeated.
func (p *provider) failure(ctx context.Context, operation string, m masterKey, err error, sent []byte) error {
	e := &Error{Provider: p.id, Operation: operation, Key: m.key, Region: m.region, Endpoint: m.endpoint}
	if ctxErr := ctx.Err(); ctxErr != nil {
		e.Message, e.cause = ctxErr.Error(), ctxErr
		e.temporary = errors.Is(ctxErr, context.DeadlineExceeded)
		return e
	}
	e.describe(err)
	var secrets []string
	if e.Status != 0 {
		secrets = p.secrets(ctx, sent)
	}
	e.Code, e.Message = presentable(e.Code, secrets), presentable(e.Message, secrets)
	return e
}

// describe tells the KMS's answers from those of others on the way, and from none.
func (e *Error) describe(err error) {
	e.temporary = temporary(err)
	var before *credentialsError
	if errors.As(err, &before) {
		e.Message = "getting credentials: " + before.Error()
		return
	}
	e.Status = status(err)
	var answer smithy.APIError
	var unsent *url.Error
	switch {
	case errors.As(err, &answer) && answer.ErrorCode() != "UnknownError":
		e.Code, e.Message = answer.ErrorCode(), answer.ErrorMessage()
	case e.Status != 0:
		e.Message = "the answer is not the KMS's"
	case errors.As(err, &unsent):
		e.Message = unsent.Err.Error()
	default:
		e.Message = err.Error()
	}
	if isDenial(e.Code) {
		e.cause = kms.ErrDenied
	}
}

// secrets are the texts that an answer could repeat: AWS itself quotes the session token where a signature does not match.
func (p *provider) secrets(ctx context.Context, sent []byte) (all []string) {
	if len(sent) > 0 {
		all = append(all, string(sent), base64.StdEncoding.EncodeToString(sent))
	}
	if c, err := p.credentials(ctx); err == nil {
		all = append(all, c.SecretAccessKey, c.SessionToken)
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// presentable makes text from outside fit for one line of a log.
func presentable(text string, secrets []string) string {
	const limit = 400
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n") // what AWS quotes comes in the lines after the first
	if slices.ContainsFunc(secrets, func(s string) bool { return strings.Contains(text, s) }) {
		return "(withheld, because it repeats a secret)"
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	return fmt.Sprintf("%.*s", limit, text)
}

// isDenial knows the errors by which AWS says that the credentials or the key are not to be used. Any other, such as a ciphertext that the key
// did not make, leaves open what is wrong.
func isDenial(code string) bool {
	switch code {
	case "AccessDeniedException", "AccessDenied", "NotAuthorized", "OptInRequired", "UnrecognizedClientException", "InvalidClientTokenId",
		"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException", "ExpiredTokenException",
		"ExpiredToken", "MissingAuthenticationToken", "MissingAuthenticationTokenException":
		return true
	case "DisabledException", "NotFoundException", "KMSInvalidStateException":
		return true
	}
	return false
}
