package migrate

import (
	"context"
	"sync"
	"time"
)

// pace keeps all workers of a job together below the bounds of the options.
type pace struct {
	mu        sync.Mutex
	documents float64 // a second; 0 is no bound
	bytes     float64
	free      time.Time // when the next batch may begin

	latency time.Duration
	most    int
	batch   int
	rest    time.Duration // after each batch, once batches cannot be smaller
}

func newPace(o Options) *pace {
	return &pace{documents: o.DocumentsPerSecond, bytes: o.BytesPerSecond, latency: o.MaxLatency, most: o.BatchSize, batch: o.BatchSize}
}

// size is how many documents a batch may have now. With a bound of documents a second it is at most what a second allows.
func (p *pace) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.documents > 0 {
		return max(1, min(p.batch, int(p.documents)))
	}
	return p.batch
}

// wait waits until a batch that is this large may be worked on.
func (p *pace) wait(ctx context.Context, documents, bytes int64) error {
	p.mu.Lock()
	var cost time.Duration
	if p.documents > 0 {
		cost = time.Duration(float64(documents) / p.documents * float64(time.Second))
	}
	if p.bytes > 0 {
		cost = max(cost, time.Duration(float64(bytes)/p.bytes*float64(time.Second)))
	}
	now := time.Now()
	if p.free.Before(now) {
		p.free = now
	}
	d := p.free.Sub(now) + p.rest
	p.free = p.free.Add(cost)
	p.mu.Unlock()
	return sleep(ctx, d)
}

// took says how long the server needed for the updates of one batch.
func (p *pace) took(d time.Duration) {
	if p.latency <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case d <= p.latency:
		p.rest /= 2
		p.batch = min(p.most, p.batch+max(1, p.batch/8))
	case p.batch > 1:
		p.batch /= 2
	default:
		p.rest = min(max(2*p.rest, d-p.latency), 10*time.Second)
	}
}
