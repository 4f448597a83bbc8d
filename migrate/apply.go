package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// maxTries is how often a document is judged anew because somebody else was faster, until it is left for the next pass.
const maxTries = 20

// applier brings the documents of one batch into the state that a job wants.
type applier struct {
	m     *Migration
	job   job
	pace  *pace
	tally *batchTally

	refused map[string]bool // ids that the server refused to change
	missed  map[string]missed
	losses  int // errors in a row that may pass
}

// planned is a document with something to do.
type planned struct {
	edit
	judged []judged
}

// look judges docs for the first time, and counts them and what is in them.
func (a *applier) look(ctx context.Context, docs []bson.Raw) ([]planned, error) {
	for _, doc := range docs {
		a.tally.documents++
		a.tally.bytes += int64(len(doc))
	}
	return a.judge(ctx, docs, true)
}

// apply changes what is to be changed. What it did is in the tally.
func (a *applier) apply(ctx context.Context, todo []planned) error {
	for try := 0; ; try++ {
		if todo = a.matchable(todo); len(todo) == 0 {
			return nil
		}
		if !jobs[a.job].writes || a.m.opts.DryRun {
			a.pretend(todo)
			return nil
		}
		if try == maxTries {
			a.give(todo, Contended, 0)
			return nil
		}
		again, err := a.write(ctx, todo)
		if err != nil || len(again) == 0 {
			return err
		}
		if err := a.m.pause(ctx, min(try, 4)); err != nil {
			return err
		}
		docs, err := a.fetch(ctx, again)
		if err != nil {
			return err
		}
		if todo, err = a.judge(ctx, docs, false); err != nil {
			return err
		}
	}
}

// judge finds out what is to be done to docs. The first time it counts what it sees; what is wrong then stays wrong as long as nobody else writes.
func (a *applier) judge(ctx context.Context, docs []bson.Raw, first bool) ([]planned, error) {
	var todo []planned
	var w walker
	for _, doc := range docs {
		id, err := doc.LookupErr("_id")
		if err != nil {
			return nil, errors.New("reading a document: it has no _id")
		}
		all, err := a.m.judge(ctx, a.job, doc, &w)
		if err != nil {
			return nil, fmt.Errorf("document with _id of type %s: %w", id.Type, err)
		}
		if first {
			a.count(id, all)
		}
		if e, some := editOf(id, all); some && (len(a.refused) == 0 || !a.refused[idKey(id)]) {
			todo = append(todo, planned{e, all})
		}
	}
	return todo, nil
}

func (a *applier) count(id bson.RawValue, all []judged) {
	for _, d := range all {
		a.tally.count(d)
		if d.change == nil && !slices.Contains(jobs[a.job].wants, d.state) {
			a.tally.find(a.m.opts.MaxFindings, id, d, d.state, 0)
		}
	}
}

func idKey(id bson.RawValue) string { return string(byte(id.Type)) + string(id.Value) }

func (a *applier) pretend(todo []planned) {
	for _, p := range todo {
		if p.size() > maxStatement {
			a.refuse(p, tooLarge)
			continue
		}
		a.tally.changed++
		a.tally.growth += p.growth()
	}
}

// give reports values that should have been changed and are not.
func (a *applier) give(todo []planned, state State, code int) {
	for _, p := range todo {
		for _, d := range p.judged {
			if d.change != nil {
				a.tally.find(a.m.opts.MaxFindings, p.id, d, state, code)
			}
		}
	}
}

// write makes the edits. It returns those of which it is not certain that they were made: their documents have to be read again.
func (a *applier) write(ctx context.Context, todo []planned) (again []planned, err error) {
	var exact []planned
	for _, p := range todo {
		if p.size() > maxStatement {
			a.refuse(p, tooLarge)
			continue
		}
		if p.exact() {
			exact = append(exact, p)
			continue
		}
		done, err := a.swap(ctx, p)
		if err != nil {
			return nil, err
		}
		if !done {
			again = append(again, p)
		}
	}
	if len(exact) == 0 {
		return again, nil
	}
	more, err := a.update(ctx, exact)
	return append(again, more...), err
}

// update makes edits whose filters are exact, all at once.
func (a *applier) update(ctx context.Context, todo []planned) (again []planned, err error) {
	edits := make([]edit, len(todo))
	for i, p := range todo {
		edits[i] = p.edit
	}
	began := time.Now()
	matched, refused, err := a.m.docs.update(ctx, edits)
	a.pace.took(time.Since(began))
	if err != nil {
		return todo, a.survive(ctx, err)
	}
	a.losses = 0
	a.tally.changed += matched
	if matched == int64(len(todo)) {
		for _, p := range todo {
			a.tally.growth += p.growth()
		}
		return nil, nil
	}
	conflicts := int64(len(todo)) - matched
	for i, p := range todo {
		code, is := refused[i]
		if !is {
			a.miss(p)
			again = append(again, p)
			continue
		}
		conflicts--
		if conflict(code) {
			again = append(again, p)
			continue
		}
		a.refuse(p, code)
	}
	a.tally.conflicts += max(conflicts, 0)
	return again, nil
}

