package equivalence

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/mongodriver"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

var duration = flag.Duration("equivalence.for", 8*time.Second, "how long TestEquivalence runs")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEquivalence(t *testing.T) { equivalence(t, false) }

// TestEquivalenceWhileMigrating is the same with a collection that is being migrated: two clients share it, of which one writes plaintext and the other
// ciphertext, so that what is stored is a mixture.
func TestEquivalenceWhileMigrating(t *testing.T) { equivalence(t, true) }

func equivalence(t *testing.T, migrating bool) {
	l, s := startLab(t), newStatistics()
	l.migrating = migrating
	start := time.Now()
	defer func() { t.Log(s.report(time.Since(start))) }()
	for time.Since(start) < *duration {
		rapid.Check(t, func(t *rapid.T) {
			if !s.failing && time.Since(start) >= *duration {
				return
			}
			defer func() { s.failing = s.failing || t.Failed() }()
			l.workload(t, s)
		})
	}
	if !migrating {
		s.assertFloors(t, 4)
		return
	}
	if s.assertFloors(t, 10); s.plain < s.workloads {
		t.Error("too few values were stored in clear for the property to mean anything")
	}
}

// lab is a server with data keys on it.
type lab struct {
	uri, db string
	opts    fieldcrypt.AutoEncryptionOptions
	raw     *mongo.Client
	keys    []bson.Binary
	n       int // collections so far

	migrating bool
}

func startLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{uri: testserver.Start(t), db: testserver.Database(t)}
	l.opts = fieldcrypt.AutoEncryptionOptions{
		KeyVaultNamespace: l.db + ".datakeys", KmsProviders: map[string]map[string]any{"local": {"key": bytes.Repeat([]byte{7}, 96)}},
		Undecryptable: fieldcrypt.Fail,
	}
	var err error
	if l.raw, err = mongo.Connect(options.Client().ApplyURI(l.uri)); err != nil {
		t.Fatal(err)
	}
	ce, err := fieldcrypt.NewClientEncryption(l.raw, fieldcrypt.ClientEncryptionOptions{KeyVaultNamespace: l.opts.KeyVaultNamespace, KmsProviders: l.opts.KmsProviders})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ce.Close(context.Background()) }) // disconnects raw
	for i := range keys {
		id, err := ce.CreateDataKey(t.Context(), "local", fieldcrypt.DataKeyOptions{KeyAltNames: []string{keyName(i)}})
		if err != nil {
			t.Fatal(err)
		}
		l.keys = append(l.keys, id)
	}
	return l
}

// twins are a collection through a client that encrypts, its plain twin, and the first as the server has it.
type twins struct {
	encrypted, plain, stored *mongo.Collection
	other                    *mongo.Collection // encrypted, through a client in another step of a migration; nil: there is none
	sent                     *traffic
}

// traffic counts commands of the encrypted client.
type traffic struct {
	writes, sealed int
	leaked         bool // a canary was in one of them
}

// workload runs one drawn workload on collections of its own.
func (l *lab) workload(t *rapid.T, s *statistics) {
	fields := drawFields(t)
	if l.migrating {
		fields[0].enc = nil // no migration can change _id
		if !slices.ContainsFunc(places("", fields), func(p place) bool { return p.enc != nil }) {
			fields = append(fields, field{name: "a", enc: drawEncryption(t)}) // else there is nothing to migrate
		}
	}
	w := &workload{T: t, fields: fields, places: places("", fields), exact: chance(t, 4)}
	encrypting := describe(fields, drawMetadata(t), nil, l.keys)
	t.Logf("schema %v", encrypting)
	c := l.twins(t, encrypting, w.exact)
	ctx := context.Background()
	defer func() {
		err := errors.Join(c.encrypted.Drop(ctx), c.plain.Drop(ctx), c.encrypted.Database().Client().Disconnect(ctx))
		if c.other != nil {
			err = errors.Join(err, c.other.Database().Client().Disconnect(ctx))
		}
		if err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	}()
	if !l.migrating { // when an index tells values apart that are equal
		c.index(t, w)
	}
	c.both(t, w.filling(), s)
	for range rapid.IntRange(5, 40).Draw(t, "operations") {
		c.both(t, w.operation(), s)
	}
	c.assertEqual(t)
	sealed, plain := 0, 0
	if l.migrating {
		sealed, plain = c.countForms(t, w.places)
	} else {
		sealed = c.assertSealed(t, w.places, l.keys)
	}
	if !s.failing {
		s.sealed += sealed
		s.plain += plain
		s.workloads++
	}
}

