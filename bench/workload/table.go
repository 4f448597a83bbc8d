package workload

import (
	"fmt"
	"slices"
)

// The groups.
const (
	Explicit = "explicit"
	Bulk     = "bulk"
	Commands = "commands"
	Replies  = "replies"
	Warm     = "keys, cache warm"
	Cold     = "keys, cache cold"
	Callers  = "callers, bulk decrypt"
	Inserts  = "callers, insert"
	Bytes    = "bytes, encrypt"
	BytesD   = "bytes, decrypt"
	Fields   = "fields"
)

// Table is every workload.
func Table() []Workload {
	const kib = 1 << 10
	short16, long1K, binary64K := text(16, 1), text(kib, 2), bytesOf(64*kib)
	// While a long operation runs the collector empties pools: it makes more than one object then, but nothing like one for each value.
	const fewer = 100
	t := []Workload{
		{Group: Explicit, Name: "encrypt 16 B, deterministic", Bounds: Bounds{1.2, 5.5, 1}, build: encryptValue(short16, deterministic)},
		{Group: Explicit, Name: "encrypt 16 B, random", Bounds: Bounds{1.2, 7, 1}, build: encryptValue(short16, random)},
		{Group: Explicit, Name: "decrypt 16 B", Bounds: Bounds{1.3, 6, 1}, build: decryptValue(short16, 1)},
		{Group: Explicit, Name: "encrypt 1 KiB, deterministic", Bounds: Bounds{1.1, 2, 1}, build: encryptValue(long1K, deterministic)},
		{Group: Explicit, Name: "encrypt 1 KiB, random", Bounds: Bounds{1.1, 2.7, 1}, build: encryptValue(long1K, random)},
		{Group: Explicit, Name: "decrypt 1 KiB", Bounds: Bounds{1.1, 2.4, 1}, build: decryptValue(long1K, 1)},
		{Group: Explicit, Name: "encrypt 64 KiB, deterministic", Bounds: Bounds{1.05, 1.1, 1}, build: encryptValue(binary64K, deterministic)},
		{Group: Explicit, Name: "encrypt 64 KiB, random", Bounds: Bounds{1.05, 1.1, 1}, build: encryptValue(binary64K, random)},
		{Group: Explicit, Name: "decrypt 64 KiB", Bounds: Bounds{1.05, 1.1, 1}, build: decryptValue(binary64K, 1)},

		{Group: Bulk, Name: "bulk decrypt, 1500 fields", Bounds: Bounds{1.25, 3.2, 1}, build: bulk(1500, oneCore)},

		{Group: Commands, Name: "insert, 5 of 20 fields", Bounds: Bounds{1.7, 4, 1}, build: insert(1, oneCore)},
		{Group: Commands, Name: "insertMany, 1000 documents", Bounds: Bounds{1.7, 0, fewer}, build: insert(1000, oneCore)},

		{Group: Replies, Name: "find, 100 documents of 5 fields", Bounds: Bounds{1.25, 3.4, 1}, build: find(100, oneCore, true)},
		// Here what is copied comes from memory and goes there, which the floor has none of.
		{Group: Replies, Name: "find, 16 MiB", Bounds: Bounds{1.4, 0, fewer}, build: find(18_000, oneCore, true)},
		{Group: Replies, Name: "find, nothing to decrypt, 29 KB", Bounds: Bounds{0, 10, 0}, build: find(55, oneCore, false)},
	}
	for i := range t {
		t[i].Goroutines, t[i].Short, t[i].Floor = 1, true, t[i].OverFloor > 0
	}
	t = append(t,
		Workload{Group: Bulk, Name: "bulk decrypt, 1500 fields, all cores", Goroutines: 1, Bounds: Bounds{0, 5.5, 0}, build: bulk(1500, allCores)},
		Workload{Group: Replies, Name: "find, 100 documents of 5 fields, all cores", Goroutines: 1, Bounds: Bounds{0, 6, 0}, build: find(100, allCores, true)},
		Workload{Group: Replies, Name: "find, 16 MiB, all cores", Goroutines: 1, build: find(18_000, allCores, true)},
	)
	return slices.Concat(t, keys(), callers(), curves())
}

func keys() (t []Workload) {
	v := text(16, 3)
	for _, n := range []int{1, 10, 100, 1000, 10_000, 100_000} {
		t = append(t, Workload{Group: Warm, Size: n, Name: fmt.Sprintf("decrypt 16 B, %s in memory", count(n, "key")), Goroutines: 1, Floor: true, build: decryptValue(v, n)})
	}
	for _, n := range []int{1, 10, 100, 1000, 10_000, 100_000} {
		t = append(t, Workload{Group: Cold, Size: n, Name: fmt.Sprintf("first reply, %s to unwrap", count(n, "key")), Goroutines: 1, Floor: true, build: firstReply(v, n)})
	}
	return t
}

func callers() (t []Workload) {
	for _, n := range []int{1, 2, 8, 64} {
		t = append(t,
			Workload{Group: Callers, Size: n, Name: "bulk decrypt, 1500 fields, " + count(n, "goroutine"), Goroutines: n, Floor: true, build: bulk(1500, allCores)},
			Workload{Group: Inserts, Size: n, Name: "insert, 5 of 20 fields, " + count(n, "goroutine"), Goroutines: n, Floor: true, build: insert(1, allCores)})
	}
	return t
}

func curves() (t []Workload) {
	for n := 16; n <= 1<<20; n *= 4 {
		v := bytesOf(n)
		t = append(t,
			Workload{Group: Bytes, Size: n, Name: fmt.Sprintf("encrypt binary, deterministic, %d bytes", n), Goroutines: 1, Floor: true, build: encryptValue(v, deterministic)},
			Workload{Group: BytesD, Size: n, Name: fmt.Sprintf("decrypt binary, %d bytes", n), Goroutines: 1, Floor: true, build: decryptValue(v, 1)})
	}
	for _, n := range []int{1, 5, 15, 50, 150, 500, 1500, 5000} {
		t = append(t, Workload{Group: Fields, Size: n, Name: "decrypt a document of " + count(n, "field"), Goroutines: 1, Floor: true, build: bulk(n, oneCore)})
	}
	return t
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
