package analyze

import (
	"bytes"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// decideDuring says what becomes of a command whose constants "x" are about encrypted fields of people, a collection in a step of a migration, with both
// relaxations: sealed, both forms, in clear, allowed or the rule that refused it.
func decideDuring(p *page, cmd d, m schema.Migration) string {
	p.Helper()
	p.cells++
	doc := raw(p, cmd)
	target, err := Classify("db", doc)
	if err != nil {
		p.Fatal(err)
	}
	schemas := map[string]*schema.Schema{"db.people": matrixSchema(p).During(m)}
	var answers [2]string
	for i, rewrite := range []Rewrite{Minimal, Exact} {
		res, err := Command(nil, target, doc, schemas, Markings{}, Options{Rewrite: rewrite, Allow: AllowSort | AllowType})
		if refused := (*RefusedError)(nil); errors.As(err, &refused) {
			answers[i] = "[" + refused.Rule + "]"
			continue
		} else if err != nil {
			p.Fatalf("%v: %v", cmd, err)
		}
		clear := bytes.Contains(withoutSealed(p, res.Command), raw(p, one("", "x"))[5:])
		answers[i] = map[[2]bool]string{{true, true}: "both forms", {true, false}: "sealed", {false, true}: "in clear", {false, false}: "allowed"}[[2]bool{res.HasPlaceholders, clear}]
	}
	if answers[0] != answers[1] {
		p.Errorf("the rewrites decide differently about %v: %v", cmd, answers)
	}
	return answers[0]
}

func withoutSealed(p *page, cmd bson.Raw) []byte {
	open, err := bsonraw.Rewrite(nil, cmd, func(dst, _ []byte) ([]byte, bsonraw.Replacement, error) {
		return dst, bsonraw.Replacement{Type: bson.TypeNull}, nil
	})
	if err != nil {
		p.Fatal(err)
	}
	return open
}

// migratingTable is what is otherwise while a collection is migrated, and some that is not.
func migratingTable(p *page) *table {
	t := &table{head: []string{"", "encrypted only", "read both, write encrypted", "read both, write plain"}}
	upsert := func(u d) d {
		return d{{Key: "update", Value: "people"}, {Key: "updates", Value: bson.A{d{{Key: "q", Value: one("ssn", "x")}, {Key: "u", Value: u}, {Key: "upsert", Value: true}}}}}
	}
	expression := func(e d) d { return findOf(one("$expr", e)) }
	group := func(accumulator string) d {
		return aggregateOf(one("$group", d{{Key: "_id", Value: "$name"}, {Key: "all", Value: one(accumulator, "$ssn")}}))
	}
	for i, row := range []struct {
		name string
		cmd  d
	}{
		{"`{ssn: value}`", findOf(one("ssn", "x"))}, {"`$eq`", findOf(one("ssn", one("$eq", "x")))}, {"`$ne`", findOf(one("ssn", one("$ne", "x")))},
		{"`$in`", findOf(one("ssn", one("$in", bson.A{"x"})))}, {"`$nin`", findOf(one("ssn", one("$nin", bson.A{"x"})))}, {"`$not`", findOf(one("ssn", one("$not", one("$eq", "x"))))},
		{"`$eq` beside `$in`, `$ne` beside `$nin`", findOf(one("ssn", d{{Key: "$eq", Value: "x"}, {Key: "$in", Value: bson.A{"x"}}}))},
		{"`{ssn: value}` with a collation", d{{Key: "find", Value: "people"}, {Key: "filter", Value: one("ssn", "x")}, {Key: "collation", Value: one("locale", "de")}}},
		{"`{phone: value}`", findOf(one("phone", "x"))}, {"`$exists`", findOf(one("ssn", one("$exists", true)))},
		{"`{$eq: [\"$ssn\", value]}`", expression(one("$eq", bson.A{"$ssn", "x"}))}, {"`{$ne: [\"$ssn\", value]}`", expression(one("$ne", bson.A{"$ssn", "x"}))},
		{"`{$in: [\"$ssn\", [value]]}`", expression(one("$in", bson.A{"$ssn", bson.A{"x"}}))}, {"`{$eq: [\"$ssn\", \"$address.zip\"]}`", expression(one("$eq", bson.A{"$ssn", "$ssn"}))},
		{"insert", d{{Key: "insert", Value: "people"}, {Key: "documents", Value: bson.A{d{{Key: "ssn", Value: "x"}, {Key: "phone", Value: "x"}}}}}},
		{"a replacement", updateOf(one("ssn", "x"))}, {"`$set`, `$setOnInsert`", updateOf(one("$set", one("phone", "x")))},
		{"an upsert with `{ssn: value}` as its filter, and nothing of `ssn` in the update", upsert(one("$inc", one("n", 1)))}, {"an upsert with `{ssn: value}` as its filter, and `ssn` in `$setOnInsert` or `$set`", upsert(one("$setOnInsert", one("ssn", "x")))},
		{"`key` of distinct", d{{Key: "distinct", Value: "people"}, {Key: "key", Value: "ssn"}}}, {"`$group` by `\"$ssn\"`", aggregateOf(one("$group", one("_id", "$ssn")))},
		{"`$sortByCount`", aggregateOf(one("$sortByCount", "$ssn"))}, {"`$addToSet` in `$group`", group("$addToSet")}, {"`$push`, `$first` in `$group`", group("$push")},
		{"`$lookup` by `ssn`", aggregateOf(one("$lookup", d{{Key: "from", Value: "people"}, {Key: "localField", Value: "ssn"}, {Key: "foreignField", Value: "ssn"}, {Key: "as", Value: "j"}}))},
		{"`$graphLookup` by `ssn`", aggregateOf(one("$graphLookup", d{{Key: "from", Value: "people"}, {Key: "startWith", Value: "$ssn"}, {Key: "connectFromField", Value: "ssn"}, {Key: "connectToField", Value: "ssn"}, {Key: "as", Value: "j"}}))},
		{"`AllowSort`: `sort: {ssn: 1}`", d{{Key: "find", Value: "people"}, {Key: "sort", Value: one("ssn", 1)}}}, {"`AllowType`: `{ssn: {$type: \"binData\"}}`", findOf(one("ssn", one("$type", "binData")))},
	} {
		var cells []string
		for _, m := range []schema.Migration{schema.EncryptedOnly, schema.ReadBothWriteEncrypted, schema.ReadBothWritePlain} {
			cells = append(cells, decideDuring(p, row.cmd, m))
		}
		t.row(i, row.name, cells...)
	}
	return t
}
