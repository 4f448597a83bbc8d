package vault

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
)

// login is an auth method of Vault's that gives tokens.
type login struct {
	path string
	body func() (body map[string]any, secrets []string, err error)
}

// readAppRole reads {roleId, secretId, mount?}.
func readAppRole(v bson.RawValue) (*login, error) {
	var role, secret string
	mount := "approle"
	err := readDocument(v, []kmsconfig.Field{
		{Name: "roleId", Text: &role, Required: true},
		{Name: "secretId", Text: &secret, Required: true},
		{Name: "mount", Text: &mount},
	})
	if err != nil {
		return nil, err
	}
	return &login{path: "auth/" + mount + "/login", body: func() (map[string]any, []string, error) {
		return map[string]any{"role_id": role, "secret_id": secret}, []string{role, secret}, nil
	}}, checkMount(mount, "appRole")
}

// readKubernetes reads {role, jwtFile?, mount?}.
func readKubernetes(v bson.RawValue) (*login, error) {
	var role string
	mount, file := "kubernetes", "/var/run/secrets/kubernetes.io/serviceaccount/token"
	err := readDocument(v, []kmsconfig.Field{
		{Name: "role", Text: &role, Required: true},
		{Name: "jwtFile", Text: &file},
		{Name: "mount", Text: &mount},
	})
	if err != nil {
		return nil, err
	}
	return &login{path: "auth/" + mount + "/login", body: func() (map[string]any, []string, error) {
		token, err := readToken(file) // each time: the cluster replaces it
		return map[string]any{"role": role, "jwt": token}, []string{token}, err
	}}, checkMount(mount, "kubernetes")
}

func readDocument(v bson.RawValue, fields []kmsconfig.Field) error {
	doc, ok := v.DocumentOK()
	if !ok {
		return fmt.Errorf("must be a document, got %s", v.Type)
	}
	if err := kmsconfig.Read(doc, "document", fields); err != nil {
		return fmt.Errorf("is refused: %w", err)
	}
	return nil
}

func readToken(path string) (string, error) {
	const limit = 64 << 10 // far beyond any token
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading the service account's token: %w", err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return "", fmt.Errorf("reading the service account's token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" || len(text) > limit {
		return "", errors.New("the service account's token in " + path + " is empty or too long")
	}
	return token, nil
}
