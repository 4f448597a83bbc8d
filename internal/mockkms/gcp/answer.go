package gcp

import (
	"encoding/json"
	"net/http"
)

// refusal is an error of Google's APIs (https://cloud.google.com/apis/design/errors).
type refusal struct {
	Code    int      `json:"code"`
	Message string   `json:"message"`
	Status  string   `json:"status"`
	Details []detail `json:"details,omitempty"`
}

// detail is a google.rpc.PreconditionFailure.
type detail struct {
	Type       string      `json:"@type"`
	Violations []violation `json:"violations"`
}

type violation struct {
	Type    string `json:"type"`
	Subject string `json:"subject"`
}

func refuse(code int, status, message string) *refusal {
	return &refusal{Code: code, Status: status, Message: message}
}

// because names a violated precondition.
func (r *refusal) because(reason, subject string) *refusal {
	r.Details = []detail{{"type.googleapis.com/google.rpc.PreconditionFailure", []violation{{reason, subject}}}}
	return r
}

func (r *refusal) send(w http.ResponseWriter) {
	reply(w, r.Code, map[string]any{"error": r})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// send writes an intercepting answer.
func (a *Answer) send(w http.ResponseWriter) {
	if a.Drop {
		panic(http.ErrAbortHandler)
	}
	status := a.HTTP
	if status == 0 {
		status = http.StatusOK
	}
	if a.Location != "" {
		w.Header().Set("Location", a.Location)
	}
	if a.Status != "" {
		r := refuse(status, a.Status, a.Message)
		if a.Reason != "" {
			r.because(a.Reason, "")
		}
		r.send(w)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(a.Body)) // the client may be gone
}
