package gcp

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	cloudkms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/googleapis/gax-go/v2"
	"github.com/googleapis/gax-go/v2/callctx"
	"go.mongodb.org/mongo-driver/v2/bson"
	"google.golang.org/api/option"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// How often and after how long the official drivers ask again.
const (
	maxAttempts = 4
	firstWait   = 200 * time.Millisecond // doubles
	longestWait = 20 * time.Second
)

// What a reply may lack. The first is what Google asks clients to try again for.
var (
	errDamaged = errors.New("the checksums do not match: request or reply was damaged on its way")
	errEmpty   = errors.New("the reply has neither plaintext nor ciphertext")
)

// provider calls the KMS under one set of credentials.
type provider struct {
	id          string
	http        *http.Client
	credentials *cache
	hosts       *kmsconfig.Hosts
}

// WrapKey encrypts a data key of 96 bytes. Errors of the KMS and of the way to it are of type *kms.Error.
func (p *provider) WrapKey(ctx context.Context, doc bson.Raw, dataKey []byte) (kms.Wrapped, error) {
	m, err := p.parse(doc, false)
	if err != nil {
		return kms.Wrapped{}, err
	}
	if len(dataKey) != payload.KeySize {
		return kms.Wrapped{}, fmt.Errorf("data key must be %d bytes: got %d", payload.KeySize, len(dataKey))
	}
	in := &kmspb.EncryptRequest{Name: m.wrappingName(), Plaintext: dataKey, PlaintextCrc32C: wrapperspb.Int64(checksum(dataKey))}
	var ciphertext []byte
	err = p.call(ctx, request{"Encrypt", m, dataKey}, func(ctx context.Context, client *cloudkms.KeyManagementClient) error {
		out, err := client.Encrypt(ctx, in, once())
		if err != nil {
			return err
		}
		ciphertext = out.GetCiphertext()
		return check(ciphertext, out.GetCiphertextCrc32C(), out.GetVerifiedPlaintextCrc32C())
	})
	if err != nil {
		return kms.Wrapped{}, err
	}
	return kms.Wrapped{KeyMaterial: ciphertext, MasterKey: m.document()}, nil
}

// UnwrapKey decrypts what WrapKey, or any official driver, made.
func (p *provider) UnwrapKey(ctx context.Context, doc bson.Raw, keyMaterial []byte) ([]byte, error) {
	plaintext, _, err := p.decrypt(ctx, doc, keyMaterial)
	return plaintext, err
}

// decrypt says besides whether the key's primary version was used.
func (p *provider) decrypt(ctx context.Context, doc bson.Raw, keyMaterial []byte) (plaintext []byte, usedPrimary bool, err error) {
	m, err := p.parse(doc, true)
	if err != nil {
		return nil, false, err
	}
	if len(keyMaterial) == 0 {
		return nil, false, errors.New("the wrapped data key is empty")
	}
	in := &kmspb.DecryptRequest{Name: m.name(), Ciphertext: keyMaterial, CiphertextCrc32C: wrapperspb.Int64(checksum(keyMaterial))}
	err = p.call(ctx, request{"Decrypt", m, nil}, func(ctx context.Context, client *cloudkms.KeyManagementClient) error {
		out, err := client.Decrypt(ctx, in, once())
		if err != nil {
			return err
		}
		plaintext, usedPrimary = out.GetPlaintext(), out.GetUsedPrimary()
		return check(plaintext, out.GetPlaintextCrc32C(), true)
	})
	if err != nil {
		clear(plaintext)
		return nil, false, err
	}
	return plaintext, usedPrimary, nil
}

func (p *provider) parse(doc bson.Raw, stored bool) (masterKey, error) {
	m, err := parseMasterKey(doc, stored)
	if err == nil && m.endpoint != "" {
		err = p.hosts.Check(m.endpoint, host(m.url), "443")
	}
	return m, err
}

// request is what errors tell of a call.
type request struct {
	operation string
	key       masterKey
	secret    []byte // that it carries, if any
}

// call asks until there is an answer, or a failure that will stay.
func (p *provider) call(ctx context.Context, r request, ask func(context.Context, *cloudkms.KeyManagementClient) error) error {
	ctx, cancel := kmsconfig.WithTimeout(ctx, kmsconfig.Timeout)
	defer cancel()
	for attempt := 0; ; attempt++ {
		t, err := p.attempt(ctx, r.key.url, ask)
		if err == nil {
			return nil
		}
		failed := p.failure(ctx, r, t, err)
		if !failed.CanRetry || attempt+1 == maxAttempts || ctx.Err() != nil {
			return failed
		}
		wait := time.NewTimer(rand.N(min(firstWait<<attempt, longestWait)))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return p.failure(ctx, r, t, ctx.Err())
		}
	}
}

// attempt asks once, and returns the token that it asked with. A token that was kept may have been revoked since: then it asks for another.
func (p *provider) attempt(ctx context.Context, url string, ask func(context.Context, *cloudkms.KeyManagementClient) error) (token, error) {
	t, kept, err := p.credentials.get(ctx)
	if err != nil {
		return t, err
	}
	err = p.send(ctx, url, t, ask)
	if !kept || status(err) != http.StatusUnauthorized {
		return t, err
	}
	if t, err = p.credentials.replace(ctx, t); err != nil {
		return t, err
	}
	return t, p.send(ctx, url, t, ask)
}

// send asks with a token. A client is made for each request: it is little more than the endpoint, and the connections are those of p.http. It is
// given a logger, for the environment can make its own one print the data key.
func (p *provider) send(ctx context.Context, url string, t token, ask func(context.Context, *cloudkms.KeyManagementClient) error) error {
	client, err := cloudkms.NewKeyManagementRESTClient(ctx, option.WithHTTPClient(p.http), option.WithEndpoint(url), option.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return err
	}
	headers := []string{"Authorization", "Bearer " + t.value}
	if t.quotaProject != "" {
		headers = append(headers, "X-Goog-User-Project", t.quotaProject)
	}
	return ask(callctx.SetHeaders(ctx, headers...), client)
}

// once leaves it to call to ask again.
func once() gax.CallOption {
	return gax.WithRetry(func() gax.Retryer { return nil })
}

func checksum(b []byte) int64 {
	return int64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// check verifies a reply; sum is nil when it has none.
func check(b []byte, sum *wrapperspb.Int64Value, requestVerified bool) error {
	switch {
	case len(b) == 0:
		return errEmpty
	case !requestVerified || sum == nil || sum.GetValue() != checksum(b):
		return errDamaged
	}
	return nil
}
