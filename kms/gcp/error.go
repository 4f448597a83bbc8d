package gcp

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"cloud.google.com/go/auth"
	"google.golang.org/api/googleapi"
	"google.golang.org/protobuf/proto"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// tokenError tells the failures of those who give tokens from the KMS's.
type tokenError struct {
	from     string
	status   int    // of HTTP; 0 without an answer
	message  string // may hold anything
	canRetry bool   // without an answer
}

func (e *tokenError) Error() string { return "getting an access token from " + e.from + " failed" }

// newTokenError describes err, which came of asking for a token.
func newTokenError(from string, err error) error {
	var answer *auth.Error
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &answer) && answer.Response != nil:
		var body struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		if json.Unmarshal(answer.Body, &body) != nil || body.Error == "" {
			body.Error, body.Description = "the answer is not that of a token endpoint", ""
		}
		return &tokenError{from: from, status: answer.Response.StatusCode, message: strings.TrimSuffix(body.Error+": "+body.Description, ": ")}
	case errors.As(err, &syntax), errors.As(err, &mismatch):
		return &tokenError{from: from, message: "the reply is not a token in JSON"}
	}
	return &tokenError{from: from, message: reason(err), canRetry: isNetwork(err)}
}

// failure describes err; t is the token that was asked with, if any.
func (p *provider) failure(ctx context.Context, r request, t token, err error) *kms.Error {
	e := &kms.Error{Provider: p.id, Operation: r.operation, Key: r.key.wrappingName(), Endpoint: host(r.key.url)}
	if r.operation == "Decrypt" {
		e.Key = r.key.name()
	}
	if ctxErr := ctx.Err(); ctxErr != nil {
		e.Message, e.Cause = context.Cause(ctx).Error(), ctxErr
		e.CanRetry = errors.Is(ctxErr, context.DeadlineExceeded)
		return e
	}
	describe(e, err)
	// Also withheld is what begins like a signed assertion, or like Google's tokens and client secrets.
	secrets := []string{string(r.secret), t.value, "eyJ", "ya29.", "1//", "GOCSPX-"}
	e.Code, e.Message = kmsconfig.Presentable(e.Code, secrets...), kmsconfig.Presentable(e.Message, secrets...)
	return e
}

// describe tells the KMS's answers from those of others on the way, and from none.
func describe(e *kms.Error, err error) {
	var before *tokenError
	var answer *googleapi.Error
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &before):
		e.Message = "getting an access token from " + before.from + ": " + before.message
		e.CanRetry = before.canRetry || isTransient(before.status)
		if before.status != 0 {
			e.Message = "getting an access token from " + before.from + " (HTTP status " + strconv.Itoa(before.status) + "): " + before.message
		}
	case errors.As(err, &answer):
		e.Status, e.CanRetry = answer.Code, isTransient(answer.Code)
		describeAnswer(e, answer.Body)
	case errors.Is(err, errEmpty):
		e.Message = err.Error()
	case errors.Is(err, errDamaged):
		e.Message, e.CanRetry = err.Error(), true
	case errors.Is(err, proto.Error): // its text quotes the reply
		e.Message = "the answer is not the KMS's"
	case errors.As(err, &tooLong):
		e.Message = "the answer is not the KMS's: it is too long"
	default:
		e.Message, e.CanRetry = reason(err), !isTLS(err)
	}
}

// describeAnswer reads an error of Google's APIs (https://cloud.google.com/apis/design/errors).
func describeAnswer(e *kms.Error, body string) {
	var reply struct {
		Error struct {
			Status, Message string
			Details         []struct {
				Violations []struct{ Type string } // of a google.rpc.PreconditionFailure
			}
		}
	}
	if json.Unmarshal([]byte(body), &reply) != nil || reply.Error.Status == "" {
		e.Message = "the answer is not the KMS's"
		return
	}
	e.Code, e.Message = reply.Error.Status, reply.Error.Message
	denied := false
	switch e.Code {
	case "PERMISSION_DENIED", "UNAUTHENTICATED", "NOT_FOUND":
		denied = true
	case "FAILED_PRECONDITION": // of the state of the key's version, or of something else
		denied = strings.Contains(e.Message, "is not enabled, current state is")
		for _, d := range reply.Error.Details {
			for _, v := range d.Violations {
				denied = denied || v.Type == "KEY_DISABLED" || v.Type == "KEY_DESTROYED"
			}
		}
	}
	if denied {
		e.Cause = kms.ErrDenied
	}
}

// status is the HTTP status of the KMS's answer, 0 when there was none.
func status(err error) int {
	var answer *googleapi.Error
	if errors.As(err, &answer) {
		return answer.Code
	}
	return 0
}

// isTransient knows the statuses that the official drivers ask again after.
func isTransient(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500
}

// isNetwork knows failures to reach somebody, but for what the two ends of TLS hold against each other.
func isNetwork(err error) bool {
	var unsent *url.Error
	var network net.Error
	return (errors.As(err, &unsent) || errors.As(err, &network)) && !isTLS(err)
}

func isTLS(err error) bool {
	var certificate *tls.CertificateVerificationError
	var alert *net.OpError
	return errors.As(err, &certificate) || errors.As(err, &alert) && alert.Op == "remote error"
}

// reason leaves out the URL, which other parts of the error tell.
func reason(err error) string {
	var unsent *url.Error
	if errors.As(err, &unsent) {
		return unsent.Err.Error()
	}
	return err.Error()
}
