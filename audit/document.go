package audit

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// Document is the report for programs, to be written as Extended JSON:
//
//	{"server", "serverVersion", "version": S, "started", "ended": DATE, "complete": BOOL, "sample": N, "counts": {PROBLEM: N, …},
//	 "collections": [{"namespace": S, "schema": "schema map" | "validator" | "none", "documents", "total": N, "complete": BOOL,
//	   "missing", "queryable", "drawnByClient": true, "unreadable", "untold": N, "schemaError", "error": S (each only when there is something to say),
//	   "fields": [{"path": S, "wants": {"algorithm": S, "keyId" | "keyName", "types": [S, …]}, "documents", "values", "clean", "encrypted",
//	     "plaintext", "empty", "proven": N, "keys": [{"keyId": UUID, "values": N}, …], "otherKeys": N, "algorithms", "types", "plainTypes": {S: N, …},
//	     "problems": [{"problem": S, "values": N, "documents": [ID | {"withheld": S}, …]}, …]}, …],
//	   "others": [a field without "wants", …],
//	   "suspects": [{"path": S, "values": N, "byName": BOOL, "detector": S, "hits": N, "accepted": BOOL, "documents": […]}, …]}, …],
//	 "keys": {"vault": S, "looked": BOOL, "inVault", "used", "unused", "unknown": N, "listed", "unusedKeys": [{"keyId", "keyAltNames", "provider",
//	   "values"}, …], "unknownKeys": [{"keyId", "values"}, …], "missing": [{"keyId", "namespace", "path"}, …],
//	   "unproven", "error": S (only when there is something to say)}}
func (r *Report) Document() bson.D {
	collections := list(r.Collections, (*Collection).document)
	return bson.D{
		{Key: "server", Value: r.Server}, {Key: "serverVersion", Value: r.ServerVersion}, {Key: "version", Value: r.Version},
		{Key: "started", Value: r.Started}, {Key: "ended", Value: r.Ended}, {Key: "complete", Value: r.Complete}, {Key: "sample", Value: r.Sample},
		{Key: "counts", Value: tally(r.Counts(), func(p Problem) string { return string(p) })},
		{Key: "collections", Value: collections}, {Key: "keys", Value: r.Keys.document()},
	}
}

func (c *Collection) document() any {
	doc := bson.D{
		{Key: "namespace", Value: c.Namespace}, {Key: "schema", Value: string(c.Source)}, {Key: "documents", Value: c.Documents},
		{Key: "total", Value: c.Total}, {Key: "complete", Value: c.Complete},
	}
	for _, f := range []struct {
		name string
		is   bool
	}{{"missing", c.Missing}, {"queryable", c.Queryable}, {"drawnByClient", c.Drawn}} {
		if f.is {
			doc = append(doc, bson.E{Key: f.name, Value: true})
		}
	}
	for _, f := range []struct {
		name string
		n    int64
	}{{"unreadable", c.Unreadable}, {"untold", c.Untold}} {
		if f.n > 0 {
			doc = append(doc, bson.E{Key: f.name, Value: f.n})
		}
	}
	doc = append(appendError(appendError(doc, "schemaError", c.Schema), "error", c.Err),
		bson.E{Key: "fields", Value: list(c.Fields, (*Field).document)}, bson.E{Key: "others", Value: list(c.Others, (*Field).document)},
		bson.E{Key: "suspects", Value: list(c.Suspects, (*Suspect).document)})
	return doc
}

