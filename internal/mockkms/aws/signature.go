package aws

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// signature is what a good Authorization header says.
type signature struct {
	credentials Credentials
	region      string
	headers     []string // that are signed, in lower case
	time        time.Time
}

const (
	timeFormat = "20060102T150405Z"
	maxSkew    = 5 * time.Minute
)

// verify recomputes the signature of version 4 over what the header says is signed.
func (s *Server) verify(r *http.Request, body []byte) (*signature, *refusal) {
	sig, refused := s.parse(r)
	if refused != nil {
		return nil, refused
	}
	copied := &http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}
	copied.URL.Host = r.Host
	for _, name := range sig.headers {
		if name == "content-length" {
			copied.ContentLength = r.ContentLength
		} else if values := r.Header.Values(name); len(values) > 0 && name != "host" {
			copied.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	hash := sha256.Sum256(body)
	c := sdk.Credentials{AccessKeyID: sig.credentials.AccessKeyID, SecretAccessKey: sig.credentials.SecretAccessKey, SessionToken: sig.credentials.SessionToken}
	err := v4.NewSigner().SignHTTP(context.Background(), c, copied, hex.EncodeToString(hash[:]), "kms", sig.region, sig.time)
	if err != nil || subtle.ConstantTimeCompare([]byte(copied.Header.Get("Authorization")), []byte(r.Header.Get("Authorization"))) != 1 {
		return nil, refuse("InvalidSignatureException", mismatch(r, sig))
	}
	return sig, nil
}

// parse checks all of the Authorization header but the signature itself.
func (s *Server) parse(r *http.Request) (*signature, *refusal) {
	form := regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/kms/aws4_request, SignedHeaders=([^,]+), Signature=[0-9a-f]{64}$`)
	found := form.FindStringSubmatch(r.Header.Get("Authorization"))
	if found == nil {
		return nil, refuse("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	sig := &signature{region: found[3], headers: strings.Split(found[4], ";")}
	for _, name := range []string{"host", "x-amz-date", "x-amz-target", "content-type"} {
		if !slices.Contains(sig.headers, name) {
			return nil, refuse("IncompleteSignatureException", "'"+name+"' must be a signed header")
		}
	}
	var err error
	if sig.time, err = time.Parse(timeFormat, r.Header.Get("X-Amz-Date")); err != nil || sig.time.Format("20060102") != found[2] {
		return nil, refuse("InvalidSignatureException", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP")
	}
	if skew := time.Since(sig.time); skew.Abs() > maxSkew {
		return nil, refuse("InvalidSignatureException", "Signature expired: "+sig.time.Format(timeFormat))
	}
	i := slices.IndexFunc(s.options.Credentials, func(c Credentials) bool { return c.AccessKeyID == found[1] })
	if i < 0 || s.options.Credentials[i].SessionToken != r.Header.Get("X-Amz-Security-Token") {
		return nil, refuse("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	sig.credentials = s.options.Credentials[i]
	if region, ok := regionOf(r.Host); ok && region != sig.region {
		return nil, refuse("InvalidSignatureException", fmt.Sprintf("Credential should be scoped to a valid region, not '%s'. ", sig.region))
	}
	return sig, nil
}

// regionOf tells the region of the public endpoints, those for FIPS 140 and for IPv6 included.
func regionOf(host string) (string, bool) {
	found := regexp.MustCompile(`^kms(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com|amazonaws\.com\.cn|api\.aws)(?::\d+)?$`).FindStringSubmatch(host)
	if found == nil {
		return "", false
	}
	return found[1], true
}

// mismatch is the message of AWS, which quotes what was signed, the session token included.
func mismatch(r *http.Request, sig *signature) string {
	var b strings.Builder
	b.WriteString("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. " +
		"Consult the service documentation for details.\n\nThe Canonical String for this request should have been\n'POST\n/\n\n")
	for _, name := range sig.headers {
		fmt.Fprintf(&b, "%s:%s\n", name, r.Header.Get(name))
	}
	return b.String() + "'"
}
