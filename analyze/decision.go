package analyze

import "github.com/fieldcrypt/fieldcrypt/schema"

// verb is what to do with an operator's argument.
type verb int

const (
	pass       verb = iota // copy it: nothing in it can belong to an encrypted field
	flagOnly               // copy it when it is a mere flag; anything longer could be a value of the field, sent in clear
	sealValue              // seal it
	sealEach               // it is an array: seal each element
	scalarOnly             // copy it unless it holds a document, which might hold an encrypted field
	walk                   // it is a document at a prefix path: seal the encrypted fields inside
	typeNames              // with AllowType, copy it when it names BSON types; else refuse
	negate                 // it is an operator document: decide on what is inside
	element                // it is a condition on array elements: decide on what is inside
	rename                 // it is a path: both ends must be alike
	refuse                 // refuse with the decision's rule
)

// decision is one cell of an operator table.
type decision struct {
	verb verb
	rule *rule // for refuse, and for flagOnly, scalarOnly and typeNames when they fail
}

func no(r *rule) decision { return decision{refuse, r} }

func onlyFlag() decision { return decision{flagOnly, ruleFlag} }

// operator is one row: what happens for each class of the field it is applied to.
type operator struct {
	names                                       []string
	plain, deterministic, random, prefix, below decision

	// migrating refuses a deterministically encrypted field for as long as its collection is migrated; nil: it is decided as ever.
	migrating *rule
}

// of is the cell for a field of a class, which may be one that is migrated.
func (o *operator) of(c schema.Class, field *schema.Encrypted) decision {
	if o.migrating != nil && c == schema.Deterministic && field.Migration.ReadsBoth() {
		return no(o.migrating)
	}
	return o.on(c)
}

// on is the cell for a class.
func (o *operator) on(c schema.Class) decision {
	switch c {
	case schema.Plain:
		return o.plain
	case schema.Deterministic:
		return o.deterministic
	case schema.Random:
		return o.random
	case schema.Prefix:
		return o.prefix
	case schema.Below:
		return o.below
	default:
		return no(ruleUnknown)
	}
}

// byName finds a row; nil when the operator is not known.
func byName(table []operator, name string) *operator {
	row, _ := named(table, name)
	return row
}

// named is byName, with the name as the table has it, which outlives the command and costs nothing.
func named(table []operator, name string) (*operator, string) {
	for i := range table {
		for _, n := range table[i].names {
			if n == name {
				return &table[i], n
			}
		}
	}
	return nil, ""
}
