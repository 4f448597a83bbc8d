package audit

import (
	"cmp"
	"slices"
	"strings"
)

// Findings lists all problems, worst first.
func (r *Report) Findings() []Finding {
	var all []Finding
	for _, c := range r.Collections {
		if c.Schema != nil {
			all = append(all, Finding{Problem: UnusableSchema, Namespace: c.Namespace, Detail: c.Schema.Error()})
		}
		for _, f := range append(slices.Clone(c.Fields), c.Others...) {
			for _, p := range f.Problems {
				all = append(all, Finding{Problem: p.Problem, Namespace: c.Namespace, Path: f.Path, Values: p.Values, Documents: p.Documents})
			}
		}
		for _, s := range c.Suspects {
			if !s.Accepted {
				all = append(all, Finding{Problem: LooksSensitive, Namespace: c.Namespace, Path: s.Path, Values: max(s.Hits, s.nameHits()), Documents: s.Documents, Detail: s.Reason()})
			}
		}
	}
	if !r.hadSchema() {
		all = append(all, Finding{Problem: NoSchema, Detail: "nothing could be held against one"})
	}
	for _, k := range r.Keys.Missing {
		all = append(all, Finding{Problem: MissingKey, Namespace: k.Namespace, Path: k.Path, Detail: "data key " + k.ID.String()})
	}
	for _, k := range r.Keys.Unused {
		all = append(all, Finding{Problem: UnusedKey, Detail: strings.Join(append([]string{"data key " + k.ID.String()}, k.AltNames...), ", ")})
	}
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Compare(rank(a.Problem), rank(b.Problem)) })
	return all
}

// hadSchema says whether any of the collections that are there has a schema, usable or not.
func (r *Report) hadSchema() bool {
	none := true
	for _, c := range r.Collections {
		if c.Source != FromNowhere || c.Schema != nil {
			return true
		}
		none = none && c.Missing
	}
	return none
}

func (s *Suspect) nameHits() int64 {
	if s.ByName {
		return s.Values
	}
	return 0
}

// Reason says why it looks sensitive: "its name", "card number", or both.
func (s *Suspect) Reason() string {
	switch {
	case s.InNames:
		return "field names like: " + s.Detector
	case s.Detector == "":
		return "its name"
	case s.ByName:
		return "its name, and values like: " + s.Detector
	}
	return "values like: " + s.Detector
}

// rank orders problems, worst first.
func rank(p Problem) int {
	return slices.IndexFunc(Problems(), func(e Explained) bool { return e.Problem == p })
}
