package main

import (
	"cmp"
	"context"
	"net/url"
	"os"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

const (
	uriVariable = "FIELDCRYPT_URI"

	// serverTimeout is how long a server is looked for, unless the connection string says otherwise: a person waits.
	serverTimeout = 10 * time.Second
)

// serverURI is the connection string that --uri gives, or else the environment.
func serverURI(given string) (string, error) {
	if uri := cmp.Or(given, os.Getenv(uriVariable)); uri != "" {
		return uri, nil
	}
	return "", badUsage("set "+uriVariable+" to the connection string, such as mongodb://localhost:27017", "no server: neither --uri nor %s is set", uriVariable)
}

// theServer is of whom certificates of the server are, beside those of KMS providers.
const theServer = ""

// connect makes a client of the server; whether it is there shows when something is asked of it.
func connect(uri string, watching *certificates) (*mongo.Client, error) {
	opts := options.Client().SetAppName("fieldcrypt").SetServerSelectionTimeout(serverTimeout).ApplyURI(uri)
	if opts.TLSConfig != nil && watching != nil {
		watching.watch(theServer, opts.TLSConfig)
	}
	client, err := mongo.Connect(opts)
	if err != nil {
		return nil, badURI(err)
	}
	return client, nil
}

// server is a server, and what a command has to open what is on it: a key vault and KMSs, where they are named.
type server struct {
	uri        string
	hidden     secrets
	client     *mongo.Client
	vault      keyvault.Store               // nil without --key-vault
	providers  *kmsProviders                // nil without --kms-providers
	encryption *fieldcrypt.ClientEncryption // nil without both
	shown      certificates                 // by the server and by KMSs with tls in the providers file
}

// openServer connects to the server of --uri. The result is never nil: its failure hides what must not be seen.
func openServer(ctx context.Context, f *keysFlags) (*server, error) {
	uri, err := serverURI(f.uri)
	s := &server{uri: uri}
	if err != nil {
		return s, err
	}
	s.hidden = uriSecrets(s.uri)
	if err := checkEndpoints(f.endpoints); err != nil {
		return s, err
	}
	if f.providers != "" {
		if s.providers, err = readProviders(ctx, f.providers); err != nil {
			return s, err
		}
		s.hidden = append(s.hidden, s.providers.secrets...)
		for id, config := range s.providers.tls {
			s.shown.watch(id, config)
		}
	}
	if s.client, err = connect(s.uri, &s.shown); err != nil {
		return s, err
	}
	if err := s.openVault(f); err != nil {
		s.close()
		return s, err
	}
	return s, nil
}

func (s *server) openVault(f *keysFlags) error {
	if f.keyVault == "" {
		return nil
	}
	store, err := keyvault.NewMongoStore(s.client, f.keyVault)
	if err != nil {
		return badUsage("", "--key-vault: %v", err)
	}
	s.vault = store
	if s.providers == nil {
		return nil
	}
	s.encryption, err = fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{
		KeyVault: store, KmsProviders: s.providers.config, KmsTypes: s.providers.types(f.endpoints),
	})
	if err != nil {
		return badInput("reading "+f.providers, `"fieldcrypt help keys" tells how it is written`, "%v", err)
	}
	return nil
}

func (s *server) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // there is nothing left to lose
	defer cancel()
	if s.encryption != nil {
		_ = s.encryption.Close(ctx)
	}
	_ = s.client.Disconnect(ctx)
}

// failure tells an error to a person, without secrets.
func (s *server) failure(ctx context.Context, doing string, err error) error {
	return keysFailure(ctx, doing, s.hidden, err)
}

// hosts is where the server is, without user, password and options.
func (s *server) hosts() string {
	_, rest, _ := strings.Cut(s.uri, "://")
	authority, _, _ := strings.Cut(rest, "?")
	authority = authority[strings.LastIndex(authority, "@")+1:]
	hosts, _, _ := strings.Cut(authority, "/")
	if plain, err := url.PathUnescape(hosts); err == nil { // a socket's path
		return plain
	}
	return hosts
}
