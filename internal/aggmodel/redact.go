package aggmodel

import "go.mongodb.org/mongo-driver/v2/bson"

// redaction is the value of $$DESCEND, $$PRUNE and $$KEEP, which exist in $redact only.
type redaction string

func compileRedact(spec any) (stage, error) {
	decide, err := compile(spec)
	return expandEach(func(s *scope, doc bson.D) ([]bson.D, error) {
		for _, name := range []string{"DESCEND", "PRUNE", "KEEP"} {
			s = s.bind(name, redaction(name))
		}
		v, err := redact(s, decide, doc)
		if kept, ok := v.(bson.D); ok {
			return []bson.D{kept}, err
		}
		return nil, err
	}), err
}

// redact decides on each document with CURRENT bound to it; a value that is neither document nor array stays. A pruned one is absent.
func redact(s *scope, decide expr, v any) (any, error) {
	switch v := v.(type) {
	case bson.D:
		return redactDocument(s, decide, v)
	case bson.A:
		var failed error
		array := eachElement(v, func(element any) any {
			kept, err := redact(s, decide, element)
			if err != nil {
				failed = err
			}
			return kept
		})
		return array, failed
	}
	return v, nil
}

func redactDocument(s *scope, decide expr, doc bson.D) (any, error) {
	decision, err := decide(s.bind("CURRENT", doc))
	if err != nil {
		return nil, err
	}
	switch decision {
	case redaction("KEEP"):
		return doc, nil
	case redaction("PRUNE"):
		return absent, nil
	case redaction("DESCEND"):
	default:
		return nil, refuse("$redact", "the decision is %s, want $$DESCEND, $$PRUNE or $$KEEP", typeName(decision))
	}
	descended := bson.D{}
	for _, f := range doc {
		kept, err := redact(s, decide, f.Value)
		if err != nil {
			return nil, err
		}
		if kept != absent {
			descended = append(descended, bson.E{Key: f.Key, Value: kept})
		}
	}
	return descended, nil
}
