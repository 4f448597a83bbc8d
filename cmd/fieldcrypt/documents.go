package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// maxText is the length of the longest document that is read. A message of 48 MB, the most a server takes, is shorter in any spelling that
// a program would write.
const maxText = 256 << 20

// documents reads Extended JSON documents, however they are laid out, each as soon as its closing brace is there.
type documents struct {
	what string // "command"
	in   *positions
	dec  *json.Decoder
	n    int // documents so far, the present one included
	at   int64
}

func newDocuments(what string, r io.Reader) *documents {
	in := &positions{r: r, most: maxText}
	return &documents{what: what, in: in, dec: json.NewDecoder(in)}
}

// next gives the next document; io.EOF at the end. Every other error is a *failure.
func (d *documents) next() (bson.Raw, error) {
	d.n++
	var text json.RawMessage
	if err := d.dec.Decode(&text); err != nil {
		return nil, d.unreadable(err)
	}
	d.at = d.dec.InputOffset() - int64(len(text))
	d.in.release(d.at)
	if text[0] != '{' {
		return nil, d.notDocument(text[0])
	}
	doc, f := parseDocument(text)
	if f != nil {
		return nil, d.bad(d.at+int64(f.at), "", "%s", f.wrong)
	}
	return doc, nil
}

// bad is an error at a byte offset of the input.
func (d *documents) bad(at int64, hint, format string, args ...any) *failure {
	line, column := d.in.position(at)
	where := fmt.Sprintf("line %d, column %d (byte %d): ", line, column, at)
	return badInput(d.doing(), hint, "%s%s", where, fmt.Sprintf(format, args...))
}

func (d *documents) doing() string { return fmt.Sprintf("reading %s %d", d.what, d.n) }

func (d *documents) unreadable(err error) error {
	begin := d.dec.InputOffset() + d.space()
	var syntax *json.SyntaxError
	switch {
	case err == io.EOF:
		return io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return d.bad(begin, "", "the input ends in the middle of the document that begins here")
	case errors.Is(err, errTooLong):
		return d.bad(begin, "", "the document that begins here is longer than %d bytes, the most that is read", d.in.most)
	case errors.As(err, &syntax):
		return d.bad(max(syntax.Offset-1, 0), "documents are JSON: names and strings in double quotes, no comments, no trailing commas", "not JSON")
	}
	return ioFailure(d.doing(), err)
}

// space counts the white space between the last document and what could not be read.
func (d *documents) space() int64 {
	rest, _ := io.ReadAll(d.dec.Buffered()) // from memory
	return int64(len(rest) - len(bytes.TrimLeft(rest, " \t\r\n")))
}

func (d *documents) notDocument(first byte) *failure {
	got, hint := "a number", ""
	switch first {
	case '[':
		got, hint = "an array", "write one document after the other, without brackets around them: jq -c '.[]'"
	case '"':
		got = "a string"
	case 't', 'f':
		got = "a bool"
	case 'n':
		got = "null"
	}
	return d.bad(d.at, hint, "expected a document {…}, got %s", got)
}

// positions remembers where lines begin in what is read, back to the last release.
type positions struct {
	r        io.Reader
	most     int64   // bytes between two releases
	read     int64   // bytes read
	released int64   // bytes that nobody will ask about
	lines    int     // newlines in them
	line     int64   // where the line begins that they end in
	newlines []int64 // offsets of the newlines after them
}

var errTooLong = errors.New("document too long")

func (p *positions) Read(b []byte) (int, error) {
	if p.read-p.released > p.most {
		return 0, errTooLong
	}
	n, err := p.r.Read(b)
	if bom := []byte("\ufeff"); p.read == 0 && bytes.HasPrefix(b[:n], bom) {
		copy(b, "   ") // a byte order mark is what some editors begin a file with
	}
	for i, c := range b[:n] {
		if c == '\n' {
			p.newlines = append(p.newlines, p.read+int64(i))
		}
	}
	p.read += int64(n)
	return n, err
}

// release forgets what comes before offset.
func (p *positions) release(offset int64) {
	n := p.before(offset)
	p.lines += n
	p.line = p.begin(n)
	p.newlines = append(p.newlines[:0], p.newlines[n:]...)
	p.released = offset
}

func (p *positions) before(offset int64) int {
	return sort.Search(len(p.newlines), func(i int) bool { return p.newlines[i] >= offset })
}

// position gives line and column, both from 1, the column in bytes.
func (p *positions) position(offset int64) (line int, column int64) {
	n := p.before(offset)
	return p.lines + n + 1, offset - p.begin(n) + 1
}

// begin is where the line after the first n newlines begins.
func (p *positions) begin(n int) int64 {
	if n == 0 {
		return p.line
	}
	return p.newlines[n-1] + 1
}
