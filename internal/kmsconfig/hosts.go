package kmsconfig

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

// Hosts are those that a master key may name: the KMS's own, this machine, and those that a Type's field Endpoints adds. Whoever can write to the key
// vault names the endpoint of a data key, and the answer of a host of theirs could be a data key that they know.
type Hosts struct {
	what  string // "aws masterKey"
	own   string // "a host of AWS KMS"
	isOwn func(host, port string) bool
	added []pattern
}

// pattern is host[:port] or *.domain[:port].
type pattern struct {
	host  string // in the form of name
	port  string // empty for any
	below bool   // the hosts below it, not itself
}

// NewHosts reads the field Endpoints of a Type. The host that isOwn gets is in lower case and without a dot at its end; what and own are for errors.
func NewHosts(what, own string, isOwn func(host, port string) bool, endpoints []string) (*Hosts, error) {
	h := &Hosts{what: what, own: own, isOwn: isOwn}
	for _, endpoint := range endpoints {
		p, ok := parsePattern(endpoint)
		if !ok {
			return nil, fmt.Errorf("endpoint %.200q of the Type's Endpoints is not host[:port] or *.domain[:port]", endpoint)
		}
		h.added = append(h.added, p)
	}
	return h, nil
}

func parsePattern(endpoint string) (pattern, bool) {
	host, below := strings.CutPrefix(strings.TrimSuffix(strings.TrimPrefix(endpoint, "https://"), "/"), "*.")
	u, err := url.Parse("https://" + host)
	if err != nil || *u != (url.URL{Scheme: "https", Host: u.Host}) || !isHost(u.Hostname()) || strings.HasSuffix(u.Host, ":") {
		return pattern{}, false
	}
	_, isAddress := netip.ParseAddr(u.Hostname())
	if n, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && (err != nil || n == 0) || below && isAddress == nil {
		return pattern{}, false
	}
	return pattern{host: name(u.Hostname()), port: u.Port(), below: below}, true
}

// Check returns an error that wraps kms.ErrForeignEndpoint unless a master key may name this endpoint; address is host[:port], with the usual port
// where it has none.
func (h *Hosts) Check(endpoint, address, usualPort string) error {
	u := url.URL{Host: address}
	host, port := name(u.Hostname()), u.Port()
	if port == "" {
		port = usualPort
	}
	if h.isOwn(host, port) || isThisMachine(host) || slices.ContainsFunc(h.added, func(p pattern) bool { return p.matches(host, port) }) {
		return nil
	}
	return fmt.Errorf("%s: %w: %.200q is not %s nor on this machine, and whoever can write to the key vault may have named it; if it is yours, "+
		"add it to the Type's Endpoints", h.what, kms.ErrForeignEndpoint, endpoint, h.own)
}

func (p pattern) matches(host, port string) bool {
	if p.port != "" && p.port != port {
		return false
	}
	if p.below {
		return strings.HasSuffix(host, "."+p.host)
	}
	return host == p.host
}

// name is the one form of a host's name.
func name(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// isThisMachine knows where emulators and tunnels listen.
func isThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
