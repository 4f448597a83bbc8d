package fieldcrypt

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// ahead holds the plaintexts of a large reply that several cores have decrypted before one of them writes the reply.
type ahead struct {
	plain   []byte
	results []span // by number of the value; the zero span for what is not decrypted ahead
}

// span is a plaintext in plain.
type span struct {
	start, end uint32
	kind       bson.Type // of the value
}

// result is the plaintext of value number i, if it was decrypted ahead.
func (a *ahead) result(i int) ([]byte, bson.Type, bool) {
	if i >= len(a.results) || a.results[i].end == 0 {
		return nil, 0, false
	}
	r := a.results[i]
	return a.plain[r.start:r.end], r.kind, true
}

// maxIdlePlain is how many bytes are kept for the next reply.
const maxIdlePlain = 1 << 20

// clear leaves no plaintext behind.
func (a *ahead) clear() {
	clear(a.plain)
	if a.plain, a.results = a.plain[:0], a.results[:0]; cap(a.plain) > maxIdlePlain || cap(a.results) > maxIdle {
		*a = ahead{}
	}
}

// openAhead decrypts the values of a large reply on several cores. What fails, and what is not reached when ctx ends, is left to the one who writes
// the reply: errors come in the order of the document.
func (o *opener) openAhead(ctx context.Context) {
	cores := coresFor(o.sealed, o.bytes)
	if cores == 1 {
		return
	}
	o.reserve()
	_ = spread(ctx, cores, len(o.values), func(i int) error {
		o.openOne(i)
		return nil
	})
}

// reserve gives each value its place.
func (o *opener) reserve() {
	a := &o.ahead
	a.plain = slices.Grow(a.plain, o.bytes)[:o.bytes]
	a.results = slices.Grow(a.results, len(o.values))
	at := uint32(0)
	for _, v := range o.values {
		a.results = append(a.results, span{start: at})
		if v.key >= 0 {
			at += uint32(max(len(o.found[v.found].Content(o.reply))-payload.Overhead, 0))
		}
	}
}

// openOne decrypts value number i if it can.
func (o *opener) openOne(i int) {
	v := o.values[i]
	if v.key < 0 || o.keys[v.key].err != nil {
		return
	}
	content := o.found[v.found].Content(o.reply)
	size := len(content) - payload.Overhead
	if size <= 0 {
		return
	}
	result := &o.ahead.results[i]
	place := o.ahead.plain[result.start : result.start : int(result.start)+size]
	if plain, t, err := o.keys[v.key].key.AppendDecryptContent(place, content); err == nil {
		result.end, result.kind = result.start+uint32(len(plain)), t
	}
}
