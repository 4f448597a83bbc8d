package schema

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// EncryptionOnly is a validator without all conditions but those of encryption: what leads to encrypted fields, encrypt itself, and where binary data is asked
// for, as [ValidatorOptions] has it.
func EncryptionOnly(validator bson.Raw) (bson.Raw, error) {
	d, err := decoded(validator)
	if err != nil {
		return nil, fmt.Errorf("reading the validator: %w", err)
	}
	schema, _ := get(d, "$jsonSchema").(bson.D)
	return bson.Marshal(bson.D{{Key: "$jsonSchema", Value: encryptionOnly(schema)}})
}

func encryptionOnly(doc bson.D) bson.D {
	if encrypt := get(doc, "encrypt"); encrypt != nil {
		return bson.D{{Key: "encrypt", Value: encrypt}}
	}
	out := bson.D{}
	for _, e := range doc {
		sub, _ := e.Value.(bson.D)
		switch e.Key {
		case "bsonType", "type":
			if e.Value != "object" && e.Value != "binData" {
				continue
			}
		case "encryptMetadata":
		case "properties", "patternProperties":
			named := bson.D{}
			for _, s := range sub {
				schema, _ := s.Value.(bson.D)
				named = append(named, bson.E{Key: s.Key, Value: encryptionOnly(schema)})
			}
			e.Value = named
		case "additionalProperties":
			if sub == nil {
				continue
			}
			e.Value = encryptionOnly(sub)
		default:
			continue
		}
		out = append(out, e)
	}
	return out
}

// stripped is a subschema without all that encrypts; empty says that nothing is left which anybody else would have written.
func stripped(doc bson.D) (out bson.D, empty bool) {
	out = bson.D{}
	encrypted := false
	for _, e := range doc {
		switch e.Key {
		case "encrypt", "encryptMetadata":
			encrypted = true
			continue
		case "properties", "patternProperties":
			subs, _ := e.Value.(bson.D)
			kept := bson.D{}
			for _, sub := range subs {
				schema, isSchema := sub.Value.(bson.D)
				bare, empty := stripped(schema)
				if encrypted = encrypted || empty; isSchema && !empty {
					kept = append(kept, bson.E{Key: sub.Key, Value: bare})
				} else if !isSchema {
					kept = append(kept, sub)
				}
			}
			if len(kept) == 0 && len(subs) > 0 {
				continue
			}
			e.Value = kept
		case "additionalProperties":
			if sub, isSchema := e.Value.(bson.D); isSchema {
				bare, empty := stripped(sub)
				if encrypted = encrypted || empty; empty {
					continue
				}
				e.Value = bare
			}
		}
		out = append(out, e)
	}
	only := len(out) == 1 && (out[0].Key == "bsonType" || out[0].Key == "type") && out[0].Value == "object"
	return out, encrypted && (len(out) == 0 || only)
}

// approximation asks for binary data in place of encrypt.
func approximation(doc bson.D) bson.D {
	if get(doc, "encrypt") != nil {
		return bson.D{{Key: "bsonType", Value: "binData"}}
	}
	out := bson.D{}
	for _, e := range doc {
		sub, _ := e.Value.(bson.D)
		switch e.Key {
		case "encryptMetadata":
			continue
		case "properties", "patternProperties":
			named := bson.D{}
			for _, s := range sub {
				if schema, ok := s.Value.(bson.D); ok {
					s.Value = approximation(schema)
				}
				named = append(named, s)
			}
			e.Value = named
		case "additionalProperties":
			if sub != nil {
				e.Value = approximation(sub)
			}
		}
		out = append(out, e)
	}
	return out
}