func (l *lab) twins(t *rapid.T, encrypting bson.D, exact bool) twins {
	l.n++
	name, sent := fmt.Sprint("encrypted", l.n), new(traffic)
	c := twins{plain: l.raw.Database(l.db).Collection(fmt.Sprint("plain", l.n)), stored: l.raw.Database(l.db).Collection(name), sent: sent}
	if !l.migrating {
		c.encrypted = l.collection(t, name, encrypting, exact, schema.EncryptedOnly, sent)
		return c
	}
	c.encrypted = l.collection(t, name, encrypting, exact, schema.ReadBothWriteEncrypted, sent)
	c.other = l.collection(t, name, encrypting, exact, schema.ReadBothWritePlain, sent)
	return c
}

// collection is one through a client of its own, in a step of a migration.
func (l *lab) collection(t *rapid.T, name string, encrypting bson.D, exact bool, step schema.Migration, sent *traffic) *mongo.Collection {
	opts := l.opts
	opts.SchemaMap = map[string]any{l.db + "." + name: encrypting}
	if l.migrating {
		opts.Migrating = map[string]schema.Migration{l.db + "." + name: step}
	}
	if exact {
		opts.Rewrite = analyze.Exact
	}
	client, err := mongodriver.Connect(options.Client().ApplyURI(l.uri).SetMonitor(&event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
		if e.CommandName == "insert" || e.CommandName == "update" || e.CommandName == "delete" {
			sent.writes++
		}
		if l.hasCiphertext(e.Command) {
			sent.sealed++
		}
		sent.leaked = sent.leaked || step == schema.EncryptedOnly && hasCanary(e.Command)
	}}), opts)
	if err != nil {
		t.Fatal(err)
	}
	return client.Database(l.db).Collection(name)
}

// hasCiphertext looks for the beginning of a binary of subtype 6 with a data key's id.
func (l *lab) hasCiphertext(cmd bson.Raw) bool {
	return slices.ContainsFunc(l.keys, func(key bson.Binary) bool {
		return bytes.Contains(cmd, append([]byte{6, 1}, key.Data...)) || bytes.Contains(cmd, append([]byte{6, 2}, key.Data...))
	})
}

// index makes a field unique in some of the collections: deterministic encryption keeps its meaning.
func (c twins) index(t *rapid.T, w *workload) {
	for _, p := range w.places[2:] {
		if p.enc != nil && p.enc.deterministic && chance(t, 20) {
			model := mongo.IndexModel{Keys: bson.D{{Key: p.path, Value: 1}}, Options: options.Index().SetUnique(true)}
			_, err1 := c.encrypted.Indexes().CreateOne(context.Background(), model)
			_, err2 := c.plain.Indexes().CreateOne(context.Background(), model)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			t.Logf("unique index on %s", p.path)
			return
		}
	}
}

// result is what an operation gives, as far as both collections must agree.
type result struct {
	Error                                          string
	Inserted, Matched, Modified, Upserted, Deleted int64
	Values                                         []string
	unordered                                      bool // the server owes no order of Values
}

