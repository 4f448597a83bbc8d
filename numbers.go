package fieldcrypt

// numbers numbers values in the order in which they come. Most commands and replies have one or a few keys: a map is made for more only.
type numbers[K comparable] struct {
	seen []K
	by   map[K]int // of seen, when there are more than fewKeys
}

// fewKeys are searched one by one.
const fewKeys = 8

// of is the number of k, and whether it is a new one.
func (n *numbers[K]) of(k K) (i int, first bool) {
	if n.by == nil {
		for i := range n.seen {
			if n.seen[i] == k {
				return i, false
			}
		}
	} else if i, ok := n.by[k]; ok {
		return i, false
	}
	n.seen = append(n.seen, k)
	if i = len(n.seen) - 1; n.by != nil {
		n.by[k] = i
	} else if len(n.seen) > fewKeys {
		n.by = make(map[K]int)
		for i, k := range n.seen {
			n.by[k] = i
		}
	}
	return i, true
}

// reset begins anew at 0.
func (n *numbers[K]) reset() {
	clear(n.seen)
	n.seen, n.by = n.seen[:0], nil
}
