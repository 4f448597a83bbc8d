package gcp

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"cloud.google.com/go/auth"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

const (
	scope      = "https://www.googleapis.com/auth/cloudkms"
	entry      = "gcp kmsProviders entry"
	empty      = "\x05\x00\x00\x00\x00" // the document {}
	minKeyBits = 2048                   // of Google's own keys, and of FIPS 140
)

// credentials returns the source of tokens that a kmsProviders entry describes.
func (t Type) credentials(id kms.ID, config bson.Raw, client *http.Client) (source, error) {
	if string(config) == empty && id.Name == "" {
		return t.defaults(client)
	}
	if _, err := config.LookupErr("accessToken"); err == nil {
		var value string
		if err := kmsconfig.Read(config, entry, []kmsconfig.Field{{Name: "accessToken", Text: &value, Required: true}}); err != nil {
			return nil, err
		}
		if !isToken(value) {
			return nil, fmt.Errorf("%s: field \"accessToken\" holds characters that no token has", entry)
		}
		return func(context.Context) (token, error) { return token{value: value}, nil }, nil
	}
	var email, endpoint string
	var key []byte
	err := kmsconfig.Read(config, entry, []kmsconfig.Field{
		{Name: "email", Text: &email, Required: true},
		{Name: "privateKey", Required: true, Value: func(v bson.RawValue) (err error) {
			key, err = parsePrivateKey(v)
			return err
		}},
		{Name: "endpoint", Text: &endpoint},
	})
	if err != nil {
		return nil, err
	}
	url := "https://oauth2.googleapis.com"
	if endpoint != "" {
		if url, err = parseEndpoint(endpoint, entry); err != nil {
			return nil, err
		}
	}
	return serviceAccount(email, key, url, client)
}

// parsePrivateKey returns the key in DER.
func parsePrivateKey(v bson.RawValue) ([]byte, error) {
	der, err := privateKeyBytes(v)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("is not a private key in PKCS#8 form")
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("is not an RSA key")
	}
	if bits := rsaKey.N.BitLen(); bits < minKeyBits {
		return nil, fmt.Errorf("is an RSA key of %d bits, expected at least %d", bits, minKeyBits)
	}
	return der, nil
}

func privateKeyBytes(v bson.RawValue) ([]byte, error) {
	if subtype, data, ok := v.BinaryOK(); ok {
		if subtype != bson.TypeBinaryGeneric && subtype != bson.TypeBinaryBinaryOld {
			return nil, fmt.Errorf("must be binary of subtype 0, got subtype %d", subtype)
		}
		return append([]byte{}, data...), nil
	}
	text, ok := v.StringValueOK()
	if !ok {
		return nil, fmt.Errorf("must be binary or base64 text, got %s", v.Type)
	}
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("is not base64; of a PEM file give what stands between the lines BEGIN and END")
	}
	return der, nil
}

// serviceAccount has tokens for what the account signs, which is good for five minutes, as with the official drivers.
func serviceAccount(email string, key []byte, url string, client *http.Client) (source, error) {
	tokens, err := auth.New2LOTokenProvider(&auth.Options2LO{
		Email:      email,
		PrivateKey: key,
		TokenURL:   url + "/token",
		Scopes:     []string{scope},
		Expires:    5 * time.Minute,
		Client:     client,
		Logger:     slog.New(slog.DiscardHandler), // the environment can make its own one print tokens
	})
	if err != nil {
		return nil, fmt.Errorf("%s: the service account cannot be used", entry)
	}
	return func(ctx context.Context) (token, error) {
		t, err := tokens.Token(ctx)
		if err != nil {
			return token{}, newTokenError(host(url), err)
		}
		return usable(host(url), t)
	}, nil
}

// usable refuses what could not be sent or would be kept for ever.
func usable(from string, t *auth.Token) (token, error) {
	switch {
	case t.Value == "":
		return token{}, &tokenError{from: from, message: "the reply has no access_token"}
	case !isToken(t.Value):
		return token{}, &tokenError{from: from, message: "the reply has an access_token with characters that no token has"}
	case t.Expiry.IsZero():
		return token{}, &tokenError{from: from, message: "the reply has no expires_in"}
	}
	return token{value: t.Value, expires: t.Expiry}, nil
}

// isToken keeps what is no token out of a header.
func isToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}
