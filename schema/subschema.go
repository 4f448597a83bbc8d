package schema

import (
	"errors"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// parser is one run of Parse.
type parser struct {
	origin       Origin
	fields       []*Encrypted
	pointers     []pointerUse    // encrypted fields with a pointer keyId, checked when the tree is whole
	patternBytes int             // spent of maxPatternBytes
	patternSteps int             // spent of maxPatternSteps
	mistakes     *[]*Error       // of Lint; nil: the first one ends the parse
	blamed       map[*place]bool // the places without bsonType "object" that Lint has told already
}

// fault is what becomes of a mistake: it ends the parse or, for Lint, is noted, so that what stands beside it is looked at too.
func (p *parser) fault(err error) error {
	var bad *Error
	if p.mistakes == nil || !errors.As(err, &bad) || len(*p.mistakes) >= maxMistakes {
		return err
	}
	*p.mistakes = append(*p.mistakes, bad)
	return nil
}

// entry is one keyword of a subschema, as written.
type entry struct {
	keyword
	name  string
	value bson.RawValue
}

// entries are the keywords of one subschema in the order of the document; each name at most once.
type entries []entry

func (es entries) find(name string) (entry, bool) {
	for _, e := range es {
		if e.name == name {
			return e, true
		}
	}
	return entry{}, false
}

// subschema is a schema that a keyword holds.
type subschema struct {
	step   string // from the schema around it: "properties.ssn"
	field  string // component of Encrypted.Path
	name   string // field name or pattern, where the keyword gives one
	doc    []byte
	levels int // BSON levels down
}

// subschema compiles the subschema doc that stands at pl; nil when nothing at or below it is encrypted.
func (p *parser) subschema(doc []byte, pl *place) (*Node, error) {
	if pl.depth >= maxDepth {
		return nil, pl.refuse("", "flatten the schema", "the schema nests deeper than %d BSON levels", maxDepth)
	}
	es, err := p.entries(doc, pl)
	if err != nil {
		return nil, err
	}
	pinned, err := pinned(es, pl)
	if err != nil {
		if err := p.fault(err); err != nil {
			return nil, err
		}
		pinned = true // else all that is encrypted below would be told as well
	}
	if e, ok := es.find("encrypt"); ok {
		n, err := p.encrypt(e, es, pl)
		return n, p.fault(err)
	}
	if e, ok := es.find("encryptMetadata"); ok {
		if err := p.fault(p.inherit(e, pl, pinned)); err != nil {
			return nil, err
		}
	}
	if pl.unpinned == nil && !pinned {
		pl.unpinned = pl
	}
	n := &Node{at: pl}
	for _, e := range es {
		if err := p.descend(e, pl, n); err != nil {
			return nil, err
		}
	}
	n, err = p.compile(n)
	return n, p.fault(err)
}

// entries reads the keywords of one subschema and refuses those that are unknown or written twice.
func (p *parser) entries(doc []byte, pl *place) (entries, error) {
	var es entries
	for it := bsonraw.Iterate(doc); it.Next(); {
		name := string(it.Element.Key)
		kw, err := es.keyword(name, pl)
		if err == nil {
			es = append(es, entry{keyword: kw, name: name, value: it.Element.RawValue()})
		} else if err = p.fault(err); err != nil {
			return nil, err
		}
	}
	return es, nil
}

// keyword is the row of the table for a name that is about to join es.
func (es entries) keyword(name string, pl *place) (keyword, error) {
	kw, known := keywords[name]
	switch {
	case !known:
		return kw, pl.refuse(name, unknownHint(name), "unknown $jsonSchema keyword %s", quote(name))
	case kw.role == unsupported:
		return kw, pl.refuse(name, "leave it out; MongoDB refuses it in a validator too",
			"$jsonSchema does not support the keyword '%s'", name)
	}
	if _, twice := es.find(name); twice {
		return kw, pl.refuse(name, "write it once", "keyword '%s' is written twice", name)
	}
	return kw, nil
}

func unknownHint(name string) string {
	if name == "$jsonSchema" {
		return "give the document inside $jsonSchema, not the validator around it"
	}
	return "field names stand under 'properties'; check the spelling of keywords"
}

// descend compiles everything that keyword e holds and hangs it into n.
func (p *parser) descend(e entry, pl *place, n *Node) error {
	subs, err := p.subschemas(e, pl)
	if err := p.fault(err); err != nil {
		return err
	}
	for _, sub := range subs {
		child, err := p.subschema(sub.doc, pl.child(e.keyword, sub))
		if err := p.fault(err); err != nil {
			return err
		}
		if err := p.fault(n.attach(e.name, sub, child)); err != nil {
			return err
		}
	}
	// Only now: a misplaced encrypt inside is the graver fault, and the one drivers expect to be named.
	if p.origin != Remote && !e.role.local() {
		return p.fault(pl.refuse(e.name, "leave it out of the local schema; put it into the collection's validator",
			"JSON schema keyword '%s' is only allowed with a remote schema", e.name))
	}
	return nil
}

// subschemas are the schemas that the keyword's value holds.
func (p *parser) subschemas(e entry, pl *place) ([]subschema, error) {
	isDoc := e.value.Type == bson.TypeEmbeddedDocument
	switch {
	case e.holds == 0 || e.holds&(types|meta) != 0:
		return nil, nil
	case e.holds&each != 0 && isDoc:
		return p.named(e, pl)
	case e.holds&one != 0 && isDoc:
		sub := subschema{step: e.name, doc: e.value.Value, levels: 1}
		if e.name == "additionalProperties" {
			sub.field = "*"
		}
		return []subschema{sub}, nil
	case e.holds&list != 0 && e.value.Type == bson.TypeArray:
		return p.listed(e, pl)
	case e.holds&flag != 0 && e.value.Type == bson.TypeBoolean, e.holds&text != 0 && e.value.Type == bson.TypeString:
		return nil, nil
	}
	want := e.holds.String()
	return nil, pl.refuse(e.name, "write "+want, "'%s' must be %s, found %s",
		e.name, want, payload.TypeAlias(e.value.Type)).code(codeTypeMismatch)
}

const schemaHint = "write a schema: a document of keywords"

// named reads {name: schema, …}.
func (p *parser) named(e entry, pl *place) ([]subschema, error) {
	var subs []subschema
	seen := map[string]bool{}
	for it := bsonraw.Iterate(e.value.Value); it.Next(); {
		name := string(it.Element.Key)
		if seen[name] {
			if err := p.fault(pl.refuse(e.name, "write it once", "'%s' has the name %s twice", e.name, quote(name)).below(name)); err != nil {
				return nil, err
			}
			continue
		}
		seen[name] = true
		switch t := it.Element.Type; {
		case t == bson.TypeEmbeddedDocument:
			field := name
			if e.name == "patternProperties" {
				field = "/" + name + "/"
			}
			subs = append(subs, subschema{step: e.name + "." + name, field: field, name: name, doc: it.Element.Value, levels: 2})
		case t != bson.TypeArray || e.holds&names == 0:
			if err := p.fault(pl.refuse(e.name, schemaHint, "%s in '%s' must be a schema, found %s",
				quote(name), e.name, payload.TypeAlias(t)).below(name).code(codeTypeMismatch)); err != nil {
				return nil, err
			}
		}
	}
	return subs, nil
}

// listed reads [schema, …].
func (p *parser) listed(e entry, pl *place) ([]subschema, error) {
	var subs []subschema
	i := -1
	for it := bsonraw.Iterate(e.value.Value); it.Next(); {
		i++
		index := strconv.Itoa(i)
		if it.Element.Type != bson.TypeEmbeddedDocument {
			if err := p.fault(pl.refuse(e.name, schemaHint, "an element of '%s' must be a schema, found %s",
				e.name, payload.TypeAlias(it.Element.Type)).below(index).code(codeTypeMismatch)); err != nil {
				return nil, err
			}
			continue
		}
		subs = append(subs, subschema{step: e.name + "." + index, doc: it.Element.Value, levels: 2})
	}
	return subs, nil
}

// String is what a value of that shape must be, for messages.
func (s shape) String() string {
	var wants []string
	for _, w := range []struct {
		s    shape
		text string
	}{
		{one, "a schema"}, {list, "an array of schemas"}, {each, "a document of schemas"}, {flag, "a bool"}, {text, "a string"},
	} {
		if s&w.s != 0 {
			wants = append(wants, w.text)
		}
	}
	return strings.Join(wants, " or ")
}
