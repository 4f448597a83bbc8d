package vault

import (
	"crypto/rand"
	"net/http"
	"time"
)

// liveToken is a token with its life.
type liveToken struct {
	Token
	issued  time.Time
	expires time.Time // zero is never
}

func (s *Server) live(t Token) *liveToken {
	k := &liveToken{Token: t, issued: s.options.Now()}
	k.renew(k.issued)
	return k
}

// renew gives the token another TTL from now on, but not beyond its longest life.
func (k *liveToken) renew(now time.Time) {
	if k.TTL == 0 {
		return
	}
	k.expires = now.Add(k.TTL)
	if end := k.issued.Add(k.MaxTTL); k.MaxTTL != 0 && end.Before(k.expires) {
		k.expires = end
	}
}

// seconds is what is left of the token's life.
func (k *liveToken) seconds(now time.Time) int64 {
	if k.expires.IsZero() {
		return 0
	}
	return int64(k.expires.Sub(now) / time.Second)
}

// token returns the token with this id if it lives.
func (s *Server) token(id string) *liveToken {
	k := s.tokens[id]
	if k == nil || !k.expires.IsZero() && !s.options.Now().Before(k.expires) {
		delete(s.tokens, id)
		return nil
	}
	return k
}

func (s *Server) auth(k *liveToken) *reply {
	return &reply{Auth: map[string]any{
		"client_token": k.ID, "accessor": "accessor", "policies": []string{"default"}, "token_type": "service",
		"lease_duration": k.seconds(s.options.Now()), "renewable": !k.Fixed && k.TTL != 0,
	}}
}

func (s *Server) renewSelf(k *liveToken) (*reply, *refusal) {
	if k.Fixed || k.TTL == 0 {
		return nil, refuse(http.StatusBadRequest, "lease is not renewable")
	}
	k.renew(s.options.Now())
	return s.auth(k), nil
}

func (s *Server) lookUpSelf(k *liveToken) (*reply, *refusal) {
	if k.NoLookup {
		return nil, refuse(http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n")
	}
	return &reply{Data: map[string]any{"id": k.ID, "ttl": k.seconds(s.options.Now()), "renewable": !k.Fixed && k.TTL != 0}}, nil
}

// logIn answers the logins; it returns nothing for other paths.
func (s *Server) logIn(path string, body request) (*reply, *refusal) {
	if a := s.options.AppRole; a != nil && path == loginPath(a.Mount, "approle") {
		if body.RoleID != a.RoleID || body.SecretID != a.SecretID {
			return nil, refuse(http.StatusBadRequest, "invalid role or secret ID")
		}
		return s.issue(a.Token), nil
	}
	if k := s.options.Kubernetes; k != nil && path == loginPath(k.Mount, "kubernetes") {
		switch {
		case body.Role != k.Role:
			return nil, refuse(http.StatusBadRequest, "invalid role name \""+body.Role+"\"")
		case body.JWT != k.JWT:
			return nil, refuse(http.StatusForbidden, "permission denied")
		}
		return s.issue(k.Token), nil
	}
	return nil, nil
}

func loginPath(mount, fallback string) string {
	if mount == "" {
		mount = fallback
	}
	return "auth/" + mount + "/login"
}

func (s *Server) issue(t Token) *reply {
	t.ID = "hvs." + rand.Text()
	k := s.live(t)
	s.tokens[t.ID] = k
	return s.auth(k)
}
