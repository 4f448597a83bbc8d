package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// kinds are the servers that are told apart, by their hosts' names or by what buildInfo answers; the first that fits counts.
var kinds = []struct {
	name string
	is   func(hosts string, info bson.Raw) bool
}{
	{"Amazon DocumentDB", at(".docdb.amazonaws.com", ".docdb-elastic.amazonaws.com", ".docdb.amazonaws.com.cn")},
	{"Azure DocumentDB (Cosmos DB for MongoDB vCore)", at(".mongocluster.cosmos.azure.com")},
	{"Azure Cosmos DB for MongoDB (RU)", at(".mongo.cosmos.azure.com", ".documents.azure.com")},
	{"Azure Cosmos DB for MongoDB (RU)", has("_t")},
	{"FerretDB 2, on the DocumentDB extension", has("ferretdb")},
	{"FerretDB 1", has("ferretdbVersion")},
	{"MongoDB Atlas", at(".mongodb.net")},
	{"MongoDB Enterprise", func(_ string, info bson.Raw) bool {
		modules, _ := info.Lookup("modules").ArrayOK()
		values, _ := modules.Values()
		return slices.ContainsFunc(values, func(v bson.RawValue) bool {
			return v.Equal(bson.RawValue{Type: bson.TypeString, Value: text("enterprise")})
		})
	}},
	{"MongoDB Community", has("storageEngines")},
	{"mongo-java-server", func(_ string, info bson.Raw) bool { return bare(info) }},
}

func at(domains ...string) func(string, bson.Raw) bool {
	return func(hosts string, _ bson.Raw) bool {
		for host := range strings.SplitSeq(strings.ToLower(hosts), ",") {
			name, _, _ := strings.Cut(host, ":")
			if slices.ContainsFunc(domains, func(domain string) bool { return strings.HasSuffix(strings.TrimSuffix(name, "."), domain) }) {
				return true
			}
		}
		return false
	}
}

func has(field string) func(string, bson.Raw) bool {
	return func(_ string, info bson.Raw) bool { return info.Lookup(field).Type != 0 }
}

// bare says that nothing but the version is told, as mongo-java-server does.
func bare(info bson.Raw) bool {
	elements, err := info.Elements()
	return err == nil && len(elements) > 0 && !slices.ContainsFunc(elements, func(e bson.RawElement) bool {
		return !slices.Contains([]string{"version", "versionArray", "maxBsonObjectSize", "ok"}, e.Key())
	})
}

// kindOf is the name of a server's kind.
func kindOf(hosts string, info bson.Raw) string {
	for _, k := range kinds {
		if k.is(hosts, info) {
			return k.name
		}
	}
	return "a server that does not say its name"
}

// kind says what the server is, and what it can do.
func (p *patient) kind(ctx context.Context) []diagnosis {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	const oldest = 8 // wire version of MongoDB 4.2, the first with client-side field level encryption
	info, err := p.client.Database("admin").RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Raw()
	if err != nil {
		info = nil
	}
	version, _ := info.Lookup("version").StringValueOK()
	topology := "standalone"
	switch {
	case p.hello.Msg == "isdbgrid":
		topology = "sharded cluster"
	case p.hello.SetName != "":
		topology = "replica set"
	}
	said := fmt.Sprintf("%s, version %s, wire version %d, %s", kindOf(p.hosts(), info), printable(cmp.Or(version, "unknown")), p.hello.MaxWireVersion, topology)
	if p.hello.MaxWireVersion < oldest {
		return one(failed, "update the server: drivers refuse automatic encryption with it", "%s, expected wire version %d at least", said, oldest)
	}
	return append(one(passed, "", "%s", said), about("abilities", p.abilities(ctx))...)
}

// ability is something that a server may know, and what it is good for.
type ability struct {
	name, good string
	ask        bson.D // a command on a collection that changes nothing; nil: the greeting tells
	told       func(hello) bool
}

// abilities are asked about by commands that read one document at most.
func abilities(collection string) []ability {
	one := func(stages ...bson.D) bson.D {
		pipeline := bson.A{}
		for _, stage := range append(stages, bson.D{{Key: "$limit", Value: 1}}, bson.D{{Key: "$project", Value: bson.D{{Key: "_id", Value: 1}}}}) {
			pipeline = append(pipeline, stage)
		}
		return bson.D{{Key: "aggregate", Value: collection}, {Key: "pipeline", Value: pipeline}, {Key: "cursor", Value: bson.D{}}}
	}
	first := func(filter bson.D, more ...bson.E) bson.D {
		return append(bson.D{{Key: "find", Value: collection}, {Key: "filter", Value: filter}, {Key: "projection", Value: bson.D{{Key: "_id", Value: 1}}},
			{Key: "limit", Value: 1}, {Key: "singleBatch", Value: true}}, more...)
	}
	return []ability{
		{"transactions", `"schema probe --transaction"`, nil, func(h hello) bool { return h.SetName != "" || h.Msg == "isdbgrid" }},
		{"client bulk writes", "the drivers' client.BulkWrite", nil, func(h hello) bool { return h.MaxWireVersion >= 25 }},
		{"$jsonSchema", "validators that refuse plaintext", first(bson.D{{Key: "$jsonSchema", Value: bson.D{}}}), nil},
		{"$sample", `"audit --sample" without reading everything`, one(bson.D{{Key: "$sample", Value: bson.D{{Key: "size", Value: 1}}}}), nil},
		{"$lookup", "aggregations over several collections", one(bson.D{{Key: "$limit", Value: 1}}, bson.D{{Key: "$lookup", Value: bson.D{
			{Key: "from", Value: collection}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$limit", Value: 1}}}}, {Key: "as", Value: "l"}}}}), nil},
		{"collations", "comparisons of plaintext by a language's rules", first(bson.D{}, bson.E{Key: "collation", Value: bson.D{{Key: "locale", Value: "en"}}}), nil},
	}
}

// abilities asks the server what it knows. That matters for an application, but is no reason to fail.
func (p *patient) abilities(ctx context.Context) []diagnosis {
	db, coll, _ := strings.Cut(p.flags.keyVault, ".")
	advice := "more is asked of a key vault with data keys (--key-vault)"
	if p.vault != nil {
		// Some servers look at a question only when there is a document to compare.
		if key, err := p.firstKey(ctx, bson.D{}); err == nil && key != nil {
			advice = ""
		}
	}
	var knows, lacks []string
	for _, a := range abilities(coll) {
		switch known, told := p.knows(ctx, a, db, advice == ""); {
		case !told:
		case known:
			knows = append(knows, a.name)
		default:
			lacks = append(lacks, a.name+" ("+a.good+")")
		}
	}
	var said []string
	if len(knows) > 0 {
		said = append(said, "it knows "+strings.Join(knows, ", "))
	}
	if len(lacks) > 0 {
		said = append(said, "it does not know "+strings.Join(lacks, ", "))
	}
	return one(passed, advice, "%s", strings.Join(said, "; "))
}

// knows asks about one ability; told is false when there is no answer, or nothing to ask about.
func (p *patient) knows(ctx context.Context, a ability, db string, may bool) (known, told bool) {
	if a.told != nil {
		return a.told(p.hello), true
	}
	if !may {
		return false, false
	}
	err := p.client.Database(db).RunCommand(ctx, a.ask).Err()
	refused := mongo.CommandError{}
	return err == nil, err == nil || errors.As(err, &refused) && !unauthorized(err)
}
