package vault

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/openbao/openbao/api/v2"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

// How often and after how long the official drivers ask again.
const (
	maxRetries  = 3
	firstWait   = 200 * time.Millisecond // doubles
	longestWait = 20 * time.Second
)

// client sends requests to one Vault.
type client struct {
	api      *api.Client
	endpoint string // host[:port]
}

// newClient switches off what the library does by itself. config is one that NewConfig made, which keeps the library from the environment.
func newClient(config *api.Config, sender *http.Client, address, namespace string) (*client, error) {
	config.Address = address
	config.HttpClient = sender
	config.Timeout = 0 // the caller's context and sender have theirs
	config.DisableRedirects = true
	config.MaxRetries = maxRetries
	config.CheckRetry = func(ctx context.Context, answer *http.Response, err error) (bool, error) {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		return err != nil && temporary(err) || err == nil && temporaryStatus(answer.StatusCode), nil
	}
	config.Backoff = func(_, _ time.Duration, attempt int, _ *http.Response) time.Duration {
		return rand.N(min(firstWait<<attempt, longestWait))
	}
	c, err := api.NewClient(config)
	if err != nil {
		return nil, errors.New(entry + ": the client library refuses it")
	}
	if namespace != "" {
		c.SetNamespace(namespace)
	}
	_, host, _ := strings.Cut(address, "://")
	return &client{api: c, endpoint: host}, nil
}

// request is one for Vault.
type request struct {
	method    string // empty is PUT
	operation string // the path as policies name it, without the key: "transit/decrypt"
	key       string // in the path; empty for none
	token     string
	body      map[string]any
	secrets   []string // that answers must not repeat, besides the token
}

// do sends the request and reads the answer to it. Its errors are of type *kms.Error, without provider and key.
func (c *client) do(ctx context.Context, r request, to any) error {
	method, path := r.method, "/v1/"+r.operation
	if method == "" {
		method = http.MethodPut
	}
	if r.key != "" {
		path += "/" + r.key
	}
	asked := c.api.NewRequest(method, path)
	asked.ClientToken = r.token
	if r.body != nil {
		if err := asked.SetJSONBody(r.body); err != nil {
			return errors.New("the request cannot be written as JSON")
		}
	}
	// Not through Logical: its calls take the token from the client, which callers share, and do not give the status.
	answer, err := c.api.RawRequestWithContext(ctx, asked)
	status := 0
	if answer != nil {
		defer func() { _ = answer.Body.Close() }()
		status = answer.StatusCode
	}
	if err != nil {
		return c.failure(r, status, err)
	}
	body, err := io.ReadAll(answer.Body)
	defer clear(body)
	var tooLong *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLong) {
		return c.failure(r, 0, err) // it broke off
	}
	if err != nil || status != http.StatusOK || json.Unmarshal(body, to) != nil {
		return c.failure(r, status, errForeign)
	}
	return nil
}

var errForeign = errors.New("the answer is not Vault's")

// failure tells Vault's answers from those of others on the way, and from none.
func (c *client) failure(r request, status int, err error) *kms.Error {
	e := &kms.Error{Operation: r.operation, Endpoint: c.endpoint, Status: status}
	var answer *api.ResponseError
	var unsent *url.Error
	switch {
	case errors.As(err, &answer) && !answer.RawError && answer.Errors != nil:
		e.Message = strings.Join(answer.Errors, "; ")
		if e.Message == "" {
			e.Message = http.StatusText(status)
		}
		if isDenial(r, status, answer.Errors) {
			e.Cause = kms.ErrDenied
		}
	case status >= 300 && status < 400:
		e.Message = "redirected, which is not followed: the endpoint must be that of the active node, or of a load balancer that finds it"
	case status != 0:
		e.Message = errForeign.Error()
	case errors.As(err, &unsent):
		e.Message = unsent.Err.Error() // without the URL
	default:
		e.Message = err.Error()
	}
	e.Message = presentable(e.Message, append(r.secrets, r.token))
	e.CanRetry = status == 0 && temporary(err) || temporaryStatus(status)
	return e
}
