package faults

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/integration/shim"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/internal/breakingproxy"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// patience is how long the driver of an impatient client looks for a server that is there, and waits for a connection to it.
const patience = time.Second

// vaultServer is the server of a key vault, behind one proxy that knows commands and one that does not.
type vaultServer struct {
	db        string
	uri       string // through both
	direct    string
	proxy     *breakingproxy.Proxy
	intercept atomic.Pointer[func(shim.Command) (bson.D, error)]
}

func startServer(t *testing.T) *vaultServer {
	t.Helper()
	s := &vaultServer{db: testserver.Database(t), direct: testserver.Start(t)}
	s.onCommand(nil)
	commands, err := shim.Run(context.Background(), s.direct, shim.Rules{Intercept: func(_ context.Context, c shim.Command) (bson.D, error) {
		return (*s.intercept.Load())(c)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(commands.Stop)
	u, err := url.Parse(commands.URI())
	if err != nil {
		t.Fatal(err)
	}
	if s.proxy, err = breakingproxy.Run(context.Background(), breakingproxy.To(u.Host)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.proxy.Close)
	u.Host = s.proxy.Addr()
	s.uri = u.String()
	return s
}

// onCommand says what becomes of commands; nil is nothing.
func (s *vaultServer) onCommand(f func(shim.Command) (bson.D, error)) {
	if f == nil {
		f = func(shim.Command) (bson.D, error) { return nil, nil }
	}
	s.intercept.Store(&f)
}

func (s *vaultServer) breaks(t *testing.T, f breakingproxy.Fault) {
	t.Helper()
	if err := s.proxy.Break(f); err != nil {
		t.Fatal(err)
	}
}

// connect returns a client with the driver's own patience of 30 seconds, unless more says otherwise.
func (s *vaultServer) connect(t *testing.T, uri string, more ...*options.ClientOptions) *mongo.Client {
	t.Helper()
	mc, err := mongo.Connect(append([]*options.ClientOptions{options.Client().ApplyURI(uri)}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mc.Disconnect(context.Background()) })
	return mc
}

// explicit returns a client, with an empty memory, whose key vault is reached at uri.
func (s *vaultServer) explicit(t *testing.T, uri string) *fieldcrypt.ClientEncryption {
	t.Helper()
	return client(t, nil, s.connect(t, uri), fieldcrypt.ClientEncryptionOptions{KeyVaultNamespace: s.db + ".datakeys"})
}

// impatient is connect, through the proxies, for a client that soon gives up a server that breaks. It has a connection: on a busy machine making one may
// take longer than it has patience, so it is waited for.
func (s *vaultServer) impatient(t *testing.T) *mongo.Client {
	t.Helper()
	mc := s.connect(t, s.uri, options.Client().SetServerSelectionTimeout(patience))
	begun := time.Now()
	for err := mc.Ping(t.Context(), nil); err != nil; err = mc.Ping(t.Context(), nil) {
		if time.Since(begun) > long {
			t.Fatal(err)
		}
	}
	return mc
}

// explicitImpatient is explicit for an impatient client.
func (s *vaultServer) explicitImpatient(t *testing.T) *fieldcrypt.ClientEncryption {
	t.Helper()
	return client(t, nil, s.impatient(t), fieldcrypt.ClientEncryptionOptions{KeyVaultNamespace: s.db + ".datakeys"})
}

func checkVaultError(t *testing.T, err error) {
	t.Helper()
	var e *keyvault.Error
	if !errors.As(err, &e) || e.Op == "" || e.Namespace == "" {
		t.Errorf("got %T, %v; want a complete *keyvault.Error", err, err)
	} else if strings.Contains(err.Error(), material) {
		t.Error("an error of the key vault tells a data key")
	}
}

// Whatever happens to the connections, an operation ends with the documented error in time, and everything is readable afterwards.
func TestKeyVaultServer(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	plain := s.explicit(t, s.direct)
	ids := newKeys(t, plain, nil, 3)
	all := seal(t, plain, ids)
	operations := map[string]func(context.Context, *fieldcrypt.ClientEncryption) error{
		"createDataKey": func(ctx context.Context, ce *fieldcrypt.ClientEncryption) error {
			_, err := ce.CreateDataKey(ctx, "local", fieldcrypt.DataKeyOptions{})
			return err
		},
		"key load": func(ctx context.Context, ce *fieldcrypt.ClientEncryption) error {
			_, err := ce.Decrypt(ctx, all[ids[0]])
			return err
		},
		"rewrapManyDataKey": func(ctx context.Context, ce *fieldcrypt.ClientEncryption) error {
			_, err := ce.RewrapManyDataKey(ctx, bson.D{}, fieldcrypt.RewrapManyDataKeyOptions{})
			return err
		},
		"addKeyAltName": func(ctx context.Context, ce *fieldcrypt.ClientEncryption) error {
			_, err := ce.AddKeyAltName(ctx, ids[0].Binary(), "name")
			return err
		},
	}
	faults := map[string]struct {
		fault breakingproxy.Fault
		late  bool
	}{
		"slow":              {breakingproxy.Fault{Delay: time.Hour}, true},
		"black hole":        {breakingproxy.Fault{BlackHole: true}, true},
		"refusing":          {breakingproxy.Fault{Refuse: true}, false},
		"resetting":         {breakingproxy.Fault{Reset: true}, false},
		"half-closed":       {breakingproxy.Fault{HalfClose: true}, false},
		"cut in the answer": {breakingproxy.Fault{CutAfter: 20}, false},
	}
	for name, tt := range faults {
		t.Run(name, func(t *testing.T) {
			clients := map[string]*fieldcrypt.ClientEncryption{}
			for operation := range operations {
				clients[operation] = s.explicitImpatient(t)
				if _, err := clients[operation].GetKeys(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			s.breaks(t, tt.fault)
			var operating sync.WaitGroup
			for operation, do := range operations {
				operating.Go(func() {
					err := within(t, tt.late, func(ctx context.Context) error { return do(ctx, clients[operation]) })
					checkVaultError(t, err)
					if !tt.late {
						if !mongo.IsNetworkError(err) && !mongo.IsTimeout(err) { // a timeout when the driver has already given up the server
							t.Errorf("%s: not recognised as the network's: %v", operation, err)
						}
					}
				})
			}
			operating.Wait()
			s.breaks(t, breakingproxy.Fault{})
			all.check(t, s.explicit(t, s.uri), "local")
		})
	}
	report, err := plain.CheckKeyVault(t.Context(), fieldcrypt.CheckKeyVaultOptions{}) // finds half a key document, if there is one
	delete(report.Counts, fieldcrypt.MissingIndex)
	if created := report.Documents - int64(len(ids)); err != nil || len(report.Counts) > 0 || created < 0 || created > int64(len(faults)) {
		t.Errorf("the key vault has %+v, %v", report, err)
	}
}

// The primary goes in the middle of a rewrap: before the second write, after it but before the answer, or by stepping down. Then it is run again.
func TestRewrapWithoutPrimary(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	for name, tt := range map[string]struct {
		second func() (bson.D, error)
		batch  int
	}{
		"gone before the write, in batches":  {func() (bson.D, error) { return nil, errors.New("gone") }, 1},
		"gone before the write, all at once": {func() (bson.D, error) { return nil, errors.New("gone") }, 0},
		"answer lost, in batches":            {func() (bson.D, error) { return nil, s.proxy.Break(breakingproxy.Fault{CutAfter: 20}) }, 1},
		"answer lost, all at once":           {func() (bson.D, error) { return nil, s.proxy.Break(breakingproxy.Fault{CutAfter: 20}) }, 0},
		"stepping down, in batches": {func() (bson.D, error) {
			return bson.D{{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: "not primary"}, {Key: "code", Value: 10107}, {Key: "codeName", Value: "NotWritablePrimary"}}, nil
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			plain := s.explicit(t, s.direct)
			all := seal(t, plain, newKeys(t, plain, nil, 3))
			ids := bson.A{}
			for id := range all {
				ids = append(ids, id.Binary())
			}
			filter := bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}
			var updates atomic.Int32
			s.onCommand(func(c shim.Command) (bson.D, error) {
				if c.Name == "update" && updates.Add(1) == 1+int32(tt.batch) {
					return tt.second()
				}
				return nil, nil
			})
			ce := s.explicitImpatient(t)
			before := materials(t, plain, all)
			_, err := ce.RewrapManyDataKey(t.Context(), filter, fieldcrypt.RewrapManyDataKeyOptions{BatchSize: tt.batch})
			checkVaultError(t, err)
			var failed *fieldcrypt.RewrapError
			if !errors.As(err, &failed) || len(failed.Keys) == 0 {
				t.Errorf("got %v", err)
			}
			s.onCommand(nil)
			s.breaks(t, breakingproxy.Fault{})
			all.check(t, s.explicit(t, s.direct), "local")
			res, err := s.explicit(t, s.uri).RewrapManyDataKey(t.Context(), filter, fieldcrypt.RewrapManyDataKeyOptions{})
			if err != nil || res.ModifiedCount != 3 {
				t.Errorf("run again: %+v, %v", res, err)
			}
			all.check(t, s.explicit(t, s.direct), "local")
			after := materials(t, plain, all)
			for id := range all {
				if slices.Equal(before[id], after[id]) {
					t.Errorf("key %s was not rewrapped", id)
				}
			}
		})
	}
}

func materials(t *testing.T, ce *fieldcrypt.ClientEncryption, all sealed) map[payload.KeyID][]byte {
	t.Helper()
	found := map[payload.KeyID][]byte{}
	for id := range all {
		key, err := ce.GetKey(t.Context(), id.Binary())
		if err != nil {
			t.Fatal(err)
		}
		found[id] = key.KeyMaterial
	}
	return found
}
