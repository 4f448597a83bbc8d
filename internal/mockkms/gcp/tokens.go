//lint:file-ignore ST1005 The texts are Google's.

package gcp

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Account is a service account.
type Account struct {
	Email string
	key   *rsa.PrivateKey
}

// NewAccount makes an account with a new key of 2048 bits.
func NewAccount(email string) (*Account, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("generating the key of %s: %w", email, err)
	}
	return &Account{email, key}, nil
}

// PrivateKey returns the account's key as PKCS#8 in DER, as Google gives it to its owner.
func (a *Account) PrivateKey() ([]byte, error) {
	return x509.MarshalPKCS8PrivateKey(a.key)
}

// claims are what an account signs to get a token (https://developers.google.com/identity/protocols/oauth2/service-account).
type claims struct {
	Iss, Scope, Aud string
	Iat, Exp        int64
}

// serveToken exchanges a signed assertion for a token.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	const grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	if r.Method != http.MethodPost || r.ParseForm() != nil || r.PostForm.Get("grant_type") != grant {
		reply(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type", "error_description": "Invalid grant_type"})
		return
	}
	if err := s.verify(r.PostForm.Get("assertion")); err != nil {
		reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant", "error_description": err.Error()})
		return
	}
	reply(w, http.StatusOK, s.newToken())
}

// serveMetadata gives a token to whoever proves, by a header that browsers and proxies do not set, that it means to ask.
func (s *Server) serveMetadata(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || r.Header.Get("Metadata-Flavor") != "Google" || r.Header.Get("X-Forwarded-For") != "" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	w.Header().Set("Metadata-Flavor", "Google")
	reply(w, http.StatusOK, s.newToken())
}

func (s *Server) newToken() any {
	token := "ya29.CANARY" + rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = time.Now().Add(s.options.TokenLife)
	return map[string]any{"access_token": token, "expires_in": int(s.options.TokenLife / time.Second), "token_type": "Bearer"}
}

// verify says in Google's words what is wrong with an assertion.
func (s *Server) verify(assertion string) error {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return errors.New("Bad Request")
	}
	var header struct{ Alg, Typ string }
	var c claims
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || decode(parts[0], &header) != nil || decode(parts[1], &c) != nil || header.Alg != "RS256" || header.Typ != "JWT" {
		return errors.New("Bad Request")
	}
	account := s.options.Account
	if account == nil || c.Iss != account.Email {
		return errors.New("Invalid grant: account not found")
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if rsa.VerifyPKCS1v15(&account.key.PublicKey, crypto.SHA256, digest[:], signature) != nil {
		return errors.New("Invalid JWT Signature.")
	}
	return s.check(c)
}

func (s *Server) check(c claims) error {
	issued, expires, now := time.Unix(c.Iat, 0), time.Unix(c.Exp, 0), time.Now()
	switch {
	case c.Aud != "https://"+s.options.TokenHost+"/token":
		return errors.New("Invalid JWT: Failed audience check.")
	case c.Scope != "https://www.googleapis.com/auth/cloudkms":
		return errors.New("Invalid OAuth scope or ID token audience provided.")
	case issued.After(now) || !expires.After(now) || expires.Sub(issued) > time.Hour:
		return errors.New("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.")
	}
	return nil
}

func decode(part string, to any) error {
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, to)
}
