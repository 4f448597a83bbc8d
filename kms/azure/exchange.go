package azure

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// exchangeKey is where the context of a request has its *exchange.
type exchangeKey struct{}

// exchange is the last request of an attempt and what became of it. The SDK's errors do not tell: those of azidentity keep nothing of the network's
// but the text, and their text includes the whole answer.
type exchange struct {
	tokenFailed bool     // the attempt ended before the vault was asked
	host        string   // that was asked
	status      int      // 0 without an answer
	public      bool     // the answer was good and has no secrets: where the identity platform gives tokens
	refusal     []byte   // the answer, if its status is an error
	secrets     []string // of the request
	err         error    // of the network
}

func (x *exchange) forget() { *x = exchange{} }

// transport sends the SDK's requests, and reads the answers whole: they are short.
type transport struct{ client *http.Client }

// ownTransport is the standard library's, which goes to the metadata service without a proxy, since that would see the token, and keeps the connections
// of data keys that are unwrapped in parallel.
func ownTransport() http.RoundTripper {
	standard, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	own := standard.Clone()
	own.MaxIdleConnsPerHost = 32
	if proxy := own.Proxy; proxy != nil {
		own.Proxy = func(r *http.Request) (*url.URL, error) {
			if r.URL.Hostname() == "169.254.169.254" {
				return nil, nil
			}
			return proxy(r)
		}
	}
	return own
}

// Do notes the exchange in the request's context.
func (t *transport) Do(req *http.Request) (*http.Response, error) {
	x, ok := req.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		x = &exchange{} // the SDK took the context away
	}
	x.forget()
	x.host = req.URL.Host
	reply, body, err := t.send(req)
	if err != nil {
		x.err = err
		return nil, err
	}
	reply.Body = io.NopCloser(bytes.NewReader(body))
	x.status, x.secrets = reply.StatusCode, secrets(req) // not before: the SDK's GetBody rewinds the one body
	x.public = x.status == http.StatusOK && strings.HasSuffix(req.URL.Path, "/.well-known/openid-configuration")
	if x.status >= 400 {
		x.refusal = body
	}
	return reply, nil
}

func (t *transport) send(req *http.Request) (*http.Response, []byte, error) {
	if req.URL.Scheme != "https" && isForm(req) && req.URL.Hostname() != "localhost" { // Cloud Shell gives managed identities there
		return nil, nil, errInClear
	}
	reply, err := t.client.Do(req)
	if err != nil {
		var outer *url.Error
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return nil, nil, err
	}
	body, err := io.ReadAll(reply.Body)
	return reply, body, errors.Join(err, reply.Body.Close())
}

// errInClear is for a request that the identity platform's own description would have sent in clear.
var errInClear = errors.New("the identity platform names an endpoint without TLS")

// isForm says whether the request is of the kind that carries client credentials.
func isForm(req *http.Request) bool {
	return strings.HasPrefix(req.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// secrets are the texts of a request that an answer could repeat.
func secrets(req *http.Request) []string {
	all := []string{strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")}
	if req.GetBody == nil || !isForm(req) {
		return all
	}
	body, err := req.GetBody()
	if err != nil {
		return all
	}
	sent, _ := io.ReadAll(body) // from memory
	form, _ := url.ParseQuery(string(sent))
	for _, name := range []string{"client_secret", "client_assertion"} {
		all = append(all, form.Get(name))
	}
	return all
}

// temporary says whether the official drivers would ask again: after these answers and when there was none, unless by what the two ends of TLS
// hold against each other.
func (x *exchange) temporary() bool {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert *net.OpError
	var long *http.MaxBytesError
	switch {
	case x.err == nil:
		return slices.Contains([]int{408, 429, 500, 502, 503, 504}, x.status)
	case errors.As(x.err, &certificate), errors.As(x.err, &record), errors.As(x.err, &alert) && alert.Op == "remote error", errors.As(x.err, &long):
		return false
	}
	return !errors.Is(x.err, context.Canceled) && !errors.Is(x.err, errInClear)
}
