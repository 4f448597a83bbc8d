package azure

import (
	"context"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// tokenKey is where the context of a request has its access token.
type tokenKey struct{}

// given is the credential that the SDK knows: the token was got before, so that nobody waits in the SDK's locks, which do not know about
// contexts, and so that no vault has a say in what it is for.
type given struct{}

func (given) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, _ := ctx.Value(tokenKey{}).(azcore.AccessToken)
	return token, nil
}

// challenge answers the SDK's question which credentials a vault wants. The SDK would send a request without any to find out; but the
// answer follows from the vault's name, and that of a hostile host is not to be parsed: the SDK panics on some.
type challenge struct{}

const authenticate = "WWW-Authenticate"

func (challenge) Do(req *policy.Request) (*http.Response, error) {
	raw := req.Raw()
	if raw.Header.Get("Authorization") != "" {
		reply, err := req.Next()
		if err == nil {
			reply.Header.Del(authenticate)
		}
		return reply, err
	}
	_, domain, _ := strings.Cut(raw.URL.Host, ".") // with the port: the SDK verifies that it is the end of the vault's
	reply := &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: http.NoBody, Request: raw}
	reply.Header.Set(authenticate, `Bearer authorization="https://login.invalid/any", resource="https://`+domain+`"`)
	return reply, nil
}
