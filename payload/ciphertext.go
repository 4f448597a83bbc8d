package payload

import (
	"fmt"
	"io"
	"log/slog"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// adSize is the length of what stands before the IV and is authenticated with it: kind (1) ‖ key id (16) ‖ type (1).
const adSize = 18

// Overhead is by how much a ciphertext is longer than the padded value in it: kind, key id and type, IV and tag. Padding adds 1 to 16 bytes.
const Overhead = adSize + ivSize + tagSize

// Ciphertext is a parsed ciphertext, not yet authenticated: every field may be forged until [Key.AppendDecrypt] has accepted it.
// Content is the parsed bytes.
type Ciphertext struct {
	Algorithm Algorithm
	KeyID     KeyID
	Type      bson.Type // of the encrypted value
	Content   []byte    // associated data (18) ‖ IV ‖ S ‖ T
}

// ParseCiphertext splits the content of a subtype 6 binary whose first byte is [KindDeterministic] or [KindRandom].
// Errors wrap [ErrMalformed].
func ParseCiphertext(b []byte) (Ciphertext, error) {
	id, err := CiphertextKeyID(b)
	if err == nil && !isSealedSize(len(b)-adSize) {
		err = sealedSizeError(len(b) - adSize)
	}
	if err != nil {
		return Ciphertext{}, err
	}
	return Ciphertext{Algorithm: Algorithm(b[0]), KeyID: id, Type: bson.Type(b[17]), Content: b[:len(b):len(b)]}, nil
}

// CiphertextKeyID tells which data key a ciphertext asks for. It is [ParseCiphertext] without a look at what follows the type, which may be of any length, as
// the drivers ask for a key before they judge the rest.
func CiphertextKeyID(b []byte) (KeyID, error) {
	if !hasHeader(b) {
		return KeyID{}, headerError(b)
	}
	return KeyID(b[1:17]), nil
}

// hasHeader says whether b begins as a ciphertext does.
func hasHeader(b []byte) bool {
	return len(b) > adSize && (Kind(b[0]) == KindDeterministic || Kind(b[0]) == KindRandom)
}

func headerError(b []byte) error {
	if len(b) <= adSize {
		return fmt.Errorf("%w, too small: got %d bytes, expected at least %d", ErrMalformed, len(b), adSize+minSealed)
	}
	return fmt.Errorf("%w, expected blob subtype of 1 or 2, got %d (%s)", ErrMalformed, b[0], Kind(b[0]))
}

// consistent reports whether the fields say what the authenticated bytes say.
func (c *Ciphertext) consistent() bool {
	return hasHeader(c.Content) && Algorithm(c.Content[0]) == c.Algorithm &&
		KeyID(c.Content[1:17]) == c.KeyID && bson.Type(c.Content[17]) == c.Type
}

// String says what the ciphertext is, without its bytes.
func (c Ciphertext) String() string {
	return fmt.Sprintf("ciphertext(%s, data key %s, value of type %s, %d bytes)",
		c.Algorithm, c.KeyID, TypeAlias(c.Type), len(c.Content))
}

// Format prints what String returns, whatever the verb.
func (c Ciphertext) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue logs what String returns.
func (c Ciphertext) LogValue() slog.Value { return slog.StringValue(c.String()) }
