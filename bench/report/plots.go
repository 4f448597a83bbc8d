package report

import (
	"fmt"
	"html"
	"math"
	"strings"

	"github.com/fieldcrypt/fieldcrypt/bench/results"
	"github.com/fieldcrypt/fieldcrypt/bench/workload"
)

// plot shows what an operation takes as something grows, both logarithmically: what grows linearly is a line of slope one.
type plot struct {
	name  string // of the file
	title string
	group string // of the workloads
	x     string // what grows
	label func(size int) string
}

var plots = []plot{
	{"encrypt-bytes", "Encrypting one binary value, deterministic", workload.Bytes, "bytes of the value", binaryBytes},
	{"decrypt-bytes", "Decrypting one binary value", workload.BytesD, "bytes of the value", binaryBytes},
	{"fields", "Decrypting a document of encrypted strings", workload.Fields, "encrypted fields", thousands},
	{"keys-warm", "Decrypting one value of 16 bytes, its data key in memory", workload.Warm, "data keys in memory", thousands},
	{"keys-cold", "First reply of a client: one value for each data key", workload.Cold, "data keys to unwrap", thousands},
	{"callers", "Bulk decryption of 1500 fields by several goroutines", workload.Callers, "goroutines", thousands},
}

// The picture, in SVG's units. The plotted area lies within the margins.
const (
	width, height            = 760, 430
	left, right, top, bottom = 92, 40, 84, 52
)

// styles of the sides: a colour that can be told from the others on white, also by those who see few, and a pattern.
var styles = map[string]struct{ colour, dashes string }{
	results.Ours:  {"#1d4ed8", ""},
	results.Floor: {"#64748b", "2 4"},
	results.Older: {"#b45309", "8 4"},
	results.Newer: {"#be123c", ""},
}

func (p plot) draw(r *results.Results) string {
	var points []results.Workload
	for _, w := range r.Workloads {
		if w.Group == p.group {
			points = append(points, w)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="%s">`+"\n",
		width, height, html.EscapeString(p.title+"; both axes are logarithmic"))
	b.WriteString("  <style>text { fill: #0f172a } .grid { stroke: #e2e8f0 } .axis { stroke: #475569 } .mid { text-anchor: middle } .end { text-anchor: end }</style>\n")
	fmt.Fprintf(&b, `  <rect x="0.5" y="0.5" width="%d" height="%d" rx="8" fill="#fff" stroke="#cbd5e1"/>`+"\n", width-1, height-1)
	fmt.Fprintf(&b, `  <text x="%d" y="28" font-size="15" font-weight="600">%s</text>`+"\n", left, html.EscapeString(p.title))
	if a, ok := axesOf(points); ok {
		a.grid(&b, p, points)
		at := left
		for _, s := range sides {
			at = legend(&b, at, version(r, s), s)
			a.line(&b, points, s)
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// axes are the logarithms of what the plotted area's edges stand for.
type axes struct{ x0, x1, y0, y1 float64 }

func axesOf(points []results.Workload) (axes, bool) {
	a := axes{math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)}
	for _, w := range points {
		x := math.Log10(float64(w.Size))
		a.x0, a.x1 = min(a.x0, x), max(a.x1, x)
		for _, s := range sides {
			if q1, _, q3 := results.Quartiles(w.Times(s)); q1 > 0 {
				a.y0, a.y1 = min(a.y0, math.Log10(q1)), max(a.y1, math.Log10(q3))
			}
		}
	}
	a.y0, a.y1 = math.Floor(a.y0), math.Ceil(a.y1)
	return a, a.x0 < a.x1 && a.y0 < a.y1
}

func (a axes) x(v float64) float64 {
	return left + (math.Log10(v)-a.x0)/(a.x1-a.x0)*(width-left-right)
}

func (a axes) y(v float64) float64 {
	return height - bottom - (math.Log10(v)-a.y0)/(a.y1-a.y0)*(height-top-bottom)
}

var ticks = strings.NewReplacer(".00 ", " ", ".0 ", " ")

func (a axes) grid(b *strings.Builder, p plot, points []results.Workload) {
	for e := a.y0; e <= a.y1; e++ {
		v := math.Pow(10, e)
		fmt.Fprintf(b, `  <path class="grid" d="M%d %.1fH%d"/><text class="end" x="%d" y="%.1f">%s</text>`+"\n", left, a.y(v), width-right, left-8, a.y(v)+4, ticks.Replace(Duration(v)))
	}
	for _, w := range points {
		x := a.x(float64(w.Size))
		fmt.Fprintf(b, `  <path class="grid" d="M%.1f %dV%d"/><text class="mid" x="%.1f" y="%d">%s</text>`+"\n", x, top, height-bottom, x, height-bottom+18, p.label(w.Size))
	}
	fmt.Fprintf(b, `  <path class="axis" fill="none" d="M%d %dV%dH%d"/>`+"\n", left, top, height-bottom, width-right)
	fmt.Fprintf(b, `  <text class="mid" x="%d" y="%d">%s</text>`+"\n", (left+width-right)/2, height-12, p.x)
	fmt.Fprintf(b, `  <text class="mid" transform="translate(20 %d) rotate(-90)">time of one operation</text>`+"\n", (top+height-bottom)/2)
}

// legend names a side at x, and returns where the next one may stand.
func legend(b *strings.Builder, x int, text, side string) int {
	fmt.Fprintf(b, `  <path stroke="%s" stroke-width="2.5" stroke-dasharray="%s" d="M%d 54h28"/><text x="%d" y="58">%s</text>`+"\n",
		styles[side].colour, styles[side].dashes, x, x+34, html.EscapeString(text))
	return x + 34 + 8*len(text) + 16
}

// line draws a side's medians, each with a stroke from the first quartile to the third.
func (a axes) line(b *strings.Builder, points []results.Workload, side string) {
	style := styles[side]
	var path, marks strings.Builder
	for _, w := range points {
		q1, q2, q3 := results.Quartiles(w.Times(side))
		if q2 == 0 {
			continue
		}
		x := a.x(float64(w.Size))
		verb := "L"
		if path.Len() == 0 {
			verb = "M"
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", verb, x, a.y(q2))
		fmt.Fprintf(&marks, "M%.1f %.1fV%.1fM%.1f %.1fh6", x, a.y(q1), a.y(q3), x-3, a.y(q2))
	}
	if path.Len() == 0 {
		return
	}
	fmt.Fprintf(b, `  <path fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s" d="%s"/><path fill="none" stroke="%s" stroke-width="1.5" d="%s"/>`+"\n",
		style.colour, style.dashes, path.String(), style.colour, marks.String())
}

func binaryBytes(n int) string {
	for _, unit := range []string{"B", "KiB"} {
		if n < 1<<10 {
			return fmt.Sprintf("%d %s", n, unit)
		}
		n >>= 10
	}
	return fmt.Sprintf("%d MiB", n)
}
