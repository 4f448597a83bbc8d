package measure

import "encoding/binary"

// WithID is a BSON document with an _id before its other fields.
func WithID(doc []byte, id [12]byte) []byte {
	const objectID = 0x07
	out := make([]byte, 4, len(doc)+17)
	out = append(out, objectID, '_', 'i', 'd', 0)
	out = append(append(out, id[:]...), doc[4:]...)
	binary.LittleEndian.PutUint32(out, uint32(len(out)))
	return out
}
