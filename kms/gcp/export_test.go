package gcp

import "net/http"

// WithMetadata asks a metadata server that rt leads to.
func (t Type) WithMetadata(rt http.RoundTripper) Type {
	t.metadata = rt
	return t
}
