package kmsconfig

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Endpoint returns the URL of host[:port]. As in the official drivers the scheme https may be written, and the host name must have a dot.
func Endpoint(endpoint, what string) (string, error) {
	u, err := url.Parse("https://" + strings.TrimSuffix(strings.TrimPrefix(endpoint, "https://"), "/"))
	if err != nil || *u != (url.URL{Scheme: "https", Host: u.Host}) || !isHost(u.Hostname()) {
		return "", fmt.Errorf("%s: endpoint %.200q is not host[:port]", what, endpoint)
	}
	if !strings.Contains(u.Hostname(), ".") {
		return "", fmt.Errorf("%s: endpoint %.200q has no dot in its host name", what, endpoint)
	}
	digits, given := strings.CutPrefix(strings.TrimPrefix(u.Host, u.Hostname()), ":")
	if port, err := strconv.ParseUint(digits, 10, 16); given && (err != nil || port == 0) {
		return "", fmt.Errorf("%s: endpoint %.200q: the port is not a number from 1 to 65535", what, endpoint)
	}
	return u.String(), nil
}

// isHost takes names and addresses. It is stricter than package net/url: what a key vault names as a host goes into logs and name look-ups.
func isHost(s string) bool {
	if ip, err := netip.ParseAddr(s); err == nil {
		return ip.Zone() == ""
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || strings.IndexFunc(label, alien) >= 0 {
			return false
		}
	}
	return true
}

func alien(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}
