package migrate

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// batch is what there is to do about documents that were read together.
type batch struct {
	applier
	todo []planned
	last bson.RawValue // their last _id
}

// ahead reads a range and judges its batches, one batch ahead of write, so that the server is not kept waiting while values are encrypted. What was read before
// an error is written.
func (x *execution) ahead(ctx context.Context, s span, after bson.RawValue, write func(*batch) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	batches := make(chan *batch)
	var err error
	go func() {
		defer close(batches)
		probed := false
		err = x.docs.scan(ctx, s, after, x.pace.size, func(docs []bson.Raw) error {
			b, err := x.read(ctx, docs, &probed)
			if err != nil {
				return err
			}
			select {
			case batches <- b:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	for b := range batches {
		if err := write(b); err != nil {
			stop()
			for range batches { // until the reader has ended
			}
			return err
		}
	}
	return err
}

// read judges documents.
func (x *execution) read(ctx context.Context, docs []bson.Raw, probed *bool) (_ *batch, err error) {
	if !*probed {
		if *probed, err = x.probe(ctx, docs); err != nil && !passing(err) {
			return nil, err
		}
	}
	b := &batch{applier: applier{m: x.Migration, job: x.job, pace: x.pace, tally: &batchTally{}}, last: docs[len(docs)-1].Lookup("_id")}
	b.todo, err = b.look(ctx, docs)
	return b, err
}

// write makes the edits of a batch when it is their turn.
func (x *execution) write(ctx context.Context, b *batch, s *rangeState) error {
	if err := x.pace.wait(ctx, b.tally.documents, b.tally.bytes); err != nil {
		return err
	}
	err := b.apply(ctx, b.todo)
	x.tally.add(b.tally)
	if err != nil {
		return err
	}
	s.add(b.tally)
	s.After = b.last
	return nil
}
