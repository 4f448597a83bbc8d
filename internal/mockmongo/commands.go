package mockmongo

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func (s *Server) hello() bson.D {
	doc := bson.D{
		{Key: "ok", Value: 1}, {Key: "ismaster", Value: true}, {Key: "isWritablePrimary", Value: true}, {Key: "helloOk", Value: true},
		{Key: "maxBsonObjectSize", Value: int32(16 << 20)}, {Key: "maxMessageSizeBytes", Value: int32(48_000_000)},
		{Key: "maxWriteBatchSize", Value: int32(100_000)}, {Key: "minWireVersion", Value: int32(0)}, {Key: "maxWireVersion", Value: int32(21)},
		{Key: "logicalSessionTimeoutMinutes", Value: int32(30)},
		{Key: "localTime", Value: time.Now()},
	}
	if s.opts.Transactions {
		doc = append(doc, bson.E{Key: "setName", Value: "rs0"}, bson.E{Key: "hosts", Value: bson.A{s.listener.Addr().String()}}, bson.E{Key: "me", Value: s.listener.Addr().String()})
	}
	return doc
}

func ok(fields ...bson.E) bson.D { return append(bson.D{{Key: "ok", Value: 1}}, fields...) }

func fails(code int32, name, format string, args ...any) bson.D {
	return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: code}, {Key: "codeName", Value: name}, {Key: "errmsg", Value: fmt.Sprintf(format, args...)}}
}

// answer carries out one command.
func (s *Server) answer(cmd bson.Raw) bson.D {
	s.mu.Lock()
	defer s.mu.Unlock()
	first, err := cmd.IndexErr(0)
	if err != nil {
		return fails(9, "FailedToParse", "empty command")
	}
	name, _ := first.Value().StringValueOK()
	db, _ := cmd.Lookup("$db").StringValueOK()
	ns := db + "." + name
	switch first.Key() {
	case "hello", "isMaster", "ismaster":
		if s.opts.Greeting != nil {
			if reply := s.opts.Greeting(cmd); reply != nil {
				return reply
			}
		}
		return s.hello()
	case "endSessions", "ping":
		return ok()
	}
	s.commands = append(s.commands, first.Key())
	if s.opts.Intercept != nil {
		if reply := s.opts.Intercept(cmd); reply != nil {
			return reply
		}
	}
	switch first.Key() {
	case "create", "collMod":
		return s.define(first.Key(), ns, cmd)
	case "drop":
		if s.collections[ns] == nil {
			return fails(26, "NamespaceNotFound", "ns not found")
		}
		delete(s.collections, ns)
		return ok()
	case "listDatabases":
		return s.listDatabases()
	case "listCollections":
		return s.listCollections(db, cmd)
	case "listIndexes":
		return s.listIndexes(ns)
	case "insert":
		return s.insert(ns, cmd)
	case "find":
		return s.find(ns)
	case "count":
		return ok(bson.E{Key: "n", Value: int32(len(s.documents(ns)))})
	case "aggregate":
		return s.aggregate(ns, cmd)
	case "delete":
		return s.delete(ns, cmd)
	case "commitTransaction", "abortTransaction":
		return s.end(first.Key(), cmd)
	}
	return fails(59, "CommandNotFound", "no such command: '%s'", first.Key())
}

func (s *Server) define(verb, ns string, cmd bson.Raw) bson.D {
	c := s.collections[ns]
	switch {
	case verb == "create" && c != nil:
		return fails(48, "NamespaceExists", "Collection already exists. NS: %s", ns)
	case verb == "collMod" && c == nil:
		return fails(26, "NamespaceNotFound", "ns does not exist")
	case c == nil:
		c = &collection{}
	}
	options := slices.Clone(c.options)
	for _, name := range []string{"validator", "validationLevel", "validationAction"} {
		value, err := cmd.LookupErr(name)
		if err != nil || s.opts.Forget {
			continue
		}
		if s.opts.NoEncrypt && strings.Contains(value.String(), `"encrypt"`) {
			return fails(9, "FailedToParse", "Unknown $jsonSchema keyword: encrypt")
		}
		options = slices.DeleteFunc(options, func(e bson.E) bool { return e.Key == name })
		options = append(options, bson.E{Key: name, Value: value})
	}
	s.collections[ns] = &collection{options: options, documents: c.documents, indexes: c.indexes}
	return ok()
}

func cursor(ns string, docs bson.A) bson.D {
	if docs == nil {
		docs = bson.A{}
	}
	return ok(bson.E{Key: "cursor", Value: bson.D{{Key: "id", Value: int64(0)}, {Key: "ns", Value: ns}, {Key: "firstBatch", Value: docs}}})
}

func (s *Server) listCollections(db string, cmd bson.Raw) bson.D {
	wanted, filtered := cmd.Lookup("filter", "name").StringValueOK()
	var docs bson.A
	for _, ns := range slices.Sorted(maps.Keys(s.collections)) {
		name, mine := strings.CutPrefix(ns, db+".")
		if !mine || filtered && name != wanted {
			continue
		}
		kind, options := "collection", bson.D{}
		for _, e := range s.collections[ns].options {
			if e.Key == "viewOn" {
				kind = "view"
			}
			options = append(options, e)
		}
		docs = append(docs, bson.D{{Key: "name", Value: name}, {Key: "type", Value: kind}, {Key: "options", Value: options}})
	}
	return cursor(db+".$cmd.listCollections", docs)
}

