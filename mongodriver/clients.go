package mongodriver

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// disconnectTimeout bounds how long the internal client may take to give its connections back; then they are cut.
const disconnectTimeout = 10 * time.Second

// clients gives the client that look-ups go through: the encrypted client itself or an internal one made at first use.
type clients struct {
	options options.ClientOptions // of the internal client

	mu       sync.Mutex
	itself   *mongo.Client
	internal *mongo.Client
	closed   bool
}

// newClients takes the options before encryption is set on them.
func newClients(encrypted *options.ClientOptions) *clients {
	c := &clients{options: *encrypted}
	c.options.SetMinPoolSize(0) // look-ups are rare: keep no connection waiting for them
	return c
}

// serveItself makes look-ups go through the encrypted client, whose pool must be unlimited.
func (c *clients) serveItself(client *mongo.Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.itself = client
}

func (c *clients) lookup() (*mongo.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, mongo.ErrClientDisconnected
	case c.itself != nil:
		return c.itself, nil
	case c.internal != nil:
		return c.internal, nil
	}
	opts := c.options
	client, err := mongo.Connect(&opts)
	if err != nil {
		return nil, fmt.Errorf("making the internal client for key vault and metadata: %w", err)
	}
	c.internal = client
	return client, nil
}

func (c *clients) close() {
	c.mu.Lock()
	internal := c.internal
	c.internal, c.closed = nil, true
	c.mu.Unlock()
	if internal == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), disconnectTimeout)
	defer cancel()
	_ = internal.Disconnect(ctx) // Close has no error to give it to; the connections are cut either way
}

// collections asks the server about collections.
type collections struct{ clients *clients }

var _ fieldcrypt.Collections = collections{}

func (c collections) ListCollections(ctx context.Context, db string, filter bson.Raw) ([]bson.Raw, error) {
	client, err := c.clients.lookup()
	if err != nil {
		return nil, err
	}
	cursor, err := client.Database(db).ListCollections(ctx, filter)
	if err != nil {
		return nil, err
	}
	var infos []bson.Raw
	err = cursor.All(ctx, &infos)
	return infos, err
}

// vault is the key vault behind the look-up client, which may not exist yet. Automatic encryption only fetches; the other methods of
// the Store are not there.
type vault struct {
	keyvault.Store
	clients   *clients
	namespace string
}

func (v vault) Fetch(ctx context.Context, ids []payload.KeyID, altNames []string) ([]*keyvault.DataKey, error) {
	client, err := v.clients.lookup()
	if err != nil {
		return nil, err
	}
	store, err := keyvault.NewMongoStore(client, v.namespace)
	if err != nil {
		return nil, err
	}
	return store.Fetch(ctx, ids, altNames)
}
