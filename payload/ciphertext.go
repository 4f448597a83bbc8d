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
// Its slices point into the parsed bytes.
type Ciphertext struct {
	Algorithm Algorithm
	KeyID     KeyID
	Type      bson.Type // of the encrypted value
	Data      []byte    // IV ‖ S ‖ T
	AD        []byte    // the first 18 bytes
}

// ParseCiphertext splits the content of a subtype 6 binary whose first byte is [KindDeterministic] or [KindRandom].
// Errors wrap [ErrMalformed].
func ParseCiphertext(b []byte) (Ciphertext, error) {
	c, err := ParseHeader(b)
	if err == nil {
		err = checkSealedSize(len(c.Data))
	}
	if err != nil {
		return Ciphertext{}, err
	}
	return c, nil
}

// ParseHeader is [ParseCiphertext] without a look at Data, which may be of any length. It tells which data key a value asks for, as
// the drivers do before they judge the rest.
func ParseHeader(b []byte) (Ciphertext, error) {
	if len(b) <= adSize {
		return Ciphertext{}, fmt.Errorf("%w, too small: got %d bytes, expected at least %d", ErrMalformed, len(b), adSize+minSealed)
	}
	if k := Kind(b[0]); k != KindDeterministic && k != KindRandom {
		return Ciphertext{}, fmt.Errorf("%w, expected blob subtype of 1 or 2, got %d (%s)", ErrMalformed, b[0], k)
	}
	return Ciphertext{
		Algorithm: Algorithm(b[0]),
		KeyID:     KeyID(b[1:17]),
		Type:      bson.Type(b[17]),
		Data:      b[adSize:len(b):len(b)],
		AD:        b[:adSize:adSize],
	}, nil
}

// consistent reports whether the fields say what the authenticated bytes say.
func (c *Ciphertext) consistent() bool {
	return len(c.AD) == adSize && c.Algorithm.check() == nil && Algorithm(c.AD[0]) == c.Algorithm &&
		KeyID(c.AD[1:17]) == c.KeyID && bson.Type(c.AD[17]) == c.Type
}

// String says what the ciphertext is, without its bytes.
func (c Ciphertext) String() string {
	return fmt.Sprintf("ciphertext(%s, data key %s, value of type %s, %d bytes)",
		c.Algorithm, c.KeyID, TypeAlias(c.Type), len(c.AD)+len(c.Data))
}

// Format prints what String returns, whatever the verb.
func (c Ciphertext) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue logs what String returns.
func (c Ciphertext) LogValue() slog.Value { return slog.StringValue(c.String()) }
