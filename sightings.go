package fieldcrypt

import "hash/maphash"

// sightings tells what was seen twice. Of the rest it keeps a hash only, so that it has room for the ids and names of a large key vault; two
// that share a hash, one in 2⁶⁴, count as one seen twice.
type sightings[T comparable] struct {
	seed  maphash.Seed
	once  map[uint64]struct{}
	again map[T]struct{}
	twice []T
}

func newSightings[T comparable]() *sightings[T] {
	return &sightings[T]{seed: maphash.MakeSeed(), once: map[uint64]struct{}{}, again: map[T]struct{}{}}
}

func (s *sightings[T]) see(v T) {
	h := maphash.Comparable(s.seed, v)
	if _, seen := s.once[h]; !seen {
		s.once[h] = struct{}{}
		return
	}
	if _, counted := s.again[v]; !counted {
		s.again[v] = struct{}{}
		s.twice = append(s.twice, v)
	}
}
