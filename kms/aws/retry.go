package aws

import (
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// How often and after how long the official drivers ask again.
const (
	maxAttempts = 4
	firstWait   = 200 * time.Millisecond // doubles
	longestWait = 20 * time.Second
)

func newRetryer() sdk.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = maxAttempts
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return rand.N(min(firstWait<<(attempt-1), longestWait)), nil
		})
		o.Retryables = []retry.IsErrorRetryable{retry.IsErrorRetryableFunc(func(err error) sdk.Ternary {
			return sdk.BoolTernary(temporary(err))
		})}
	})
}

// temporary is the SDK's judgement of what to retry, with the statuses that the official drivers add, but for what the two ends of TLS hold
// against each other: the SDK takes any request that could not be sent for one that could be later.
func temporary(err error) bool {
	var certificate *tls.CertificateVerificationError
	var alert *net.OpError
	if errors.As(err, &certificate) || errors.As(err, &alert) && alert.Op == "remote error" {
		return false
	}
	return slices.Contains([]int{408, 429, 509}, status(err)) ||
		retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == sdk.TrueTernary
}

// status is the HTTP status of the answer, 0 when there was none.
func status(err error) int {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.Response != nil {
		return answer.HTTPStatusCode()
	}
	return 0
}
