package aws

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"go.mongodb.org/mongo-driver/v2/bson"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// issuer gives temporary credentials, each time others, by a clock that the test moves.
type issuer struct {
	time   time.Time
	life   time.Duration // 0 is without end
	issued int
	err    error
}

func (i *issuer) now() time.Time { return i.time }

func (i *issuer) Retrieve(context.Context) (sdk.Credentials, error) {
	if i.err != nil {
		return sdk.Credentials{}, i.err
	}
	i.issued++
	c := issue(i.issued)
	return sdk.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, CanExpire: i.life != 0, Expires: i.time.Add(i.life)}, nil
}

func issue(n int) mock.Credentials {
	return mock.Credentials{AccessKeyID: fmt.Sprint("ASIA", n), SecretAccessKey: fmt.Sprint("CANARY secret of the number ", n), SessionToken: fmt.Sprint("CANARY token", n)}
}

func TestCredentialsLiveThroughExpiries(t *testing.T) {
	s, err := mock.Run(context.Background(), mock.Options{Credentials: []mock.Credentials{issue(1), issue(2), issue(3)}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	i := &issuer{time: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), life: time.Hour}
	p, err := Type{HTTPClient: s.HTTPClient(), Credentials: map[string]sdk.CredentialsProvider{"aws": i}, now: i.now}.Open(kms.ID{Type: "aws"}, bson.Raw(empty))
	if err != nil {
		t.Fatal(err)
	}
	masterKey, err := bson.Marshal(bson.D{{Key: "region", Value: "us-east-1"}, {Key: "key", Value: mock.SpecKeyARN}})
	if err != nil {
		t.Fatal(err)
	}
	for n, step := range []struct {
		after time.Duration
		want  string
		err   error // of the issuer
	}{
		{0, "ASIA1", nil}, {0, "ASIA1", nil}, {58 * time.Minute, "ASIA1", nil},
		{time.Minute, "ASIA2", nil}, // a minute before the first expiry
		{time.Minute, "ASIA2", nil}, {57 * time.Minute, "ASIA2", nil},
		{90 * time.Second, "ASIA2", errors.New("out of order")}, // they still last
		{10 * time.Second, "ASIA3", nil},                        // before the second
		{time.Hour, "", errors.New("out of order")},
	} {
		i.time, i.err = i.time.Add(step.after), step.err
		_, err := p.WrapKey(t.Context(), masterKey, make([]byte, 96))
		var e *kms.Error
		if step.want == "" {
			if !errors.As(err, &e) || e.Message != "getting credentials: out of order" || errors.Is(err, kms.ErrDenied) {
				t.Errorf("step %d: got %v", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("step %d: %v", n, err)
		}
		if calls := s.Calls(); calls[len(calls)-1].AccessKeyID != step.want {
			t.Errorf("step %d: signed by %s, want %s", n, calls[len(calls)-1].AccessKeyID, step.want)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", p, p, p); strings.Contains(text, "CANARY") {
		t.Errorf("a secret in %s", text)
	}
}

func TestCredentialsGiven(t *testing.T) {
	i := &issuer{}
	c := newCache(i, nil)
	for n := range 3 {
		if got, err := c.retrieve(t.Context()); err != nil || got.AccessKeyID != issue(n+1).AccessKeyID {
			t.Errorf("without expiry: got %q, %v", got.AccessKeyID, err)
		}
	}
	for want, given := range map[string]sdk.Credentials{
		"no access key id":              {SecretAccessKey: "CANARY"},
		"no secret access key":          {AccessKeyID: "A"},
		"expired at 2000-01-01T00:00:0": {AccessKeyID: "A", SecretAccessKey: "CANARY", CanExpire: true, Expires: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		c := newCache(sdk.CredentialsProviderFunc(func(context.Context) (sdk.Credentials, error) { return given, nil }), nil)
		if _, err := c.retrieve(t.Context()); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// Callers share one renewal; one who gives up leaves it to the others.
func TestCredentialsConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		source := sdk.CredentialsProviderFunc(func(ctx context.Context) (sdk.Credentials, error) {
			asked++
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return sdk.Credentials{}, ctx.Err()
			}
			return sdk.Credentials{AccessKeyID: "A", SecretAccessKey: "0123456789", CanExpire: true, Expires: time.Now().Add(time.Hour)}, nil
		})
		c := newCache(source, nil)
		impatient, cancel := context.WithCancel(t.Context())
		for range 2 {
			go func() {
				if _, err := c.retrieve(impatient); !errors.Is(err, context.Canceled) {
					t.Errorf("impatient: got %v", err)
				}
			}()
		}
		synctest.Wait()
		for range 10 {
			go func() {
				if got, err := c.retrieve(t.Context()); err != nil || got.AccessKeyID != "A" {
					t.Errorf("got %q, %v", got.AccessKeyID, err)
				}
			}()
		}
		synctest.Wait()
		cancel()
		time.Sleep(time.Minute)
		synctest.Wait()
		if asked != 2 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// Prose test 26 of the driver specification "Client Side Encryption".
func TestCredentialsGivenTwice(t *testing.T) {
	full, err := bson.Marshal(bson.D{{Key: "accessKeyId", Value: "A"}, {Key: "secretAccessKey", Value: "CANARY 0123456789"}})
	if err != nil {
		t.Fatal(err)
	}
	typ := Type{Credentials: map[string]sdk.CredentialsProvider{"aws": &issuer{}, "aws:prod": &issuer{}}}
	for _, id := range []kms.ID{{Type: "aws"}, {Type: "aws", Name: "prod"}} {
		if p, err := typ.Open(id, full); p != nil || err == nil || !strings.Contains(err.Error(), "given twice") {
			t.Errorf("%s: got %v", id, err)
		}
		if _, err := typ.Open(id, bson.Raw(empty)); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := typ.Open(kms.ID{Type: "aws", Name: "other"}, full); err != nil {
		t.Errorf("another provider's: %v", err)
	}
}
