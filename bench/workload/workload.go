package workload

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/bench/measure"
)

// Workload is one line of the table.
type Workload struct {
	Name  string // as in the results, such as "encrypt 16 B, deterministic"
	Group string // the part of the report it belongs to
	Size  int    // what grows within the group: bytes, fields, keys, goroutines

	Goroutines int  // that do it at the same time
	Short      bool // part of the short form
	Floor      bool // the floor does it too

	Bounds
	build func() (*Built, error)
}

// Bounds are what may be asked of a workload. 0: nothing.
type Bounds struct {
	OverFloor float64 // ours takes at most so many times as long as the floor: both write to one buffer
	Faster    float64 // libmongocrypt takes at least so many times as long as ours
	Allocs    float64 // ours makes at most so many objects for one operation
}

// Built is a workload with its bytes.
type Built struct {
	Task  measure.Task
	Plain [][]byte // what stands where the ciphertexts are, for each input: a value, a command or a reply
	Vault *Vault

	Stored      func(id []byte) (bson.Raw, error) // what a server now has of an inserted document
	Unencrypted *Built                            // the same without encryption, where that is to be known, too
}

// Build makes the bytes.
func (w Workload) Build() (*Built, error) { return w.build() }
