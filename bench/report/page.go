package report

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fieldcrypt/fieldcrypt/bench/results"
)

// Files are what is made of results: the page, in which what stands between markers is replaced, and the plots, beside it in a folder of its name.
func Files(r *results.Results, page string) (map[string][]byte, error) {
	text, err := os.ReadFile(page)
	if err != nil {
		return nil, err
	}
	if text, err = fillIn(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", page, err)
	}
	files := map[string][]byte{page: text}
	folder := page[:len(page)-len(filepath.Ext(page))]
	for _, p := range plots {
		files[filepath.Join(folder, p.name+".svg")] = []byte(p.draw(r))
	}
	return files, nil
}

// fillIn replaces each table: what stands between <!-- bench: NAME --> and <!-- /bench -->, on lines of their own.
func fillIn(text []byte, r *results.Results) ([]byte, error) {
	for _, t := range tables {
		begin, end := fmt.Appendf(nil, "<!-- bench: %s -->\n", t.name), []byte("<!-- /bench -->")
		_, after, ok := bytes.Cut(text, begin)
		if !ok {
			return nil, fmt.Errorf("no line %q", bytes.TrimSpace(begin))
		}
		_, rest, ok := bytes.Cut(after, end)
		if !ok {
			return nil, errors.New("a table without an end")
		}
		head := text[:len(text)-len(after)]
		text = bytes.Join([][]byte{head, []byte("\n" + t.make(r) + "\n"), end, rest}, nil)
	}
	return text, nil
}
