package analyze_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// growing are commands of a size in proportion to n, each long in another way.
var growing = map[string]func(n int) bson.D{
	"numbers in a path":      func(n int) bson.D { return findBy(strings.Repeat("0.", n)+"zip", 1) },
	"numbers below a prefix": func(n int) bson.D { return findBy("address."+strings.Repeat("0.", n)+"x", 1) },
	"a path of many parts":   func(n int) bson.D { return findBy("m."+strings.Repeat("a.", n)+"x", 1) },
	"fields of a filter": func(n int) bson.D {
		return bson.D{{Key: "find", Value: "people"}, {Key: "filter", Value: many(n, "x")}}
	},
	"clauses": func(n int) bson.D {
		return findBy("$and", repeat(n, bson.D{{Key: "ssn", Value: "x"}, {Key: "a", Value: 1}}))
	},
	"values of a list":     func(n int) bson.D { return findBy("ssn", bson.D{{Key: "$in", Value: repeat(n, "x")}}) },
	"operators on a field": func(n int) bson.D { return findBy("ssn", repeated(n, bson.E{Key: "$ne", Value: "x"})) },
	"deep clauses":         func(n int) bson.D { return findBy("x", bson.D{{Key: "$in", Value: repeat(n, nested(60, "ssn"))}}) },
	"clauses in clauses": func(n int) bson.D {
		return bson.D{{Key: "find", Value: "people"}, {Key: "filter", Value: andIn(80, repeat(n, bson.D{{Key: "ssn", Value: "x"}}))}}
	},
	"documents": func(n int) bson.D {
		return bson.D{{Key: "insert", Value: "people"}, {Key: "documents", Value: repeat(n, bson.D{{Key: "ssn", Value: "x"}})}}
	},
	"fields of a document": func(n int) bson.D {
		return bson.D{{Key: "insert", Value: "people"}, {Key: "documents", Value: bson.A{many(n, "x")}}}
	},
	"a deep document": func(n int) bson.D {
		return bson.D{{Key: "insert", Value: "people"}, {Key: "documents", Value: repeat(n, nested(80, "address"))}}
	},
	"statements":    func(n int) bson.D { return updates(n, bson.D{{Key: "$set", Value: bson.D{{Key: "ssn", Value: "x"}}}}) },
	"modifications": func(n int) bson.D { return updates(1, bson.D{{Key: "$set", Value: many(n, "x")}}) },
	"update operators": func(n int) bson.D {
		return updates(1, repeated(n, bson.E{Key: "$set", Value: bson.D{{Key: "ssn", Value: "x"}}}))
	},
	"positions in a path": func(n int) bson.D {
		return updates(1, bson.D{{Key: "$set", Value: bson.D{{Key: "l" + strings.Repeat(".$[]", n), Value: 1}}}})
	},
	"array filters":            func(n int) bson.D { return withArrayFilters(n) },
	"operations":               func(n int) bson.D { return bulk(n, 1) },
	"collections of bulkWrite": func(n int) bson.D { return bulk(1, n) },
	"keys of an index": func(n int) bson.D {
		return bson.D{{Key: "createIndexes", Value: "people"}, {Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: many(n, 1)}}}}}
	},
	"indexes": func(n int) bson.D {
		return bson.D{{Key: "createIndexes", Value: "people"}, {Key: "indexes", Value: repeat(n, bson.D{{Key: "key", Value: bson.D{{Key: "ssn", Value: 1}}}})}}
	},
	"options of an index": func(n int) bson.D {
		return bson.D{{Key: "createIndexes", Value: "people"}, {Key: "indexes", Value: bson.A{repeated(n, bson.E{Key: "name", Value: "a"})}}}
	},
	"a sort":    func(n int) bson.D { return bson.D{{Key: "find", Value: "people"}, {Key: "sort", Value: many(n, 1)}} },
	"variables": func(n int) bson.D { return bson.D{{Key: "find", Value: "people"}, {Key: "let", Value: many(n, 1)}} },
	"collections of a view": func(n int) bson.D {
		return bson.D{{Key: "create", Value: "people"}, {Key: "pipeline", Value: lookups(n)}}
	},
}

