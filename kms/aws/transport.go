package aws

import (
	"crypto/tls"
	"errors"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// maxReply is far beyond any reply of the KMS.
const maxReply = 1 << 20

// newHTTPClient returns a client that shares base's connections but where options are given.
func newHTTPClient(base *http.Client, options *tls.Config) (*http.Client, error) {
	client := &http.Client{
		// A redirect would send the data key to whom the reply says.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var under http.RoundTripper
	if base != nil {
		under, client.Timeout = base.Transport, base.Timeout
	}
	if under == nil {
		under = awshttp.NewBuildableClient().GetTransport()
	}
	transport, ok := under.(*http.Transport)
	if options != nil {
		if !ok {
			return nil, errors.New("TLS options are given, but the HTTP client's transport is not an *http.Transport that could take them")
		}
		transport = transport.Clone()
		transport.TLSClientConfig = options.Clone()
		under = transport
	}
	if ok {
		if err := checkTLS(transport.TLSClientConfig); err != nil {
			return nil, err
		}
	}
	client.Transport = bounded{under}
	return client, nil
}

// checkTLS refuses options with which others could read the data keys; the first text is the official drivers'.
func checkTLS(options *tls.Config) error {
	switch {
	case options == nil:
		return nil
	case options.InsecureSkipVerify:
		return errors.New("insecure TLS options prohibited: InsecureSkipVerify")
	case options.MinVersion != 0 && options.MinVersion < tls.VersionTLS12, options.MaxVersion != 0 && options.MaxVersion < tls.VersionTLS12:
		return errors.New("insecure TLS options prohibited: TLS 1.2 is the least version")
	}
	return nil
}

// bounded cuts replies off at maxReply: the SDK reads them whole.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	reply, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		reply.Body = http.MaxBytesReader(nil, reply.Body, maxReply)
	}
	return reply, err
}
