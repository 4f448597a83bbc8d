package azure

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// NewRSAKey makes a version of a key.
func NewRSAKey() (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("making an RSA key: %w", err)
	}
	return key, nil
}

// Rotate adds a version to the key of this name.
func (s *Server) Rotate(name string, version *rsa.PrivateKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.keys {
		if s.keys[i].Name == name {
			s.keys[i].Versions = append(s.keys[i].Versions[:len(s.keys[i].Versions):len(s.keys[i].Versions)], version)
		}
	}
}

// vault is POST /keys/name/version/wrapkey and unwrapkey, and GET /keys/name/version.
func (s *Server) vault(w http.ResponseWriter, r *http.Request, host string) {
	_, domain, _ := strings.Cut(host, ".")
	resource := "https://" + domain
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if problem := s.refuseBearer(token, resource); problem != "" {
		w.Header().Set("WWW-Authenticate", `Bearer authorization="https://`+s.options.Identity[0]+`/`+TenantID+`", resource="`+resource+`"`)
		reply(w, http.StatusUnauthorized, refusal("Unauthorized", problem))
		return
	}
	path := strings.Split(r.URL.Path, "/")
	if r.Method == http.MethodGet {
		s.get(w, r, host, path, token)
		return
	}
	if len(path) == 4 { // no version, as the SDK writes it; the official drivers leave its place empty
		path = slices.Insert(path, 3, "")
	}
	if r.Method != http.MethodPost || len(path) != 5 || path[1] != "keys" || path[4] != "wrapkey" && path[4] != "unwrapkey" || r.URL.Query().Get("api-version") == "" {
		reply(w, http.StatusBadRequest, refusal("BadParameter", "the mock knows no such request"))
		return
	}
	c := Call{Operation: path[4], Key: path[2], Version: path[3], Sent: token}
	if s.intercepted(w, r, c) {
		return
	}
	var in struct {
		Alg   string `json:"alg"`
		Value string `json:"value"`
	}
	value, err := []byte(nil), json.NewDecoder(r.Body).Decode(&in)
	if err == nil {
		value, err = base64.RawURLEncoding.DecodeString(in.Value)
	}
	if err != nil || in.Alg != "RSA-OAEP-256" {
		reply(w, http.StatusBadRequest, refusal("BadParameter", "Key and/or algorithm not supported."))
		return
	}
	s.use(w, host, c, value)
}

// get answers with the public half of a version of a key.
func (s *Server) get(w http.ResponseWriter, r *http.Request, host string, path []string, token string) {
	if len(path) == 3 {
		path = append(path, "") // no version
	}
	if len(path) != 4 || path[1] != "keys" || r.URL.Query().Get("api-version") == "" {
		reply(w, http.StatusBadRequest, refusal("BadParameter", "the mock knows no such request"))
		return
	}
	c := Call{Operation: "get", Key: path[2], Version: path[3], Sent: token}
	if s.intercepted(w, r, c) {
		return
	}
	k, i := s.find(c.Key, c.Version)
	switch {
	case i < 0:
		notFound(w, c)
		return
	case k.State == Forbidden:
		reply(w, http.StatusForbidden, refusal("Forbidden/ForbiddenByRbac", "Caller is not authorized to perform action on resource."))
		return
	}
	public := k.Versions[i].PublicKey
	reply(w, http.StatusOK, map[string]any{
		"key": map[string]any{
			"kid": keyID(host, k, i), "kty": "RSA", "key_ops": []string{"wrapKey", "unwrapKey"},
			"n": base64.RawURLEncoding.EncodeToString(public.N.Bytes()), "e": "AQAB",
		},
		"attributes": map[string]any{"enabled": k.State == Enabled, "created": 1700000000 + i, "updated": 1700000000 + i, "recoveryLevel": "Recoverable+Purgeable"},
	})
}

func keyID(host string, k Key, i int) string {
	return "https://" + host + "/keys/" + k.Name + "/" + VersionID(i)
}

func notFound(w http.ResponseWriter, c Call) {
	reply(w, http.StatusNotFound, refusal("KeyNotFound", "A key with (name/id) "+c.Key+"/"+c.Version+" was not found in this key vault. "+
		"If you recently deleted this key you may be able to recover it using the correct recovery command."))
}

// refuseBearer says in Azure's words why a token is not good.
func (s *Server) refuseBearer(token, resource string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, known := s.tokens[token]
	switch {
	case token == "":
		return "AKV10000: Request is missing a Bearer or PoP token."
	case !known:
		return "AKV10020: Invalid JWT token."
	case g.resource != resource:
		return "AKV10022: Invalid audience. Expected " + resource + ", found: " + g.resource + "."
	case !g.expires.After(time.Now()):
		return "AKV10078: Error validating token: IDX10223: Lifetime validation failed. The token is expired."
	}
	return ""
}

func (s *Server) use(w http.ResponseWriter, host string, c Call, value []byte) {
	k, i := s.find(c.Key, c.Version)
	switch {
	case i < 0:
		notFound(w, c)
		return
	case k.State == Disabled:
		reply(w, http.StatusForbidden, refusal("Forbidden/KeyDisabled", "Operation "+c.Operation+" is not allowed on a disabled key."))
		return
	case k.State == Forbidden:
		reply(w, http.StatusForbidden, refusal("Forbidden/ForbiddenByRbac", "Caller is not authorized to perform action on resource."))
		return
	}
	var err error
	if c.Operation == "wrapkey" {
		value, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, &k.Versions[i].PublicKey, value, nil)
	} else {
		value, err = rsa.DecryptOAEP(sha256.New(), nil, k.Versions[i], value, nil)
	}
	if err != nil {
		reply(w, http.StatusBadRequest, refusal("BadParameter", "The parameter is incorrect.\r\n"))
		return
	}
	reply(w, http.StatusOK, map[string]string{
		"kid":   keyID(host, k, i),
		"value": base64.RawURLEncoding.EncodeToString(value),
	})
}

// find returns the key and the index of its version, -1 if there is none.
func (s *Server) find(name, version string) (Key, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if !strings.EqualFold(k.Name, name) {
			continue
		}
		if version == "" {
			return k, len(k.Versions) - 1
		}
		for i := range k.Versions {
			if VersionID(i) == version {
				return k, i
			}
		}
	}
	return Key{}, -1
}
