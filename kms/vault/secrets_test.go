package vault_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/vault"
	"github.com/fieldcrypt/fieldcrypt/kms/vault"
)

// An answer that repeats what it was sent must not reach a log.
func TestSecretsAreWithheld(t *testing.T) {
	const token = "hvs.CANARY-token"
	var message string
	s := run(t, mock.Options{Tokens: []mock.Token{{ID: token}}, Intercept: func(_ context.Context, c mock.Call) *mock.Answer {
		if message == "" {
			return nil
		}
		return &mock.Answer{Errors: []string{"first\n\t* line", message}}
	}})
	p := open(t, vault.Type{HTTPClient: s.HTTPClient()}, "vault", given(s, token))
	material := roundTrip(t, p, "vault", doc(t, "keyName", "k"))
	var all []error
	for _, secret := range []string{token, string(dataKey()), base64.StdEncoding.EncodeToString(dataKey()), hex.EncodeToString(dataKey())} {
		message = "you sent " + secret
		_, err := p.WrapKey(t.Context(), doc(t, "keyName", "k"), dataKey())
		if err == nil || !strings.Contains(err.Error(), "withheld") {
			t.Errorf("got %v", err)
		}
		all = append(all, err)
	}
	message = "you sent " + string(material)
	_, err := p.UnwrapKey(t.Context(), doc(t, "keyName", "k"), material)
	if err == nil || !strings.Contains(err.Error(), "withheld") {
		t.Errorf("got %v", err)
	}
	for _, v := range append(all, err) {
		checkHidden(t, fmt.Sprintf("%v %+v %#v", v, v, v))
	}
	held := struct{ p any }{p}
	checkHidden(t, fmt.Sprintf("%v %+v %#v %s %v %+v %#v %s", p, p, p, p, held, held, held, held))
}

func checkHidden(t *testing.T, text string) {
	t.Helper()
	for _, form := range []string{"CANARY", base64.StdEncoding.EncodeToString(dataKey()), hex.EncodeToString(dataKey()), "Q0FOQVJZ"} {
		if strings.Contains(text, form) {
			t.Errorf("a secret in %q", text)
		}
	}
}
