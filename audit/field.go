package audit

import (
	"cmp"
	"slices"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// occurrences is the entry for a problem.
func (f *Field) occurrences(p Problem) *Occurrences {
	for _, o := range f.Problems {
		if o.Problem == p {
			return o
		}
	}
	o := &Occurrences{Problem: p}
	f.Problems = append(f.Problems, o)
	return o
}

// key counts a ciphertext under a data key.
func (f *Field) key(id payload.KeyID, most int) {
	if f.keyAt == nil {
		f.keyAt = map[payload.KeyID]int{}
	}
	at, listed := f.keyAt[id]
	switch {
	case listed:
		f.Keys[at].Values++
	case len(f.Keys) < most:
		f.keyAt[id] = len(f.Keys)
		f.Keys = append(f.Keys, KeyCount{ID: id, Values: 1})
	default:
		f.OtherKeys++
	}
}

// order puts what is worst and most first.
func (f *Field) order() {
	slices.SortStableFunc(f.Problems, func(a, b *Occurrences) int { return cmp.Compare(rank(a.Problem), rank(b.Problem)) })
	sortKeys(f.Keys)
	f.keyAt = nil
}

func sortKeys(keys []KeyCount) {
	slices.SortFunc(keys, func(a, b KeyCount) int {
		return cmp.Or(-cmp.Compare(a.Values, b.Values), slices.Compare(a.ID[:], b.ID[:]))
	})
}

// count is how many values have a problem.
func (f *Field) count(p Problem) int64 {
	for _, o := range f.Problems {
		if o.Problem == p {
			return o.Values
		}
	}
	return 0
}

// Plaintext is how many values are stored as they are, markings among them.
func (f *Field) Plaintext() int64 { return f.count(Plaintext) + f.count(StoredMarking) }

// Faulty is how many values are neither clean, nor plaintext, nor empty.
func (f *Field) Faulty() int64 { return max(f.Values-f.Clean-f.Plaintext()-f.Empty, 0) }
