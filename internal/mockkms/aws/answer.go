package aws

import (
	"encoding/json"
	"net/http"
)

// refusal is an error as AWS sends it.
type refusal struct {
	Code    string `json:"__type"`
	Message string `json:"message,omitempty"`
}

func refuse(code, message string) *refusal { return &refusal{code, message} }

const contentType = "application/x-amz-json-1.1"

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("X-Amzn-Requestid", "00000000-0000-0000-0000-000000000000")
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
	if a.Code != "" {
		reply(w, status, refuse(a.Code, a.Message))
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(a.Body)) // the client may be gone
}
