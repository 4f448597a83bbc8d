package schema

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

const (
	tagName = "fieldcrypt"
	tagHint = `write fieldcrypt:"deterministic" or fieldcrypt:"random", and after it what differs: ",keyid=UUID", ",key=/pointer", ",type=string"`
)

// fieldTag is what the tag of a field says.
type fieldTag struct {
	algorithm payload.Algorithm
	key       *payload.KeyID
	pointer   string
	types     []bson.Type
}

// encrypted is the schema of a field with the tag.
func (r *structReader) encrypted(f structField, minSize bool) (sub bson.D, encrypts bool) {
	before := len(r.faults)
	tag := r.readTag(f)
	if len(r.faults) > before {
		return nil, false
	}
	if tagged(f.typ) {
		r.add(f.path, "tag either the field or those inside it", "there are tagged fields inside it, but it is encrypted as a whole")
	}
	if mayBeNull(f.typ) && !f.omitEmpty {
		r.add(f.path, "add omitempty to the tag 'bson'", "nil would be written as null, which cannot be encrypted")
	}
	types := r.types(f, tag, minSize)
	key := r.keyOf(f, tag)
	if len(r.faults) > before {
		return nil, false
	}
	enc := bson.D{}
	switch len(types) {
	case 0:
	case 1:
		enc = append(enc, bson.E{Key: "bsonType", Value: payload.TypeAlias(types[0])})
	default:
		aliases := bson.A{}
		for _, t := range types {
			aliases = append(aliases, payload.TypeAlias(t))
		}
		enc = append(enc, bson.E{Key: "bsonType", Value: aliases})
	}
	enc = append(enc, bson.E{Key: "algorithm", Value: tag.algorithm.String()}, bson.E{Key: "keyId", Value: key})
	return bson.D{{Key: "encrypt", Value: enc}}, true
}

// readTag reads the tag; mistakes are noted.
func (r *structReader) readTag(f structField) (tag fieldTag) {
	parts := strings.Split(f.tag, ",")
	switch strings.TrimSpace(parts[0]) {
	case "deterministic":
		tag.algorithm = payload.Deterministic
	case "random":
		tag.algorithm = payload.Random
	default:
		r.add(f.path, tagHint, "the tag 'fieldcrypt' begins with %s, expected deterministic or random", quote(parts[0]))
	}
	seen := map[string]bool{}
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		if seen[name] {
			r.add(f.path, "write it once", "the tag 'fieldcrypt' has %s twice", quote(name))
		}
		seen[name] = true
		switch name {
		case "keyid":
			id, err := payload.ParseKeyID(value)
			if err != nil {
				r.add(f.path, "write the data key's UUID: keyid=2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e", "%v", err)
			}
			tag.key = &id
		case "key":
			tag.pointer = value
			if _, fault := pointerTokens(value); fault != nil {
				r.add(f.path, `point to the field that holds the key's alternate name by its BSON name: key=/tenantKey`, "%s", fault.Message)
			}
		case "type":
			r.readTypes(f, value, &tag)
		default:
			r.add(f.path, tagHint, "the tag 'fieldcrypt' has an unknown option %s", quote(name))
		}
	}
	return tag
}

func (r *structReader) readTypes(f structField, value string, tag *fieldTag) {
	for alias := range strings.SplitSeq(value, "|") {
		t, known := typeByAlias(alias)
		if !known {
			r.add(f.path, "write the alias of a BSON type, type=string, or several, type=int|long", "unknown BSON type %s", quote(alias))
			continue
		}
		tag.types = append(tag.types, t)
	}
}

