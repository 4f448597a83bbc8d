package wire_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fieldcrypt/fieldcrypt/wire"
)

// Any bytes give an error or a message that, written again, reads the same; and of what is compressed, as much as was promised.
func FuzzRead(f *testing.F) {
	var k wire.Codec
	for _, m := range messages {
		b := fromHex(f, m.bytes)
		f.Add(b)
		for _, with := range compressors {
			packed, err := k.Compress(nil, b, with)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(packed)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 20
		b, _, err := wire.Read(bytes.NewReader(b), nil, limit)
		if err != nil {
			return
		}
		m, err := decode(b)
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *wire.Compressed:
			if m.Size > limit {
				return
			}
			if out, err := k.Decompress(nil, m); err == nil && len(out) != wire.HeaderSize+m.Size {
				t.Errorf("%d bytes promised, got %d", m.Size, len(out)-wire.HeaderSize)
			}
		case *wire.Msg:
			writtenAgain(t, m)
			if command, err := m.AppendCommand(nil); err == nil && len(command) < len(m.Body) {
				t.Errorf("command of %d bytes from a body of %d", len(command), len(m.Body))
			}
		case message:
			writtenAgain(t, m)
		}
	})
}

func writtenAgain(t *testing.T, m message) {
	t.Helper()
	b, err := m.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := decode(b)
	if err != nil {
		t.Fatalf("what was written cannot be read: %v", err)
	}
	if diff := cmp.Diff(any(m), again, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("first -, written again +\n%s", diff)
	}
}
