package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// pair is a certificate for host, signed by itself, that ends at a time.
func pair(t *testing.T, host string, ends time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: ends, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// Certificates that end soon are told of, those of a KMS beside the KMS; ended ones are a failure.
func TestCertificates(t *testing.T) {
	now := time.Now()
	const day = 24 * time.Hour
	for _, test := range []struct {
		left time.Duration
		want status
	}{{31 * day, passed}, {29*day + time.Hour, noted}, {time.Hour, noted}} {
		served, pool := pair(t, "db.example.org", now.Add(test.left))
		own, _ := pair(t, "me", now.Add(-day))
		var c certificates
		config := &tls.Config{RootCAs: pool, ServerName: "db.example.org", Certificates: []tls.Certificate{own}}
		c.watch("kmip", config)
		near, far := net.Pipe()
		server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{served}})
		shaken := make(chan error, 1)
		go func() { shaken <- server.Handshake() }()
		if err := tls.Client(near, config.Clone()).Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := <-shaken; err != nil {
			t.Fatal(err)
		}
		near.Close()
		far.Close()
		all := c.ending("kmip", now)
		if len(all) == 0 || all[0].status != failed || !strings.Contains(all[0].detail, "the client certificate") {
			t.Fatalf("got %+v", all)
		}
		if soon := len(all) == 2 && all[1].status == noted && strings.Contains(all[1].detail, "db.example.org"); soon != (test.want == noted) {
			t.Errorf("%s: got %+v", test.left, all)
		}
		if all := c.ending(theServer, now); len(all) > 0 {
			t.Errorf("of another: %+v", all)
		}
		if all := c.ending("kmip", now.Add(test.left+time.Minute)); len(all) != 2 || all[1].status != failed {
			t.Errorf("ended: %+v", all)
		}
	}
}
