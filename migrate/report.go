package migrate

import (
	"slices"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// Report is what a job found and did. It holds ids of documents, paths and types, never a value.
type Report struct {
	Job       string // "plan", "run", "rekey", "decrypt" or "verify"
	DryRun    bool
	Partition int // which part of the collection it tells of
	Of        int
	Passes    int   // how often the collection was gone through
	Documents int64 // read in the last pass, by this process
	Total     int64 // documents of the collection, as the server estimated them at the start
	Bytes     int64 // of the documents read in the last pass
	Changed   int64 // documents changed in all passes, by this process; in a plan or dry run, those that would be
	Growth    int64 // bytes that they get longer
	Conflicts int64 // updates that came too late and were made anew
	// Settled says that the last pass changed nothing. A run that is not settled has reached Options.Passes while others wrote.
	Settled bool
	// Complete says that the job was not stopped early.
	Complete bool
	Elapsed  time.Duration

	Counts   []Count   // by field of the schema and state, in the last pass, before its changes
	Findings []Finding // what is not as the job wants it; at most Options.MaxFindings
	Found    int64     // number of findings, also of those that are not listed, and with Checkpoints of other processes'
}

// Count is how many values of a field are in a state.
type Count struct {
	// Field is the path in the schema as schema.Encrypted has it, in which "*" and "/a/" may be rules or names, or the path in the document where none of
	// the schema's fields is meant.
	Field  string
	State  State
	Values int64
}

// Finding is a value that is not as the job wants it.
type Finding struct {
	ID    bson.RawValue // of the document
	Path  string        // in the document
	State State
	Type  string // BSON type of the value, by alias
	Code  int    // the server's error code, with Refused
}

// OK says whether the whole job is done and left nothing behind: everything is encrypted, or decrypted, as it was meant to be. Of a plan it says that nothing
// stands in the way.
func (r *Report) OK() bool { return r.Complete && r.Settled && r.Found == 0 }

// AtLeast is how long Run would take at best, told from a plan: at the given rate if it is positive, else as long as reading everything twice took.
func (r *Report) AtLeast(documentsPerSecond float64) time.Duration {
	if documentsPerSecond > 0 {
		return time.Duration(2 * float64(r.Documents) / documentsPerSecond * float64(time.Second))
	}
	return 2 * r.Elapsed
}

// Progress tells how far a job is.
type Progress struct {
	Job       string
	Pass      int   // 1 is the first
	Documents int64 // read in this pass
	Total     int64 // documents of the collection, as the server estimated them at the start
	Bytes     int64
	Changed   int64
	Conflicts int64
	Findings  int64
	Elapsed   time.Duration
}

// tally is a Report while several workers write it.
type tally struct {
	mu       sync.Mutex
	report   Report
	started  time.Time
	limit    int
	counts   map[countKey]int64
	progress func(Progress)
}

type countKey struct {
	field string
	state State
}

// batchTally is what one worker found in one batch.
type batchTally struct {
	documents, bytes, changed, growth, conflicts int64
	counts                                       map[countKey]int64
	findings                                     []Finding
	found                                        int64
}

func (b *batchTally) count(d judged) {
	if b.counts == nil {
		b.counts = map[countKey]int64{}
	}
	field := d.path
	if d.field != nil {
		field = d.field.Path
	}
	b.counts[countKey{field, d.state}]++
}

func (b *batchTally) find(limit int, id bson.RawValue, d judged, state State, code int) {
	b.found++
	if len(b.findings) < limit {
		id.Value = slices.Clone(id.Value)
		b.findings = append(b.findings, Finding{ID: id, Path: d.path, State: state, Type: payload.TypeAlias(d.value.Type), Code: code})
	}
}

// add takes a batch in and tells of the progress.
func (t *tally) add(b *batchTally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.report
	r.Documents += b.documents
	r.Bytes += b.bytes
	r.Changed += b.changed
	r.Growth += b.growth
	r.Conflicts += b.conflicts
	r.Found += b.found
	for key, n := range b.counts {
		t.counts[key] += n
	}
	r.Findings = append(r.Findings, b.findings[:min(len(b.findings), t.limit-len(r.Findings))]...)
	if t.progress != nil {
		t.progress(Progress{
			Job: r.Job, Pass: r.Passes, Documents: r.Documents, Total: max(r.Total, r.Documents), Bytes: r.Bytes,
			Changed: r.Changed, Conflicts: r.Conflicts, Findings: r.Found, Elapsed: time.Since(t.started),
		})
	}
}

// beginPass forgets what the pass before found: what is still so will be found again.
func (t *tally) beginPass(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.report
	r.Passes, r.Documents, r.Bytes, r.Findings, r.Found = n, 0, 0, nil, 0
	t.counts = map[countKey]int64{}
}

// foundInAll takes in what other processes found in the same ranges: their findings are not listed here, but counted.
func (t *tally) foundInAll(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Found = max(t.report.Found, n)
}

// finish makes the report.
func (t *tally) finish() *Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.report
	for key, n := range t.counts {
		r.Counts = append(r.Counts, Count{key.field, key.state, n})
	}
	slices.SortFunc(r.Counts, func(a, b Count) int {
		return strings.Compare(a.Field+"\x00"+string(a.State), b.Field+"\x00"+string(b.State))
	})
	r.Elapsed = time.Since(t.started)
	return &r
}
