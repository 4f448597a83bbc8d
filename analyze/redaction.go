package analyze

import (
	"bytes"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// redactMode says whether an expression is that of $redact.
type redactMode int

const (
	redactNot      redactMode = iota
	redactTop                 // it looks at whole documents only
	redactDescends            // it holds $$DESCEND: it looks at the documents inside them as well, and $$CURRENT is each of them
)

// redaction writes the expression of $redact under key. Whether $$DESCEND could go into a field that is encrypted whole is for the
// stage to check.
func (a *analysis) redaction(dst, key []byte, v bson.RawValue) ([]byte, error) {
	a.redact = redactTop
	if bytes.Contains(v.Value, []byte("$$DESCEND")) {
		a.redact = redactDescends
	}
	a.levels = nil
	defer func() { a.redact = redactNot }()
	dst, got, err := a.evaluate(dst, key, v, wrapped)
	if err != nil {
		return nil, err
	}
	return dst, a.accept(&conditionOperand, got)
}

// plainAtEveryLevel refuses a path that leads to, above or below an encrypted field from any of the documents inside the collection's
// documents. What earlier stages have made of those is not taken apart here: every path is refused then.
func (a *analysis) plainAtEveryLevel(path string) error {
	if a.root == nil {
		return nil
	}
	if a.levels == nil {
		if err := a.findLevels(); err != nil {
			return err
		}
	}
	for _, level := range a.levels {
		if m, err := a.lookup(level, path); err != nil || m.Class != schema.Plain {
			return orError(err, refused(ruleExpressionLevels, path, a.op))
		}
	}
	if a.places += len(a.levels); a.places > maxPlaces {
		return a.refuse(ruleComplex, a.op)
	}
	return nil
}

// findLevels lists the collection's documents and all documents inside them that hold encrypted fields.
func (a *analysis) findLevels() error {
	if a.root != a.schema.Root() {
		return a.refuse(ruleExpressionLevels, a.op)
	}
	seen := map[*schema.Node]bool{}
	for _, field := range a.schema.Fields() {
		level := a.root
		names := strings.Split(field.Path, ".")
		for i, name := range names {
			if !seen[level] {
				seen[level] = true
				a.levels = append(a.levels, level)
			}
			if i == len(names)-1 {
				break
			}
			if name == "*" || strings.HasPrefix(name, "/") { // any name, or those of a pattern: there is no telling which documents
				return a.refuse(ruleExpressionLevels, a.op)
			}
			var err error
			if level, err = level.Child(name); err != nil {
				return err
			}
		}
	}
	return nil
}
