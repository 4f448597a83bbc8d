// Package draw makes random BSON values, encryption schemas and commands over them. What a Drawer draws depends on its seed alone.
package draw

import "math/rand/v2"

// Drawer draws. It is for one goroutine at a time.
type Drawer struct {
	*rand.Rand
	// Tidy leaves out what BSON takes and the drivers' C library rewrites or refuses wherever it meets it: unsorted and unknown options of
	// regular expressions, NULs in javascript, javascriptWithScope and dbPointer, and in scopes what is no UTF-8.
	Tidy bool
	// UTF8 leaves out strings that are no UTF-8.
	UTF8 bool
}

// New returns the Drawer of a run's case.
func New(seed, number uint64) *Drawer { return &Drawer{Rand: rand.New(rand.NewPCG(seed, number))} }

// Chance is true once in of times.
func (d *Drawer) Chance(of int) bool { return d.IntN(of) == 0 }

// Pick draws one of values.
func Pick[V any](d *Drawer, values ...V) V { return values[d.IntN(len(values))] }

// Bytes draws n bytes.
func (d *Drawer) Bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(d.Uint32())
	}
	return b
}

// Size draws a length in bytes: mostly short, at times up to 1 MiB, often about the ends of cipher blocks.
func (d *Drawer) Size() int {
	switch n := d.IntN(5000); {
	case n < 2000:
		return d.IntN(17)
	case n < 4000:
		return d.IntN(130)
	case n < 4900:
		return d.IntN(4 << 10)
	case n < 4996:
		return d.IntN(64 << 10)
	}
	return d.IntN(1<<20 + 1)
}
