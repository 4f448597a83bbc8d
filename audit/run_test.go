package audit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/audit"
	"github.com/fieldcrypt/fieldcrypt/internal/mockmongo"
)

// encrypts is a schema with one encrypted field, ssn.
var encrypts = bson.D{{Key: "bsonType", Value: "object"}, {Key: "properties", Value: bson.D{{Key: "ssn", Value: bson.D{{Key: "encrypt", Value: bson.D{
	{Key: "bsonType", Value: "string"}, {Key: "algorithm", Value: "AEAD_AES_256_CBC_HMAC_SHA_512-Random"},
	{Key: "keyId", Value: bson.A{bson.Binary{Subtype: bson.TypeBinaryUUID, Data: make([]byte, 16)}}},
}}}}}}}

func start(t *testing.T, opts mockmongo.Options) (*mockmongo.Server, *mongo.Client) {
	t.Helper()
	s, err := mockmongo.Run(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	client, err := mongo.Connect(options.Client().ApplyURI(s.URI()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return s, client
}

// insert puts n documents with plaintext into a collection.
func insert(t *testing.T, client *mongo.Client, ns string, n int) {
	t.Helper()
	var docs []any
	for i := range n {
		docs = append(docs, bson.D{{Key: "_id", Value: int32(i)}, {Key: "ssn", Value: "1"}})
	}
	db, name, _ := strings.Cut(ns, ".")
	if _, err := client.Database(db).Collection(name).InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
}

// The schema of a validator counts, one that clients do not find is a problem, and views are not read.
func TestRunValidators(t *testing.T) {
	s, client := start(t, mockmongo.Options{})
	schema := bson.E{Key: "$jsonSchema", Value: encrypts}
	s.Put("hr.top", bson.D{{Key: "validator", Value: bson.D{schema, {Key: "name", Value: "x"}}}})
	s.Put("hr.buried", bson.D{{Key: "validator", Value: bson.D{{Key: "$and", Value: bson.A{bson.D{schema}}}}}})
	s.Put("hr.bad", bson.D{{Key: "validator", Value: bson.D{{Key: "$jsonSchema", Value: bson.D{{Key: "encrypt", Value: bson.D{}}}}}}})
	s.Put("hr.plain", bson.D{{Key: "validator", Value: bson.D{{Key: "$jsonSchema", Value: bson.D{{Key: "required", Value: bson.A{"ssn"}}}}}}})
	s.Put("hr.none", nil)
	s.Put("hr.view", bson.D{{Key: "viewOn", Value: "top"}})
	for _, name := range []string{"top", "buried", "bad", "plain", "none"} {
		insert(t, client, "hr."+name, 3)
	}
	report, err := audit.Run(t.Context(), client, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range report.Collections {
		plaintext := int64(0)
		for _, f := range c.Fields {
			plaintext += f.Plaintext()
		}
		got[c.Namespace] = fmt.Sprintf("%s, %d plaintext, unusable %v", c.Source, plaintext, c.Schema != nil)
	}
	want := map[string]string{"hr.top": "validator, 3 plaintext, unusable false", "hr.buried": "none, 0 plaintext, unusable true", "hr.bad": "none, 0 plaintext, unusable true",
		"hr.plain": "none, 0 plaintext, unusable false", "hr.none": "none, 0 plaintext, unusable false"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := report.Counts()[audit.UnusableSchema]; n != 2 {
		t.Errorf("%d schemas are unusable", n)
	}
}

// The report is the same whether collections are read one after the other or at the same time, and no two workers tell of progress at once.
func TestRunWorkers(t *testing.T) {
	s, client := start(t, mockmongo.Options{})
	const collections, documents = 30, 150
	for i := range collections {
		ns := fmt.Sprintf("db%d.c%d", i%3, i)
		s.Put(ns, bson.D{{Key: "validator", Value: bson.D{{Key: "$jsonSchema", Value: encrypts}}}})
		insert(t, client, ns, documents+i)
	}
	var want string
	for _, workers := range []int{1, 3, 100} {
		var inside atomic.Int32
		last := int64(-1)
		report, err := audit.Run(t.Context(), client, audit.Options{Workers: workers, Progress: func(done, total int64) {
			if inside.Add(1) != 1 || done < last || done > total {
				t.Errorf("%d workers: %d of %d after %d", workers, done, total, last)
			}
			last = done
			inside.Add(-1)
		}})
		if err != nil {
			t.Fatal(err)
		}
		if n := int64(collections*documents + collections*(collections-1)/2); last != n {
			t.Errorf("%d workers: told of %d documents, want %d", workers, last, n)
		}
		report.Started, report.Ended = time.Time{}, time.Time{}
		got, err := bson.MarshalExtJSON(report.Document(), true, false)
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = string(got)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%d workers: %s", workers, diff)
		}
	}
}

// Where the server cannot draw a sample, the client does; both are told.
func TestRunSample(t *testing.T) {
	refuses := func(cmd bson.Raw) bson.D {
		if first, _ := cmd.IndexErr(0); first.Key() != "aggregate" {
			return nil
		}
		return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: int32(40324)}, {Key: "errmsg", Value: "Unrecognized pipeline stage name: '$sample'"}}
	}
	for _, opts := range []mockmongo.Options{{}, {Intercept: refuses}} {
		s, client := start(t, opts)
		s.Put("hr.c", bson.D{{Key: "validator", Value: bson.D{{Key: "$jsonSchema", Value: encrypts}}}})
		insert(t, client, "hr.c", 2000)
		report, err := audit.Run(t.Context(), client, audit.Options{Sample: 200})
		if err != nil {
			t.Fatal(err)
		}
		byClient := opts.Intercept != nil
		if c := report.Collections[0]; c.Drawn != byClient || !c.Complete || c.Documents > 200 || c.Documents < 100 || !byClient && c.Documents != 200 || c.Fields[0].Plaintext() != c.Documents {
			t.Errorf("drawn by the client %v: got %+v", byClient, c)
		}
	}
}

// One collection that may not be read is told, and the others are read; what ends all is told of all that it has ended.
func TestRunErrors(t *testing.T) {
	fails := func(name string, reply bson.D) func(bson.Raw) bson.D {
		return func(cmd bson.Raw) bson.D {
			first, _ := cmd.IndexErr(0)
			if coll, _ := first.Value().StringValueOK(); first.Key() == "find" && coll == name {
				return reply
			}
			return nil
		}
	}
	denied := bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: int32(13)}, {Key: "codeName", Value: "Unauthorized"}, {Key: "errmsg", Value: "not authorized"}}
	s, client := start(t, mockmongo.Options{Intercept: fails("b", denied)})
	for _, ns := range []string{"hr.a", "hr.b", "hr.c"} {
		s.Put(ns, nil)
		insert(t, client, ns, 5)
	}
	report, err := audit.Run(t.Context(), client, audit.Options{})
	if err == nil || !strings.Contains(err.Error(), "reading hr.b: (Unauthorized)") || report.Complete {
		t.Errorf("got %v", err)
	}
	for _, c := range report.Collections {
		if bad := c.Namespace == "hr.b"; c.Complete == bad || (c.Err != nil) != bad || !bad && c.Documents != 5 {
			t.Errorf("got %+v", c)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	report, err = audit.Run(ctx, client, audit.Options{Namespaces: []string{"hr.a", "hr.c"}, Workers: 1, Progress: func(done, _ int64) {
		if done > 0 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || report == nil || report.Complete || report.Collections[0].Documents != 5 || report.Collections[1].Complete {
		t.Errorf("got %v, %+v", err, report)
	}
}

// Without any schema an audit does not say that all is well, but looks for what is sensitive all the same.
func TestRunWithoutSchema(t *testing.T) {
	s, client := start(t, mockmongo.Options{})
	s.Put("hr.c", nil)
	insert(t, client, "hr.c", 5)
	report, err := audit.Run(t.Context(), client, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if counts := report.Counts(); report.OK(false) || !report.Complete || counts[audit.NoSchema] != 1 || counts[audit.LooksSensitive] != 1 {
		t.Errorf("got %v", counts)
	}
	s.Put("hr.d", bson.D{{Key: "validator", Value: bson.D{{Key: "$jsonSchema", Value: encrypts}}}})
	if report, err = audit.Run(t.Context(), client, audit.Options{}); err != nil || report.Counts()[audit.NoSchema] != 0 {
		t.Errorf("got %v, %v", report.Counts(), err)
	}
}
