// Package secret holds key material in a type that does not print.
//
// It is for keys and credentials on their way through the program: printing a [Bytes] with any verb of package fmt, logging it with
// log/slog or marshalling it shows a length or fails, so that a key cannot slip into a log, an error or a file by accident.
//
// It is not a protection against whoever reads the process's memory: the bytes lie there in clear until [Bytes.Wipe], and Go's
// garbage collector gives no promise about copies that other code made from [Bytes.Expose].
package secret

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Bytes is key material. The zero value and the nil pointer hold no bytes. Reading is safe for concurrent use; Wipe is not.
type Bytes struct {
	// A closure because fmt cannot call methods on a value in another struct's unexported field: of a func it prints an address.
	expose func() []byte
}

var (
	_ fmt.Formatter  = Bytes{}
	_ fmt.Stringer   = Bytes{}
	_ fmt.GoStringer = Bytes{}
	_ slog.LogValuer = Bytes{}
)

// New returns a copy of src; the caller may wipe src afterwards.
func New(src []byte) *Bytes {
	data := bytes.Clone(src)
	return &Bytes{expose: func() []byte { return data }}
}

// Expose returns the bytes themselves, not a copy. The caller must neither change them nor keep them: Wipe zeroes them.
func (b *Bytes) Expose() []byte {
	if b == nil || b.expose == nil {
		return nil
	}
	return b.expose()
}

// Len returns the number of bytes; 0 after Wipe.
func (b *Bytes) Len() int { return len(b.Expose()) }

// Equal reports whether both hold the same bytes, in a time that depends on the lengths only.
func (b *Bytes) Equal(other *Bytes) bool {
	return subtle.ConstantTimeCompare(b.Expose(), other.Expose()) == 1
}

// Wipe zeroes the bytes and forgets them. Slices got from Expose are zeroed with them.
func (b *Bytes) Wipe() {
	clear(b.Expose())
	if b != nil {
		b.expose = nil
	}
}

// String returns the length only: "secret(96 bytes)".
func (b Bytes) String() string { return fmt.Sprintf("secret(%d bytes)", b.Len()) }

// GoString returns what String returns.
func (b Bytes) GoString() string { return b.String() }

// Format prints what String returns, whatever the verb.
func (b Bytes) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, b.String()) }

// LogValue logs what String returns.
func (b Bytes) LogValue() slog.Value { return slog.StringValue(b.String()) }

var errMarshal = errors.New("marshalling key material is refused; expose it on purpose where it must be written")

// MarshalText refuses.
func (b Bytes) MarshalText() ([]byte, error) { return nil, errMarshal }

// MarshalJSON refuses.
func (b Bytes) MarshalJSON() ([]byte, error) { return nil, errMarshal }

// MarshalBinary refuses; encoding/gob uses it too.
func (b Bytes) MarshalBinary() ([]byte, error) { return nil, errMarshal }