func (s *Server) listDatabases() bson.D {
	names := map[string]bool{}
	for ns := range s.collections {
		db, _, _ := strings.Cut(ns, ".")
		names[db] = true
	}
	var docs bson.A
	for _, name := range slices.Sorted(maps.Keys(names)) {
		docs = append(docs, bson.D{{Key: "name", Value: name}})
	}
	return ok(bson.E{Key: "databases", Value: docs})
}

func (s *Server) listIndexes(ns string) bson.D {
	c := s.collections[ns]
	if c == nil {
		return fails(26, "NamespaceNotFound", "ns does not exist: %s", ns)
	}
	docs := bson.A{bson.D{{Key: "v", Value: 2}, {Key: "key", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "name", Value: "_id_"}}}
	for _, index := range c.indexes {
		docs = append(docs, index)
	}
	return cursor(ns, docs)
}

func (s *Server) insert(ns string, cmd bson.Raw) bson.D {
	c := s.collections[ns]
	if c == nil {
		c = &collection{}
		s.collections[ns] = c
	}
	values, _ := cmd.Lookup("documents").Array().Values()
	for i, v := range values {
		doc := append(bson.Raw{}, v.Document()...)
		if s.opts.Enforce && !c.takes(doc) {
			s.abort(cmd) // as MongoDB does of itself
			return ok(bson.E{Key: "n", Value: int32(i)}, bson.E{Key: "writeErrors", Value: bson.A{bson.D{
				{Key: "index", Value: int32(i)}, {Key: "code", Value: int32(121)}, {Key: "errmsg", Value: "Document failed validation"},
				{Key: "errInfo", Value: bson.D{{Key: "failingDocumentId", Value: doc.Lookup("_id")}, {Key: "details", Value: bson.D{{Key: "operatorName", Value: "$jsonSchema"}}}}},
			}}})
		}
		c.documents = append(c.documents, doc)
		if inTransaction(cmd) {
			session := cmd.Lookup("lsid").String()
			s.pending[session] = append(s.pending[session], write{ns, doc.Lookup("_id")})
		}
	}
	return ok(bson.E{Key: "n", Value: int32(len(values))})
}

// documents are those of a collection.
func (s *Server) documents(ns string) (docs bson.A) {
	if c := s.collections[ns]; c != nil {
		for _, doc := range c.documents {
			docs = append(docs, doc)
		}
	}
	return docs
}

func (s *Server) find(ns string) bson.D { return cursor(ns, s.documents(ns)) }

// aggregate answers CountDocuments by _id, and $sample.
func (s *Server) aggregate(ns string, cmd bson.Raw) bson.D {
	docs := s.documents(ns)
	if size, drawn := cmd.Lookup("pipeline", "0", "$sample", "size").AsInt64OK(); drawn {
		rand.Shuffle(len(docs), func(i, j int) { docs[i], docs[j] = docs[j], docs[i] })
		return cursor(ns, docs[:min(int64(len(docs)), size)])
	}
	id := cmd.Lookup("pipeline", "0", "$match", "_id")
	docs = slices.DeleteFunc(docs, func(doc any) bool { return !doc.(bson.Raw).Lookup("_id").Equal(id) })
	if len(docs) == 0 {
		return cursor(ns, nil)
	}
	return cursor(ns, bson.A{bson.D{{Key: "_id", Value: 1}, {Key: "n", Value: int32(len(docs))}}})
}

func (s *Server) delete(ns string, cmd bson.Raw) bson.D {
	return ok(bson.E{Key: "n", Value: int32(s.remove(ns, cmd.Lookup("deletes", "0", "q", "_id")))})
}

func (s *Server) remove(ns string, id bson.RawValue) (n int) {
	c := s.collections[ns]
	if c == nil {
		return 0
	}
	before := len(c.documents)
	c.documents = slices.DeleteFunc(c.documents, func(doc bson.Raw) bool { return doc.Lookup("_id").Equal(id) })
	return before - len(c.documents)
}

func inTransaction(cmd bson.Raw) bool {
	auto, has := cmd.Lookup("autocommit").BooleanOK()
	return has && !auto
}

// abort takes back what a transaction wrote.
func (s *Server) abort(cmd bson.Raw) {
	if !inTransaction(cmd) {
		return
	}
	session := cmd.Lookup("lsid").String()
	for _, w := range s.pending[session] {
		if !s.opts.KeepAborted {
			s.remove(w.namespace, w.id)
		}
	}
	delete(s.pending, session)
}

// end ends a transaction. One that an error has ended already is not known any more.
func (s *Server) end(verb string, cmd bson.Raw) bson.D {
	session := cmd.Lookup("lsid").String()
	if s.pending[session] == nil {
		return fails(251, "NoSuchTransaction", "Transaction was aborted or has not begun")
	}
	if verb == "abortTransaction" {
		s.abort(cmd)
	}
	delete(s.pending, session)
	return ok()
}
