package keyvault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fieldcrypt/fieldcrypt/internal/flight"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// Load resolves a request. An error says that vault or KMS could not be reached, or that a document or a wrapped key is malformed or does
// not belong to its master key. Keys that do not exist, whose KMS denies access, or whose KMS is not configured are not
// errors here: asking the result for them is.
//
// When ctx ends first the error wraps its error, and says who has not answered: it is an *Error for the key vault, a *kms.Error for a KMS.
func (c *Cache) Load(ctx context.Context, req Request) (*Keys, error) {
	keys, shared, err := c.load(ctx, req)
	if shared {
		// The fetch was for other callers' keys too, and one of those may have failed it.
		keys, _, err = c.load(ctx, req)
	}
	return keys, err
}

// awaited is a flight that a Load waits for.
type awaited struct {
	want
	*flight.Flight[answer]
	own bool // this Load has started it
}

// load is one attempt of Load; shared says that it failed with a fetch that another Load had started.
func (c *Cache) load(ctx context.Context, req Request) (_ *Keys, shared bool, err error) {
	keys, flights, err := c.begin(ctx, req.wants())
	if err != nil {
		return nil, false, err
	}
	defer c.leave(flights)
	for _, f := range flights {
		select {
		case <-f.Done():
		case <-c.closed:
			return nil, false, errClosed
		case <-ctx.Done():
			return nil, false, c.unanswered(ctx, f)
		}
		found, err := f.Result()
		if fetch, ok := err.(fetchError); ok {
			return nil, !f.own, fetch.error
		}
		if err != nil {
			return nil, false, err
		}
		keys.answers[f.want] = found
	}
	return keys, false, nil
}

// begin answers what it can from memory, joins the flights for the rest, and starts one fetch for those that nobody has started.
func (c *Cache) begin(ctx context.Context, wants []want) (*Keys, []awaited, error) {
	keys := &Keys{answers: make(map[want]answer, len(wants))}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isClosed() {
		return nil, nil, errClosed
	}
	var lacking []want
	var old []*entry
	for _, w := range wants {
		if _, twice := keys.answers[w]; twice {
			continue
		}
		e, stale := c.entries.get(w)
		switch {
		case e == nil:
			lacking = append(lacking, w)
			e = &entry{}
		case stale:
			old = append(old, e)
		}
		keys.answers[w] = answer{id: e.id, key: e.key}
	}
	c.refresh(old...)
	if len(lacking) == 0 {
		return keys, nil, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("loading data keys: %w", err)
	}
	flights := make([]awaited, len(lacking))
	var own []awaited
	for i, w := range lacking {
		f, first := c.fetches.Join(w)
		flights[i] = awaited{want: w, Flight: f, own: first}
		if first {
			own = append(own, flights[i])
		}
	}
	if len(own) > 0 {
		go c.fetch(own)
	}
	return keys, flights, nil
}

func (c *Cache) leave(flights []awaited) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range flights {
		c.fetches.Leave(f.want, f.Flight)
	}
}

// whileAny returns a context that lasts while any of the flights has a waiter.
func whileAny(flights []awaited) (context.Context, context.CancelFunc) {
	if len(flights) == 1 {
		return context.WithCancel(flights[0].Context())
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for _, f := range flights {
			select {
			case <-f.Context().Done():
			case <-ctx.Done():
				return
			}
		}
		cancel()
	}()
	return ctx, cancel
}

// fetchError fails every flight of a fetch.
type fetchError struct{ error }

// fetch lands the flights, which it alone lands.
func (c *Cache) fetch(flights []awaited) {
	began := time.Now()
	ctx, cancel := whileAny(flights)
	defer cancel()
	ids, names := split(flights)
	docs, err := c.store.Fetch(ctx, ids, names)
	var broken *UnreadableError
	if errors.As(err, &broken) {
		err = nil
	}
	var found []foundKey
	var missing []awaited
	if err == nil {
		found, missing, err = match(docs, flights)
	}
	if err != nil {
		c.land(flights, func(want) (answer, error) { return answer{}, fetchError{err} })
		return
	}
	c.log.Debug("fetched data keys", "wanted", len(flights), "documents", len(docs), "duration", time.Since(began))
	if broken != nil {
		found, missing = c.landBroken(broken, found, missing)
	}
	c.forgetAt(began, missing)
	c.land(missing, func(w want) (answer, error) { return answer{err: w.fail(ErrNotFound)}, nil })
	c.atTheirKMS(found)
	var group errgroup.Group
	group.SetLimit(c.limit)
	for _, f := range found {
		group.Go(func() error {
			c.resolve(f, began)
			return nil
		})
	}
	_ = group.Wait()
}

