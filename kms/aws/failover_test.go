package aws_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/aws"
)

const (
	inUSEast1, inUSWest2, inEUWest1 = "arn:aws:kms:us-east-1:111122223333:key/", "arn:aws:kms:us-west-2:111122223333:key/", "arn:aws:kms:eu-west-1:111122223333:key/"
	mrk                             = "mrk-1234abcd12ab34cd56ef1234567890ab"
)

// asked is which regions were asked for which keys, without the repetitions of retries.
func asked(s *mock.Server) (all []string) {
	for _, c := range s.Calls() {
		all = append(all, c.Region+" "+c.KeyID)
	}
	return slices.Compact(all)
}

// forever answers nothing until the client goes away.
func forever(ctx context.Context) *mock.Answer {
	<-ctx.Done()
	return &mock.Answer{Drop: true}
}

func TestFailover(t *testing.T) {
	t.Parallel()
	replicas := []mock.Key{{ARN: inUSEast1 + mrk, Aliases: []string{"alias/a"}}, {ARN: inUSWest2 + mrk, Aliases: []string{"alias/a"}}, {ARN: inEUWest1 + mrk}, {ARN: inUSEast1 + "single"}}
	down := &mock.Answer{Status: http.StatusServiceUnavailable}
	throttled := &mock.Answer{Code: "ThrottlingException", Message: "Rate exceeded"}
	denied := &mock.Answer{Code: "AccessDeniedException", Message: "no"}
	var all sync.WaitGroup // of cases, at once whatever -parallel is: the SDK waits between its attempts
	defer all.Wait()
	for name, tt := range map[string]struct {
		key       string
		endpoint  string
		regions   []string                // to fail over to; nil is us-east-1, us-west-2 and eu-west-1
		answers   map[string]*mock.Answer // by region
		asked     []string                // without those of a mrk-ARN
		code      string                  // empty is success
		message   string
		denied    bool
		temporary bool
	}{
		"up":             {key: inUSEast1 + mrk, asked: []string{"us-east-1 " + inUSEast1 + mrk}},
		"first down":     {key: inUSEast1 + mrk, answers: map[string]*mock.Answer{"us-east-1": down}, asked: []string{"us-east-1 " + inUSEast1 + mrk, "us-west-2 " + inUSWest2 + mrk}},
		"throttled":      {key: inUSEast1 + mrk, answers: map[string]*mock.Answer{"us-east-1": throttled}, asked: []string{"us-east-1 " + inUSEast1 + mrk, "us-west-2 " + inUSWest2 + mrk}},
		"no connection":  {key: inUSEast1 + mrk, answers: map[string]*mock.Answer{"us-east-1": {Drop: true}}, asked: []string{"us-east-1 " + inUSEast1 + mrk, "us-west-2 " + inUSWest2 + mrk}},
		"two down":       {key: mrk, answers: map[string]*mock.Answer{"us-east-1": down, "us-west-2": down}, asked: []string{"us-east-1 " + mrk, "us-west-2 " + mrk, "eu-west-1 " + mrk}},
		"no replica":     {key: mrk, regions: []string{"ap-south-1", "eu-west-1"}, answers: map[string]*mock.Answer{"us-east-1": down}, asked: []string{"us-east-1 " + mrk, "ap-south-1 " + mrk, "eu-west-1 " + mrk}},
		"no replica yet": {key: mrk, regions: []string{"ap-south-1"}, answers: map[string]*mock.Answer{"us-east-1": down}, asked: []string{"us-east-1 " + mrk, "ap-south-1 " + mrk}, code: "NotFoundException", message: "Key '" + mrk + "' does not exist (asked in us-east-1, ap-south-1)", temporary: true},
		"all down": {key: mrk, answers: map[string]*mock.Answer{"us-east-1": down, "us-west-2": down, "eu-west-1": throttled}, asked: []string{"us-east-1 " + mrk, "us-west-2 " + mrk, "eu-west-1 " + mrk},
			code: "ThrottlingException", message: "Rate exceeded (asked in us-east-1, us-west-2, eu-west-1)", temporary: true},
		"denied":      {key: mrk, answers: map[string]*mock.Answer{"us-east-1": denied}, asked: []string{"us-east-1 " + mrk}, code: "AccessDeniedException", message: "no", denied: true},
		"not found":   {key: mrk + "0", asked: []string{"us-east-1 " + mrk + "0"}, code: "NotFoundException", denied: true},
		"one region":  {key: inUSEast1 + "single", answers: map[string]*mock.Answer{"us-east-1": throttled}, asked: []string{"us-east-1 " + inUSEast1 + "single"}, code: "ThrottlingException", message: "Rate exceeded", temporary: true},
		"alias":       {key: "alias/a", answers: map[string]*mock.Answer{"us-east-1": throttled}, asked: []string{"us-east-1 alias/a"}, code: "ThrottlingException", message: "Rate exceeded", temporary: true},
		"endpoint":    {key: mrk, endpoint: "vpce-1.kms.us-east-1.vpce.amazonaws.com", answers: map[string]*mock.Answer{"us-east-1": throttled}, asked: []string{"us-east-1 " + mrk}, code: "ThrottlingException", message: "Rate exceeded", temporary: true},
		"then denied": {key: mrk, answers: map[string]*mock.Answer{"us-east-1": down, "us-west-2": denied}, asked: []string{"us-east-1 " + mrk, "us-west-2 " + mrk}, code: "AccessDeniedException", message: "no (asked in us-east-1, us-west-2)", temporary: true},
	} {
		all.Go(func() {
			t.Run(name, func(t *testing.T) {
				s := run(t, mock.Options{Keys: replicas, Intercept: func(_ context.Context, c mock.Call) *mock.Answer { return tt.answers[c.Region] }})
				regions := tt.regions
				if regions == nil {
					regions = []string{"us-east-1", "us-west-2", "eu-west-1"}
				}
				fields := []any{"region", "us-east-1", "key", tt.key}
				if tt.endpoint != "" {
					fields = append(fields, "endpoint", tt.endpoint)
				}
				p := open(t, aws.Type{HTTPClient: s.HTTPClient(), FailoverRegions: regions}, "aws", static(mock.Access()))
				w, err := p.WrapKey(t.Context(), doc(t, fields...), dataKey())
				if diff := cmp.Diff(tt.asked, asked(s)); diff != "" {
					t.Errorf("asked (-want +got):\n%s", diff)
				}
				if tt.code == "" {
					checkFailedOver(t, p, w, err, doc(t, fields...))
					return
				}
				var e *kms.Error
				if !errors.As(err, &e) || e.Code != tt.code || tt.message != "" && e.Message != tt.message || errors.Is(err, kms.ErrDenied) != tt.denied || e.Temporary() != tt.temporary {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func checkFailedOver(t *testing.T, p kms.Provider, w kms.Wrapped, err error, masterKey bson.Raw) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(w.MasterKey, masterKey) {
		t.Errorf("the masterKey became %s", w.MasterKey)
	}
	if got, err := p.UnwrapKey(t.Context(), w.MasterKey, w.KeyMaterial); err != nil || !bytes.Equal(got, dataKey()) {
		t.Errorf("not the data key; error %v", err)
	}
}

// A region that never answers leaves the others their share of the time; one caller's end ends all.
func TestFailoverTime(t *testing.T) {
	t.Parallel()
	began := make(chan struct{}, 9)
	s := run(t, mock.Options{Keys: []mock.Key{{ARN: inUSEast1 + mrk}, {ARN: inUSWest2 + mrk}}, Intercept: func(ctx context.Context, c mock.Call) *mock.Answer {
		if c.Region != "us-east-1" {
			return nil
		}
		began <- struct{}{}
		return forever(ctx)
	}})
	p := open(t, aws.Type{HTTPClient: s.HTTPClient(), FailoverRegions: []string{"us-west-2"}}, "aws", static(mock.Access()))
	masterKey := doc(t, "region", "us-east-1", "key", mrk)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second) // a busy machine must get to the second region in its share
	defer cancel()
	if _, err := p.WrapKey(ctx, masterKey, dataKey()); err != nil {
		t.Fatal(err) // perhaps nobody was asked: then nothing has begun
	}
	<-began
	n := len(s.Calls())
	ctx, cancel = context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	if _, err := p.WrapKey(ctx, masterKey, dataKey()); !errors.Is(err, context.Canceled) || len(s.Calls()) != n+1 {
		t.Errorf("cancelled: %v, %v", err, asked(s))
	}
}

// A region that is gone from the name service is down, though trying again at once does not help; one with a wrong certificate is not.
func TestFailoverWithoutAddress(t *testing.T) {
	s := run(t, mock.Options{Keys: []mock.Key{{ARN: inUSWest2 + mrk}}})
	for _, tt := range []struct {
		err error
		ok  bool
	}{{&net.DNSError{Err: "no such host", IsNotFound: true}, true}, {&tls.CertificateVerificationError{Err: errors.New("expired")}, false}} {
		tried := 0
		client := &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "kms.us-east-1.amazonaws.com" {
				tried++
				return nil, tt.err
			}
			return s.HTTPClient().Transport.RoundTrip(r)
		})}
		p := open(t, aws.Type{HTTPClient: client, FailoverRegions: []string{"us-west-2"}}, "aws", static(mock.Access()))
		if _, err := p.WrapKey(t.Context(), doc(t, "region", "us-east-1", "key", mrk), dataKey()); (err == nil) != tt.ok || tried != 1 {
			t.Errorf("%v: got %v after %d attempts", tt.err, err, tried)
		}
	}
}

func TestFailoverRegions(t *testing.T) {
	for _, region := range []string{"", "us-east-1.evil.example", "US-EAST-1", "us_east"} {
		_, err := aws.Type{FailoverRegions: []string{"us-west-2", region}}.Open(kms.ID{Type: "aws"}, doc(t, "accessKeyId", "a", "secretAccessKey", "0123456789"))
		if err == nil || !strings.Contains(err.Error(), "is not a region's name") {
			t.Errorf("%q: got %v", region, err)
		}
	}
}
