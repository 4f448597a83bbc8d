// Package results is what a run has measured: its file, and the numbers that are taken from it.
package results

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"

	"github.com/fieldcrypt/fieldcrypt/bench/measure"
)

// The sides, as the file names them.
const (
	Ours     = "fieldcrypt"
	Buffered = "fieldcrypt, into one buffer"
	Floor    = "floor"
	Older    = "libmongocrypt, Debian's"
	Newer    = "libmongocrypt, PyPI's"
)

// Unencrypted names a side that works without encryption.
func Unencrypted(side string) string { return side + ", not encrypted" }

// Results are one run.
type Results struct {
	Machine   string            `json:"machine"` // its processor
	Cores     int               `json:"cores"`
	System    string            `json:"system"`
	Go        string            `json:"go"`
	Versions  map[string]string `json:"versions"` // of the sides, and of the servers
	Workloads []Workload        `json:"workloads"`
}

// Workload is what was measured of one.
type Workload struct {
	Name       string              `json:"name"`
	Group      string              `json:"group"`
	Size       int                 `json:"size,omitempty"` // what grows within the group
	Goroutines int                 `json:"goroutines"`
	OneCore    bool                `json:"oneCore,omitempty"` // it runs on one core, in whose time it is judged
	Sides      map[string]Measured `json:"sides"`
}

// Measured is what was measured of one side, for one operation.
type Measured struct {
	Missing string    `json:"missing,omitempty"` // why nothing was
	N       int       `json:"n,omitempty"`       // operations in each round
	Wall    []float64 `json:"wall,omitempty"`    // nanoseconds on the clock, by round
	CPU     []float64 `json:"cpu,omitempty"`     // nanoseconds of all cores, by round
	Allocs  float64   `json:"allocs"`            // objects on Go's heap
	Bytes   float64   `json:"bytes"`             // on Go's heap
}

// Of makes the record of a side's rounds.
func Of(samples []measure.Sample) Measured {
	var m Measured
	var allocs, size []float64
	for _, s := range samples {
		m.N = s.N
		m.Wall, m.CPU = append(m.Wall, rounded(s.Wall)), append(m.CPU, rounded(s.CPU))
		allocs, size = append(allocs, s.Allocs), append(size, s.Bytes)
	}
	m.Allocs, m.Bytes = math.Floor(Median(allocs)), math.Floor(Median(size)) // as in package testing: what the rest of the program makes is less than one each
	return m
}

// rounded keeps four digits.
func rounded(x float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 4, 64), 64)
	if err != nil {
		return x
	}
	return r
}

// Median is that of values; of none it is 0.
func Median(values []float64) float64 {
	_, m, _ := Quartiles(values)
	return m
}

// Quartiles are those of values; of none they are 0.
func Quartiles(values []float64) (q1, q2, q3 float64) {
	if len(values) == 0 {
		return 0, 0, 0
	}
	sorted := slices.Sorted(slices.Values(values))
	at := func(q float64) float64 {
		x := q * float64(len(sorted)-1)
		i := int(x)
		j := min(i+1, len(sorted)-1)
		return sorted[i] + (x-float64(i))*(sorted[j]-sorted[i])
	}
	return at(0.25), at(0.5), at(0.75)
}

// Times are those of a side, by round: of its core, where there is one, which other programs on the machine disturb less; else on the clock.
func (w Workload) Times(side string) []float64 {
	if w.OneCore {
		return w.Sides[side].CPU
	}
	return w.Sides[side].Wall
}

// Ratio is how many times as long a takes as b: the median of the ratios of each round, whose halves were measured within the same moment, so that a
// machine that is slower for some seconds does not show. 0 where one of them was not measured.
func (w Workload) Ratio(a, b string) float64 {
	one, other := w.Times(a), w.Times(b)
	var ratios []float64
	for i := range min(len(one), len(other)) {
		if other[i] > 0 {
			ratios = append(ratios, one[i]/other[i])
		}
	}
	return Median(ratios)
}

// Read reads a file.
func Read(name string) (*Results, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var r Results
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return &r, nil
}

// Write writes a file, a workload on a line, so that one run can be compared with another.
func (r *Results) Write(name string) error {
	head := *r
	head.Workloads = nil
	b, err := json.Marshal(head)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	out.Write(bytes.TrimSuffix(b, []byte("null}")))
	out.WriteString("[")
	for i, w := range r.Workloads {
		line, err := json.Marshal(w)
		if err != nil {
			return err
		}
		if i > 0 {
			out.WriteString(",")
		}
		out.WriteString("\n")
		out.Write(line)
	}
	out.WriteString("\n]}\n")
	return os.WriteFile(name, out.Bytes(), 0o644)
}
