package migrate

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// checkpoints is a ledger in a collection. One document says how the collection is divided, and has the _id "NAMESPACE JOB"; one for each range
// says how far it is, "NAMESPACE JOB TOKEN N". The token is the division's, so that a process that has an older one does not take its ranges for these.
//
// Leases go by the clocks of the processes: a wrong clock makes two of them do the same work, or one wait, and nothing worse.
type checkpoints struct {
	*mongo.Collection
	name   string // NAMESPACE JOB
	schema string // a hash of it, and of which collection it is
	token  string // of the division
	opts   Options
}

var _ ledger = (*checkpoints)(nil)

func newCheckpoints(o Options, j job, identity string) *checkpoints {
	ns := o.Collection.Database().Name() + "." + o.Collection.Name()
	return &checkpoints{Collection: safely(o.Checkpoints), name: ns + " " + j.String(), schema: hash(o, identity), opts: o}
}

// hash tells schemas apart that do not encrypt alike, and collections of one name.
func hash(o Options, identity string) string {
	print := o.Schema.Fingerprint()
	h := sha256.Sum256(append([]byte(identity+"\n"), print[:]...))
	return hex.EncodeToString(h[:16])
}

// newOwner is a name that no other process has.
func newOwner() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text()[:8])
}

// division is how the document of the whole job looks.
type division struct {
	ID     string    `bson:"_id"`
	Schema string    `bson:"schema"`
	Token  string    `bson:"token"`
	Begun  time.Time `bson:"begun"`
	Ranges []struct {
		Bracket string        `bson:"bracket"`
		After   bson.RawValue `bson:"after,omitempty"`
		UpTo    bson.RawValue `bson:"upTo,omitempty"`
	} `bson:"ranges"`
}

func (c *checkpoints) open(ctx context.Context, divide func(context.Context) ([]span, error)) ([]span, error) {
	if c.opts.Restart {
		if err := c.forget(ctx); err != nil {
			return nil, err
		}
	}
	spans, err := c.read(ctx)
	if err != nil || spans != nil {
		return spans, err
	}
	if spans, err = divide(ctx); err != nil {
		return nil, err
	}
	d := division{ID: c.name, Schema: c.schema, Token: rand.Text()[:8], Begun: time.Now().UTC()}
	for _, s := range spans {
		d.Ranges = append(d.Ranges, struct {
			Bracket string        `bson:"bracket"`
			After   bson.RawValue `bson:"after,omitempty"`
			UpTo    bson.RawValue `bson:"upTo,omitempty"`
		}{string(s.bracket), s.after, s.upTo})
	}
	if _, err := c.InsertOne(ctx, d); err != nil && !mongo.IsDuplicateKeyError(err) {
		return nil, fmt.Errorf("writing a checkpoint: %w", err)
	}
	return c.read(ctx) // of whoever was first
}

// read gives the ranges; nil when nobody has divided the collection yet.
func (c *checkpoints) read(ctx context.Context) ([]span, error) {
	var d division
	err := c.FindOne(ctx, bson.D{{Key: "_id", Value: c.name}}).Decode(&d)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading a checkpoint: %w", err)
	case d.Schema != c.schema:
		return nil, fmt.Errorf("the checkpoint %q is of another schema, or of a collection that was there before under this name (begun %s): restart to begin anew", c.name, d.Begun.UTC().Format(time.RFC3339))
	case len(d.Ranges) == 0 || d.Token == "":
		return nil, fmt.Errorf("the checkpoint %q is damaged: restart to begin anew", c.name)
	}
	c.token = d.Token
	var spans []span
	for _, r := range d.Ranges {
		spans = append(spans, span{bracket(r.Bracket), r.After, r.UpTo})
	}
	return spans, nil
}

// forget removes the division last: as long as it is there, the ranges' documents are, or are made again.
func (c *checkpoints) forget(ctx context.Context) error {
	_, err := c.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: c.name}, {Key: "$lt", Value: c.name + "!"}}}})
	if err == nil {
		_, err = c.DeleteOne(ctx, bson.D{{Key: "_id", Value: c.name}})
	}
	if err != nil {
		return fmt.Errorf("removing checkpoints: %w", err)
	}
	return nil
}

func (c *checkpoints) id(n int) bson.E {
	return bson.E{Key: "_id", Value: fmt.Sprintf("%s %s %d", c.name, c.token, n)}
}

