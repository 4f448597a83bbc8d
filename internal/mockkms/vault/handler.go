package vault

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// request has the fields of all bodies.
type request struct {
	RoleID               string `json:"role_id"`
	SecretID             string `json:"secret_id"`
	Role                 string `json:"role"`
	JWT                  string `json:"jwt"`
	Plaintext            string `json:"plaintext"`
	Ciphertext           string `json:"ciphertext"`
	KeyVersion           int    `json:"key_version"`
	MinDecryptionVersion int    `json:"min_decryption_version"`
	DeletionAllowed      bool   `json:"deletion_allowed"`
}

// reply is the body of an answer.
type reply struct {
	RequestID string         `json:"request_id"`
	Data      map[string]any `json:"data"`
	Auth      map[string]any `json:"auth"`
}

// refusal is an error as Vault sends it.
type refusal struct {
	status int
	Errors []string `json:"errors"`
}

func refuse(status int, errors ...string) *refusal {
	return &refusal{status, append([]string{}, errors...)}
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		return
	}
	path, _ := strings.CutPrefix(r.URL.EscapedPath(), "/v1/")
	call := Call{Method: r.Method, Path: path, Token: r.Header.Get("X-Vault-Token"), Namespace: strings.Trim(r.Header.Get("X-Vault-Namespace"), "/")}
	n := s.record(call)
	if s.options.Intercept != nil {
		if a := s.options.Intercept(r.Context(), call); a != nil {
			a.send(w)
			return
		}
	}
	var body request
	if len(text) > 0 && json.Unmarshal(text, &body) != nil {
		send(w, http.StatusBadRequest, refuse(0, "error parsing JSON"))
		return
	}
	out, refused := s.answer(n, call, body)
	switch {
	case refused != nil:
		send(w, refused.status, refused)
	case out == nil:
		w.WriteHeader(http.StatusNoContent)
	default:
		out.RequestID = "00000000-0000-0000-0000-000000000000"
		send(w, http.StatusOK, out)
	}
}

// record returns the call's number.
func (s *Server) record(c Call) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
	return len(s.calls) - 1
}

func (s *Server) answer(n int, c Call, body request) (*reply, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed {
		return nil, refuse(http.StatusServiceUnavailable, "Vault is sealed")
	}
	if c.Namespace != s.options.Namespace {
		return nil, refuse(http.StatusNotFound, "no handler for route \""+c.Path+"\". route entry not found.")
	}
	write := c.Method == http.MethodPut || c.Method == http.MethodPost
	if write && strings.HasPrefix(c.Path, "auth/") {
		if out, refused := s.logIn(c.Path, body); out != nil || refused != nil {
			return out, refused
		}
	}
	token := s.token(c.Token)
	if token == nil {
		s.calls[n].Refused = true
		return nil, refuse(http.StatusForbidden, "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n")
	}
	switch {
	case write && c.Path == "auth/token/renew-self":
		return s.renewSelf(token)
	case c.Method == http.MethodGet && c.Path == "auth/token/lookup-self":
		return s.lookUpSelf(token)
	case !s.hasMount(c.Path):
		return nil, refuse(http.StatusNotFound, "no handler for route \""+c.Path+"\". route entry not found.")
	case !write && c.Method != http.MethodDelete && c.Method != http.MethodGet:
		return nil, refuse(http.StatusMethodNotAllowed, "1 error occurred:\n\t* unsupported operation\n\n")
	}
	return s.transit(c.Method, c.Path, body)
}

func (s *Server) hasMount(path string) bool {
	for _, mount := range s.options.Mounts {
		if strings.HasPrefix(path, mount+"/") {
			return true
		}
	}
	return false
}

func send(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// send writes an intercepting answer.
func (a *Answer) send(w http.ResponseWriter) {
	if a.Drop {
		panic(http.ErrAbortHandler)
	}
	status := a.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	if a.Location != "" {
		w.Header().Set("Location", a.Location)
	}
	if a.Errors != nil {
		send(w, status, refuse(0, a.Errors...))
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(a.Body)) // the client may be gone
}
