package analyze

import (
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// While a collection is migrated (schema.Migration), a value of an encrypted field is stored as plaintext or as ciphertext, field by field and
// document by document. Each value that a deterministic field is compared with then goes out in both forms: $eq and $in become $in, $ne and $nin
// become $nin. What takes values of several documents or fields for equal has no such form and is refused. All else that is let through looks at
// one field of one document at a time, and is right for either form.
var (
	ruleMigratingForms = &rule{"migrating-two-forms",
		"while the collection is migrated, one of two equal values may be plaintext and the other ciphertext, so that to {operator} they are not equal",
		"do it after decryption, or wait until the collection is migrated", 0}
	ruleMigratingCollation = &rule{"migrating-collation",
		"a collation holds for plaintext but not for ciphertext: while the collection is migrated, {operator} would mean one thing for some documents and another for the others",
		"leave the collation out or give {locale: \"simple\"}, which is what the encrypted field will have in the end", 0}
	ruleMigratingApart = &rule{"migrating-conditions-apart",
		"{operator} stands beside another operator that means the same kind of list while the collection is migrated, when $eq becomes $in and $ne becomes $nin",
		"write the conditions apart: {$and: [{\"{path}\": …}, {\"{path}\": …}]}", 0}
)

// migrates says whether m is a field that is compared in both forms.
func migrates(m schema.Match) bool {
	return m.Class == schema.Deterministic && m.Field.Migration.ReadsBoth()
}

// listOperator is what a comparison becomes.
func listOperator(name string) string {
	if name == "$ne" || name == "$nin" {
		return "$nin"
	}
	return "$in"
}

// bothForms writes the constant v of a comparison twice, as the elements i and i+1 of an array.
func (a *analysis) bothForms(dst []byte, i int, field *schema.Encrypted, v bson.RawValue, null *rule) ([]byte, error) {
	dst, err := a.sealOperand(appendIndex(dst, bson.TypeBinary, i), field, v, null)
	if err == nil {
		err = a.uncollated(v)
	}
	return append(appendIndex(dst, v.Type, i+1), v.Value...), err
}

// listBoth is sealList with both forms of each element.
func (a *analysis) listBoth(dst, key []byte, field *schema.Encrypted, list []byte) ([]byte, error) {
	dst, start := bsonraw.BeginArray(dst, key)
	it := bsonraw.Iterate(list)
	for i := 0; it.Next(); i += 2 {
		var err error
		if dst, err = a.bothForms(dst, i, field, it.Element.RawValue(), ruleInNull); err != nil {
			return nil, err
		}
	}
	return bsonraw.End(dst, start), it.Err
}

// equalBoth writes {$eq: v} or {$ne: v}, called name, as a list of both forms.
func (a *analysis) equalBoth(dst []byte, name string, field *schema.Encrypted, v bson.RawValue) ([]byte, error) {
	dst, start := bsonraw.BeginArray(dst, listOperator(name))
	dst, err := a.bothForms(dst, 0, field, v, ruleEqualityNull)
	if err != nil {
		return nil, err
	}
	return bsonraw.End(dst, start), nil
}

// comparedOnce refuses an operator document in which two operators would become one and the same name.
func (a *analysis) comparedOnce(operators []byte) error {
	var seen [2]bool
	it := bsonraw.Iterate(operators)
	for it.Next() {
		kind := 0
		switch string(it.Element.Key) {
		case "$eq", "$in":
		case "$ne", "$nin":
			kind = 1
		default:
			continue
		}
		if seen[kind] {
			return a.refuse(ruleMigratingApart, string(it.Element.Key))
		}
		seen[kind] = true
	}
	return it.Err
}

// comparedBoth writes {$eq: [field, constant]} or {$ne: …}, the only element of an expression, as a membership.
func (a *analysis) comparedBoth(dst []byte, name string, field, constant *side) ([]byte, error) {
	var array, document int
	if name == "$ne" {
		dst, array = bsonraw.BeginArray(dst, "$not")
		dst, document = bsonraw.BeginDocument(dst, "0")
	}
	dst, operands := bsonraw.BeginArray(dst, "$in")
	dst, list := bsonraw.BeginArray(bsonraw.AppendValue(dst, "0", field.RawValue()), "1")
	dst, err := a.constantBoth(dst, 0, constant, field.value, ruleEqualityNull)
	if err != nil {
		return nil, err
	}
	dst = bsonraw.End(bsonraw.End(dst, list), operands)
	if name == "$ne" {
		dst = bsonraw.End(bsonraw.End(dst, document), array)
	}
	return dst, nil
}

// constantBoth writes the constant c of an expression twice, as the elements i and i+1 of an array.
func (a *analysis) constantBoth(dst []byte, i int, c *side, field value, null *rule) ([]byte, error) {
	sealed, key := *c, strconv.Itoa(i+1)
	sealed.Key = strconv.AppendInt(nil, int64(i), 10)
	dst, err := a.sealConstant(dst, &sealed, field, null)
	if err != nil {
		return nil, err
	}
	outer := a.at(field.path)
	if err := a.uncollated(c.constant); err != nil {
		return nil, err
	}
	a.path = outer
	name := a.literalName(c.literal)
	if name == "" {
		return bsonraw.AppendValue(dst, key, c.constant), nil
	}
	dst, start := bsonraw.BeginDocument(dst, key)
	return bsonraw.End(bsonraw.AppendValue(dst, name, c.constant), start), nil
}

// collate takes note of the collation of a command, or of a statement in it.
func (a *analysis) collate(in []byte) error {
	if !a.migrating {
		return nil
	}
	v, given, err := find(in, "collation")
	if err != nil || !given {
		a.collated = false
		return err
	}
	a.collated = true
	if v.Type == bson.TypeEmbeddedDocument {
		locale, err := only(v.Value, "locale")
		name, _ := text(locale)
		a.collated = string(name) != "simple"
		return err
	}
	return nil
}

// uncollated refuses a string to compare with under a collation.
func (a *analysis) uncollated(v bson.RawValue) error {
	if a.collated && (v.Type == bson.TypeString || v.Type == bson.TypeSymbol) {
		return a.refuse(ruleMigratingCollation, a.op)
	}
	return nil
}
