package aws

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// request is the body of Encrypt, Decrypt and DescribeKey.
type request struct {
	KeyID             string            `json:"KeyId"`
	Plaintext         []byte            `json:"Plaintext"`
	CiphertextBlob    []byte            `json:"CiphertextBlob"`
	EncryptionContext map[string]string `json:"EncryptionContext"`
}

// response is the body of the replies to the first two.
type response struct {
	KeyID               string `json:"KeyId"`
	CiphertextBlob      []byte `json:",omitempty"`
	Plaintext           []byte `json:",omitempty"`
	EncryptionAlgorithm string
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		return
	}
	operation, known := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	if r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != contentType || !known {
		reply(w, http.StatusNotFound, refuse("UnknownOperationException", ""))
		return
	}
	signed, refused := s.verify(r, body)
	if refused != nil {
		reply(w, http.StatusBadRequest, refused)
		return
	}
	var in request
	if err := json.Unmarshal(body, &in); err != nil {
		reply(w, http.StatusBadRequest, refuse("SerializationException", ""))
		return
	}
	call := Call{operation, r.Host, signed.region, signed.credentials.AccessKeyID, in.KeyID}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.mu.Unlock()
	if s.options.Intercept != nil {
		if a := s.options.Intercept(r.Context(), call); a != nil {
			a.send(w)
			return
		}
	}
	out, refused := s.do(operation, signed.region, in)
	if refused != nil {
		reply(w, http.StatusBadRequest, refused)
		return
	}
	reply(w, http.StatusOK, out)
}

func (s *Server) do(operation, region string, in request) (any, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(in.EncryptionContext) > 0 {
		return nil, refuse("InvalidCiphertextException", "the mock knows no encryption context")
	}
	switch operation {
	case "Encrypt":
		return s.encrypt(region, in)
	case "Decrypt":
		return s.decrypt(region, in)
	case "DescribeKey":
		return s.describe(region, in)
	}
	return nil, refuse("UnknownOperationException", "")
}