func (f *Field) document() any {
	doc := bson.D{{Key: "path", Value: f.Path}}
	if w := f.Schema; w != nil {
		wants := bson.D{{Key: "algorithm", Value: w.Algorithm.String()}}
		if w.KeyPointer != "" {
			wants = append(wants, bson.E{Key: "keyName", Value: w.KeyPointer})
		} else {
			wants = append(wants, bson.E{Key: "keyId", Value: uuid(w.KeyID)})
		}
		types := bson.A{} // none named: all that the algorithm takes
		if w.Types != 0 {
			types = list(strings.Split(w.Types.String(), ", "), func(name string) any { return name })
		}
		doc = append(doc, bson.E{Key: "wants", Value: append(wants, bson.E{Key: "types", Value: types})})
	}
	return append(doc,
		bson.E{Key: "documents", Value: f.Documents}, bson.E{Key: "values", Value: f.Values}, bson.E{Key: "clean", Value: f.Clean},
		bson.E{Key: "encrypted", Value: f.Encrypted}, bson.E{Key: "plaintext", Value: f.Plaintext()}, bson.E{Key: "empty", Value: f.Empty},
		bson.E{Key: "proven", Value: f.Proven}, bson.E{Key: "keys", Value: list(f.Keys, KeyCount.document)}, bson.E{Key: "otherKeys", Value: f.OtherKeys},
		bson.E{Key: "algorithms", Value: tally(f.Algorithms, payload.Algorithm.String)}, bson.E{Key: "types", Value: tally(f.Types, payload.TypeAlias)},
		bson.E{Key: "plainTypes", Value: tally(f.PlainTypes, payload.TypeAlias)}, bson.E{Key: "problems", Value: list(f.Problems, (*Occurrences).document)})
}

func (o *Occurrences) document() any {
	return bson.D{{Key: "problem", Value: string(o.Problem)}, {Key: "values", Value: o.Values}, {Key: "documents", Value: list(o.Documents, ID.document)}}
}

func (s *Suspect) document() any {
	return bson.D{
		{Key: "path", Value: s.Path}, {Key: "values", Value: s.Values}, {Key: "byName", Value: s.ByName}, {Key: "inNames", Value: s.InNames},
		{Key: "detector", Value: s.Detector}, {Key: "hits", Value: s.Hits}, {Key: "accepted", Value: s.Accepted},
		{Key: "documents", Value: list(s.Documents, ID.document)},
	}
}

func (k *Keys) document() any {
	doc := bson.D{
		{Key: "vault", Value: k.Vault}, {Key: "looked", Value: k.Looked}, {Key: "inVault", Value: k.InVault}, {Key: "used", Value: k.Used},
		{Key: "unused", Value: k.UnusedAll}, {Key: "unknown", Value: k.UnknownAll},
		{Key: "listed", Value: list(k.Listed, (*Key).document)}, {Key: "unusedKeys", Value: list(k.Unused, (*Key).document)},
		{Key: "unknownKeys", Value: list(k.Unknown, KeyCount.document)}, {Key: "missing", Value: list(k.Missing, SchemaKey.document)},
	}
	return appendError(appendError(doc, "unproven", k.Unproven), "error", k.Err)
}

func (k *Key) document() any {
	names := list(k.AltNames, func(name string) any { return name })
	return bson.D{{Key: "keyId", Value: uuid(k.ID)}, {Key: "keyAltNames", Value: names}, {Key: "provider", Value: k.Provider}, {Key: "values", Value: k.Values}}
}

func (k KeyCount) document() any {
	return bson.D{{Key: "keyId", Value: uuid(k.ID)}, {Key: "values", Value: k.Values}}
}

func (k SchemaKey) document() any {
	return bson.D{{Key: "keyId", Value: uuid(k.ID)}, {Key: "namespace", Value: k.Namespace}, {Key: "path", Value: k.Path}}
}

func (id ID) document() any {
	if id.Value.Type == 0 {
		return bson.D{{Key: "withheld", Value: id.Withheld}}
	}
	return id.Value
}

func uuid(id payload.KeyID) bson.D { return bson.D{{Key: "$uuid", Value: id.String()}} }

func list[T any](items []T, document func(T) any) bson.A {
	a := make(bson.A, len(items))
	for i, item := range items {
		a[i] = document(item)
	}
	return a
}

// tally is counts by name, in the order of the names.
func tally[K cmp.Ordered](counts map[K]int64, name func(K) string) bson.D {
	doc := bson.D{}
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		if counts[k] > 0 {
			doc = append(doc, bson.E{Key: name(k), Value: counts[k]})
		}
	}
	return doc
}

func appendError(doc bson.D, name string, err error) bson.D {
	if err == nil {
		return doc
	}
	return append(doc, bson.E{Key: name, Value: err.Error()})
}
