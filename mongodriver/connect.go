package mongodriver

import (
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/xoptions"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

// Connect is mongo.Connect with automatic encryption. clientOpts is not changed and can be used again. Disconnect of the returned
// client also disconnects the internal client, if there is one, and drops the data keys from memory.
func Connect(clientOpts *options.ClientOptions, opts fieldcrypt.AutoEncryptionOptions) (*mongo.Client, error) {
	if clientOpts == nil {
		clientOpts = options.Client()
	}
	encrypted := *clientOpts
	h, err := install(&encrypted, opts)
	if err != nil {
		return nil, err
	}
	client, err := mongo.Connect(&encrypted)
	if err != nil {
		h.Close()
		return nil, err
	}
	if n := encrypted.MaxPoolSize; n != nil && *n == 0 {
		h.clients.serveItself(client)
	}
	return client, nil
}

// SetAutoEncryption makes the client that mongo.Connect makes of clientOpts encrypt and decrypt automatically. Call it last: the internal
// client is made of the options as they are now. clientOpts serves one client; its Disconnect ends the encryption.
//
// Unlike with Connect, key vault and metadata look-ups go through an internal client even if the pool is unlimited.
func SetAutoEncryption(clientOpts *options.ClientOptions, opts fieldcrypt.AutoEncryptionOptions) error {
	if clientOpts == nil {
		return errors.New("client options must not be nil")
	}
	_, err := install(clientOpts, opts)
	return err
}

func install(clientOpts *options.ClientOptions, opts fieldcrypt.AutoEncryptionOptions) (*hook, error) {
	if clientOpts.AutoEncryptionOptions != nil {
		return nil, errors.New("the client options have AutoEncryptionOptions of the driver: set either those or these")
	}
	if installed(clientOpts) != nil {
		return nil, errors.New("the client options already have automatic encryption: options serve one client")
	}
	db, collection, ok := strings.Cut(opts.KeyVaultNamespace, ".")
	if !ok || db == "" || collection == "" {
		return nil, fmt.Errorf("KeyVaultNamespace %q is not of the form database.collection", opts.KeyVaultNamespace)
	}
	h, err := newHook(newClients(clientOpts), opts)
	if err != nil {
		return nil, err
	}
	if err := xoptions.SetInternalClientOptions(clientOpts, "crypt", h); err != nil {
		return nil, fmt.Errorf("this version of the driver takes no encryption hook: %w", err)
	}
	return h, nil
}

// installed is the encryption that the options have.
func installed(clientOpts *options.ClientOptions) driver.Crypt {
	//lint:ignore SA1019 deprecated because it is internal, but the driver has no other place to look
	return clientOpts.Crypt
}

func newHook(c *clients, opts fieldcrypt.AutoEncryptionOptions) (*hook, error) {
	var store keyvault.Store = vault{clients: c, namespace: opts.KeyVaultNamespace}
	if opts.KeyVaultClient != nil {
		var err error
		if store, err = keyvault.NewMongoStore(opts.KeyVaultClient, opts.KeyVaultNamespace); err != nil {
			return nil, err
		}
	}
	engine, err := fieldcrypt.NewAutoEncryption(opts, store, collections{c})
	if err != nil {
		return nil, err
	}
	return &hook{engine: engine, clients: c, bypass: opts.BypassAutoEncryption}, nil
}
