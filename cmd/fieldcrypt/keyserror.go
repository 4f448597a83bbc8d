package main

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// secrets are texts that must not be shown. The packages below take care of their own errors; this is for what a server, a KMS or a library
// might repeat.
type secrets []string

// hide blots the secrets out of text. Very short ones would blot out half of every word.
func (s secrets) hide(text string) string {
	const shortest = 4
	longestFirst := slices.SortedFunc(slices.Values(s), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, secret := range longestFirst {
		if len(secret) >= shortest {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}

// uriSecrets are the parts of a connection string that nobody may see.
func uriSecrets(uri string) secrets {
	_, rest, _ := strings.Cut(uri, "://")
	var s secrets
	authority, query, _ := strings.Cut(rest, "?")
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		_, password, _ := strings.Cut(authority[:at], ":")
		s = append(s, password)
	}
	for option := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(option, "="); !slices.Contains([]string{"", "true", "false"}, value) {
			switch strings.ToLower(name) {
			case "authmechanismproperties", "tlscertificatekeyfilepassword", "sslclientcertificatekeypassword", "proxypassword":
				s = append(s, value)
				for property := range strings.SplitSeq(value, ",") { // NAME:VALUE
					_, secret, _ := strings.Cut(property, ":")
					s = append(s, secret)
				}
			}
		}
	}
	for _, escaped := range slices.Clone(s) {
		if plain, err := url.QueryUnescape(escaped); err == nil {
			s = append(s, plain)
		}
		if plain, err := url.PathUnescape(escaped); err == nil {
			s = append(s, plain)
		}
	}
	return s
}

// badURI says what is wrong with a connection string. The driver's own words may quote any part of it, so only known ones are repeated.
func badURI(err error) *failure {
	wrong := "not understood by the driver"
	text := err.Error()
	for _, known := range []string{
		`scheme must be "mongodb" or "mongodb+srv"`, "unescaped slash in password", "unescaped colon in password", "unescaped @ sign in user info",
		"must have at least 1 host", "no such host", "no such file or directory", "permission denied", "i/o timeout",
	} {
		if strings.Contains(text, known) {
			wrong = known
		}
	}
	return badInput("reading the connection string", "expected mongodb://USER:PASSWORD@HOST:PORT/?OPTIONS or mongodb+srv://…, with special characters of "+
		"user and password as %XX", "%s", wrong)
}

// keysFailure makes a failure of any error, with a hint what to do, and without secrets.
func keysFailure(ctx context.Context, doing string, hidden secrets, err error) error {
	if err == nil {
		return nil
	}
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{code: exitFailure, doing: doing, wrong: strings.TrimPrefix(err.Error(), doing+": "), hint: keysHint(err)}
		switch {
		case errors.Is(err, keyvault.ErrNotFound):
			f.wrong = "there is no such data key"
		case mongo.IsDuplicateKeyError(err): // the server's words quote the name
			f.wrong = "another data key has that alt name, or several have one"
		}
	}
	shown := *f
	if ctx.Err() != nil {
		shown.code, shown.hint = exitInterrupted, cmp.Or(shown.hint, "it can be run again")
		if errors.Is(err, context.Canceled) {
			shown.wrong = "interrupted"
		}
	}
	shown.doing, shown.wrong, shown.hint = hidden.hide(shown.doing), hidden.hide(shown.wrong), hidden.hide(shown.hint)
	return &shown
}

// keysHint says what a person can do about an error of the key vault or a KMS.
func keysHint(err error) string {
	var asked *kms.Error
	var unreadable *keyvault.UnreadableError
	switch {
	case errors.Is(err, context.Canceled):
		return ""
	case errors.Is(err, kms.ErrDenied):
		return "the KMS refuses these credentials, or the master key is disabled: check its permissions to encrypt and decrypt"
	case errors.Is(err, kms.ErrForeignEndpoint):
		return "if the host is yours, allow it with --kms-endpoint; if not, somebody has changed the data key in the key vault"
	case errors.Is(err, kms.ErrNotConfigured):
		return "add the provider to the file of --kms-providers"
	case errors.As(err, &asked) && asked.Temporary():
		return "this may pass: try again"
	case mongo.IsDuplicateKeyError(err):
		return `"fieldcrypt keys get-by-name" shows who has a name, "fieldcrypt keys check" finds names that several have`
	case errors.As(err, &unreadable):
		return "these documents are not data keys, or damaged: look at them with another client"
	case unauthorized(err):
		return "check user, password and authSource of the connection string, and the user's roles on the key vault"
	case strings.Contains(err.Error(), "auth error"):
		return "check user, password and authSource of the connection string"
	case strings.Contains(err.Error(), "server selection"):
		return "is the server running, is its address right, may it be reached from here, and does it want TLS (tls=true)?"
	}
	return ""
}

// unauthorized says that the server refuses the user, or what the user wants.
func unauthorized(err error) bool {
	const authenticationFailed, unauthorized = 18, 13
	var server mongo.ServerError
	return errors.As(err, &server) && (server.HasErrorCode(authenticationFailed) || server.HasErrorCode(unauthorized))
}
