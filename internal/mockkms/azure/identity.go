package azure

import (
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// grant is what a token is good for.
type grant struct {
	resource string
	expires  time.Time
}

// Token issues an access token for a resource, such as "https://vault.azure.net".
func (s *Server) Token(resource string) string {
	token := "mock-token-" + rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = grant{resource, time.Now().Add(s.options.TokenLife)}
	return token
}

// identity is the identity platform: OpenID discovery, and POST /tenant/oauth2/v2.0/token.
func (s *Server) identity(w http.ResponseWriter, r *http.Request) {
	tenant, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case r.Method == http.MethodGet && path == "v2.0/.well-known/openid-configuration":
		if s.intercepted(w, r, Call{Operation: "discovery"}) {
			return
		}
		base := "https://" + r.Host + "/" + tenant
		reply(w, http.StatusOK, map[string]string{
			"issuer":                 base + "/v2.0",
			"authorization_endpoint": base + "/oauth2/v2.0/authorize",
			"token_endpoint":         base + "/oauth2/v2.0/token",
		})
	case r.Method == http.MethodPost && path == "oauth2/v2.0/token":
		s.clientCredentials(w, r, tenant)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *Server) clientCredentials(w http.ResponseWriter, r *http.Request, tenant string) {
	if err := r.ParseForm(); err != nil {
		return
	}
	sent := r.PostForm.Get("client_secret")
	if sent == "" {
		sent = r.PostForm.Get("client_assertion")
	}
	var resource string
	for scope := range strings.FieldsSeq(r.PostForm.Get("scope")) { // the SDK adds those of OpenID
		if found, ok := strings.CutSuffix(scope, "/.default"); ok {
			resource = found
		}
	}
	if s.intercepted(w, r, Call{Operation: "token", Resource: resource, Sent: sent}) {
		return
	}
	switch {
	case tenant != TenantID:
		refuseToken(w, http.StatusBadRequest, "invalid_request", "AADSTS90002: Tenant '"+tenant+"' not found. Check to make sure you have the correct tenant ID.")
	case r.PostForm.Get("grant_type") != "client_credentials" || resource == "":
		refuseToken(w, http.StatusBadRequest, "invalid_request", "AADSTS900144: The request body must contain the following parameter: 'scope'.")
	case r.PostForm.Get("client_id") != ClientID:
		refuseToken(w, http.StatusBadRequest, "unauthorized_client", "AADSTS700016: Application with identifier '"+r.PostForm.Get("client_id")+"' was not found in the directory.")
	case sent != ClientSecret && r.PostForm.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
		refuseToken(w, http.StatusUnauthorized, "invalid_client", "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.")
	default:
		life := int(s.options.TokenLife.Seconds())
		reply(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": s.Token(resource)})
	}
}

func refuseToken(w http.ResponseWriter, status int, code, description string) {
	reply(w, status, map[string]string{"error": code, "error_description": description + " Trace ID: 0 Correlation ID: 0"})
}

// metadata is GET /metadata/identity/oauth2/token of the instance metadata service.
func (s *Server) metadata(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	resource := strings.TrimSuffix(query.Get("resource"), "/")
	if s.intercepted(w, r, Call{Operation: "metadata", Resource: resource}) {
		return
	}
	if r.Method != http.MethodGet || r.URL.Path != "/metadata/identity/oauth2/token" || r.Header.Get("Metadata") != "true" || query.Get("api-version") != "2018-02-01" {
		refuseToken(w, http.StatusBadRequest, "invalid_request", "Required metadata header not specified")
		return
	}
	if id := query.Get("client_id"); id != "" && id != ClientID {
		refuseToken(w, http.StatusBadRequest, "invalid_request", "Identity not found")
		return
	}
	reply(w, http.StatusOK, map[string]string{
		"access_token": s.Token(resource), "client_id": ClientID, "token_type": "Bearer", "resource": resource,
		"expires_in": strconv.Itoa(int(s.options.TokenLife.Seconds())), // a text
		"expires_on": strconv.FormatInt(time.Now().Add(s.options.TokenLife).Unix(), 10),
	})
}
