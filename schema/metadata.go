package schema

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// options are what encrypt and encryptMetadata can say; a zero field is not set.
type options struct {
	algorithm payload.Algorithm
	key       key
	types     TypeSet // encrypt only, never inherited
	typeList  bool    // types were written as an array
	broken    bool    // a mistake in it was noted: what is missing may be what could not be read
}

// over fills what o does not set from the options inherited from further out. Each option for itself: an inner encryptMetadata that
// sets only the algorithm leaves the outer keyId in force.
func (o options) over(outer options) options {
	if o.algorithm == 0 {
		o.algorithm = outer.algorithm
	}
	if !o.key.set {
		o.key = outer.key
	}
	o.broken = o.broken || outer.broken
	return o
}

// inherit reads the keyword encryptMetadata at pl: from now on pl.options are what the encrypts below inherit.
func (p *parser) inherit(e entry, pl *place, pinned bool) error {
	if err := p.barred(e.name, pl); err != nil {
		return err
	}
	if !pinned {
		p.blame(pl)
		if err := p.fault(pl.refuse(e.name, `write bsonType: "object" (the string, not an array of types) next to encryptMetadata`,
			invalid+"'encryptMetadata' must stand next to bsonType 'object'")); err != nil {
			return err
		}
	}
	before := p.count()
	own, err := p.read(e, pl, "algorithm", "keyId")
	if err != nil {
		return err
	}
	if p.count() > before {
		pl.options.broken = true
	}
	if own == (options{}) && p.count() == before {
		return pl.refuse(e.name, "set algorithm, keyId or both, or leave it out", "'encryptMetadata' is empty").code(codeFailedToParse)
	}
	pl.options = own.over(pl.options)
	return nil
}

// read reads the options object e, which may hold the allowed fields only.
func (p *parser) read(e entry, pl *place, allowed ...string) (options, error) {
	var o options
	if e.value.Type != bson.TypeEmbeddedDocument {
		return o, pl.refuse(e.name, "write {"+strings.Join(allowed, ": …, ")+": …}", "'%s' must be a document, found %s",
			e.name, payload.TypeAlias(e.value.Type)).code(codeTypeMismatch)
	}
	at := &place{up: pl, step: e.name}
	var seen []string
	for it := bsonraw.Iterate(e.value.Value); it.Next(); {
		name, value := string(it.Element.Key), it.Element.RawValue()
		var err error
		switch {
		case slices.Contains(seen, name):
			err = at.refuse(name, "write it once", "'%s.%s' is written twice", e.name, name)
		case !slices.Contains(allowed, name):
			err = at.refuse(name, "only "+strings.Join(allowed, ", ")+" may stand here",
				"BSON field '%s.%s' is an unknown field", e.name, clip(name)).code(codeUnknownField)
		case name == "algorithm":
			o.algorithm, err = at.algorithm(value)
		case name == "keyId":
			o.key, err = at.keyID(value)
		case name == "bsonType":
			o.types, o.typeList, err = at.typeSet(value)
		}
		if err := p.fault(err); err != nil {
			return o, err
		}
		seen = append(seen, name)
	}
	return o, nil
}

// algorithm reads one of the two algorithm names. Case counts here, as in MongoDB's parser.
func (pl *place) algorithm(v bson.RawValue) (payload.Algorithm, error) {
	hint := "write \"" + payload.Deterministic.String() + "\" or \"" + payload.Random.String() + "\""
	s, ok := v.StringValueOK()
	if !ok {
		return 0, pl.refuse("algorithm", hint, "'algorithm' must be a string, found %s", payload.TypeAlias(v.Type)).code(codeTypeMismatch)
	}
	for _, a := range []payload.Algorithm{payload.Deterministic, payload.Random} {
		if s == a.String() {
			return a, nil
		}
	}
	return 0, pl.refuse("algorithm", hint, "unknown algorithm %s", quote(s))
}
