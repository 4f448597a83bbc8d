package schema

import (
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// maxPath is the longest path to an encrypted field, in bytes. It keeps what a schema's fields take in memory proportional to the schema.
const maxPath = 1024

// Encrypted is one encrypted field: its options after inheritance. Shared between goroutines: copy before changing it.
type Encrypted struct {
	// Path is the place of the field: "address.zip". A component that is a pattern reads "/^tmp_/", one that stands for all
	// additional properties "*"; so does a field that has such a name. Schema.Names tells the two apart.
	Path      string
	Algorithm payload.Algorithm
	// KeyID is the data key, when neither KeyPointer nor KeyAltName is set.
	KeyID payload.KeyID
	// KeyPointer is a JSON pointer (RFC 6901) as written, "/keyName": each document holds there the alternate name of its key. Never with
	// the deterministic algorithm. ResolvePointer evaluates it.
	KeyPointer string
	// KeyAltName is empty in schemas. Whoever resolves KeyPointer sets it on a copy.
	KeyAltName string
	// Types are the BSON types a value may have; empty stands for every type that the algorithm can encrypt. With the
	// deterministic algorithm it is exactly one.
	Types TypeSet
	// Migration is the step of a migration that the field's collection is in: see [Schema.During]. It is with the field, since a field goes from
	// one collection's documents to another's in a pipeline.
	Migration Migration
}

// SameMetadata says whether e and o are encrypted alike: same algorithm, key and types, and in the same step of a migration. Two nils (plain
// places) are alike.
func (e *Encrypted) SameMetadata(o *Encrypted) bool {
	if e == nil || o == nil {
		return e == o
	}
	a, b := *e, *o
	a.Path, b.Path = "", ""
	return a == b
}

// encrypt compiles the keyword e, one of es, at pl.
func (p *parser) encrypt(e entry, es entries, pl *place) (*Node, error) {
	if err := p.alone(es, pl); err != nil {
		return nil, err
	}
	if pl.up == nil {
		return nil, pl.refuse(e.name, "name the fields to encrypt under 'properties'",
			invalid+"It cannot be the whole schema: a document is never encrypted as a whole")
	}
	if err := p.barred(e.name, pl); err != nil {
		return nil, err
	}
	if n := pl.fieldPathLen(); n > maxPath {
		return nil, pl.refuse(e.name, "shorten the field names",
			"the path to the encrypted field has %d bytes, at most %d are allowed", n, maxPath)
	}
	before := p.count()
	own, err := p.read(e, pl, "algorithm", "bsonType", "keyId")
	if err != nil {
		return nil, err
	}
	opts := own.over(pl.options)
	if p.count() > before || opts.broken {
		return nil, nil // what follows from a mistake is no other one
	}
	if err := p.fault(pl.complete(opts)); err != nil {
		return nil, err
	}
	if err := p.fits(opts, pl); err != nil {
		return nil, err
	}
	enc := &Encrypted{
		Path: pl.fieldPath(), Algorithm: opts.algorithm, Types: opts.types,
		KeyID: opts.key.id, KeyPointer: opts.key.pointer,
	}
	p.fields = append(p.fields, enc)
	if enc.KeyPointer != "" {
		p.pointers = append(p.pointers, pointerUse{enc, pl})
	}
	return &Node{at: pl, enc: enc}, nil
}

// alone refuses keywords next to encrypt: the stored value is binary data, so that nothing said about the plaintext can hold.
func (p *parser) alone(es entries, pl *place) error {
	for _, e := range es {
		if err := p.fault(pl.beside(e)); err != nil {
			return err
		}
	}
	return nil
}

// beside refuses one keyword next to encrypt.
func (pl *place) beside(e entry) error {
	switch e.name {
	case "encrypt":
		return nil
	case "bsonType", "type":
		return pl.refuse(e.name, "move the type into the encrypt object: encrypt: {bsonType: …}",
			"$jsonSchema keyword 'encrypt' cannot be used in conjunction with '%s', 'encrypt' implies type 'bsonType::BinData'",
			e.name).code(codeFailedToParse)
	case "encryptMetadata":
		return pl.refuse(e.name, "put the options into the encrypt object, or the encryptMetadata one level up",
			"Cannot specify both $jsonSchema keywords 'encrypt' and 'encryptMetadata'").code(codeFailedToParse)
	default:
		return pl.refuse(e.name, fmt.Sprintf("leave '%s' out, or move it to a schema further up", e.name),
			invalid+"It must be the only keyword of its schema, found '%s' next to it", e.name)
	}
}

// complete refuses an encrypt that lacks an algorithm or a key, inherited ones counted.
func (pl *place) complete(o options) error {
	var missing []string
	if o.algorithm == 0 {
		missing = append(missing, "algorithm")
	}
	if !o.key.set {
		missing = append(missing, "keyId")
	}
	if len(missing) == 0 {
		return nil
	}
	var parents []string
	for up := pl.up; up != nil; up = up.up {
		parents = append(parents, up.name())
		if len(parents) == 4 {
			break
		}
	}
	what := strings.Join(missing, " and ")
	hint := fmt.Sprintf("set %s in this encrypt object, or in an encryptMetadata at %s", what, strings.Join(parents, " or "))
	err := pl.refuse("encrypt", hint,
		invalid+"It has no %s, neither its own nor inherited from an encryptMetadata", what)
	err.Keyword = missing[0]
	return err
}

// fits checks the combination of algorithm, types and key, by the rules of the MongoDB manual's page "CSFLE Encryption Schemas". A type
// that the algorithm cannot encrypt is refused here already, since no value of it could ever be stored.
func (p *parser) fits(o options, pl *place) error {
	at := &place{up: pl, step: "encrypt"}
	if o.algorithm == payload.Deterministic {
		for _, err := range []error{at.fixedKey(o), at.singleType(o)} {
			if err := p.fault(err); err != nil {
				return err
			}
		}
	}
	for t := range o.types.all() {
		if payload.Encryptable(t, o.algorithm) != nil && o.algorithm != 0 {
			if err := p.fault(at.refuse("bsonType", encryptableHint(t), "Cannot encrypt element of type: %s with the algorithm %s",
				payload.TypeAlias(t), o.algorithm)); err != nil {
				return err
			}
		}
	}
	return nil
}

// fixedKey refuses a key that each document names, of a deterministic field.
func (pl *place) fixedKey(o options) error {
	if o.key.pointer != "" {
		return pl.refuse("keyId", "give the key's UUID: keyId: [UUID]; or choose the random algorithm",
			"A deterministically encrypted field cannot have a keyId represented by a JSON pointer")
	}
	return nil
}

// singleType refuses all but one type, of a deterministic field.
func (pl *place) singleType(o options) error {
	if o.types == 0 {
		return pl.refuse("bsonType", `add the one type the field has: bsonType: "string"`,
			"The deterministic algorithm needs a bsonType: equal values of different types encrypt differently")
	}
	if o.typeList {
		return pl.refuse("bsonType", `write one type as a string: bsonType: "string"`,
			"The deterministic algorithm needs a single bsonType, found an array: equal values of different types encrypt differently")
	}
	return nil
}

func encryptableHint(t bson.Type) string {
	if payload.Encryptable(t, payload.Random) == nil {
		return "choose AEAD_AES_256_CBC_HMAC_SHA_512-Random; the field can then be stored and read, but not queried"
	}
	return "leave the type out: it has a single value, so that its name alone gives the value away"
}
