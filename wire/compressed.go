package wire

// Compressor is how an OP_COMPRESSED is compressed.
type Compressor uint8

// The compressors of the protocol, by their numbers.
const (
	Noop   Compressor = 0 // as it is, for tests
	Snappy Compressor = 1
	Zlib   Compressor = 2
	Zstd   Compressor = 3
)

// String is the name by which hello negotiates it.
func (c Compressor) String() string {
	switch c {
	case Noop:
		return "noop"
	case Snappy:
		return "snappy"
	case Zlib:
		return "zlib"
	case Zstd:
		return "zstd"
	}
	return "unknown"
}

// CompressorByName is the compressor that hello calls so; false if there is none, or for noop, which is not negotiated.
func CompressorByName(name string) (Compressor, bool) {
	for _, c := range []Compressor{Snappy, Zlib, Zstd} {
		if c.String() == name {
			return c, true
		}
	}
	return 0, false
}

// Compressed is an OP_COMPRESSED, still compressed.
type Compressed struct {
	RequestID, ResponseTo int32
	OpCode                OpCode     // of the message inside
	Size                  int        // of the message inside in bytes, without a header: as promised, and checked to be within the limit
	Compressor            Compressor // one of the known ones
	Data                  []byte
}

// CompressedHeadSize is the length in bytes of what comes before the data of an OP_COMPRESSED, the header included.
const CompressedHeadSize = HeaderSize + 4 + 4 + 1

// SizeInside is Compressed.Size of a message of which only the first CompressedHeadSize bytes are there, plus a header's: what its
// decompression takes.
func SizeInside(head []byte) (int, error) {
	if len(head) < CompressedHeadSize {
		return 0, malformed(OpCompressed, "%d bytes, want %d at least", len(head), CompressedHeadSize)
	}
	size := getInt32(head[HeaderSize+4:])
	if size < 0 || size > MaxMessageSize-HeaderSize {
		return 0, malformed(OpCompressed, "size inside %d, want 0 to %d", size, MaxMessageSize-HeaderSize)
	}
	return int(size) + HeaderSize, nil
}

// Decode reads a whole message and points into it. The message inside must not be longer than limit bytes with its header, nor than
// MaxMessageSize.
func (c *Compressed) Decode(message []byte, limit int) error {
	b := open(message, OpCompressed)
	*c = Compressed{RequestID: getIDs(message, 4), ResponseTo: getIDs(message, 8)}
	c.OpCode = OpCode(b.int32("opcode inside"))
	c.Size = int(b.int32("size inside"))
	c.Compressor = Compressor(b.byte("compressor"))
	c.Data = b.rest
	limit = min(limit, MaxMessageSize) - HeaderSize
	switch {
	case b.err != nil:
	case c.OpCode == OpCompressed:
		b.fail("one inside another")
	case c.Size < 0 || c.Size > limit:
		b.fail("size inside %d, want 0 to %d", c.Size, limit)
	case c.Compressor > Zstd:
		b.fail("compressor %d is not known", c.Compressor)
	}
	return b.err
}
