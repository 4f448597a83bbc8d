package aws_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/goleak"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/aws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// specMaterial is the keyMaterial of the AWS data keys of the MongoDB driver specification "Client Side Encryption".
const specMaterial = "AQICAHhQNmWG2CzOm1dq3kWLM+iDUZhEqnhJwH9wZVpuZ94A8gEqnsxXlR51T5EbEVezUqqKAAAAwjCBvwYJKoZIhvcNAQcGoIGxMIGuAgEAMIGoBgkqhkiG9w0BBwEwHgYJYIZIAWUDBAEuMBEEDHa4jo6yp0Z18KgbUgIBEIB74sKxWtV8/YHje5lv5THTl0HIbhSwM6EqRlmBiFFatmEWaeMk4tO4xBX65eq670I5TWPSLMzpp8ncGHMmvHqRajNBnmFtbYxN3E3/WjxmdbOOe+OXpnGJPcGsftc7cB2shRfA4lICPnE26+oVNXT6p0Lo20nY5XC7jyCO"

func run(t testing.TB, o mock.Options) *mock.Server {
	t.Helper()
	s, err := mock.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func static(c mock.Credentials) map[string]any {
	fields := map[string]any{"accessKeyId": c.AccessKeyID, "secretAccessKey": c.SecretAccessKey}
	if c.SessionToken != "" {
		fields["sessionToken"] = c.SessionToken
	}
	return fields
}

func open(t testing.TB, typ aws.Type, id string, fields map[string]any) kms.Provider {
	t.Helper()
	set, err := kms.Open(map[string]map[string]any{id: fields}, typ)
	if err != nil {
		t.Fatal(err)
	}
	p, err := set.Provider(id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func openDefault(t testing.TB, s *mock.Server) kms.Provider {
	t.Helper()
	return open(t, aws.Type{HTTPClient: s.HTTPClient()}, "aws", static(mock.Access()))
}

func doc(t testing.TB, pairs ...any) bson.Raw {
	t.Helper()
	d := bson.D{}
	for i := 0; i < len(pairs); i += 2 {
		d = append(d, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func specKey(t testing.TB) bson.Raw { return doc(t, "region", "us-east-1", "key", mock.SpecKeyARN) }

// dataKey is 96 bytes that no other text contains.
func dataKey() []byte { return bytes.Repeat([]byte("CANARYdataKEY+/!"), 6) }

func TestRoundTrip(t *testing.T) {
	temporary := mock.Credentials{AccessKeyID: "ASIATEMPORARY", SecretAccessKey: "another secret of a good length", SessionToken: "the+session/token=="}
	const other = "arn:aws:kms:eu-west-3:111122223333:key/1234"
	s := run(t, mock.Options{
		Credentials: []mock.Credentials{mock.Access(), temporary},
		Keys:        []mock.Key{{ARN: mock.SpecKeyARN, Aliases: []string{"alias/a"}}, {ARN: other}},
		Hosts:       []string{"kms.example.org"},
		Ports:       []string{"443", "8443"},
	})
	for name, tt := range map[string]struct {
		id          string
		credentials mock.Credentials
		masterKey   bson.Raw
		stored      string
		host        string
		unwrapKeyID string
	}{
		"static": {"aws", mock.Access(), specKey(t),
			`{"region": "us-east-1","key": "` + mock.SpecKeyARN + `"}`, "kms.us-east-1.amazonaws.com", mock.SpecKeyARN},
		"temporary, another order": {"aws:temp", temporary, doc(t, "key", other, "region", "eu-west-3"),
			`{"region": "eu-west-3","key": "` + other + `"}`, "kms.eu-west-3.amazonaws.com", other},
		"endpoint": {"aws", mock.Access(), doc(t, "endpoint", "kms.example.org:8443", "region", "us-east-1", "key", mock.SpecKeyARN),
			`{"region": "us-east-1","key": "` + mock.SpecKeyARN + `","endpoint": "kms.example.org:8443"}`, "kms.example.org:8443", mock.SpecKeyARN},
		"endpoint with scheme": {"aws", mock.Access(), doc(t, "region", "us-east-1", "key", mock.SpecKeyARN, "endpoint", "https://kms.example.org/"),
			`{"region": "us-east-1","key": "` + mock.SpecKeyARN + `","endpoint": "https://kms.example.org/"}`, "kms.example.org", mock.SpecKeyARN},
		"alias": {"aws", mock.Access(), doc(t, "region", "us-east-1", "key", "alias/a"),
			`{"region": "us-east-1","key": "alias/a"}`, "kms.us-east-1.amazonaws.com", ""},
	} {
		p := open(t, aws.Type{HTTPClient: s.HTTPClient(), Endpoints: []string{"kms.example.org"}}, tt.id, static(tt.credentials))
		w, err := p.WrapKey(t.Context(), tt.masterKey, dataKey())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if w.MasterKey.String() != tt.stored {
			t.Errorf("%s: got masterKey %s, want %s", name, w.MasterKey, tt.stored)
		}
		got, err := p.UnwrapKey(t.Context(), withProvider(t, tt.id, w.MasterKey), w.KeyMaterial)
		if err != nil || !bytes.Equal(got, dataKey()) {
			t.Errorf("%s: not the data key; error %v", name, err)
		}
		calls := s.Calls()
		if last := calls[len(calls)-1]; last.Host != tt.host || last.KeyID != tt.unwrapKeyID || last.AccessKeyID != tt.credentials.AccessKeyID {
			t.Errorf("%s: asked %+v", name, last)
		}
	}
}

// withProvider is the masterKey as the key vault has it.
func withProvider(t testing.TB, id string, masterKey bson.Raw) bson.Raw {
	t.Helper()
	var d bson.D
	if err := bson.Unmarshal(masterKey, &d); err != nil {
		t.Fatal(err)
	}
	raw, err := bson.Marshal(append(bson.D{{Key: "provider", Value: id}}, d...))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestUnwrapSpecificationKey(t *testing.T) {
	material, err := base64.StdEncoding.DecodeString(specMaterial)
	if err != nil {
		t.Fatal(err)
	}
	want, err := base64.StdEncoding.DecodeString(mock.SpecDataKey)
	if err != nil {
		t.Fatal(err)
	}
	s := run(t, mock.Options{Wrapped: []mock.Wrapped{{KeyARN: mock.SpecKeyARN, Ciphertext: material, Plaintext: want}}})
	stored := doc(t, "provider", "aws", "key", mock.SpecKeyARN, "region", "us-east-1", "endpoint", "kms.us-east-1.amazonaws.com:443")
	got, err := openDefault(t, s).UnwrapKey(t.Context(), stored, material)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("not the data key; error %v", err)
	}
}

func TestConcurrentUse(t *testing.T) {
	s := run(t, mock.Options{})
	p := openDefault(t, s)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			masterKey := specKey(t)
			if i%2 == 0 {
				masterKey = doc(t, "region", "us-east-1", "key", mock.SpecKeyARN, "endpoint", fmt.Sprintf("vpce-%d.kms.us-east-1.vpce.amazonaws.com", i))
			}
			w, err := p.WrapKey(t.Context(), masterKey, dataKey())
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := p.UnwrapKey(t.Context(), w.MasterKey, w.KeyMaterial); err != nil || !bytes.Equal(got, dataKey()) {
				t.Errorf("not the data key; error %v", err)
			}
		})
	}
	wg.Wait()
}
