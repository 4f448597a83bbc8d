package sensitive

import "strings"

// isEmail takes what people write as an address: one @, a local part of the characters that RFC 5322 allows without quotes, and a domain
// with a dot and a top level of letters. Addresses of the domains that are reserved for examples are addresses too.
func isEmail(text string) bool {
	local, domain, found := strings.Cut(text, "@")
	if !found || len(local) == 0 || len(local) > 64 || strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
		return false
	}
	for _, c := range []byte(local) {
		if !alphanumeric(c) && strings.IndexByte(".!#$%&'*+/=?^_`{|}~-", c) < 0 && c < 0x80 {
			return false
		}
	}
	labels := strings.Split(domain, ".")
	if len(labels) < 2 {
		return false
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !alphanumeric(c) && c != '-' && c < 0x80 {
				return false
			}
		}
	}
	top := labels[len(labels)-1]
	return len(top) >= 2 && !strings.ContainsAny(top, "0123456789") || strings.HasPrefix(top, "xn--")
}

func alphanumeric(c byte) bool { return c >= '0' && c <= '9' || letter(c) }

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