// both runs op on both collections and compares.
func (c twins) both(t *rapid.T, op operation, s *statistics) {
	ctx := context.Background()
	t.Logf("%s %+v", op.kind, op.args)
	before, encrypted := *c.sent, c.encrypted
	if c.other != nil {
		encrypted = pick(t, c.encrypted, c.other)
	}
	got, err := op.run(ctx, encrypted)
	if c.sent.leaked {
		t.Fatalf("%s %+v: plaintext was sent", op.kind, op.args)
	}
	var refused *analyze.RefusedError
	if errors.As(err, &refused) {
		s.refused(op.kind, refused.Rule)
		if sent := c.sent.writes - before.writes; sent > 0 && op.first != nil {
			if _, err := op.first(sent).run(ctx, c.plain); err != nil {
				t.Fatalf("the part that was executed: %v", err)
			}
		}
		return
	}
	want, plainErr := op.run(ctx, c.plain)
	got.Error, want.Error = class(err), class(plainErr)
	if want.Error == connectionLost {
		t.Fatalf("%s %+v: %v: the server does not stand this, which should be left out of what is drawn", op.kind, op.args, plainErr)
	}
	s.accepted(op.kind, want, c.sent.sealed > before.sealed)
	if (op.random || c.other != nil) && got.Modified > want.Modified && got.Modified <= got.Matched {
		got.Modified = want.Modified // each encryption of the same value is another, and so is its other form
	}
	if c.other != nil {
		byName(got.Values)
		byName(want.Values)
	}
	if got.unordered {
		slices.Sort(got.Values)
		slices.Sort(want.Values)
	}
	if diff := gocmp.Diff(want, got, cmpopts.IgnoreUnexported(result{})); diff != "" {
		t.Fatalf("%s %+v: errors %v (plain), %v (encrypted); -plain +encrypted:\n%s", op.kind, op.args, plainErr, err, diff)
	}
}

// connectionLost is how FerretDB answers when it panics; a while later it may end the whole process for what it left open.
const connectionLost = "connection lost"

// class is what of an error must be the same: not its text, which may quote values.
func class(err error) string {
	var write mongo.WriteException
	var bulk mongo.BulkWriteException
	var command mongo.CommandError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, mongo.ErrNoDocuments):
		return "no documents"
	case mongo.IsNetworkError(err):
		return connectionLost
	case errors.As(err, &write):
		return fmt.Sprint("write errors ", codes(write.WriteErrors))
	case errors.As(err, &bulk):
		var list []mongo.WriteError
		for _, e := range bulk.WriteErrors {
			list = append(list, e.WriteError)
		}
		return fmt.Sprint("write errors ", codes(list))
	case errors.As(err, &command):
		return fmt.Sprint("command error ", command.Code)
	}
	return err.Error()
}

func codes(list []mongo.WriteError) (s []string) {
	for _, e := range list {
		s = append(s, fmt.Sprintf("%d of %d", e.Code, e.Index))
	}
	return s
}

// assertEqual compares the whole contents.
func (c twins) assertEqual(t *rapid.T) {
	var contents [2]result
	for i, collection := range []*mongo.Collection{c.plain, c.encrypted} {
		cursor, err := collection.Find(context.Background(), bson.D{}, options.Find().SetSort(byN))
		if contents[i], err = all(context.Background(), cursor, err, false); err != nil {
			t.Fatal(err)
		}
		if c.other != nil {
			byName(contents[i].Values)
		}
		slices.Sort(contents[i].Values)
	}
	if diff := gocmp.Diff(contents[0].Values, contents[1].Values); diff != "" {
		t.Fatalf("contents; -plain +encrypted:\n%s", diff)
	}
}

// byName gives the documents in values the same order of fields: while a collection is migrated, an upsert makes a field from its update that it would else copy
// from its filter, so that the field comes later.
func byName(values []string) {
	for i, v := range values {
		var one bson.D
		if bson.UnmarshalExtJSON(fmt.Appendf(nil, `{"value": %s}`, v), true, &one) == nil { // else it is no document
			values[i] = fmt.Sprint(fieldsByName(one[0].Value))
		}
	}
}

func fieldsByName(v any) any {
	switch v := v.(type) {
	case bson.D:
		for i := range v {
			v[i].Value = fieldsByName(v[i].Value)
		}
		slices.SortFunc(v, func(a, b bson.E) int { return strings.Compare(a.Key, b.Key) })
	case bson.A:
		for i := range v {
			v[i] = fieldsByName(v[i])
		}
	}
	return v
}
