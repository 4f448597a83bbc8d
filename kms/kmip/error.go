package kmip

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"unicode"

	"github.com/ovh/kmip-go"
	"github.com/ovh/kmip-go/ttlv"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

// Error is a request that the server refused or that did not reach it. It holds no key material.
//
// It wraps kms.ErrDenied when the server answered that the client must not use the key or that there is no such key, and the context's error
// when the context ended first.
type Error struct {
	Provider  string // its id, such as "kmip:prod"
	Operation string // Connect, or the protocol's name, such as Get
	Key       string // its unique identifier; empty before its creation
	Endpoint  string // host:port
	Code      string // the protocol's result reason, such as ItemNotFound; empty without an answer
	Message   string // in the server's words, or why there was no answer

	temporary bool
	cause     error
}

// Error says who asked whom for what, what came back and whether to try again.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "KMS provider `%s`: %s", e.Provider, e.Operation)
	if e.Key != "" {
		fmt.Fprintf(&b, " with key %.200q", e.Key)
	}
	fmt.Fprintf(&b, " at %.200q", e.Endpoint)
	for _, part := range []string{e.Code, e.Message} {
		if part != "" {
			b.WriteString(": " + part)
		}
	}
	if e.temporary {
		b.WriteString("; it may work later")
	}
	return b.String()
}

// Unwrap returns kms.ErrDenied, context.Canceled, context.DeadlineExceeded or nil.
func (e *Error) Unwrap() error { return e.cause }

// Temporary says whether the same request may succeed later: the server could not be reached.
func (e *Error) Temporary() bool { return e.temporary }

// failure completes e; sent must not be repeated.
func failure(ctx context.Context, e *Error, err error, sent []byte) error {
	var refused *refusal
	switch {
	case ctx.Err() != nil:
		e.cause = ctx.Err()
		e.Message, e.temporary = e.cause.Error(), errors.Is(e.cause, context.DeadlineExceeded)
	case errors.As(err, &refused):
		e.Code, e.Message = ttlv.EnumStr(refused.reason), presentable(refused.message, sent)
		if isDenial(refused.reason) {
			e.cause = kms.ErrDenied
		}
	case errors.Is(err, context.DeadlineExceeded): // the dialer's clock was ahead of the context's
		e.Message, e.temporary, e.cause = context.DeadlineExceeded.Error(), true, context.DeadlineExceeded
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Message, e.temporary = "the server closed the connection", true
	default:
		e.Message, e.temporary = presentable(err.Error(), sent), temporary(err)
	}
	return e
}

// temporary knows the network's errors, but for what the two ends of TLS hold against each other, and for names that do not exist.
func temporary(err error) bool {
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	if errors.As(err, &certificate) || errors.As(err, &name) && name.IsNotFound {
		return false
	}
	var network *net.OpError
	return errors.As(err, &network) && network.Op != "remote error"
}

// isDenial knows the reasons by which a server says that the client must not use the key or that the key is gone.
func isDenial(reason kmip.ResultReason) bool {
	switch reason {
	case kmip.ResultReasonAuthenticationNotSuccessful, kmip.ResultReasonPermissionDenied, kmip.ResultReasonItemNotFound,
		kmip.ResultReasonObjectarchived, kmip.ResultReasonKeyValueNotPresent, kmip.ResultReasonAttestationRequired,
		kmip.ResultReasonAttestationFailed, kmip.ResultReasonSensitive, kmip.ResultReasonNotExtractable:
		return true
	}
	return false
}

// presentable makes text from outside fit for one line of a log.
func presentable(text string, sent []byte) string {
	const limit = 400
	if len(sent) > 0 {
		for _, form := range []string{string(sent), base64.StdEncoding.EncodeToString(sent), hex.EncodeToString(sent)} {
			if strings.Contains(text, form) {
				return "(withheld, because it repeats the data key)"
			}
		}
	}
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	return fmt.Sprintf("%.*s", limit, text)
}
