package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// commandTimeout is how long a program may take to give a secret; a person may have to type at it.
const commandTimeout = 2 * time.Minute

// resolver puts what {$env: …}, {$file: …} and {$command: …} name in their place. Its errors name variables, files and programs, never values.
type resolver struct {
	ctx     context.Context
	dir     string // where paths begin
	secrets secrets
}

// value resolves one value and all in it.
func (r *resolver) value(path string, value any) (any, error) {
	doc, isDocument := value.(bson.D)
	if !isDocument {
		r.remember(path, value)
		return value, nil
	}
	if !slices.ContainsFunc(doc, func(e bson.E) bool { return strings.HasPrefix(e.Key, "$") }) {
		out := make(bson.D, len(doc))
		for i, field := range doc {
			v, err := r.value(join(path, field.Key), field.Value)
			if err != nil {
				return nil, err
			}
			out[i] = bson.E{Key: field.Key, Value: v}
		}
		return out, nil
	}
	if len(doc) != 1 {
		return nil, fmt.Errorf("%s: expected nothing beside %s", printable(path), printable(doc[0].Key))
	}
	text, err := r.elsewhere(doc[0].Key, doc[0].Value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", printable(path), err)
	}
	if !utf8.Valid(text) {
		return bson.Binary{Data: text}, nil
	}
	r.remember(path, string(text))
	return string(text), nil
}

// remember keeps in mind what must not be shown.
func (r *resolver) remember(path string, value any) {
	_, field, _ := strings.Cut(path, ".")
	if text, ok := value.(string); ok && !slices.Contains(publicFields, field[strings.LastIndex(field, ".")+1:]) {
		r.secrets = append(r.secrets, text)
	}
}

// elsewhere gets a value from where it is.
func (r *resolver) elsewhere(kind string, value any) ([]byte, error) {
	switch kind {
	case "$env":
		name, ok := value.(string)
		if !ok || name == "" {
			return nil, errors.New("$env: expected the name of a variable")
		}
		if text := os.Getenv(name); text != "" {
			return []byte(text), nil
		}
		return nil, fmt.Errorf("the environment variable %s is not set, or empty", printable(name))
	case "$file":
		name, ok := value.(string)
		if !ok || name == "" {
			return nil, errors.New("$file: expected the path of a file")
		}
		return r.secretFile(name)
	case "$command":
		return r.command(value)
	}
	return nil, fmt.Errorf("%s: expected $env, $file or $command", printable(kind))
}

func (r *resolver) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.dir, name)
}

// secretFile reads a file that nobody but its owner may read.
func (r *resolver) secretFile(name string) ([]byte, error) {
	file := r.path(name)
	text, mode, err := readPrivate(r.ctx, "reading "+file, file)
	switch {
	case err != nil:
		return nil, err
	case exposed(mode):
		return nil, fmt.Errorf("others may read or change %s (mode %04o): chmod 600 %s", file, mode, file)
	}
	if slices.ContainsFunc(ageHeaders, func(header []byte) bool { return bytes.HasPrefix(text, header) }) {
		if text, err = openAge(r.ctx, file, text); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return oneLine(text), nil
}

// command gets what a program prints. It has no standard input; what it says on standard error is for the person at the terminal.
func (r *resolver) command(value any) ([]byte, error) {
	list, _ := value.(bson.A)
	words := make([]string, len(list))
	for i, word := range list {
		words[i], _ = word.(string)
	}
	if len(words) == 0 || slices.Contains(words[:1], "") {
		return nil, errors.New("$command: expected an array of strings, a program and its arguments")
	}
	ctx, cancel := context.WithTimeout(r.ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	var out limited
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.dir, &out, os.Stderr
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	switch {
	case r.ctx.Err() != nil:
		return nil, errors.New("interrupted")
	case ctx.Err() != nil:
		return nil, fmt.Errorf("the program %s took longer than %s", printable(words[0]), commandTimeout)
	case out.full:
		return nil, fmt.Errorf("the program %s printed more than %d bytes", printable(words[0]), maxProviders)
	case err != nil:
		return nil, fmt.Errorf("the program %s: %w", printable(words[0]), err)
	case len(oneLine(out.Bytes())) == 0:
		return nil, fmt.Errorf("the program %s printed nothing", printable(words[0]))
	}
	return oneLine(out.Bytes()), nil
}

// limited keeps a bounded amount of output and stops the program that writes more.
type limited struct {
	bytes.Buffer
	full bool
}

func (l *limited) Write(b []byte) (int, error) {
	if l.full = l.full || l.Len()+len(b) > maxProviders; l.full {
		return 0, errTooLong
	}
	return l.Buffer.Write(b)
}

// oneLine takes the end of the line from text that has one; bytes that are not text stay as they are.
func oneLine(text []byte) []byte {
	if !utf8.Valid(text) {
		return text
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
}

// tls reads {ca, certificate, key}: paths of PEM files.
func (r *resolver) tls(id string, value any) (*tls.Config, error) {
	doc, _ := value.(bson.D)
	if len(doc) == 0 || strings.HasPrefix(id, "local") {
		return nil, errors.New("expected {ca, certificate, key} of a provider that is reached by TLS")
	}
	files := map[string]string{}
	for _, field := range doc {
		name, ok := field.Value.(string)
		if !ok || name == "" || !slices.Contains([]string{"ca", "certificate", "key"}, field.Key) {
			return nil, fmt.Errorf("%s: expected the fields ca, certificate and key, with paths", printable(field.Key))
		}
		files[field.Key] = name
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if name := files["ca"]; name != "" {
		pem, _, err := readPrivate(r.ctx, "reading "+r.path(name), r.path(name))
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate in PEM", r.path(name))
		}
	}
	if files["certificate"] == "" {
		if files["key"] != "" {
			return nil, errors.New("key: there is no certificate that it belongs to")
		}
		return config, nil
	}
	certificate, err := r.keyPair(files["certificate"], files["key"])
	config.Certificates = []tls.Certificate{certificate}
	return config, err
}

// keyPair reads a client certificate and its key, which may stand in the same file.
func (r *resolver) keyPair(certificate, key string) (tls.Certificate, error) {
	if key == "" {
		key = certificate
	}
	certPEM, _, err := readPrivate(r.ctx, "reading "+r.path(certificate), r.path(certificate))
	if err != nil {
		return tls.Certificate{}, err
	}
	keyPEM, err := r.secretFile(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s and %s are no certificate and key: %w", r.path(certificate), r.path(key), err)
	}
	return pair, nil
}