// forgetAt drops what the vault did not have, or the KMS refused, when it was asked at that time: it may be remembered as stale.
func (c *Cache) forgetAt(asked time.Time, flights []awaited) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range flights {
		c.entries.drop(f.want, asked)
	}
}

func split(flights []awaited) (ids []payload.KeyID, names []string) {
	for _, f := range flights {
		if f.named {
			names = append(names, f.altName)
		} else {
			ids = append(ids, f.id)
		}
	}
	return ids, names
}

// foundKey is a document and the flights that it answers: one by id, and one for each alt name asked for.
type foundKey struct {
	doc     *DataKey
	flights []awaited
}

// match gives each flight its document. A vault that answers with what was not asked for, or ambiguously, is not to be trusted with
// the choice of a key.
func match(docs []*DataKey, flights []awaited) (found []foundKey, missing []awaited, err error) {
	open := make(map[want]awaited, len(flights))
	for _, f := range flights {
		open[f.want] = f
	}
	seen := make(map[want]bool)
	for _, doc := range docs {
		f := foundKey{doc: doc}
		for _, w := range wantsFor(doc) {
			if seen[w] {
				return nil, nil, fmt.Errorf("data key %s: keys returned have duplicate keyAltNames or _id", doc.ID)
			}
			seen[w] = true
			if a, ok := open[w]; ok {
				f.flights = append(f.flights, a)
			}
		}
		if len(f.flights) == 0 {
			return nil, nil, fmt.Errorf("data key %s: unexpected key returned, does not match any requests", doc.ID)
		}
		found = append(found, f)
	}
	for _, f := range flights {
		if !seen[f.want] {
			missing = append(missing, f)
		}
	}
	return found, missing, nil
}

// wantsFor is everything that doc answers.
func wantsFor(doc *DataKey) []want {
	return Request{IDs: []payload.KeyID{doc.ID}, AltNames: doc.KeyAltNames}.wants()
}

// resolve unwraps one key, remembers it and lands its flights.
func (c *Cache) resolve(f foundKey, began time.Time) {
	ctx, cancel := whileAny(f.flights)
	defer cancel()
	key, err := c.unwrap(ctx, f.doc)
	refused := errors.Is(err, kms.ErrDenied) || errors.Is(err, kms.ErrNotConfigured)
	switch {
	case err == nil:
		c.remember(f, key, began)
	case refused:
		c.forgetAt(began, f.flights)
	}
	c.land(f.flights, func(w want) (answer, error) {
		switch {
		case err == nil:
			return answer{id: f.doc.ID, key: key}, nil
		case refused:
			w.id = f.doc.ID
			return answer{err: w.fail(err)}, nil
		default:
			return answer{}, fmt.Errorf("unwrapping data key %s: %w", f.doc.ID, err)
		}
	})
}

// remember puts a key into the cache, unless it or a name that it was asked for by was forgotten meanwhile.
func (c *Cache) remember(f foundKey, key *payload.Key, began time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isClosed() || slices.ContainsFunc(f.flights, func(a awaited) bool { return a.Detached() }) {
		return
	}
	_, names := split(f.flights)
	c.entries.put(&entry{id: f.doc.ID, names: names, key: key, fetched: began}, f.doc.KeyAltNames)
	c.sweepLater()
}

func (c *Cache) land(flights []awaited, result func(want) (answer, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range flights {
		a, err := result(f.want)
		delete(c.unwrapping, f.Flight)
		c.fetches.Land(f.want, f.Flight, a, err)
	}
}
