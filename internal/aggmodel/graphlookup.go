package aggmodel

import "go.mongodb.org/mongo-driver/v2/bson"

// graph is a $graphLookup.
type graph struct {
	from        string
	start       expr
	connectFrom []string
	connectTo   []string
	as          []string
	maxDepth    int64 // -1: none
	depthField  []string
	restrict    predicate
}

func compileGraphLookup(spec any) (stage, error) {
	const name = "$graphLookup"
	args, err := named(name, spec,
		[]string{"from", "startWith", "connectFromField", "connectToField", "as"},
		[]string{"maxDepth", "depthField", "restrictSearchWithMatch"})
	if err != nil {
		return nil, err
	}
	g := &graph{maxDepth: -1, restrict: every(nil)}
	if g.from, err = collectionName(name, args["from"]); err != nil {
		return nil, err
	}
	if g.start, err = compile(args["startWith"]); err != nil {
		return nil, err
	}
	for argument, path := range map[string]*[]string{
		"connectFromField": &g.connectFrom, "connectToField": &g.connectTo, "as": &g.as, "depthField": &g.depthField,
	} {
		if args[argument] == absent {
			continue
		}
		if *path, err = pathArgument(name, args[argument]); err != nil {
			return nil, err
		}
	}
	if v := args["maxDepth"]; v != absent {
		n, ok := integer(v)
		if !ok || n < 0 {
			return nil, refuse(name, "maxDepth must be a whole number, not negative")
		}
		g.maxDepth = n
	}
	if v := args["restrictSearchWithMatch"]; v != absent {
		filter, ok := v.(bson.D)
		if !ok {
			return nil, refuse(name, "restrictSearchWithMatch is %s, want object", typeName(v))
		}
		if g.restrict, err = compileFilter(filter); err != nil {
			return nil, err
		}
	}
	return perDocument(g.run), nil
}

// run searches breadth first; each document is found once, at its least depth.
func (g *graph) run(s *scope, doc bson.D) (bson.D, error) {
	start, err := g.start(s)
	if err != nil {
		return nil, err
	}
	frontier := elements([]any{start})
	unseen, err := g.searched(s)
	if err != nil {
		return nil, err
	}
	found := bson.A{}
	for depth := int64(0); g.maxDepth < 0 || depth <= g.maxDepth; depth++ {
		var level, rest []bson.D
		for _, d := range unseen {
			if joins(d, g.connectTo, present(frontier)) {
				level = append(level, d)
			} else {
				rest = append(rest, d)
			}
		}
		if len(level) == 0 {
			break
		}
		unseen, frontier = rest, nil
		for _, d := range level {
			frontier = append(frontier, elements(resolve(d, g.connectFrom))...)
			if g.depthField != nil {
				if d, err = setPath(d, g.depthField, depth); err != nil {
					return nil, err
				}
			}
			found = append(found, d)
		}
	}
	return setPath(doc, g.as, found)
}

// searched are the documents that the search may find.
func (g *graph) searched(s *scope) ([]bson.D, error) {
	var docs []bson.D
	for _, doc := range s.collections[g.from] {
		ok, err := g.restrict(s.document(doc))
		if err != nil {
			return nil, err
		}
		if ok {
			docs = append(docs, doc)
		}
	}
	return docs, nil
}
