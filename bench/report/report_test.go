package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/fieldcrypt/fieldcrypt/bench/results"
	"github.com/fieldcrypt/fieldcrypt/bench/workload"
)

// The page shows what was measured, and nothing else.
func TestPageIsOfTheResults(t *testing.T) {
	r, err := results.Read("../results.json")
	if err != nil {
		t.Fatal(err)
	}
	files, err := Files(r, "../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s is not of the committed results: go run ./speed report", name)
		}
	}
}

// Each workload of the table has been measured, and each line of the results is of the table.
func TestResultsAreOfTheTable(t *testing.T) {
	r, err := results.Read("../results.json")
	if err != nil {
		t.Fatal(err)
	}
	measured := make(map[string]bool)
	for _, w := range r.Workloads {
		measured[w.Name] = w.Group != workload.Server // which are measured on the servers that there are
		for side, m := range w.Sides {
			if len(m.Wall) == 0 && m.Missing == "" {
				t.Errorf("%s: nothing measured of %s, and no reason given", w.Name, side)
			}
		}
	}
	for _, w := range workload.Table() {
		if !measured[w.Name] {
			t.Errorf("%s has not been measured", w.Name)
		}
		delete(measured, w.Name)
	}
	for name, ofTable := range measured {
		if ofTable {
			t.Errorf("there is no workload %s", name)
		}
	}
}

func TestPlotsAreXML(t *testing.T) {
	r := &results.Results{Workloads: []results.Workload{
		{Group: workload.Fields, Size: 1, Sides: map[string]results.Measured{results.Ours: {Wall: []float64{1500, 1700}}, results.Newer: {Missing: "too slow"}}},
		{Group: workload.Fields, Size: 100, Sides: map[string]results.Measured{results.Ours: {Wall: []float64{150_000}}}},
	}}
	for _, p := range plots {
		svg := p.draw(r)
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", p.name, err)
			}
		}
		if p.group == workload.Fields && !strings.Contains(svg, ">1 µs<") {
			t.Errorf("%s has no axis from 1 µs", p.name)
		}
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%s: a number is none", p.name)
		}
	}
}

func TestDuration(t *testing.T) {
	for ns, want := range map[float64]string{1: "1.00 ns", 45.67: "45.7 ns", 999.4: "999 ns", 999.6: "1.00 µs", 12_345: "12.3 µs", 1e6: "1.00 ms", 2.5e9: "2.50 s", 25e9: "25.0 s"} {
		if got := Duration(ns); got != want {
			t.Errorf("%v is %q, want %q", ns, got, want)
		}
	}
}

func TestFillIn(t *testing.T) {
	var page strings.Builder
	for _, table := range tables {
		page.WriteString("before " + table.name + "\n<!-- bench: " + table.name + " -->\nold\n<!-- /bench -->\nafter\n")
	}
	r := &results.Results{Machine: "the machine", Versions: map[string]string{}}
	once, err := fillIn([]byte(page.String()), r)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := fillIn(once, r)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(once, []byte("old")) || !bytes.Contains(once, []byte("the machine")) || bytes.Count(once, []byte("after")) != len(tables) {
		t.Errorf("filled in: %s", once)
	}
	if !bytes.Equal(once, twice) {
		t.Error("filled in again it is another page")
	}
	if _, err := fillIn([]byte("no markers"), r); err == nil {
		t.Error("a page without markers was taken")
	}
}
