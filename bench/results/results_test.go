package results

import (
	"path/filepath"
	"reflect"
	"testing"

	"github.com/fieldcrypt/fieldcrypt/bench/measure"
)

func TestQuartiles(t *testing.T) {
	for _, c := range []struct{ values, want []float64 }{
		{nil, []float64{0, 0, 0}},
		{[]float64{7}, []float64{7, 7, 7}},
		{[]float64{3, 1}, []float64{1.5, 2, 2.5}},
		{[]float64{5, 1, 4, 2, 3}, []float64{2, 3, 4}},
	} {
		a, b, d := Quartiles(c.values)
		if got := []float64{a, b, d}; !reflect.DeepEqual(got, c.want) {
			t.Errorf("quartiles of %v are %v, want %v", c.values, got, c.want)
		}
	}
}

func TestWrittenIsRead(t *testing.T) {
	want := &Results{Machine: "m", Cores: 2, Go: "go", Versions: map[string]string{Ours: "1"}, Workloads: []Workload{
		{Name: "a", Group: "g", Goroutines: 1, Sides: map[string]Measured{
			Ours:  Of([]measure.Sample{{N: 3, Wall: 1234567.8, CPU: 12.34, Allocs: 1.9, Bytes: 4}}),
			Floor: {Missing: "too slow"},
		}},
		{Name: "b", Group: "g", Size: 5, Goroutines: 2, Sides: map[string]Measured{Ours: Of([]measure.Sample{{N: 3, Wall: 1}})}},
	}}
	if m := want.Workloads[0].Sides[Ours]; m.Wall[0] != 1235000 || m.CPU[0] != 12.34 || m.Allocs != 1 {
		t.Errorf("the record is %v", m)
	}
	file := filepath.Join(t.TempDir(), "results.json")
	if err := want.Write(file); err != nil {
		t.Fatal(err)
	}
	got, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
}

func TestRatio(t *testing.T) {
	w := Workload{Sides: map[string]Measured{Ours: {Wall: []float64{6, 20, 8}, CPU: []float64{4}}, Floor: {Wall: []float64{3, 10, 2}, CPU: []float64{4}}}}
	if a, b := w.Ratio(Ours, Floor), w.Ratio(Ours, Newer); a != 2 || b != 0 {
		t.Errorf("ratios on the clock are %v, %v; want 2, 0", a, b)
	}
	w.OneCore = true
	if a := w.Ratio(Ours, Floor); a != 1 {
		t.Errorf("the ratio in a core's time is %v, want 1", a)
	}
}
