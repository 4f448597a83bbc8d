package keyvault

// landBroken lands the flights that documents which are not data keys may have answered: those for their ids, and all by alt name, because
// such a document may have any name. It returns what is left.
func (c *Cache) landBroken(broken *UnreadableError, found []foundKey, missing []awaited) ([]foundKey, []awaited) {
	reason := func(w want) error {
		if w.named {
			return fetchError{broken} // perhaps another caller's key
		}
		if err, ok := broken.find(w.id); ok {
			return err
		}
		return nil
	}
	keep := func(flights []awaited) []awaited {
		var kept, failed []awaited
		for _, f := range flights {
			if reason(f.want) == nil {
				kept = append(kept, f)
			} else {
				failed = append(failed, f)
			}
		}
		c.land(failed, func(w want) (answer, error) { return answer{}, reason(w) })
		return kept
	}
	var left []foundKey
	for _, f := range found {
		if f.flights = keep(f.flights); len(f.flights) > 0 {
			left = append(left, f)
		}
	}
	return left, keep(missing)
}
