package wire_test

import (
	"bytes"
	"compress/zlib"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"github.com/fieldcrypt/fieldcrypt/wire"
)

var compressors = []wire.Compressor{wire.Noop, wire.Snappy, wire.Zlib, wire.Zstd}

// Whatever was compressed comes out again, from many goroutines at a time.
func TestCodec(t *testing.T) {
	var k wire.Codec
	random := make([]byte, 100_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(random)
	var all sync.WaitGroup
	for _, data := range []string{"", "x", strings.Repeat("compressible ", 10_000), string(random)} {
		h := wire.Header{RequestID: 3, ResponseTo: 4, OpCode: wire.OpMsg}
		message, err := wire.End(append(h.Append(nil), data...), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, with := range compressors {
			for range 8 {
				all.Go(func() {
					packed, err := k.Compress([]byte("before"), message, with)
					if err != nil || !bytes.HasPrefix(packed, []byte("before")) {
						t.Errorf("compressing with %s: %v", with, err)
						return
					}
					got, err := unpack(&k, packed[len("before"):])
					if err != nil || !bytes.Equal(got, message) {
						t.Errorf("%s of %d bytes: got %d, %v", with, len(message), len(got), err)
					}
				})
			}
		}
	}
	all.Wait()
}

func unpack(k *wire.Codec, packed []byte) ([]byte, error) {
	var c wire.Compressed
	if err := c.Decode(packed, wire.MaxMessageSize); err != nil {
		return nil, err
	}
	return k.Decompress(nil, &c)
}

// bomb is data that becomes size bytes.
func bomb(t testing.TB, with wire.Compressor, size int) []byte {
	t.Helper()
	zeros := make([]byte, size)
	var out bytes.Buffer
	switch with {
	case wire.Noop:
		return zeros
	case wire.Snappy:
		return snappy.Encode(nil, zeros)
	case wire.Zlib:
		w := zlib.NewWriter(&out)
		_, _ = w.Write(zeros)
		_ = w.Close()
	case wire.Zstd: // as a stream, which does not tell its size
		w, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(zeros)
		_ = w.Close()
	}
	return out.Bytes()
}

// What comes out is as much as was promised, or an error that took no more memory than the promise.
func TestCodecBelievesNoSize(t *testing.T) {
	const whole = 32 << 20
	for _, with := range compressors {
		data := bomb(t, with, whole)
		var k wire.Codec
		if _, err := k.Decompress(nil, &wire.Compressed{OpCode: wire.OpMsg, Size: whole, Compressor: with, Data: data}); err != nil {
			t.Errorf("%s, honest: %v", with, err)
		}
		for _, promised := range []int{0, 1, 1000, whole - 1, whole + 1} {
			dst := make([]byte, 0, wire.HeaderSize+promised)
			used := allocated(func() {
				_, err := k.Decompress(dst, &wire.Compressed{OpCode: wire.OpMsg, Size: promised, Compressor: with, Data: data})
				if !isMalformed(err) {
					t.Errorf("%s, %d bytes promised for %d: %v", with, promised, whole, err)
				}
			})
			if used > 1<<20 {
				t.Errorf("%s, %d bytes promised for %d: took %d bytes besides", with, promised, whole, used)
			}
		}
		if _, err := k.Decompress(nil, &wire.Compressed{OpCode: wire.OpMsg, Size: whole, Compressor: with, Data: data[:len(data)-1]}); !isMalformed(err) {
			t.Errorf("%s, cut off: %v", with, err)
		}
	}
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestCompressorNames(t *testing.T) {
	for name, want := range map[string]wire.Compressor{"snappy": wire.Snappy, "zlib": wire.Zlib, "zstd": wire.Zstd} {
		if got, ok := wire.CompressorByName(name); !ok || got != want {
			t.Errorf("%s: %v, %v", name, got, ok)
		}
	}
	for _, name := range []string{"noop", "lz4", "", "unknown"} {
		if _, ok := wire.CompressorByName(name); ok {
			t.Errorf("%q is no compressor that is negotiated", name)
		}
	}
}
