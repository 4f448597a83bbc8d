package equivalence

import (
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// algorithms by whether they are deterministic.
var algorithms = map[bool]string{
	true:  "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic",
	false: "AEAD_AES_256_CBC_HMAC_SHA_512-Random",
}

// encryption is how a field is encrypted.
type encryption struct {
	deterministic bool
	bsonType      string // "" is any type
	key           int    // the data key's index
	pointer       string // JSON pointer to the data key's name, in place of key
}

// field is a field of the documents of a drawn collection.
type field struct {
	name   string
	by     string      // what describes it in the schema: "" its name in properties, "*" additionalProperties, else the patternProperty
	enc    *encryption // nil: not encrypted
	plain  []any       // values of a plain field
	fields []field     // of a document
	meta   *encryption // the document's encryptMetadata
}

// Types of values that can be encrypted and that the embedded server can store in the plain twin.
var (
	idTypes            = []string{"string", "int", "long", "date", "objectId", "binData"}
	deterministicTypes = []string{"string", "string", "int", "int", "long", "date", "objectId", "binData", "timestamp", "regex"}
	randomTypes        = []string{"", "string", "int", "long", "date", "objectId", "binData", "timestamp", "regex", "double", "bool", "object", "array", "array"}
)

const keys = 3

// number draws a number below n, each as likely as the others: rapid's own integers, and with them its samples, prefer the small.
func number(t *rapid.T, n int, label string) int {
	return rapid.Custom(func(t *rapid.T) int {
		drawn := 0
		for most := 1; most < 8*n; most *= 2 {
			if drawn *= 2; rapid.Bool().Draw(t, "bit") {
				drawn++
			}
		}
		return drawn % n
	}).Draw(t, label)
}

func pick[V any](t *rapid.T, values ...V) V { return values[number(t, len(values), "pick")] }

// chance is true once in so many times.
func chance(t *rapid.T, of int) bool { return number(t, of, "chance") == of-1 }

func drawEncryption(t *rapid.T) *encryption {
	if number(t, 3, "deterministic") < 2 {
		return &encryption{deterministic: true, bsonType: pick(t, deterministicTypes...), key: number(t, keys, "key")}
	}
	return &encryption{bsonType: pick(t, randomTypes...), key: number(t, keys, "key")}
}

// drawFields draws what documents are made of: always _id, a serial number n that is unique, and some plain fields.
func drawFields(t *rapid.T) []field {
	id := field{name: "_id"}
	if chance(t, 3) {
		id.enc = &encryption{deterministic: true, bsonType: pick(t, idTypes...), key: number(t, keys, "key")}
	}
	fields := []field{id, {name: "n"}, {name: "p", plain: []any{int32(0), int32(1), int32(2), int32(3)}}, {name: "q", plain: texts},
		{name: "tags", plain: []any{bson.A{}, bson.A{"red"}, bson.A{"blue", "red"}, bson.A{"red", "green", "red"}}},
		{name: "sub", fields: []field{{name: "u", plain: []any{int32(0), int32(1)}}, {name: "v", plain: texts}}}}
	for _, name := range []string{"a", "b", "c"} {
		if !chance(t, 4) {
			fields = append(fields, field{name: name, enc: drawEncryption(t)})
		}
	}
	if !chance(t, 4) {
		inner := field{name: "in", fields: []field{{name: "z", enc: drawEncryption(t)}, {name: "w", plain: texts}}, meta: drawMetadata(t)}
		fields = append(fields, field{name: "o", meta: drawMetadata(t), fields: []field{{name: "x", enc: drawEncryption(t)}, {name: "y", plain: texts}, inner}})
	}
	if chance(t, 2) {
		enc := drawEncryption(t)
		fields = append(fields, field{name: "k_1", by: "^k_", enc: enc}, field{name: "k_2", by: "^k_", enc: enc})
	}
	if chance(t, 2) {
		enc := drawEncryption(t)
		fields = append(fields, field{name: "bag", fields: []field{{name: "m1", by: "*", enc: enc}, {name: "m2", by: "*", enc: enc}, {name: "open", plain: texts}}})
	}
	if chance(t, 6) {
		fields = append(fields, field{name: "keyName", plain: []any{keyName(0), keyName(1)}}, field{name: "alt", enc: &encryption{bsonType: "string", pointer: "/keyName"}})
	}
	return fields
}

var texts = []any{"red", "green", "blue", ""}

func keyName(key int) string { return fmt.Sprint("key", key) }

func drawMetadata(t *rapid.T) *encryption {
	if chance(t, 2) {
		return nil
	}
	return &encryption{key: number(t, keys, "key")}
}

// describe is the encryption schema of a document with these fields. meta is what is inherited from above.
func describe(fields []field, own, meta *encryption, ids []bson.Binary) bson.D {
	doc, properties, patterns := bson.D{{Key: "bsonType", Value: "object"}}, bson.D{}, bson.D{}
	if own != nil {
		doc = append(doc, bson.E{Key: "encryptMetadata", Value: bson.D{{Key: "algorithm", Value: algorithms[own.deterministic]}, {Key: "keyId", Value: bson.A{ids[own.key]}}}})
		meta = own
	}
	for _, f := range fields {
		switch f.by {
		case "":
			properties = append(properties, bson.E{Key: f.name, Value: f.describe(meta, ids)})
		case "*":
			doc = append(doc[:len(doc):len(doc)], bson.E{Key: "additionalProperties", Value: f.describe(meta, ids)})
		default:
			patterns = append(patterns, bson.E{Key: f.by, Value: f.describe(meta, ids)})
		}
	}
	once := func(d bson.D) bson.D { return slices.CompactFunc(d, func(x, y bson.E) bool { return x.Key == y.Key }) }
	return append(once(doc), bson.E{Key: "properties", Value: properties}, bson.E{Key: "patternProperties", Value: once(patterns)})
}

func (f field) describe(meta *encryption, ids []bson.Binary) bson.D {
	if f.fields != nil {
		return describe(f.fields, f.meta, meta, ids)
	}
	if f.enc == nil {
		return bson.D{}
	}
	encrypt := bson.D{}
	if f.enc.bsonType != "" {
		encrypt = append(encrypt, bson.E{Key: "bsonType", Value: f.enc.bsonType})
	}
	if meta == nil || meta.deterministic != f.enc.deterministic {
		encrypt = append(encrypt, bson.E{Key: "algorithm", Value: algorithms[f.enc.deterministic]})
	}
	if f.enc.pointer != "" {
		encrypt = append(encrypt, bson.E{Key: "keyId", Value: f.enc.pointer})
	} else if meta == nil || meta.key != f.enc.key {
		encrypt = append(encrypt, bson.E{Key: "keyId", Value: bson.A{ids[f.enc.key]}})
	}
	return bson.D{{Key: "encrypt", Value: encrypt}}
}

// place is where documents have a value that is no document of the schema.
type place struct {
	path string
	field
}

// GoString keeps the report of a failure readable.
func (p place) GoString() string { return p.path }

// places lists the leaves of fields.
func places(prefix string, fields []field) (all []place) {
	for _, f := range fields {
		if f.fields != nil {
			all = append(all, places(prefix+f.name+".", f.fields)...)
			continue
		}
		all = append(all, place{prefix + f.name, f})
	}
	return all
}

// prefixes lists the paths of documents in which there are encrypted fields.
func prefixes(places []place) (paths []string) {
	for _, p := range places {
		for i, c := range p.path {
			if prefix := p.path[:i]; c == '.' && p.enc != nil && !slices.Contains(paths, prefix) {
				paths = append(paths, prefix)
			}
		}
	}
	return paths
}

// at finds the place with this path. The pattern of k_ holds for names that no place has, too.
func at(all []place, path string) (place, bool) {
	for _, p := range all {
		if p.path == path || p.by == "^k_" && strings.HasPrefix(path, "k_") {
			return p, true
		}
	}
	return place{}, false
}

// around says whether the path of one is the other's, or of a document in which the other is.
func around(one, other string) bool { return strings.HasPrefix(other+".", one+".") }
