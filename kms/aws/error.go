package aws

import (
	"context"
	"errors"
	"net/url"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// failure describes err: doing is what was being done when it is not the KMS's. The credentials and sent, which is what the request carried, are not
// repeated.
func (p *provider) failure(ctx context.Context, e kms.Error, doing string, err error, c sdk.Credentials, sent []byte) *kms.Error {
	e.Provider = p.id
	if e.Cause = ctx.Err(); e.Cause != nil {
		e.Message, e.CanRetry = context.Cause(ctx).Error(), errors.Is(e.Cause, context.DeadlineExceeded)
	} else if e.CanRetry = temporary(err); doing != "" {
		e.Message = doing + ": " + err.Error()
	} else {
		describe(&e, err)
	}
	secrets := []string{string(sent), c.SecretAccessKey, c.SessionToken} // AWS itself quotes the token where a signature does not match
	e.Code, e.Message = kmsconfig.Presentable(e.Code, secrets...), kmsconfig.Presentable(e.Message, secrets...)
	return &e
}

// describe tells the KMS's answers from those of others on the way, and from none.
func describe(e *kms.Error, err error) {
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
		e.Cause = kms.ErrDenied
	}
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