// undivided is an error when the division is not there any more: this process would go on in ranges that are nobody else's.
func (c *checkpoints) undivided(ctx context.Context) error {
	err := c.FindOne(ctx, bson.D{{Key: "_id", Value: c.name}, {Key: "token", Value: c.token}}).Err()
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return errRestarted
	case err != nil:
		return fmt.Errorf("reading a checkpoint: %w", err)
	}
	return nil
}

func (c *checkpoints) state(ctx context.Context, n int) (rangeState, error) {
	s := rangeState{Pass: 1}
	err := c.FindOne(ctx, bson.D{c.id(n)}).Decode(&s)
	if errors.Is(err, mongo.ErrNoDocuments) {
		if err := c.undivided(ctx); err != nil {
			return s, err
		}
		return s, c.advance(ctx, n, 1)
	}
	if err != nil {
		return s, fmt.Errorf("reading a checkpoint: %w", err)
	}
	return s, nil
}

func (c *checkpoints) states(ctx context.Context, ranges int) ([]rangeState, error) {
	ids := make(bson.A, ranges)
	number := map[string]int{}
	for n := range ids {
		ids[n] = c.id(n).Value
		number[c.id(n).Value.(string)] = n
	}
	cursor, err := c.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
	if err != nil {
		return nil, fmt.Errorf("reading checkpoints: %w", err)
	}
	var found []struct {
		ID         string `bson:"_id"`
		rangeState `bson:",inline"`
	}
	if err := cursor.All(ctx, &found); err != nil {
		return nil, fmt.Errorf("reading checkpoints: %w", err)
	}
	all := make([]rangeState, ranges)
	for _, s := range found {
		all[number[s.ID]] = s.rangeState
	}
	for n := range all {
		if all[n].Pass == 0 { // nobody has written it yet
			if all[n], err = c.state(ctx, n); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

func (c *checkpoints) take(ctx context.Context, n, pass int) (rangeState, bool, error) {
	s, err := c.state(ctx, n)
	if err != nil || s.Pass != pass || s.Done {
		return s, false, err
	}
	now := time.Now().UTC()
	free := bson.A{bson.D{{Key: "until", Value: bson.D{{Key: "$lt", Value: now}}}}, bson.D{{Key: "owner", Value: c.opts.Owner}}}
	filter := bson.D{c.id(n), {Key: "pass", Value: pass}, {Key: "done", Value: false}, {Key: "$or", Value: free}}
	set := bson.D{{Key: "owner", Value: c.opts.Owner}, {Key: "until", Value: now.Add(c.opts.Lease)}}
	result, err := c.UpdateOne(ctx, filter, bson.D{{Key: "$set", Value: set}})
	if err != nil {
		return s, false, fmt.Errorf("leasing a range: %w", err)
	}
	s.Again = s.Again || s.Owner != "" // who had it before may have changed more than it noted
	return s, result.MatchedCount == 1, nil
}

func (c *checkpoints) save(ctx context.Context, n int, s rangeState, keep bool) (bool, error) {
	s.Owner, s.Until = c.opts.Owner, time.Unix(0, 0).UTC()
	if keep {
		s.Until = time.Now().UTC().Add(c.opts.Lease)
	}
	result, err := c.ReplaceOne(ctx, bson.D{c.id(n), {Key: "owner", Value: c.opts.Owner}, {Key: "pass", Value: s.Pass}}, s)
	if err != nil {
		return false, fmt.Errorf("writing a checkpoint: %w", err)
	}
	return result.MatchedCount == 1, nil
}

func (c *checkpoints) advance(ctx context.Context, n, pass int) error {
	if pass == 1 {
		s := rangeState{Pass: 1, Until: time.Unix(0, 0).UTC()}
		_, err := c.UpdateOne(ctx, bson.D{c.id(n)}, bson.D{{Key: "$setOnInsert", Value: s}}, options.UpdateOne().SetUpsert(true))
		if err != nil && !mongo.IsDuplicateKeyError(err) {
			return fmt.Errorf("writing a checkpoint: %w", err)
		}
		return nil
	}
	s, err := c.state(ctx, n)
	if err != nil || s.Pass >= pass {
		return err
	}
	next := rangeState{Pass: pass, Until: time.Unix(0, 0).UTC()}
	if _, err = c.ReplaceOne(ctx, bson.D{c.id(n), {Key: "pass", Value: s.Pass}, {Key: "done", Value: true}}, next); err != nil {
		return fmt.Errorf("writing a checkpoint: %w", err)
	}
	return nil
}