// conflict says whether a server's refusal of one update means that the document is not any more what was read, or that it may pass.
func conflict(code int) bool {
	const pathNotViable = 28
	return code == pathNotViable || slices.Contains(notNow, code)
}

func (a *applier) refuse(p planned, code int) {
	if a.refused == nil {
		a.refused = map[string]bool{}
	}
	a.refused[idKey(p.id)] = true
	a.give([]planned{p}, Refused, code)
}

// survive waits after an error that may pass; it returns others.
func (a *applier) survive(ctx context.Context, err error) error {
	if !passing(err) || a.losses >= maxLosses {
		return err
	}
	a.m.log.WarnContext(ctx, "the server's answer was lost, its documents are looked at again", "tries", a.losses+1)
	a.losses++
	a.tally.changed++ // at least one may have been: the pass is not taken to have found nothing
	return a.m.pause(ctx, a.losses)
}

// swap makes an edit whose filter may match equal values that are not identical, and puts right what that overwrote. done says that nothing is left
// to do.
func (a *applier) swap(ctx context.Context, p planned) (done bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	whole, cancel := outlasting(ctx)
	defer cancel()
	began := time.Now()
	before, err := a.m.docs.swap(whole, p.edit)
	a.pace.took(time.Since(began))
	if before != nil {
		if repaired := a.swapped(whole, p, before); err == nil || repaired != nil {
			return true, repaired
		}
	}
	var refusal mongo.CommandError
	switch {
	case err == nil:
		a.tally.conflicts++
		a.miss(p)
		return false, nil
	case errors.As(err, &refusal) && conflict(int(refusal.Code)), passing(err):
		return false, a.survive(ctx, err)
	case errors.As(err, &refusal) && ctx.Err() == nil && !unauthorized(refusal):
		a.refuse(p, int(refusal.Code))
		return true, nil
	}
	return false, err
}

// swapped looks at what a swap that was made has replaced, and puts right what it should not have.
func (a *applier) swapped(ctx context.Context, p planned, before bson.Raw) error {
	a.losses = 0
	a.tally.changed++
	a.tally.growth += p.growth()
	wrong := p.wronged(before)
	if len(wrong) == 0 {
		return nil
	}
	a.tally.conflicts++
	return a.restore(ctx, p, before, wrong)
}

// outlasting is ctx for an edit and its repair, which an interrupt must not part: it ends some time after ctx.
func outlasting(ctx context.Context) (context.Context, context.CancelFunc) {
	const grace = 10 * time.Second
	whole, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return whole, func() { stop(); cancel() }
}

func unauthorized(err mongo.CommandError) bool { return err.HasErrorCode(13) || err.HasErrorCode(18) }

// restore gives fields that an edit overwrote by mistake the values they had just before, converted like those that were meant, unless they have been
// written again since.
func (a *applier) restore(ctx context.Context, p planned, before bson.Raw, wrong []change) error {
	converted, err := a.m.judge(ctx, a.job, before, new(walker))
	if err != nil {
		return a.lost(p, wrong, err)
	}
	for i := range wrong {
		if wrong[i].new.IsZero() {
			return a.lost(p, wrong[i:], errors.New("it stands in an array"))
		}
		for _, d := range converted {
			if d.path == wrong[i].path && d.change != nil {
				wrong[i].new = *d.change
			}
		}
	}
	for try := 0; ; try++ {
		matched, refused, err := a.m.docs.update(ctx, []edit{{id: p.id, set: wrong}})
		switch {
		case err == nil && len(refused) == 0:
			return nil
		case err != nil && passing(err) && try < maxLosses:
			if err := a.m.pause(ctx, try); err == nil {
				continue
			}
		case matched > 0: // it is there, but not as safe as it should be
			return err
		case err == nil:
			err = fmt.Errorf("the server refused it with code %d", refused[0])
		}
		return a.lost(p, wrong, err)
	}
}

// lost is the error about a write that could be neither avoided nor undone.
func (a *applier) lost(p planned, wrong []change, err error) error {
	return fmt.Errorf("document %s, field %s: the value that another client wrote meanwhile, equal but not identical to the one that was encrypted, could not be put back: %w",
		idText(p.id), wrong[0].path, err)
}

// fetch reads the documents of edits again. Those that are gone need nothing any more.
func (a *applier) fetch(ctx context.Context, todo []planned) ([]bson.Raw, error) {
	ids := make([]bson.RawValue, len(todo))
	for i, p := range todo {
		ids[i] = p.id
	}
	for {
		docs, err := a.m.docs.fetch(ctx, ids)
		if err == nil {
			return docs, nil
		}
		if err := a.survive(ctx, err); err != nil {
			return nil, err
		}
	}
}

// idText is an _id in Extended JSON.
func idText(id bson.RawValue) string {
	doc := bsonraw.AppendValue([]byte{0, 0, 0, 0}, "_id", id)
	text, err := bson.MarshalExtJSON(bson.Raw(bsonraw.End(doc, 0)), false, false)
	if err != nil {
		return "of type " + id.Type.String()
	}
	return string(text)
}
