package kmsconfig

import (
	"crypto/tls"
	"errors"
	"net/http"
)

// maxReply is far beyond any reply of a KMS.
const maxReply = 1 << 20

// HTTPClient returns a client that shares base's connections unless TLS options are given; a nil base stands for one with fallback. It follows no
// redirect, which would send a data key to whom a reply says, and cuts replies off at 1 MiB.
func HTTPClient(base *http.Client, fallback http.RoundTripper, options *tls.Config) (*http.Client, error) {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	under := fallback
	if base != nil {
		client.Timeout = base.Timeout
		if base.Transport != nil {
			under = base.Transport
		}
	}
	if under == nil {
		under = http.DefaultTransport
	}
	transport, ok := under.(*http.Transport)
	if options != nil {
		if !ok {
			return nil, errors.New("TLS options are given, but the HTTP client's transport is not an *http.Transport that could take them")
		}
		//lint:ignore SA1019 the deprecated field is used where it is set
		if transport.DialTLSContext != nil || transport.DialTLS != nil {
			return nil, errors.New("TLS options are given, but the HTTP client's transport makes TLS itself, by DialTLSContext: give it DialContext instead")
		}
		transport = transport.Clone()
		transport.TLSClientConfig = options.Clone()
		under = transport
	}
	if ok {
		if err := CheckTLS(transport.TLSClientConfig); err != nil {
			return nil, err
		}
	}
	client.Transport = bounded{under}
	return client, nil
}

// CheckTLS refuses options with which others could read the data keys; the texts begin like the official drivers'.
func CheckTLS(options *tls.Config) error {
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

// bounded cuts replies off at maxReply: clients read them whole.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	reply, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		reply.Body = http.MaxBytesReader(nil, reply.Body, maxReply)
	}
	return reply, err
}
