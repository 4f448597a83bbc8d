package analyze

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// filterExpression writes {$expr: expression} in a filter on whole documents.
func (a *analysis) filterExpression(dst []byte, e bsonraw.Element) ([]byte, error) {
	a.op = "$expr"
	return a.truth(dst, e, wrapped)
}

// truth writes an expression of which only the truth counts. A literal document is always true, and most likely a condition in the
// syntax of filters, {ssn: "x"}, the value of which is to be encrypted.
func (a *analysis) truth(dst []byte, e bsonraw.Element, in constants) ([]byte, error) {
	op := a.op
	dst, got, err := a.evaluate(dst, e.Key, e.RawValue(), in)
	switch {
	case err != nil:
		return nil, err
	case got.literal:
		return nil, a.refuse(ruleExpressionAlwaysTrue, op)
	}
	return dst, a.accept(&conditionOperand, got)
}

// truths writes the argument of $and, $or or $not: one condition, or a list of them.
func (a *analysis) truths(dst []byte, e bsonraw.Element) ([]byte, error) {
	if e.Type != bson.TypeArray {
		return a.truth(dst, e, wrapped)
	}
	return a.eachOperand(dst, e, func(dst []byte, _ int, e bsonraw.Element) ([]byte, error) { return a.truth(dst, e, wrapped) })
}

// branches collects what an operator gives in one case or another.
type branches struct {
	a      *analysis
	row    *operator
	result value
}

func (a *analysis) branches(row *operator) *branches {
	return &branches{a: a, row: row, result: value{absent: true}}
}

// write writes one branch. Its constants stay as they are, also beside an encrypted one: what comes out is undecided then, and
// refused wherever it is referred to.
func (b *branches) write(dst []byte, e bsonraw.Element) ([]byte, error) {
	dst, got, err := b.a.evaluate(dst, e.Key, e.RawValue(), wrapped)
	if err != nil {
		return nil, err
	}
	b.result = b.result.or(got)
	if _, err := b.a.derived(b.result.node, nil); err != nil {
		return nil, err
	}
	return dst, b.a.acceptResult(b.row, got)
}

// conditional writes $cond: [if, then, else] or {if: …, then: …, else: …}.
func (a *analysis) conditional(dst []byte, e bsonraw.Element, row *operator) ([]byte, value, error) {
	b := a.branches(row)
	if e.Type != bson.TypeArray {
		dst, err := a.eachArgument(dst, e, []string{"if", "then", "else"}, func(dst []byte, e bsonraw.Element) ([]byte, error) {
			switch string(e.Key) {
			case "if":
				return a.truth(dst, e, wrapped)
			case "then", "else":
				return b.write(dst, e)
			}
			return nil, a.refuse(ruleExpressionMalformed, a.op)
		})
		return dst, b.result, err
	}
	count := 0
	dst, err := a.eachOperand(dst, e, func(dst []byte, i int, e bsonraw.Element) ([]byte, error) {
		if count++; i == 0 {
			return a.truth(dst, e, wrapped)
		}
		return b.write(dst, e)
	})
	if err == nil && count != 3 {
		err = a.refuse(ruleExpressionMalformed, a.op)
	}
	return dst, b.result, err
}

// switches writes $switch: {branches: [{case: …, then: …}, …], default: …}. Without a default it fails on the server where no case holds,
// on ciphertext as on plaintext.
func (a *analysis) switches(dst []byte, e bsonraw.Element, row *operator) ([]byte, value, error) {
	b := a.branches(row)
	branch := func(dst []byte, e bsonraw.Element) ([]byte, error) {
		switch string(e.Key) {
		case "case":
			return a.truth(dst, e, wrapped)
		case "then":
			return b.write(dst, e)
		}
		return nil, a.refuse(ruleExpressionMalformed, a.op)
	}
	dst, err := a.eachArgument(dst, e, []string{"branches"}, func(dst []byte, e bsonraw.Element) ([]byte, error) {
		switch string(e.Key) {
		case "branches":
			return a.eachOperand(dst, e, func(dst []byte, _ int, e bsonraw.Element) ([]byte, error) {
				return a.eachArgument(dst, e, []string{"case", "then"}, branch)
			})
		case "default":
			return b.write(dst, e)
		}
		return nil, a.refuse(ruleExpressionMalformed, a.op)
	})
	return dst, b.result, err
}

// firstOf writes $ifNull: [expression, …, default], which gives the first operand that is neither null nor missing.
func (a *analysis) firstOf(dst []byte, e bsonraw.Element, row *operator) ([]byte, value, error) {
	b := a.branches(row)
	count := 0
	dst, err := a.eachOperand(dst, e, func(dst []byte, _ int, e bsonraw.Element) ([]byte, error) {
		count++
		return b.write(dst, e)
	})
	if err == nil && count < 2 {
		err = a.refuse(ruleExpressionMalformed, a.op)
	}
	return dst, b.result, err
}