func findBy(field string, value any) bson.D {
	return bson.D{{Key: "find", Value: "people"}, {Key: "filter", Value: bson.D{{Key: field, Value: value}}}}
}

func many(n int, value any) bson.D {
	doc := bson.D{}
	for i := range n {
		doc = append(doc, bson.E{Key: fmt.Sprint("field", i), Value: value})
	}
	return doc
}

func repeat(n int, value any) bson.A {
	list := make(bson.A, n)
	for i := range list {
		list[i] = value
	}
	return list
}

func repeated(n int, e bson.E) bson.D {
	doc := make(bson.D, n)
	for i := range doc {
		doc[i] = e
	}
	return doc
}

func nested(depth int, name string) any {
	v := any("x")
	for range depth {
		v = bson.D{{Key: name, Value: v}}
	}
	return v
}

func andIn(depth int, clauses bson.A) any {
	v := any(bson.D{{Key: "$and", Value: clauses}})
	for range depth {
		v = bson.D{{Key: "$or", Value: bson.A{v}}}
	}
	return v
}

func updates(n int, u any) bson.D {
	return bson.D{{Key: "update", Value: "people"}, {Key: "updates", Value: repeat(n, bson.D{{Key: "q", Value: bson.D{}}, {Key: "u", Value: u}})}}
}

func withArrayFilters(n int) bson.D {
	paths, filters := bson.D{}, bson.A{}
	for i := range n {
		paths = append(paths, bson.E{Key: fmt.Sprintf("l.$[i%d].x", i), Value: 1})
		filters = append(filters, bson.D{{Key: fmt.Sprintf("i%d.y", i), Value: 1}})
	}
	statement := bson.D{{Key: "q", Value: bson.D{}}, {Key: "u", Value: bson.D{{Key: "$set", Value: paths}}}, {Key: "arrayFilters", Value: filters}}
	return bson.D{{Key: "update", Value: "people"}, {Key: "updates", Value: bson.A{statement}}}
}

func bulk(operations, namespaces int) bson.D {
	infos := bson.A{bson.D{{Key: "ns", Value: "db.people"}}}
	for i := range namespaces {
		infos = append(infos, bson.D{{Key: "ns", Value: fmt.Sprint("db.c", i)}})
	}
	ops := repeat(operations, bson.D{{Key: "insert", Value: int32(0)}, {Key: "document", Value: bson.D{{Key: "ssn", Value: "x"}}}})
	return bson.D{{Key: "bulkWrite", Value: 1}, {Key: "ops", Value: ops}, {Key: "nsInfo", Value: infos}}
}

func lookups(n int) bson.A {
	stages := bson.A{}
	for i := range n {
		stages = append(stages, bson.D{{Key: "$lookup", Value: bson.D{{Key: "from", Value: fmt.Sprint("c", i)}}}})
	}
	return stages
}

// Twice the input takes twice the memory at most, and some; and 100 000 of anything are done at once: comparing each with each other
// would take minutes.
func TestWorkGrowsWithTheInput(t *testing.T) {
	people := parseSchema(t, fuzzSchema)
	for name, command := range growing {
		t.Run(name, func(t *testing.T) {
			small, large := allocated(t, command(2000), people), allocated(t, command(4000), people)
			if large > 3*small+1<<16 {
				t.Errorf("2000 allocate %d bytes, 4000 %d", small, large)
			}
			many := 100_000
			if testing.Short() {
				many = 10_000
			}
			allocated(t, command(many), people)
		})
	}
}

// allocated is how many bytes an analysis in both rewrites takes, over and above the output.
func allocated(t *testing.T, doc bson.D, people *schema.Schema) int {
	t.Helper()
	cmd := marshal(t, doc)
	if err := bsonraw.Validate(cmd); err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 0, 4*len(cmd)+1024)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	target, err := analyze.Classify("db", cmd)
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]*schema.Schema{}
	for _, ns := range target.Namespaces {
		schemas[ns] = nil
	}
	schemas["db.people"] = people
	for _, rewrite := range rewrites {
		_, err := analyze.Command(dst, target, cmd, schemas, free{}, analyze.Options{Rewrite: rewrite})
		if refused := (*analyze.RefusedError)(nil); err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}
