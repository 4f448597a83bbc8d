package migrate

import (
	"context"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// ledger keeps which ranges there are and how far each is. It is only ever an optimisation: whatever it says, a document is judged by what is in it.
type ledger interface {
	// open gives the ranges of the job, those that divide makes if there are none yet.
	open(ctx context.Context, divide func(context.Context) ([]span, error)) ([]span, error)
	// states reads how far the ranges are, by number.
	states(ctx context.Context, ranges int) ([]rangeState, error)
	// take leases range n, which must be in this pass and not done; false when somebody else has it, or it is done.
	take(ctx context.Context, n, pass int) (rangeState, bool, error)
	// save notes how far range n is, and says whether its lease was still held. The lease is renewed, or ends.
	save(ctx context.Context, n int, s rangeState, keep bool) (held bool, err error)
	// advance begins pass for range n, unless that has been done or the pass before has not ended.
	advance(ctx context.Context, n, pass int) error
}

// rangeState is how far a range is.
type rangeState struct {
	Pass      int           `bson:"pass"`            // 1 is the first
	After     bson.RawValue `bson:"after,omitempty"` // the last _id that is done in this pass
	Done      bool          `bson:"done"`            // in this pass
	Documents int64         `bson:"documents"`       // read in this pass
	Bytes     int64         `bson:"bytes"`
	Changed   int64         `bson:"changed"`
	Found     int64         `bson:"found"`
	Again     bool          `bson:"again"` // another pass must look: somebody wrote meanwhile, or what was changed in this pass is not known for sure
	Owner     string        `bson:"owner"`
	Until     time.Time     `bson:"until"` // of the lease
}

// add counts a batch.
func (s *rangeState) add(b *batchTally) {
	s.Documents += b.documents
	s.Bytes += b.bytes
	s.Changed += b.changed
	s.Found += b.found
	s.Again = s.Again || b.conflicts > 0
}

// memoryLedger is for one process and one run.
type memoryLedger struct {
	mu     sync.Mutex
	ranges []rangeState
	taken  []bool
}

var _ ledger = (*memoryLedger)(nil)

func (l *memoryLedger) open(ctx context.Context, divide func(context.Context) ([]span, error)) ([]span, error) {
	spans, err := divide(ctx)
	l.ranges, l.taken = make([]rangeState, len(spans)), make([]bool, len(spans))
	for i := range l.ranges {
		l.ranges[i].Pass = 1
	}
	return spans, err
}

func (l *memoryLedger) states(context.Context, int) ([]rangeState, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]rangeState(nil), l.ranges...), nil
}

func (l *memoryLedger) take(_ context.Context, n, pass int) (rangeState, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.ranges[n]
	if l.taken[n] || s.Done || s.Pass != pass {
		return s, false, nil
	}
	l.taken[n] = true
	return s, true, nil
}

func (l *memoryLedger) save(_ context.Context, n int, s rangeState, keep bool) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ranges[n] = s
	l.taken[n] = keep
	return true, nil
}

func (l *memoryLedger) advance(_ context.Context, n, pass int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ranges[n].Pass < pass {
		l.ranges[n] = rangeState{Pass: pass}
	}
	return nil
}
