package payload

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Marking is an intent to encrypt: the plaintext of a value and how to encrypt it. Query analysis puts it in the value's place in a
// command and the client replaces it with a ciphertext; a server must never see one. Exactly one of KeyID and KeyAltName is set.
type Marking struct {
	Algorithm  Algorithm
	KeyID      *KeyID
	KeyAltName string
	Value      bson.RawValue // any BSON value, also one that may not be encrypted
}

// minMarking is the length of the kind byte and an empty document.
const minMarking = 6

// ParseMarking reads the content of a subtype 6 binary whose first byte is [KindMarking]: exactly one BSON document with the fields
// a, v and one of ki and ka, each once, in any order, and no others. Value points into b.
func ParseMarking(b []byte) (Marking, error) {
	m, err := parseMarking(b)
	if err != nil {
		return Marking{}, fmt.Errorf("invalid marking, %v", err)
	}
	return m, nil
}

func parseMarking(b []byte) (Marking, error) {
	if len(b) < minMarking {
		return Marking{}, fmt.Errorf("length < %d: got %d", minMarking, len(b))
	}
	if k := Kind(b[0]); k != KindMarking {
		return Marking{}, fmt.Errorf("first byte must be 0 or 3, got %d (%s); only 0, client-side field level encryption, is supported", b[0], k)
	}
	elements, size := documentElements(b[1:])
	if size != len(b)-1 {
		return Marking{}, fmt.Errorf("%d bytes after the first are not one BSON document", len(b)-1)
	}
	var m Marking
	seen := map[string]bool{}
	for len(elements) > 0 {
		name, v, rest, ok := nextElement(elements, 0)
		if !ok {
			return Marking{}, errors.New("malformed BSON document")
		}
		elements = rest
		if seen[string(name)] {
			return Marking{}, fmt.Errorf("duplicate field '%s'", printable(name))
		}
		seen[string(name)] = true
		if err := m.set(name, v); err != nil {
			return Marking{}, err
		}
	}
	for _, required := range []string{"v", "a"} {
		if !seen[required] {
			return Marking{}, fmt.Errorf("no '%s' specified", required)
		}
	}
	return m, checkOneKey(seen["ki"], seen["ka"])
}

// set takes over one field of the marking's document.
func (m *Marking) set(name []byte, v bson.RawValue) error {
	switch string(name) {
	case "a":
		a, ok := v.Int32OK()
		if !ok {
			return errors.New("'a' must be an int32")
		}
		m.Algorithm = Algorithm(a)
		return m.Algorithm.check()
	case "ki":
		subtype, data, ok := v.BinaryOK()
		if !ok {
			return errors.New("key id must be a UUID")
		}
		id, err := KeyIDFromBinary(bson.Binary{Subtype: subtype, Data: data})
		m.KeyID = &id
		return err
	case "ka":
		var ok bool
		if m.KeyAltName, ok = v.StringValueOK(); !ok {
			return errors.New("key alt name must be a UTF8")
		}
		return checkKeyAltName(m.KeyAltName)
	case "v":
		m.Value = v
		return nil
	}
	return fmt.Errorf("unrecognized field '%s'", printable(name))
}

// Append appends the marking's bytes to dst: the byte 0, then the document with a, ki or ka, and v, in this order, as mongocryptd does.
// The spare capacity of dst must not overlap Value. It refuses, and returns dst as it was, what ParseMarking would refuse.
func (m Marking) Append(dst []byte) ([]byte, error) {
	if err := m.check(); err != nil {
		return dst, fmt.Errorf("invalid marking, %v", err)
	}
	dst = append(dst, byte(KindMarking))
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = append(dst, byte(bson.TypeInt32), 'a', 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(m.Algorithm))
	if m.KeyID != nil {
		dst = append(dst, byte(bson.TypeBinary), 'k', 'i', 0, byte(len(m.KeyID)), 0, 0, 0, bson.TypeBinaryUUID)
		dst = append(dst, m.KeyID[:]...)
	} else {
		dst = append(dst, byte(bson.TypeString), 'k', 'a', 0)
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(m.KeyAltName)+1))
		dst = append(append(dst, m.KeyAltName...), 0)
	}
	dst = append(dst, byte(m.Value.Type), 'v', 0)
	dst = append(append(dst, m.Value.Value...), 0)
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start))
	return dst, nil
}

func (m Marking) check() error {
	if err := m.Algorithm.check(); err != nil {
		return err
	}
	if err := checkOneKey(m.KeyID != nil, m.KeyAltName != ""); err != nil {
		return err
	}
	if m.KeyID == nil {
		if err := checkKeyAltName(m.KeyAltName); err != nil {
			return err
		}
	}
	// The rest of the document is shorter than 64 bytes.
	if n := int64(len(m.Value.Value)) + int64(len(m.KeyAltName)); n > math.MaxInt32-64 {
		return fmt.Errorf("key alt name and value have %d bytes, too many for a BSON document", n)
	}
	if !wellFormed(m.Value.Type, m.Value.Value) {
		return fmt.Errorf("'v' is not one BSON value: got %d bytes of type %s", len(m.Value.Value), TypeAlias(m.Value.Type))
	}
	return nil
}

func checkOneKey(ki, ka bool) error {
	switch {
	case ki && ka:
		return errors.New("both 'ki' and 'ka' specified")
	case !ki && !ka:
		return errors.New("neither 'ki' nor 'ka' specified")
	}
	return nil
}

func checkKeyAltName(name string) error {
	if name == "" {
		return errors.New("key alt name must not be empty")
	}
	if !utf8.ValidString(name) {
		return errors.New("key alt name must be a UTF8")
	}
	return nil
}

// printable makes a field name from outside fit for an error message.
func printable(name []byte) string {
	const most = 64
	if len(name) > most {
		return printable(name[:most]) + "…"
	}
	return strings.Trim(strconv.Quote(string(name)), `"`)
}

// String says what the marking asks for, without the value.
func (m Marking) String() string {
	key := "key alt name " + strconv.Quote(m.KeyAltName)
	if m.KeyID != nil {
		key = "data key " + m.KeyID.String()
	}
	return fmt.Sprintf("marking(%s, %s, value of type %s)", m.Algorithm, key, TypeAlias(m.Value.Type))
}

// Format prints what String returns, whatever the verb.
func (m Marking) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, m.String()) }

// LogValue logs what String returns.
func (m Marking) LogValue() slog.Value { return slog.StringValue(m.String()) }
