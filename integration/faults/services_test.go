package faults

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/goleak"

	"github.com/fieldcrypt/fieldcrypt/internal/breakingproxy"
	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/kmip"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a KMS behind a proxy.
type service struct {
	id        string
	proxy     *breakingproxy.Proxy
	impostors *authority // its certificates are trusted
	pool      *x509.CertPool
	fields    map[string]any
	masterKey bson.D
	canaries  []string
	web       bool                                // it speaks HTTP: all but KMIP
	typ       func(*http.Client) kms.Type         // of a new client of the proxy
	unwraps   atomic.Int32                        // calls of providers' UnwrapKey
	wraps     atomic.Int32                        // and of WrapKey
	asked     atomic.Int32                        // requests for a key operation that arrived
	answers   atomic.Pointer[func() (status int)] // of key operations; 0 is the proper one, and for KMIP another ends the connection
}

// services start one KMS each. They say how.
var services = map[string]func(testing.TB, *service){
	"aws": startAWS, "azure": startAzure, "gcp": startGCP, "vault": startVault,
	"kmip": func(t testing.TB, s *service) { startKMIP(t, s, bson.D{{Key: "keyId", Value: kmip.SpecSecretID}}) },
	"kmip:delegated": func(t testing.TB, s *service) {
		startKMIP(t, s, bson.D{{Key: "keyId", Value: "k"}, {Key: "delegated", Value: true}})
	},
}

// each runs a test on every KMS, all at the same time: they wait more than they work.
func each(t *testing.T, test func(*testing.T, *service)) {
	t.Parallel()
	var running sync.WaitGroup
	defer running.Wait()
	for _, name := range slices.Sorted(maps.Keys(services)) {
		running.Go(func() {
			t.Run(name, func(t *testing.T) { test(t, start(t, name)) })
		})
	}
}

func start(t testing.TB, name string) *service {
	t.Helper()
	s := &service{id: name, impostors: newAuthority(t)}
	if !strings.Contains(name, ":") {
		s.id += ":prod"
	}
	s.answer(nil)
	services[name](t, s)
	s.pool.AddCert(s.impostors.cert)
	for _, key := range []string{material} {
		s.canaries = append(s.canaries, key, base64.StdEncoding.EncodeToString([]byte(key)), hex.EncodeToString([]byte(key)))
	}
	return s
}

// behind puts the proxy in front of the KMS.
func (s *service) behind(t testing.TB, dial breakingproxy.Dial, closeKMS func()) {
	t.Helper()
	t.Cleanup(closeKMS)
	var err error
	if s.proxy, err = breakingproxy.Run(context.Background(), dial); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.proxy.Close)
}

// through is behind for a mock that stands in for the whole Internet.
func (s *service) through(t testing.TB, direct *http.Client, closeKMS func()) {
	t.Helper()
	transport := direct.Transport.(*http.Transport)
	s.web = true
	s.behind(t, func(ctx context.Context) (net.Conn, error) { return transport.DialContext(ctx, "tcp", "kms:443") }, closeKMS)
}

// answer says how the KMS answers key operations; nil is as it should.
func (s *service) answer(f func() int) {
	if f == nil {
		f = func() int { return 0 }
	}
	s.answers.Store(&f)
}

func (s *service) status() int {
	s.asked.Add(1)
	return (*s.answers.Load())()
}

// client returns a Type without connections yet.
func (s *service) client(t testing.TB) kms.Type {
	t.Helper()
	return s.dialling(t, func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.proxy.Addr())
	})
}

type dialContext = func(ctx context.Context, network, address string) (net.Conn, error)

// dialling returns a Type that connects by dial.
func (s *service) dialling(t testing.TB, dial dialContext) kms.Type {
	t.Helper()
	transport := &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.pool}}
	t.Cleanup(transport.CloseIdleConnections)
	return countedType{s.typ(&http.Client{Transport: transport}), s}
}

// countedType counts the calls of its providers.
type countedType struct {
	kms.Type
	of *service
}

func (c countedType) Open(id kms.ID, config bson.Raw) (kms.Provider, error) {
	p, err := c.Type.Open(id, config)
	return counted{p, c.of}, err
}

type counted struct {
	kms.Provider
	of *service
}

func (c counted) WrapKey(ctx context.Context, masterKey bson.Raw, dataKey []byte) (kms.Wrapped, error) {
	c.of.wraps.Add(1)
	return c.Provider.WrapKey(ctx, masterKey, dataKey)
}

func (c counted) UnwrapKey(ctx context.Context, masterKey bson.Raw, keyMaterial []byte) ([]byte, error) {
	c.of.unwraps.Add(1)
	return c.Provider.UnwrapKey(ctx, masterKey, keyMaterial)
}

func (c counted) Locate(masterKey bson.Raw) kms.Error { return kms.Locate(c.Provider, masterKey) }

func (s *service) open(t testing.TB) *kms.Providers {
	t.Helper()
	providers, err := kms.Open(map[string]map[string]any{s.id: s.fields}, s.client(t))
	if err != nil {
		t.Fatal(err)
	}
	return providers
}

// stored returns a master key as the key vault stores it.
func (s *service) stored(t *testing.T, masterKey bson.Raw) bson.Raw {
	t.Helper()
	return document(t, append(bson.D{{Key: "provider", Value: s.id}}, mapping(t, masterKey)...))
}

func (s *service) breaks(t testing.TB, f breakingproxy.Fault) {
	t.Helper()
	if err := s.proxy.Break(f); err != nil {
		t.Fatal(err)
	}
}

// checkError fails unless err is a *kms.Error of this service that claims no denial and tells nothing secret.
func (s *service) checkError(t testing.TB, err error) *kms.Error {
	t.Helper()
	var e *kms.Error
	if !errors.As(err, &e) {
		t.Errorf("got %T, %v; want a *kms.Error", err, err)
		return &kms.Error{}
	}
	if e.Provider != s.id || e.Operation == "" || e.Key == "" || e.Endpoint == "" || e.Message == "" {
		t.Errorf("incomplete: %#v", e)
	}
	if errors.Is(err, kms.ErrDenied) {
		t.Errorf("claims a denial: %v", err)
	}
	for _, text := range []string{fmt.Sprintf("%v", err), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", *e)} {
		if slices.ContainsFunc(s.canaries, func(c string) bool { return strings.Contains(text, c) }) {
			t.Errorf("an error of %s tells a secret", s.id)
		}
	}
	return e
}

// material is the data key of all tests.
var material = string(bytes.Repeat([]byte("data key canary "), 6))

func document(t testing.TB, fields bson.D) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
