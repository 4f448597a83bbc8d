package payload

import (
	"encoding/hex"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// KeyID is a data key's _id: the 16 bytes of a UUID, of any version, in the order in which BSON stores them.
type KeyID [16]byte

// ParseKeyID reads the canonical text of a UUID (RFC 9562), xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx, in either letter case.
func ParseKeyID(s string) (KeyID, error) {
	var id KeyID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return KeyID{}, fmt.Errorf("parsing key id %.64q: expected a UUID such as 2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e", s)
	}
	if _, err := hex.Decode(id[:], []byte(s[0:8]+s[9:13]+s[14:18]+s[19:23]+s[24:])); err != nil {
		return KeyID{}, fmt.Errorf("parsing key id %q: a UUID has hexadecimal digits only", s)
	}
	return id, nil
}

// KeyIDFromBinary takes a BSON binary of subtype 4 and 16 bytes.
func KeyIDFromBinary(b bson.Binary) (KeyID, error) {
	if b.Subtype != bson.TypeBinaryUUID || len(b.Data) != len(KeyID{}) {
		return KeyID{}, fmt.Errorf("key id must be a UUID: expected 16 byte UUID of binary subtype 4, got %d bytes of subtype %d",
			len(b.Data), b.Subtype)
	}
	return KeyID(b.Data), nil
}

// String returns the UUID's canonical text, in lower case.
func (id KeyID) String() string {
	var s [36]byte
	hex.Encode(s[0:], id[0:4])
	hex.Encode(s[9:], id[4:6])
	hex.Encode(s[14:], id[6:8])
	hex.Encode(s[19:], id[8:10])
	hex.Encode(s[24:], id[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}

// Binary returns the id as BSON binary subtype 4.
func (id KeyID) Binary() bson.Binary {
	return bson.Binary{Subtype: bson.TypeBinaryUUID, Data: id[:]}
}
