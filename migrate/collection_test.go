package migrate

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/internal/aggmodel"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// collection is a collection in memory. What its filters match and how it sorts is MongoDB's, by the model of package aggmodel: equality is as coarse as
// there. Between any two of its operations somebody else may write.
type collection struct {
	mu   sync.Mutex
	docs []bson.Raw // in no order

	turn      sync.Mutex            // of those who call these, as reading goes on while a batch is written:
	meanwhile func(op string)       // called before each operation, without the lock of docs
	fail      func(op string) error // called before each operation and after each write
	refuse    func(doc bson.Raw) int
}

var _ documents = (*collection)(nil)

func (c *collection) before(op string) error {
	c.turn.Lock()
	if c.meanwhile != nil {
		c.meanwhile(op)
	}
	c.turn.Unlock()
	return c.failing(op)
}

// writtenBefore has somebody write doc, once, before the next of these operations.
func (c *collection) writtenBefore(doc bson.Raw, ops ...string) {
	c.meanwhile = func(op string) {
		if slices.Contains(ops, op) {
			c.meanwhile = nil
			c.put(doc)
		}
	}
}

func (c *collection) failing(op string) error {
	c.turn.Lock()
	defer c.turn.Unlock()
	if c.fail == nil {
		return nil
	}
	return c.fail(op)
}

func (c *collection) check(context.Context, []string) (string, error) { return "", nil }

func (c *collection) estimate(context.Context) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(len(c.docs)), nil
}

// find gives the documents that match, sorted by _id.
func (c *collection) find(filter bson.D) []bson.Raw {
	c.mu.Lock()
	defer c.mu.Unlock()
	return evaluate(c.docs, bson.D{{Key: "$match", Value: plain(filter)}}, bson.D{{Key: "$sort", Value: bson.D{{Key: "_id", Value: 1}}}})
}

func evaluate(docs []bson.Raw, stages ...any) []bson.Raw {
	var in []bson.D
	for _, doc := range docs {
		in = append(in, plain(doc))
	}
	out, err := aggmodel.Evaluate(stages, "c", map[string][]bson.D{"c": in})
	if err != nil {
		panic(err)
	}
	return out
}

// plain is a document in the types that the model reads.
func plain(doc any) (d bson.D) {
	raw, err := bson.Marshal(doc)
	if err == nil {
		err = bson.Unmarshal(raw, &d)
	}
	if err != nil {
		panic(err)
	}
	return d
}

func (c *collection) bounds(_ context.Context, b bracket, step int64) ([]bson.RawValue, error) {
	var all []bson.RawValue
	found := c.find(span{bracket: b}.filter(bson.RawValue{}))
	for i := int(step) - 1; i < len(found)-1; i += int(step) {
		if id := found[i].Lookup("_id"); !isNaN(id) {
			all = append(all, id)
		}
	}
	return all, nil
}

// scan reads as a cursor does: what is written behind its position is not seen, what is written ahead is.
func (c *collection) scan(_ context.Context, s span, resumed bson.RawValue, batch func() int, each func([]bson.Raw) error) error {
	for {
		if err := c.before("find"); err != nil {
			return err
		}
		found := c.find(s.filter(resumed))
		if !resumed.IsZero() && isNaN(resumed) || s.bracket == others {
			found = found[min(len(found), position(found, resumed)):]
		}
		if len(found) == 0 {
			return nil
		}
		found = found[:min(len(found), batch())]
		resumed = found[len(found)-1].Lookup("_id")
		if err := each(found); err != nil {
			return err
		}
	}
}

// position is how many of found are up to resumed; a cursor knows that.
func position(found []bson.Raw, resumed bson.RawValue) int {
	return 1 + slices.IndexFunc(found, func(doc bson.Raw) bool { return doc.Lookup("_id").Equal(resumed) })
}

func (c *collection) fetch(_ context.Context, ids []bson.RawValue) ([]bson.Raw, error) {
	if err := c.before("fetch"); err != nil {
		return nil, err
	}
	return c.find(bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}), nil
}

func (c *collection) binary(_ context.Context, path string, ids []bson.RawValue) (bson.RawValue, error) {
	for _, doc := range c.find(bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}, {Key: path, Value: bson.D{{Key: "$type", Value: "binData"}}}}) {
		return doc.Lookup("_id"), nil
	}
	return bson.RawValue{}, nil
}

func (c *collection) update(ctx context.Context, edits []edit) (matched int64, refused map[int]int, err error) {
	if err := errors.Join(c.before("update"), ctx.Err()); err != nil {
		return 0, nil, err
	}
	refused = map[int]int{}
	for i, e := range edits {
		before, code := c.apply(e)
		switch {
		case code != 0:
			refused[i] = code
		case before != nil:
			matched++
		}
		if err := c.failing("between"); err != nil {
			return 0, nil, err
		}
	}
	return matched, refused, c.failing("updated")
}

func (c *collection) swap(ctx context.Context, e edit) (bson.Raw, error) {
	if err := c.before("swap"); err != nil {
		return nil, err
	}
	before, code := c.apply(e)
	if code != 0 {
		return nil, mongo.CommandError{Code: int32(code)}
	}
	err := errors.Join(c.failing("swapped"), ctx.Err())
	if unsafe := (mongo.WriteException{}); err != nil && !errors.As(err, &unsafe) {
		return nil, err
	}
	return before, err
}

// apply makes one edit.
func (c *collection) apply(e edit) (before bson.Raw, refused int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, doc := range c.docs {
		if len(evaluate([]bson.Raw{doc}, bson.D{{Key: "$match", Value: plain(e.filter())}})) == 0 {
			continue
		}
		after := doc
		for _, set := range e.set {
			after = assign(after, strings.Split(set.path, "."), set.new)
		}
		if c.refuse != nil {
			if code := c.refuse(after); code != 0 {
				return nil, code
			}
		}
		c.docs[i] = after
		return doc, 0
	}
	return nil, 0
}

// assign is $set, on a path that is there.
func assign(doc bson.Raw, path []string, value bson.RawValue) bson.Raw {
	dst, start := bsonraw.Begin(nil)
	done := false
	it := bsonraw.Iterate(doc)
	for it.Next() {
		e := it.Element
		switch {
		case done || string(e.Key) != path[0]:
			dst = append(dst, e.Raw...)
			continue
		case len(path) == 1:
			dst = bsonraw.AppendValue(dst, path[0], value)
		case e.Type == bson.TypeEmbeddedDocument:
			dst = append(bsonraw.AppendKey(dst, e.Type, e.Key), assign(e.Value, path[1:], value)...)
		default:
			panic("assigning below " + e.Type.String())
		}
		done = true
	}
	if it.Err != nil || !done {
		panic("assigning to nothing")
	}
	return bsonraw.End(dst, start)
}

// put writes a document as an application does, with all its fields.
func (c *collection) put(doc bson.Raw) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, old := range c.docs {
		if sameID(old, doc) {
			c.docs[i] = doc
			return
		}
	}
	c.docs = append(c.docs, doc)
}

func (c *collection) remove(id bson.RawValue) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.docs = slices.DeleteFunc(c.docs, func(doc bson.Raw) bool { return doc.Lookup("_id").Equal(id) })
}

func (c *collection) all() []bson.Raw {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.docs)
}

func sameID(a, b bson.Raw) bool {
	x, y := a.Lookup("_id"), b.Lookup("_id")
	return x.Type == y.Type && bytes.Equal(x.Value, y.Value)
}

// errKilled ends a job wherever it is.
var errKilled = errors.New("killed")

// errLost is an answer that did not come.
var errLost = mongo.CommandError{Labels: []string{"NetworkError"}}
