package kmip

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"

	"github.com/ovh/kmip-go"
	"github.com/ovh/kmip-go/ttlv"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// failure completes e; sent must not be repeated.
func failure(ctx context.Context, e *kms.Error, err error, sent []byte) error {
	var refused *refusal
	switch {
	case ctx.Err() != nil:
		e.Cause = ctx.Err()
		e.Message, e.CanRetry = context.Cause(ctx).Error(), errors.Is(e.Cause, context.DeadlineExceeded)
	case errors.As(err, &refused):
		e.Code, e.Message = ttlv.EnumStr(refused.reason), refused.message
		if isDenial(refused.reason) {
			e.Cause = kms.ErrDenied
		}
	case errors.Is(err, context.DeadlineExceeded): // the dialer's clock was ahead of the context's
		e.Message, e.CanRetry, e.Cause = context.DeadlineExceeded.Error(), true, context.DeadlineExceeded
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Message, e.CanRetry = "the server closed the connection", true
	default:
		e.Message, e.CanRetry = err.Error(), temporary(err)
	}
	e.Message = kmsconfig.Presentable(e.Message, string(sent))
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
