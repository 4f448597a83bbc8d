package azure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// failure describes what became of the last attempt.
func (p *provider) failure(ctx context.Context, operation string, m masterKey, x *exchange, err error, sent []byte) error {
	e := &kms.Error{Provider: p.id, Operation: operation, Key: m.key(), Endpoint: m.endpoint}
	var code, message string
	if e.Cause = ctx.Err(); e.Cause != nil {
		message, e.CanRetry = context.Cause(ctx).Error(), errors.Is(e.Cause, context.DeadlineExceeded)
	} else {
		code, message = x.words(err)
		e.Status, e.CanRetry = x.status, x.temporary()
	}
	withheld := append(x.secrets, string(sent))
	e.Code, e.Message = kmsconfig.Presentable(code, withheld...), kmsconfig.Presentable(message, withheld...)
	if x.tokenFailed {
		e.Code, e.Message = "", x.aboutToken(e.Code, e.Message) // the code is not the KMS's
		return e
	}
	if x.denied(code) {
		e.Cause = kms.ErrDenied
	}
	if e.Code != "" && operation == "UnwrapKey" && m.version == "" && x.status == http.StatusBadRequest {
		e.Message += "; the masterKey names no keyVersion, and the latest cannot unwrap what an older one wrapped: was the key rotated?"
	}
	return e
}

func (x *exchange) aboutToken(code, message string) string {
	var from string
	if x.host != "" {
		from = fmt.Sprintf(" from %.200q", x.host)
	}
	if code != "" {
		code = " (" + code + ")"
	}
	return "getting an access token" + from + ": " + message + code
}

// denied says whether Key Vault, and not somebody on the way, answered that the credentials or the key are not to be used, or that there is no such key
// any more.
func (x *exchange) denied(code string) bool {
	switch x.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return code != ""
	case http.StatusNotFound:
		return code == "KeyNotFound"
	}
	return false
}

// wrongAnswer is an answer that the SDK took for good. The SDK's own errors about answers quote them.
type wrongAnswer string

func (e wrongAnswer) Error() string { return string(e) }

// words are what the answer says, or why there was none.
func (x *exchange) words(err error) (code, message string) {
	var long *http.MaxBytesError
	var wrong wrongAnswer
	switch {
	case errors.As(x.err, &long):
		return "", "the answer is too long"
	case errors.Is(x.err, context.DeadlineExceeded):
		return "", fmt.Sprintf("no answer within %v", kmsconfig.Timeout)
	case x.err != nil:
		return "", x.err.Error()
	case x.status == 0, x.public, errors.As(err, &wrong):
		return "", err.Error()
	}
	if code, message = parseRefusal(x.refusal); code != "" {
		return code, message
	}
	return "", "the answer is not what Azure gives"
}

// parseRefusal reads {"error": {"code", "message", "innererror": {"code"}}} of Key Vault and {"error", "error_description"} of the identity platform.
func parseRefusal(body []byte) (code, message string) {
	var outer struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
	}
	if json.Unmarshal(body, &outer) != nil {
		return "", ""
	}
	if json.Unmarshal(outer.Error, &code) == nil {
		return code, outer.Description
	}
	var inner struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Inner   struct {
			Code string `json:"code"`
		} `json:"innererror"`
	}
	if json.Unmarshal(outer.Error, &inner) != nil {
		return "", ""
	}
	if inner.Inner.Code != "" {
		return inner.Inner.Code, inner.Message
	}
	return inner.Code, inner.Message
}
