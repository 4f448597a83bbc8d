package aws

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// request is what is asked for wherever the key is.
type request struct {
	operation string
	sent      []byte // of secrets
	send      func(ctx context.Context, to *awskms.Client, key string, as func(*awskms.Options)) error
}

// ask sends a request to the key's region, and while regions are down to the next of the key's.
func (p *provider) ask(ctx context.Context, m masterKey, r request) error {
	keys := p.replicas(m)
	ctx, cancel := kmsconfig.WithTimeout(ctx, time.Duration(len(keys))*kmsconfig.Timeout)
	defer cancel()
	c, err := p.credentials(ctx)
	if err != nil {
		return p.failure(ctx, at(m, r), "getting credentials", err, c, r.sent)
	}
	var asked []string
	for i, key := range keys {
		failed, down := p.askOne(ctx, key, len(keys)-i, r, c)
		if failed == nil {
			return nil
		}
		asked = append(asked, key.region)
		if i > 0 {
			// That the first region is down stays true: whatever a replica in another one says is not what becomes of the key.
			down = down || failed.Code == "NotFoundException" // no replica there
			if errors.Is(failed, kms.ErrDenied) {
				failed.Cause, failed.CanRetry = nil, true
			}
			failed.Message += " (asked in " + strings.Join(asked, ", ") + ")"
		}
		if err = failed; !down || ctx.Err() != nil {
			break
		}
	}
	return err
}

// replicas returns the key and those that stand in for it.
func (p *provider) replicas(m masterKey) []masterKey {
	keys := []masterKey{m}
	if m.endpoint != "" || !m.isMultiRegion() {
		return keys
	}
	for _, region := range p.failover {
		if !slices.ContainsFunc(keys, func(k masterKey) bool { return k.region == region }) {
			keys = append(keys, m.in(region))
		}
	}
	return keys
}

// askOne asks in one region, within its share of the time, and says whether the region is down.
func (p *provider) askOne(ctx context.Context, m masterKey, left int, r request, c sdk.Credentials) (failed *kms.Error, down bool) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		share := time.Until(deadline) / time.Duration(left)
		limited, cancel := context.WithTimeoutCause(ctx, share, fmt.Errorf("no answer within %v, the region's share of the time", share.Round(time.Millisecond)))
		defer cancel()
		ctx = limited
	}
	client, err := p.client(ctx, m)
	if err != nil {
		return p.failure(ctx, at(m, r), "reading the AWS configuration", err, c, r.sent), false
	}
	if err = r.send(ctx, client, m.key, func(o *awskms.Options) { o.Credentials = credentials.StaticCredentialsProvider{Value: c} }); err == nil {
		return nil, false
	}
	failed = p.failure(ctx, at(m, r), "", err, c, r.sent)
	var unnamed *net.DNSError // of a region without an address, which does not come back in the time of the retries
	return failed, failed.CanRetry || errors.As(err, &unnamed)
}

// at is where a request failed.
func at(m masterKey, r request) kms.Error {
	endpoint := m.endpoint
	if endpoint == "" {
		endpoint = m.region
	}
	return kms.Error{Operation: r.operation, Key: m.key, Endpoint: endpoint}
}
