package analyze

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// reference resolves a string that begins with a dollar sign: "$a.b", "$$variable" or "$$variable.a". Strings that are meant as
// constants are found here too, by mistake: so no error quotes one, unless it is the path of an encrypted field.
func (a *analysis) reference(s string) (value, error) {
	if a.undocumented {
		return a.withoutDocument(s)
	}
	name, isVariable := strings.CutPrefix(s, "$$")
	if !isVariable {
		return a.current(s[1:])
	}
	name, path, below := strings.Cut(name, ".")
	if below && !isFieldPath(path) {
		return value{}, a.refuse(ruleExpressionPath, a.op)
	}
	switch name {
	case "CURRENT":
		if below {
			return a.current(path)
		}
		return a.wholeDocument(a.redact == redactDescends)
	case "ROOT":
		if below {
			return a.fieldReference(path)
		}
		return a.wholeDocument(false)
	case "REMOVE":
		return value{absent: true}, nil
	case "NOW", "CLUSTER_TIME", "USER_ROLES", "SEARCH_META":
		return value{}, nil
	case "KEEP", "PRUNE", "DESCEND":
		if a.redact != redactNot && !below {
			return value{}, nil
		}
	}
	// A variable of the user is plain: what would bind it to something encrypted is refused, in every operator, stage and command.
	if !isVariableName(name) {
		return value{}, a.refuse(ruleExpressionVariable, a.op)
	}
	return value{}, nil
}

// withoutDocument resolves a string that begins with a dollar sign where expressions are evaluated once for a whole command.
func (a *analysis) withoutDocument(s string) (value, error) {
	name, _, _ := strings.Cut(s, ".")
	switch name {
	case "$$NOW", "$$CLUSTER_TIME", "$$USER_ROLES":
		return value{}, nil
	}
	if variable, isVariable := strings.CutPrefix(name, "$$"); isVariable && isVariableName(variable) {
		return value{}, nil
	}
	return value{}, a.refuse(ruleLetField, "let")
}

// isFieldPath says whether every server reads path as a dotted path.
func isFieldPath(path string) bool {
	const most = 200 // levels that servers' documents have
	return path != "" && len(path) <= maxPath && strings.Count(path, ".") < most && path[0] != '.' && path[len(path)-1] != '.' && !strings.Contains(path, "..") && !strings.Contains(path, "\x00")
}

// isVariableName says whether a user may give a variable this name: it begins with a small letter or outside ASCII.
func isVariableName(name string) bool {
	return name != "" && (name[0] >= 'a' && name[0] <= 'z' || name[0] >= 0x80) && !strings.ContainsAny(name, ".$\x00")
}

// wholeDocument is the document itself. At each of several levels it is another.
func (a *analysis) wholeDocument(levels bool) (value, error) {
	switch {
	case a.root == nil:
		return value{whole: true}, nil
	case a.forbid != nil:
		return value{}, a.refuse(a.forbid, a.op)
	case levels:
		return value{}, a.refuse(ruleExpressionLevels, a.op)
	case a.root == schema.Undecided():
		return value{}, a.refuse(ruleUnknown, a.op)
	}
	return value{node: a.root, whole: true}, nil
}

// current resolves a path in $$CURRENT, which is the whole document but in $redact.
func (a *analysis) current(path string) (value, error) {
	if !isFieldPath(path) {
		return value{}, a.refuse(ruleExpressionPath, a.op)
	}
	got, err := a.fieldReference(path)
	if err == nil && a.redact == redactDescends {
		err = a.plainAtEveryLevel(path)
	}
	return got, err
}

// fieldReference resolves a path in the whole document.
func (a *analysis) fieldReference(path string) (value, error) {
	outer := a.at(path)
	m, err := a.lookup(a.root, path)
	if err != nil {
		return value{}, err
	}
	_, isArray := m.Node.Array()
	switch {
	case m.Class == schema.Plain:
		path, err = "", a.replaced(a.path, a.op)
	case a.forbid != nil:
		err = a.refuse(a.forbid, a.op)
	case m.Class == schema.Below:
		err = a.refuse(ruleBelowEncrypted, a.op)
	case m.Class == schema.Unknown && !isArray:
		err = a.refuse(ruleUnknown, a.op)
	}
	a.path = outer
	return value{node: m.Node, path: path}, err
}

// at makes the path for errors that of a field which an expression refers to, wherever the expression stands. Put the result
// back into a.path when done.
func (a *analysis) at(path string) (outer []byte) {
	outer = a.path
	a.path = append(outer[len(outer):], path...)
	return outer
}

// let writes $let: {vars: {name: expression, …}, in: expression}.
func (a *analysis) let(dst []byte, e bsonraw.Element, row *operator) (out []byte, got value, err error) {
	out, err = a.eachArgument(dst, e, []string{"vars", "in"}, func(dst []byte, e bsonraw.Element) ([]byte, error) {
		switch string(e.Key) {
		case "vars":
			return a.bindings(dst, e)
		case "in":
			dst, got, err = a.evaluate(dst, e.Key, e.RawValue(), wrapped)
			return dst, orError(err, a.acceptResult(row, got))
		}
		return nil, a.refuse(ruleExpressionMalformed, a.op)
	})
	return out, got, err
}

// bindings writes {name: expression, …}: variables, which may not hold anything encrypted.
func (a *analysis) bindings(dst []byte, e bsonraw.Element) ([]byte, error) {
	if e.Type != bson.TypeEmbeddedDocument {
		return nil, a.refuse(ruleExpressionMalformed, a.op)
	}
	dst, start := bsonraw.BeginDocument(dst, e.Key)
	it := bsonraw.Iterate(e.Value)
	for it.Next() {
		err := a.bindable(string(it.Element.Key))
		if err == nil {
			dst, err = a.operand(dst, it.Element, &boundOperand, wrapped)
		}
		if err != nil {
			return nil, err
		}
	}
	return bsonraw.End(dst, start), it.Err
}

// variableName checks an argument that names a variable.
func (a *analysis) variableName(v bson.RawValue) error {
	name, isString := v.StringValueOK()
	if !isString {
		return a.refuse(ruleExpressionMalformed, a.op)
	}
	return a.bindable(name)
}

// bindable refuses names that no variable may be given. A new $$CURRENT would change what every path is relative to.
func (a *analysis) bindable(name string) error {
	switch {
	case isVariableName(name):
		return nil
	case name == "CURRENT" || name == "ROOT":
		return a.refuse(ruleExpressionRebound, a.op)
	}
	return a.refuse(ruleExpressionMalformed, a.op)
}
