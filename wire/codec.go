package wire

import (
	"bytes"
	"compress/zlib"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// Codec compresses messages and decompresses them. It keeps what the compressors need from one message to the next. The zero value is
// ready; safe for concurrent use.
type Codec struct {
	zlibReaders, zlibWriters sync.Pool
	zstdReader               zstdReader
	zstdWriter               zstdWriter
}

type zstdReader struct {
	once sync.Once
	*zstd.Decoder
}

type zstdWriter struct {
	once sync.Once
	*zstd.Encoder
}

// Decompress appends the message inside c, with its header. It takes no more memory than c.Size says, and fails if that is not exactly
// what comes out.
func (k *Codec) Decompress(dst []byte, c *Compressed) ([]byte, error) {
	start, end := len(dst)+HeaderSize, len(dst)+HeaderSize+c.Size
	h := Header{int32(HeaderSize + c.Size), c.RequestID, c.ResponseTo, c.OpCode}
	dst = h.Append(slices.Grow(dst, HeaderSize+c.Size))
	n, err := k.decompress(dst[start:end:end], c)
	switch {
	case err != nil:
		return dst, malformed(OpCompressed, "decompressing with %s: %v", c.Compressor, err)
	case n != c.Size:
		return dst, malformed(OpCompressed, "size inside %d, but got %d bytes from %s", c.Size, n, c.Compressor)
	}
	return dst[:end], nil
}

// decompress fills out, which has the promised size, and says how much there was; more than that is n > len(out), or an error.
func (k *Codec) decompress(out []byte, c *Compressed) (n int, err error) {
	switch c.Compressor {
	case Snappy:
		if n, err = snappy.DecodedLen(c.Data); err != nil || n != len(out) {
			return n, err
		}
		_, err = snappy.Decode(out, c.Data)
		return n, err
	case Zlib:
		return k.inflate(out, c.Data)
	case Zstd:
		k.zstdReader.once.Do(func() {
			// The options are constant and valid.
			k.zstdReader.Decoder, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true),
				zstd.WithDecoderMaxMemory(MaxMessageSize), zstd.WithDecodeAllCapLimit(true))
		})
		all, err := k.zstdReader.DecodeAll(c.Data, out[:0])
		return len(all), err
	}
	return copy(out, c.Data) + max(0, len(c.Data)-len(out)), nil
}

func (k *Codec) inflate(out, data []byte) (n int, err error) {
	source := bytes.NewReader(data)
	r, _ := k.zlibReaders.Get().(io.ReadCloser)
	if r == nil {
		r, err = zlib.NewReader(source)
	} else {
		err = r.(zlib.Resetter).Reset(source, nil)
	}
	if err != nil {
		return 0, err
	}
	defer k.zlibReaders.Put(r)
	if n, err = io.ReadFull(r, out); err != nil && err != io.EOF { // EOF: nothing was promised, or nothing came
		return n, err
	}
	var more [1]byte
	extra, err := io.ReadFull(r, more[:])
	if err == io.EOF { // only now has the sum been checked
		err = nil
	}
	return n + extra, err
}

// Compress appends message, one whole message, as an OP_COMPRESSED.
func (k *Codec) Compress(dst, message []byte, with Compressor) ([]byte, error) {
	var h Header
	if err := h.Decode(message, MaxMessageSize); err != nil {
		return dst, err
	}
	start, code, data := len(dst), h.OpCode, message[HeaderSize:]
	dst = begin(dst, h, OpCompressed)
	dst = appendInt32(dst, int32(code))
	dst = appendInt32(dst, int32(len(data)))
	dst = append(dst, byte(with))
	return End(k.compress(dst, data, with), start)
}

func (k *Codec) compress(dst, data []byte, with Compressor) []byte {
	switch with {
	case Snappy:
		room := snappy.MaxEncodedLen(len(data))
		dst = slices.Grow(dst, room)
		out := snappy.Encode(dst[len(dst):len(dst)+room], data)
		return dst[:len(dst)+len(out)]
	case Zlib:
		return k.deflate(dst, data)
	case Zstd:
		k.zstdWriter.once.Do(func() {
			// The options are constant and valid.
			k.zstdWriter.Encoder, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
		})
		return k.zstdWriter.EncodeAll(data, dst)
	}
	return append(dst, data...)
}

func (k *Codec) deflate(dst, data []byte) []byte {
	out := bytes.NewBuffer(dst)
	w, _ := k.zlibWriters.Get().(*zlib.Writer)
	if w == nil {
		w = zlib.NewWriter(out)
	} else {
		w.Reset(out)
	}
	_, _ = w.Write(data) // into memory
	_ = w.Close()
	w.Reset(io.Discard) // not to keep the message
	k.zlibWriters.Put(w)
	return out.Bytes()
}
