package faults

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/fieldcrypt/fieldcrypt/internal/breakingproxy"
	"github.com/fieldcrypt/fieldcrypt/internal/mockkms/azure"
)

// authority issues the certificates of impostors.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{}
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour)}
	issued := a.sign(t, template)
	a.key = issued.PrivateKey.(*ecdsa.PrivateKey)
	var err error
	if a.cert, err = x509.ParseCertificate(issued.Certificate[0]); err != nil {
		t.Fatal(err)
	}
	return a
}

// sign issues a certificate, by its own key when there is no authority yet.
func (a *authority) sign(t testing.TB, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: rand.Text()}
	template.NotBefore = time.Now().Add(-48 * time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// impostor dials a server with a certificate for these names, or for those of all services. It ends connections after the handshake.
func (a *authority) impostor(t testing.TB, expires time.Time, names ...string) breakingproxy.Dial {
	t.Helper()
	template := &x509.Certificate{NotAfter: expires, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: names}
	if names == nil {
		template.DNSNames = []string{"*.us-east-1.amazonaws.com", azure.Host, "login.microsoftonline.com", "*.googleapis.com"}
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{a.sign(t, template)}}
	return func(context.Context) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			c := tls.Server(far, config)
			_ = c.Handshake() // the client may not like it
			_ = far.Close()
		}()
		return near, nil
	}
}
