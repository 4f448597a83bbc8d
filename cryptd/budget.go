package cryptd

import (
	"context"
	"runtime"

	"golang.org/x/sync/semaphore"

	"github.com/fieldcrypt/fieldcrypt/wire"
)

// A message in work holds memory for itself and its answer: the command, and behind it the command with markings.
const (
	perByte     = 4
	perMessage  = 16 << 10
	smallSize   = 16 << 10 // longer messages get their memory before they are read
	keptBuffer  = 1 << 20  // longer buffers are not kept for the next message
	leastMemory = perByte*2*wire.MaxMessageSize + perMessage
)

// budget bounds the memory of the messages in work. Long messages have one of their own, so that those who are slow to send or to
// take them do not keep up the others. A message takes its share once, and waits for no other while it has it.
type budget struct {
	small, large *semaphore.Weighted
	analyses     chan struct{} // room for one analysis per processor: an answer can grow far beyond its share before it is refused
}

func newBudget(bytes int64) budget {
	return budget{semaphore.NewWeighted(bytes / 4), semaphore.NewWeighted(bytes), make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// share is a part of the budget that is in use.
type share struct {
	of    *semaphore.Weighted
	bytes int64
}

// take waits for the share of a message of size bytes, decompressed included.
func (b *budget) take(ctx context.Context, size int) (share, error) {
	s := share{b.small, perByte*int64(size) + perMessage}
	if size > smallSize {
		s.of = b.large
	}
	return s, s.of.Acquire(ctx, s.bytes)
}

// tryMore takes what an answer of size bytes has grown beyond the share of its message, without waiting. It takes nothing when there is no room.
func (b *budget) tryMore(held share, size int64) (more share, ok bool) {
	more = share{b.large, max(0, size-held.bytes)}
	if !more.of.TryAcquire(more.bytes) {
		return share{b.large, 0}, false
	}
	return more, true
}

func (s share) giveBack() { s.of.Release(s.bytes) }

// buffers are the memory of a message in work.
type buffers struct {
	message, plain, command, reply []byte
}

// slim lets go of what is too long to be kept.
func (b *buffers) slim() {
	for _, buf := range []*[]byte{&b.message, &b.plain, &b.command, &b.reply} {
		if cap(*buf) > keptBuffer {
			*buf = nil
		}
	}
}
