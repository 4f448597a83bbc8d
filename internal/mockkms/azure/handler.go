package azure

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
)

// ServeHTTP answers one request, by the host that it is for.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20)) // only then does the request's context end with the connection
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	host := strings.ToLower(r.Host)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	switch {
	case host == metadataHost:
		s.metadata(w, r)
	case slices.Contains(s.options.Identity, host):
		s.identity(w, r)
	case slices.Contains(s.options.Vaults, host):
		s.vault(w, r, host)
	default:
		w.WriteHeader(http.StatusMisdirectedRequest)
	}
}

// intercepted notes the call; it says whether it has been answered.
func (s *Server) intercepted(w http.ResponseWriter, r *http.Request, c Call) bool {
	c.Host = r.Host
	s.mu.Lock()
	s.calls = append(s.calls, c)
	s.mu.Unlock()
	if s.options.Intercept == nil {
		return false
	}
	a := s.options.Intercept(r.Context(), c)
	if a != nil {
		a.send(w)
	}
	return a != nil
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// refusal is an error as Key Vault sends it.
func refusal(code, message string) any {
	type inner struct {
		Code string `json:"code"`
	}
	type outer struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Inner   *inner `json:"innererror,omitempty"`
	}
	e := outer{Code: code, Message: message}
	if general, particular, ok := strings.Cut(code, "/"); ok {
		e.Code, e.Inner = general, &inner{particular}
	}
	return map[string]outer{"error": e}
}

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
	if a.Challenge != "" {
		w.Header().Set("WWW-Authenticate", a.Challenge)
	}
	if a.Code != "" {
		reply(w, status, refusal(a.Code, a.Message))
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(a.Body)) // the client may be gone
}