// types are the BSON types that the field's values have; none when any may come.
func (r *structReader) types(f structField, tag fieldTag, minSize bool) []bson.Type {
	types, known := bsonTypes(f.typ, minSize)
	switch {
	case !known && !encodable(f.typ):
		r.add(f.path, "store it in another Go type", "the driver cannot store a %s", f.typ)
		return nil
	case !known && len(tag.types) == 0 && tag.algorithm == payload.Deterministic:
		r.add(f.path, `say which BSON type it has: fieldcrypt:"deterministic,type=string"`, "the Go type %s does not tell the BSON type, and the deterministic algorithm needs one", f.typ)
		return nil
	case !known && len(tag.types) == 0 && ownBSON(pointee(f.typ)):
		r.add(f.path, `say which BSON type it has: fieldcrypt:"random,type=string", or several: type=int|long`, "the type %s has a BSON encoding of its own", f.typ)
		return nil
	case !known:
		types = tag.types
	case len(tag.types) > 0 && !slices.Equal(types, tag.types):
		r.add(f.path, "leave 'type' out, or change the Go type", "the driver writes a %s as %s, the tag says %s", f.typ, aliases(types), aliases(tag.types))
		return nil
	}
	if len(types) > 1 && tag.algorithm == payload.Deterministic {
		r.add(f.path, "use int32 or int64 without minsize, or the random algorithm",
			"the driver writes a %s as %s, by value; the deterministic algorithm needs one BSON type, since equal numbers of different types encrypt differently", f.typ, aliases(types))
		return nil
	}
	for _, t := range types {
		if payload.Encryptable(t, tag.algorithm) != nil {
			r.add(f.path, fieldTypeHint(t), "a %s is written as %s, which the %s algorithm does not take", f.typ, payload.TypeAlias(t), short(tag.algorithm))
		}
	}
	return types
}

func fieldTypeHint(t bson.Type) string {
	if payload.Encryptable(t, payload.Random) == nil {
		return `write fieldcrypt:"random"; the field can then be stored and read, but not queried`
	}
	return "leave it in clear: it has a single value, so that its type alone gives the value away"
}

func short(a payload.Algorithm) string {
	if a == payload.Deterministic {
		return "deterministic"
	}
	return "random"
}

func aliases(types []bson.Type) string {
	var names []string
	for _, t := range types {
		names = append(names, payload.TypeAlias(t))
	}
	return strings.Join(names, " or ")
}

// keyOf is the keyId of the field.
func (r *structReader) keyOf(f structField, tag fieldTag) any {
	switch {
	case tag.key != nil && tag.pointer != "":
		r.add(f.path, "keep one of them", "the tag 'fieldcrypt' has both key and keyid")
	case tag.pointer != "" && tag.algorithm == payload.Deterministic:
		r.add(f.path, "write keyid=UUID, or choose the random algorithm", "a deterministically encrypted field cannot have a key that each document names: no query could know it")
	case tag.pointer != "":
		r.checkTarget(f, tag.pointer)
		return tag.pointer
	case tag.key != nil:
		return bson.A{tag.key.Binary()}
	case r.key != nil:
		return bson.A{r.key.Binary()}
	default:
		r.add(f.path, "give ForOptions.KeyID, or write keyid=UUID or key=/pointer in the tag", "it has no key")
	}
	return nil
}

// checkTarget sees that a pointer leads to a field of T that can hold a name. What lies deeper than the first step is seen when documents are written.
func (r *structReader) checkTarget(f structField, pointer string) {
	tokens, _ := pointerTokens(pointer)
	i := slices.IndexFunc(r.top, func(t structField) bool { return t.name == tokens[0] && !t.inlineMap })
	switch {
	case i < 0 && slices.ContainsFunc(r.top, func(t structField) bool { return t.inlineMap }):
	case i < 0:
		r.add(f.path, "point to a field by its BSON name, from the whole document on", "its key is named at %s, but no field of %s has the BSON name %s", quote(pointer), r.name, quote(tokens[0]))
	case len(tokens) == 1:
		if types, known := bsonTypes(r.top[i].typ, false); known && !slices.Contains(types, bson.TypeString) {
			r.add(f.path, "point to a string: the alternate name of a data key", "its key is named at %s, but the field %s is written as %s", quote(pointer), r.top[i].path, aliases(types))
		}
	}
}
