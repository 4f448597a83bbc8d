package gcp

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

const metadataPath = "/computeMetadata/v1/instance/service-accounts/default/token"

// ServeHTTP answers one request: the token endpoint's and Cloud KMS's by their hosts, the metadata server's by its path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20)) // only then does the server notice that the client goes away
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	call := Call{Host: r.Host, Token: token}
	switch name, operation, found := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/"), ":"); {
	case r.URL.Path == metadataPath:
		call.Operation = "metadata"
	case r.URL.Path == "/token" && r.Host == s.options.TokenHost:
		call.Operation = "token"
	case found && strings.HasPrefix(r.URL.Path, "/v1/"):
		call.Name, call.Operation = name, operation
	}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.mu.Unlock()
	if s.options.Intercept != nil {
		if a := s.options.Intercept(r.Context(), call); a != nil {
			a.send(w)
			return
		}
	}
	switch call.Operation {
	case "metadata":
		s.serveMetadata(w, r)
	case "token":
		s.serveToken(w, r)
	default:
		s.serveKMS(w, r, call)
	}
}

// request is the body of encrypt and decrypt.
type request struct {
	Plaintext        []byte `json:"plaintext"`
	PlaintextCRC32C  *int64 `json:"plaintextCrc32c,string"`
	Ciphertext       []byte `json:"ciphertext"`
	CiphertextCRC32C *int64 `json:"ciphertextCrc32c,string"`
}

// response is the body of their replies.
type response struct {
	Name             string `json:"name,omitempty"`
	Ciphertext       []byte `json:"ciphertext,omitempty"`
	CiphertextCRC32C int64  `json:"ciphertextCrc32c,string,omitempty"`
	VerifiedCRC32C   bool   `json:"verifiedPlaintextCrc32c,omitempty"`
	Plaintext        []byte `json:"plaintext,omitempty"`
	PlaintextCRC32C  int64  `json:"plaintextCrc32c,string,omitempty"`
	UsedPrimary      bool   `json:"usedPrimary,omitempty"`
	ProtectionLevel  int    `json:"protectionLevel"`
}

const software = 1 // protection level

func (s *Server) serveKMS(w http.ResponseWriter, r *http.Request, call Call) {
	if !s.isGood(call.Token) {
		refuse(http.StatusUnauthorized, "UNAUTHENTICATED", "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.").send(w)
		return
	}
	if want := s.options.QuotaProject; r.Header.Get("X-Goog-User-Project") != want {
		refuse(http.StatusForbidden, "PERMISSION_DENIED", "The mock expects the quota project "+want).send(w)
		return
	}
	var in request
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Method != http.MethodPost {
		refuse(http.StatusBadRequest, "INVALID_ARGUMENT", "Invalid JSON payload received.").send(w)
		return
	}
	do := map[string]func(string, request) (*response, *refusal){"encrypt": s.encrypt, "decrypt": s.decrypt}[call.Operation]
	if do == nil {
		refuse(http.StatusNotFound, "NOT_FOUND", "Method not found.").send(w)
		return
	}
	s.mu.Lock()
	out, refused := do(call.Name, in)
	s.mu.Unlock()
	if refused != nil {
		refused.send(w)
		return
	}
	reply(w, http.StatusOK, out)
}

func (s *Server) isGood(token string) bool {
	for _, t := range s.options.Tokens {
		if t == token {
			return true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.tokens[token])
}
