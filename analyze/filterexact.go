package analyze

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// filterExact writes a filter as mongocryptd re-serialises it: implicit equalities become $eq, and several conditions become
// the clauses of one $and, in their order.
func (a *analysis) filterExact(dst, filter []byte, node *schema.Node) ([]byte, error) {
	conditions, err := countConditions(filter)
	if err != nil {
		return nil, err
	}
	dst, start := bsonraw.Begin(dst)
	clauses := clauseWriter{alone: conditions < 2} // none: {}, as servers refuse an empty $and
	dst = clauses.open(dst)
	it := bsonraw.Iterate(filter)
	for it.Next() {
		if dst, err = a.conditionExact(dst, it.Element, node, &clauses); err != nil {
			return nil, err
		}
	}
	return bsonraw.End(clauses.close(dst), start), it.Err
}

// conditionExact writes one element of a filter as one clause, or as several when its operators can stand apart.
func (a *analysis) conditionExact(dst []byte, e bsonraw.Element, node *schema.Node, clauses *clauseWriter) ([]byte, error) {
	apart, err := standApart(e)
	if err != nil {
		return nil, err
	}
	if apart < 2 {
		dst, start := clauses.begin(dst)
		dst, err := a.condition(dst, e, node)
		if err != nil {
			return nil, err
		}
		return clauses.end(dst, start), nil
	}
	n := a.enter(e.Key)
	m, err := a.conditionPath(node, e.Key)
	if err != nil {
		return nil, err
	}
	if migrates(m) {
		if err := a.comparedOnce(e.Value); err != nil {
			return nil, err
		}
	}
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		var start, field int
		dst, start = clauses.begin(dst)
		dst, field = bsonraw.BeginDocument(dst, e.Key)
		if dst, err = a.operator(dst, it.Element, m); err != nil {
			return nil, err
		}
		dst = clauses.end(bsonraw.End(dst, field), start)
	}
	a.leave(n)
	return dst, it.Err
}

// countConditions is how many clauses a filter gives.
func countConditions(filter []byte) (int, error) {
	count := 0
	it := bsonraw.Iterate(filter)
	for it.Next() {
		n, err := standApart(it.Element)
		if err != nil {
			return 0, err
		}
		count += max(n, 1)
	}
	return count, it.Err
}

// standApart is the number of operators under a field name that can become clauses of their own; 0 or 1 when the condition
// must stay whole, because it is one, or because its operators belong together ($regex with $options, $near with $maxDistance).
func standApart(e bsonraw.Element) (int, error) {
	if e.Type != bson.TypeEmbeddedDocument || isOperator(e.Key) {
		return 1, nil
	}
	operators, err := isOperatorDocument(e.Value)
	if err != nil || !operators {
		return 1, err
	}
	n := 0
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		switch string(it.Element.Key) {
		case "$regex", "$options", "$near", "$nearSphere", "$maxDistance", "$minDistance":
			return 1, it.Err
		}
		n++
	}
	return n, it.Err
}

// clauseWriter writes conditions either straight into the filter (alone) or as the elements of {$and: […]}.
type clauseWriter struct {
	alone bool
	array int
	count int
}

func (w *clauseWriter) open(dst []byte) []byte {
	if !w.alone {
		dst, w.array = bsonraw.BeginArray(dst, "$and")
	}
	return dst
}

func (w *clauseWriter) close(dst []byte) []byte {
	if w.alone {
		return dst
	}
	return bsonraw.End(dst, w.array)
}

func (w *clauseWriter) begin(dst []byte) (out []byte, start int) {
	if w.alone {
		return dst, 0
	}
	w.count++
	return bsonraw.Begin(appendIndex(dst, bson.TypeEmbeddedDocument, w.count-1))
}

func (w *clauseWriter) end(dst []byte, start int) []byte {
	if w.alone {
		return dst
	}
	return bsonraw.End(dst, start)
}
