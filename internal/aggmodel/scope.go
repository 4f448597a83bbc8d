package aggmodel

import "go.mongodb.org/mongo-driver/v2/bson"

// scope is the variables that an expression sees, the innermost first, and the collections that stages read from.
type scope struct {
	parent      *scope
	name        string
	value       any
	collections map[string][]bson.D
}

func (s *scope) bind(name string, value any) *scope {
	return &scope{s, name, value, s.collections}
}

// document is the scope in which expressions over doc run.
func (s *scope) document(doc bson.D) *scope {
	return s.bind("ROOT", doc).bind("CURRENT", doc)
}

func (s *scope) lookup(name string) (any, error) {
	switch name {
	case "REMOVE":
		return absent, nil
	case "NOW", "CLUSTER_TIME", "USER_ROLES", "JS_SCOPE", "IS_MR", "SEARCH_META":
		return nil, unsupported("variable $$%s", name)
	}
	for ; s != nil; s = s.parent {
		if s.name == name {
			return s.value, nil
		}
	}
	return nil, refuse("$$"+name, "use of an undefined variable")
}
