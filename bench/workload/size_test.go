package workload

import "testing"

func TestSizes(t *testing.T) {
	want := map[string]int{"find, 16 MiB": 16 << 20, "find, nothing to decrypt, 29 KB": 29_000}
	for _, w := range Table() {
		size, ok := want[w.Name]
		if !ok {
			continue
		}
		delete(want, w.Name)
		b, err := w.Build()
		if err != nil {
			t.Fatal(err)
		}
		if n := len(b.Task.Inputs[0]); n < size*98/100 || n > size*102/100 {
			t.Errorf("%s has %d bytes", w.Name, n)
		}
	}
	if len(want) > 0 {
		t.Errorf("no workload of the names of %v", want)
	}
}

func TestNamesAreUnique(t *testing.T) {
	seen := make(map[string]bool)
	for _, w := range Table() {
		if seen[w.Name] {
			t.Errorf("two workloads are %q", w.Name)
		}
		seen[w.Name] = true
	}
}
