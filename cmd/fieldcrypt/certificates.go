package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// certificates notes when certificates end: those that others show when they are connected to, and one's own. The zero value is ready for use.
type certificates struct {
	mu   sync.Mutex
	ends map[certificate]time.Time
}

// certificate says of whom one is.
type certificate struct{ of, what string }

// watch notes the certificates of connections with config, which of names.
func (c *certificates) watch(of string, config *tls.Config) {
	for _, own := range config.Certificates {
		if len(own.Certificate) == 0 {
			continue
		}
		if leaf, err := x509.ParseCertificate(own.Certificate[0]); err == nil {
			c.note(certificate{of, "the client certificate"}, leaf)
		}
	}
	config.VerifyConnection = func(s tls.ConnectionState) error { // after all that is verified anyway
		what := "the server's certificate"
		if s.ServerName != "" { // no address has one
			what = "the certificate of " + s.ServerName
		}
		for _, shown := range s.PeerCertificates {
			c.note(certificate{of, what}, shown)
		}
		return nil
	}
}

// note keeps the earliest end of a chain.
func (c *certificates) note(of certificate, shown *x509.Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ends == nil {
		c.ends = map[certificate]time.Time{}
	}
	if end, known := c.ends[of]; !known || shown.NotAfter.Before(end) {
		c.ends[of] = shown.NotAfter
	}
}

// ending tells of the certificates that have ended, or will soon.
func (c *certificates) ending(of string, now time.Time) (all []diagnosis) {
	const day, soon = 24 * time.Hour, 30 * 24 * time.Hour
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cert := range slices.SortedFunc(maps.Keys(c.ends), func(a, b certificate) int { return c.ends[a].Compare(c.ends[b]) }) {
		left := c.ends[cert].Sub(now)
		text := fmt.Sprintf("%s, or one above it, ends on %s", cert.what, c.ends[cert].UTC().Format(time.DateOnly))
		switch {
		case cert.of != of || left > soon:
		case left <= 0:
			all = append(all, one(failed, "renew the certificate", "%s: it has ended", text)...)
		default:
			all = append(all, one(noted, "renew the certificate before it does", "%s: in less than %s", text, plural(int(left/day)+1, "day"))...)
		}
	}
	return all
}
