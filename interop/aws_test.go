package interop

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

func motoClient(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: serverTLS(t)}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// newAWSKey makes a key in moto and returns its ARN.
func newAWSKey(t *testing.T) string {
	t.Helper()
	client := awskms.New(awskms.Options{
		Region: "us-east-1", BaseEndpoint: sdk.String("https://" + setting(t, "MOTO")), HTTPClient: motoClient(t),
		Credentials: credentials.NewStaticCredentialsProvider("interop", "interop", ""),
	})
	key, err := client.CreateKey(t.Context(), &awskms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	return *key.KeyMetadata.Arn
}

func awsMasterKey(t *testing.T, key string) bson.Raw {
	return document(t, bson.D{{Key: "region", Value: "us-east-1"}, {Key: "key", Value: key}, {Key: "endpoint", Value: setting(t, "MOTO")}})
}

func TestAWSRoundTrip(t *testing.T) {
	var c configuration
	c.addAWS(t)
	p := c.open(t, "aws")
	arn := newAWSKey(t)
	_, id, _ := strings.Cut(arn, ":key/")
	dataKey := bytes.Repeat([]byte{7}, 96)
	for _, key := range []string{arn, id} {
		wrapped, err := p.WrapKey(t.Context(), awsMasterKey(t, key), dataKey)
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		got, err := p.UnwrapKey(t.Context(), withProvider(t, "aws", wrapped.MasterKey), wrapped.KeyMaterial)
		if err != nil || !bytes.Equal(got, dataKey) {
			t.Errorf("%s: got %d bytes, %v", key, len(got), err)
		}
	}
}

func TestAWSErrors(t *testing.T) {
	var c configuration
	c.addAWS(t)
	p := c.open(t, "aws")
	masterKey := awsMasterKey(t, newAWSKey(t))
	wrapped, err := p.WrapKey(t.Context(), masterKey, bytes.Repeat([]byte{7}, 96))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("no such key", func(t *testing.T) {
		none := "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
		_, err := p.WrapKey(t.Context(), awsMasterKey(t, none), make([]byte, 96))
		checkError(t, err, kms.Error{Provider: "aws", Operation: "Encrypt", Key: none, Code: "NotFoundException", Status: 400, Cause: kms.ErrDenied})
	})
	t.Run("damaged wrapped key", func(t *testing.T) {
		damaged := bytes.Clone(wrapped.KeyMaterial)
		damaged[len(damaged)-1] ^= 1
		_, err := p.UnwrapKey(t.Context(), withProvider(t, "aws", wrapped.MasterKey), damaged)
		checkError(t, err, kms.Error{Provider: "aws", Operation: "Decrypt", Code: "InvalidCiphertextException", Status: 400})
		if errors.Is(err, kms.ErrDenied) {
			t.Errorf("a damaged key is a denial: %v", err)
		}
	})
	t.Run("key of another master key", func(t *testing.T) {
		_, err := p.UnwrapKey(t.Context(), withProvider(t, "aws", awsMasterKey(t, newAWSKey(t))), wrapped.KeyMaterial)
		checkError(t, err, kms.Error{Provider: "aws", Operation: "Decrypt", Code: "AccessDeniedException", Status: 400, Cause: kms.ErrDenied})
	})
	t.Run("authority not trusted", func(t *testing.T) {
		c := configuration{providers: c.providers}
		_, err := c.open(t, "aws").WrapKey(t.Context(), masterKey, make([]byte, 96))
		checkError(t, err, kms.Error{Provider: "aws", Operation: "Encrypt"})
	})
}

// With its policies switched on moto verifies the signature of each request, and then what the user may do.
func TestAWSPolicies(t *testing.T) {
	var c configuration
	c.addAWS(t)
	masterKey := awsMasterKey(t, newAWSKey(t))
	var allowed, forbidden accessKey
	for name, key := range map[string]*accessKey{"allowed": &allowed, "forbidden": &forbidden} {
		iam(t, url.Values{"Action": {"CreateUser"}, "UserName": {name}})
		*key = iam(t, url.Values{"Action": {"CreateAccessKey"}, "UserName": {name}})
	}
	iam(t, url.Values{"Action": {"PutUserPolicy"}, "UserName": {"allowed"}, "PolicyName": {"p"}, "PolicyDocument": {
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["kms:Encrypt","kms:Decrypt"],"Resource":"*"}]}`}})
	enforce(t, "0")
	t.Cleanup(func() { enforce(t, "inf") })

	as := func(id, secret string) kms.Provider {
		c := configuration{tls: c.tls, providers: map[string]map[string]any{"aws": {"accessKeyId": id, "secretAccessKey": secret}}}
		return c.open(t, "aws")
	}
	p := as(allowed.ID, allowed.Secret)
	wrapped, err := p.WrapKey(t.Context(), masterKey, bytes.Repeat([]byte{7}, 96))
	if err != nil {
		t.Fatal(err)
	}
	stored := withProvider(t, "aws", wrapped.MasterKey)
	if got, err := p.UnwrapKey(t.Context(), stored, wrapped.KeyMaterial); err != nil || !bytes.Equal(got, bytes.Repeat([]byte{7}, 96)) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	for _, test := range []struct{ name, id, secret string }{
		{"no permission", forbidden.ID, forbidden.Secret},
		{"wrong secret", allowed.ID, forbidden.Secret},
		{"unknown access key", "AKIAUNKNOWNUNKNOWNUN", allowed.Secret},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := as(test.id, test.secret).UnwrapKey(t.Context(), stored, wrapped.KeyMaterial)
			// Here moto writes XML, which is not what AWS KMS speaks: so it is no answer of the KMS, and no denial.
			checkError(t, err, kms.Error{Provider: "aws", Operation: "Decrypt", Status: http.StatusForbidden})
			if strings.Contains(err.Error(), test.secret) {
				t.Error("the error quotes the secret access key")
			}
		})
	}
}

type accessKey struct {
	ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
	Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
}

// iam asks moto's identity service, which looks at the region and service of the signature only while policies are off.
func iam(t *testing.T, form url.Values) (key accessKey) {
	t.Helper()
	if err := xml.Unmarshal(post(t, "/", form.Encode(), "iam"), &key); err != nil {
		t.Fatal(err)
	}
	return key
}

// enforce has moto look at policies after so many requests.
func enforce(t *testing.T, after string) { post(t, "/moto-api/reset-auth", after, "") }

func post(t *testing.T, path, body, service string) []byte {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "https://"+setting(t, "MOTO")+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if service != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=interop/20260101/us-east-1/"+service+"/aws4_request, SignedHeaders=host, Signature=0")
	}
	answer, err := motoClient(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("POST %s: %s %s %v", path, answer.Status, text, err)
	}
	return text
}
