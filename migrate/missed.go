package migrate

import "slices"

// maxMisses is how often in a row an edit may match nothing although the document shows, before and after, the very values that it demands: somebody else may
// have changed them and changed them back, but not time and again. It is the server then that does not find what it shows.
const maxMisses = 3

// missed is an edit that matched nothing.
type missed struct {
	edit
	times int
}

// miss notes that an edit may have matched nothing.
func (a *applier) miss(p planned) {
	if a.missed == nil {
		a.missed = map[string]missed{}
	}
	key := idKey(p.id)
	m := a.missed[key]
	if !m.demandsTheSame(p.edit) {
		m = missed{edit: p.edit}
	}
	m.times++
	a.missed[key] = m
}

// matchable is todo without what the server does not find. That is reported, and is no conflict: no other pass would fare better.
func (a *applier) matchable(todo []planned) []planned {
	if len(a.missed) == 0 {
		return todo
	}
	var left []planned
	for _, p := range todo {
		m := a.missed[idKey(p.id)]
		if m.times < maxMisses || !m.demandsTheSame(p.edit) {
			left = append(left, p)
			continue
		}
		a.tally.conflicts -= int64(m.times)
		a.give([]planned{p}, Unmatched, 0)
	}
	return left
}

// demandsTheSame says whether two edits of one document demand the same old values; the new ones differ each time.
func (e edit) demandsTheSame(o edit) bool {
	return slices.Equal(e.guards, o.guards) && slices.EqualFunc(e.set, o.set, func(c, d change) bool { return c.path == d.path && c.old.Equal(d.old) })
}
