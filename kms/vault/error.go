package vault

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// failure completes the error of a request about m.
func (p *provider) failure(ctx context.Context, operation string, m masterKey, err error) error {
	e := &kms.Error{Operation: operation, Endpoint: p.endpoint}
	var asked *kms.Error
	switch {
	case ctx.Err() != nil:
		e.Cause = ctx.Err()
		e.Message, e.CanRetry = context.Cause(ctx).Error(), errors.Is(e.Cause, context.DeadlineExceeded)
	case errors.As(err, &asked):
		*e = *asked // it may be that of a login, which others wait for too
	default:
		e.Message = err.Error()
	}
	e.Provider, e.Key = p.id, m.keyName
	return e
}

// presentable puts Vault's words, which it writes as a list with bullets, on one line.
func presentable(text string, secrets []string) string {
	if kept := kmsconfig.Presentable(text, secrets...); strings.HasPrefix(kept, "(withheld") {
		return kept
	}
	return kmsconfig.Presentable(strings.Join(strings.Fields(text), " "), secrets...)
}

// isDenial knows the answers by which Vault says that the credentials or the key are not to be used. Any other, such as that to a ciphertext that
// the key did not make, leaves open what is wrong.
func isDenial(r request, status int, words []string) bool {
	switch status {
	case http.StatusForbidden, http.StatusNotFound:
		return true
	case http.StatusBadRequest:
		// Vault has no codes for these. Too old is what the key's min_decryption_version switches off.
		return r.key == "" || slices.Contains(words, "encryption key not found") ||
			slices.Contains(words, "ciphertext or signature version is disallowed by policy (too old)")
	}
	return false
}

// temporaryStatus knows the answers of a Vault that is sealed, on standby, short of quota or behind, and those of a broken one. 472 and 473 are of
// replication and performance standbys.
func temporaryStatus(status int) bool {
	return slices.Contains([]int{408, 412, 429, 472, 473}, status) || status >= 500 && status != http.StatusNotImplemented
}

// temporary takes any request without an answer for one that could have one later, but for what the two ends of TLS hold against each other, and
// names that do not exist.
func temporary(err error) bool {
	var certificate *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	var alert *net.OpError
	var name *net.DNSError
	switch {
	case errors.As(err, &certificate), errors.As(err, &notTLS), errors.Is(err, http.ErrSchemeMismatch):
		return false
	case errors.As(err, &alert) && alert.Op == "remote error", errors.As(err, &name) && name.IsNotFound:
		return false
	}
	return !errors.Is(err, context.Canceled)
}
