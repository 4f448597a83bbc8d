package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"text/tabwriter"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/migrate"
)

// errLeft ends a job that left something behind; what it left is output.
var errLeft = &failure{code: exitRefused}

func (s *keysSession) migrate(ctx context.Context, job migrateJob, opts migrate.Options) error {
	told := time.Now()
	var mu sync.Mutex // of p: any worker may log
	var p *progress
	opts.Progress = func(at migrate.Progress) {
		mu.Lock()
		defer mu.Unlock()
		if p == nil {
			p = s.progress("documents", at.Total)
		}
		if s.flags.asJSON && time.Since(told) >= time.Second {
			told = time.Now()
			_ = s.result(bson.D{{Key: "progress", Value: progressDocument(at)}}, "", nil) // the report tells if nobody can read it
		}
		if !s.flags.asJSON || p.bar != nil {
			p.migrated(at)
		}
	}
	opts.Logger = slog.New(notes(func(text string) {
		mu.Lock()
		defer mu.Unlock()
		if p != nil {
			p.end() // the bar comes back with the next progress
		}
		s.note("%s", text)
	}))
	m, err := migrate.New(opts)
	if err != nil {
		return &failure{code: exitUsage, doing: "reading the command line", wrong: err.Error()}
	}
	report, err := job.run(m, ctx)
	if p != nil {
		p.end()
	}
	if written := s.migrated(report, opts); written != nil && err == nil {
		return written
	}
	switch {
	case err != nil:
		return err
	case !report.OK():
		return errLeft
	}
	return nil
}

// migrated says how far a migration is. Each pass begins anew.
func (p *progress) migrated(at migrate.Progress) {
	noun := "documents"
	if at.Pass > 1 {
		noun = fmt.Sprintf("documents, pass %d", at.Pass)
	}
	if at.Conflicts > 0 {
		noun += fmt.Sprintf(", %s", plural(int(at.Conflicts), "conflict"))
	}
	p.noun = noun
	if p.bar != nil {
		p.bar.Describe(noun)
	}
	p.at(at.Documents)
}

func progressDocument(at migrate.Progress) bson.D {
	return bson.D{
		{Key: "job", Value: at.Job}, {Key: "pass", Value: at.Pass}, {Key: "documents", Value: at.Documents}, {Key: "total", Value: at.Total},
		{Key: "bytes", Value: at.Bytes}, {Key: "changed", Value: at.Changed}, {Key: "conflicts", Value: at.Conflicts},
		{Key: "findings", Value: at.Findings}, {Key: "seconds", Value: at.Elapsed.Seconds()},
	}
}

// migrated writes the report.
func (s *keysSession) migrated(r *migrate.Report, opts migrate.Options) error {
	switch s.format {
	case table:
		return write(s.out, migrationText(r, opts))
	case idsOnly:
		return write(s.out, findingDocuments(r))
	}
	counts, findings := bson.A{}, bson.A{}
	for _, c := range r.Counts {
		counts = append(counts, bson.D{{Key: "field", Value: c.Field}, {Key: "state", Value: string(c.State)}, {Key: "values", Value: c.Values}})
	}
	for _, f := range r.Findings {
		doc := bson.D{{Key: "_id", Value: f.ID}, {Key: "path", Value: f.Path}, {Key: "state", Value: string(f.State)}, {Key: "type", Value: f.Type}}
		if f.Code != 0 {
			doc = append(doc, bson.E{Key: "code", Value: f.Code})
		}
		findings = append(findings, doc)
	}
	report := bson.D{
		{Key: "job", Value: r.Job}, {Key: "ok", Value: r.OK()}, {Key: "complete", Value: r.Complete}, {Key: "settled", Value: r.Settled},
		{Key: "dryRun", Value: r.DryRun}, {Key: "partition", Value: fmt.Sprintf("%d/%d", r.Partition, r.Of)}, {Key: "passes", Value: r.Passes},
		{Key: "documents", Value: r.Documents}, {Key: "total", Value: r.Total}, {Key: "bytes", Value: r.Bytes}, {Key: "changed", Value: r.Changed},
		{Key: "growth", Value: r.Growth}, {Key: "conflicts", Value: r.Conflicts}, {Key: "found", Value: r.Found},
		{Key: "seconds", Value: r.Elapsed.Seconds()},
	}
	if r.Job == "plan" {
		report = append(report, bson.E{Key: "runSeconds", Value: r.AtLeast(opts.DocumentsPerSecond).Seconds()})
	}
	report = append(report, bson.E{Key: "counts", Value: counts}, bson.E{Key: "findings", Value: findings})
	return s.result(bson.D{{Key: "report", Value: report}}, "", nil)
}

// findingDocuments is the _ids of documents with findings, each once.
func findingDocuments(r *migrate.Report) []byte {
	seen := map[string]bool{}
	var b bytes.Buffer
	for _, f := range r.Findings {
		if text := idText(f.ID); !seen[text] {
			seen[text] = true
			fmt.Fprintln(&b, text)
		}
	}
	return b.Bytes()
}

// idText is an _id as a document of Extended JSON.
func idText(id bson.RawValue) string {
	text, err := bson.MarshalExtJSON(bson.D{{Key: "_id", Value: id}}, false, false)
	if err != nil {
		return `{"_id": …}`
	}
	return string(text)
}

// migrationText is the report for a person.
func migrationText(r *migrate.Report, opts migrate.Options) []byte {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range r.Counts {
		fmt.Fprintf(w, "%s\t%s\t%d\n", printable(c.Field), c.State, c.Values)
	}
	_ = w.Flush() // into memory
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s: %s, %s", escaped(idText(f.ID)), printable(f.Path), f.State)
		if f.Code != 0 {
			fmt.Fprintf(&b, " by the server (code %d)", f.Code)
		}
		fmt.Fprintf(&b, " (%s)\n", f.Type)
	}
	if more := r.Found - int64(len(r.Findings)); more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	changed := "changed"
	if r.DryRun || r.Job == "plan" {
		changed = "to change"
	}
	fmt.Fprintf(&b, "%s: %s read in %s, %d %s (%+d bytes), %s\n", r.Job, plural(int(r.Documents), "document"), plural(r.Passes, "pass"), r.Changed, changed,
		r.Growth, plural(int(r.Conflicts), "conflict"))
	if r.Job == "plan" {
		fmt.Fprintf(&b, "a run takes at least %s\n", r.AtLeast(opts.DocumentsPerSecond).Round(time.Second))
	}
	fmt.Fprintln(&b, migrateVerdict(r))
	return b.Bytes()
}

func migrateVerdict(r *migrate.Report) string {
	switch {
	case !r.Complete:
		return "stopped early; run again, it goes on"
	case !r.Settled:
		return "others still write what has to be changed: let all writers encrypt, then run again"
	case r.Found > 0:
		return plural(int(r.Found), "value") + " left unchanged"
	case r.Of > 1:
		return fmt.Sprintf("nothing is left in partition %d/%d; the others tell of theirs", r.Partition, r.Of)
	}
	return "nothing is left"
}
