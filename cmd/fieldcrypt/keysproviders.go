package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/aws"
	"github.com/fieldcrypt/fieldcrypt/kms/azure"
	"github.com/fieldcrypt/fieldcrypt/kms/gcp"
	"github.com/fieldcrypt/fieldcrypt/kms/kmip"
	"github.com/fieldcrypt/fieldcrypt/kms/vault"
)

// maxProviders is the most that a providers file, or a secret from elsewhere, has in bytes.
const maxProviders = 1 << 20

// kmsProviders is what the file of --kms-providers says.
type kmsProviders struct {
	config  map[string]map[string]any
	tls     map[string]*tls.Config // by provider id
	secrets secrets
}

// types are the kinds of KMS that the program knows besides local; endpoints are the hosts that master keys may name besides the KMSs' own.
func (p *kmsProviders) types(endpoints []string) []kms.Type {
	return []kms.Type{
		aws.Type{TLS: p.tlsOf("aws"), Endpoints: endpoints}, azure.Type{TLS: p.tlsOf("azure"), Endpoints: endpoints},
		gcp.Type{TLS: p.tlsOf("gcp"), Endpoints: endpoints}, kmip.Type{TLS: p.tlsOf("kmip"), Endpoints: endpoints},
		vault.Type{TLS: p.tlsOf("vault")}, // its master keys name no host
	}
}

// checkEndpoints is for --kms-endpoint, whatever KMS is asked.
func checkEndpoints(endpoints []string) error {
	if _, err := kmsconfig.NewHosts("", "", nil, endpoints); err != nil {
		return badUsage("such as --kms-endpoint kms.example.org:8443", "--kms-endpoint: expected HOST[:PORT] or *.DOMAIN[:PORT]")
	}
	return nil
}

func (p *kmsProviders) tlsOf(kind string) map[string]*tls.Config {
	of := map[string]*tls.Config{}
	for id, config := range p.tls {
		if name, _, _ := strings.Cut(id, ":"); name == kind {
			of[id] = config
		}
	}
	return of
}

// one is the id of the only provider; "" when there are several.
func (p *kmsProviders) one() string {
	if len(p.config) == 1 {
		for id := range p.config {
			return id
		}
	}
	return ""
}

// readProviders reads a providers file, and whatever its values name.
func readProviders(ctx context.Context, file string) (*kmsProviders, error) {
	doing := "reading KMS providers " + file
	text, mode, err := readPrivate(ctx, doing, file)
	if err != nil {
		return nil, err
	}
	doc, f := providersDocument(doing, text)
	if f != nil {
		return nil, f
	}
	if mode&0o022 != 0 && runtime.GOOS != "windows" {
		return nil, badInput(doing, "chmod 600 "+file, "others may change the file, and with it which programs are run for secrets (mode %04o)", mode)
	}
	if path, found := literalSecret(doc, ""); found && exposed(mode) {
		return nil, badInput(doing, "chmod 600 "+file+`, or write {"$env": …}, {"$file": …} or {"$command": […]} in place of secrets`,
			"%s stands in the file, which others may read (mode %04o)", printable(path), mode)
	}
	p := &kmsProviders{config: map[string]map[string]any{}, tls: map[string]*tls.Config{}}
	r := &resolver{ctx: ctx, dir: filepath.Dir(file)}
	for _, provider := range doc {
		fields, isDocument := provider.Value.(bson.D)
		if _, err := kms.ParseID(provider.Key); err != nil {
			return nil, badInput(doing, "providers are aws, azure, gcp, kmip, local and vault, or such as aws:prod", "%v", err)
		}
		if !isDocument {
			return nil, badInput(doing, "", "%s: expected a document", printable(provider.Key))
		}
		if err := p.add(r, provider.Key, fields); err != nil {
			return nil, badInput(doing, "", "%v", err)
		}
	}
	p.secrets = r.secrets
	return p, nil
}

func (p *kmsProviders) add(r *resolver, id string, fields bson.D) error {
	config := map[string]any{}
	for _, field := range fields {
		if field.Key == "tls" {
			options, err := r.tls(id, field.Value)
			if err != nil {
				return fmt.Errorf("%s.tls: %w", id, err)
			}
			p.tls[id] = options
			continue
		}
		value, err := r.value(join(id, field.Key), field.Value)
		if err != nil {
			return err
		}
		config[field.Key] = value
	}
	p.config[id] = config
	return nil
}

// providersDocument reads Extended JSON, or YAML as another spelling of it.
func providersDocument(doing string, text []byte) (bson.D, *failure) {
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		var err error
		if text, err = yamlToJSON(text); err != nil {
			return nil, badInput(doing, "", "%v", err)
		}
	}
	raw, err := readOneFrom(doing, bytes.NewReader(text))
	if err != nil {
		return nil, err.(*failure)
	}
	var doc bson.D
	if err := bson.Unmarshal(raw, &doc); err != nil {
		return nil, badInput(doing, "", "not a document")
	}
	return doc, nil
}

// exposed says whether others than its owner may read a file. Windows has no such bits.
func exposed(mode os.FileMode) bool { return mode.Perm()&0o077 != 0 && runtime.GOOS != "windows" }

// readPrivate reads a file of a few bytes and says who may read it. It may be a pipe whose writer does not come: then it waits as long as ctx does.
func readPrivate(ctx context.Context, doing, file string) (text []byte, mode os.FileMode, err error) {
	type content struct {
		text []byte
		mode os.FileMode
		err  error
	}
	read := make(chan content, 1)
	go func() { // waits for the writer as long as the program lives
		var c content
		c.text, c.mode, c.err = readWhole(doing, file)
		read <- c
	}()
	select {
	case <-ctx.Done():
		return nil, 0, &failure{code: exitInterrupted, doing: doing, wrong: "interrupted"}
	case c := <-read:
		return c.text, c.mode, c.err
	}
}

func readWhole(doing, file string) ([]byte, os.FileMode, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, 0, ioFailure(doing, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, ioFailure(doing, err)
	}
	text, err := readAll(doing, f, maxProviders)
	return text, info.Mode().Perm(), err
}

// publicFields are the fields of providers that need not be kept secret. All others are taken to be secret.
var publicFields = []string{
	"accessKeyId", "clientId", "email", "endpoint", "identityPlatformEndpoint", "jwtFile", "mount", "namespace", "role", "roleId", "tenantId",
}

// literalSecret finds a secret that stands in the file itself.
func literalSecret(doc bson.D, at string) (path string, found bool) {
	for _, field := range doc {
		path := join(at, field.Key)
		switch value := field.Value.(type) {
		case bson.D:
			if field.Key == "tls" || len(value) == 1 && strings.HasPrefix(value[0].Key, "$") {
				continue
			}
			if path, found := literalSecret(value, path); found {
				return path, true
			}
		default:
			if !slices.Contains(publicFields, field.Key) {
				return path, true
			}
		}
	}
	return "", false
}
