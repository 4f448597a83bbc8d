package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// canary stands for a value that no error may hold.
const canary = "SENTINEL"

func TestBadInput(t *testing.T) {
	file := schemaFile(t)
	for _, tt := range []struct{ name, in, want string }{
		{"nothing", "", "no command on standard input"},
		{"white space", " \n\t ", "no command on standard input"},
		{"empty document", `{}`, "line 1, column 1 (byte 0): expected a command, got an empty document"},
		{"array", `[{"ping": 1}]`, "expected a document {…}, got an array"},
		{"string", `"SENTINEL"`, "got a string"},
		{"number", `12345`, "got a number"},
		{"bool", `true`, "got a bool"},
		{"null", `null`, "got null"},
		{"bare word", `SENTINEL`, "line 1, column 1 (byte 0): not JSON"},
		{"unquoted value", "{\"ping\": 1,\n \"x\": SENTINEL}", "line 2, column 7 (byte 18): not JSON"},
		{"trailing comma", `{"ping": "SENTINEL",}`, "column 21 (byte 20): not JSON"},
		{"truncated", `  {"ping": "SENTINEL"`, "column 3 (byte 2): the input ends in the middle"},
		{"second truncated", "{\"ping\": 1}\n\n {\"ping\": \"SENTINEL", "reading command 2: line 3, column 2 (byte 14): the input ends"},
		{"after a good one", `{"ping": 1} SENTINEL`, "reading command 2: line 1, column 13 (byte 12): not JSON"},
		{"wrong wrapper", `{"find": "c", "filter": {"a": [1, {"$oid": "SENTINEL"}]}}`, `column 35 (byte 34): {"$oid": …} at filter.a.1 does not hold`},
		{"wrong binary", `{"ping": {"$binary": {"base64": "SENTINEL!", "subType": "00"}}}`, `{"$binary": …} at ping does not hold`},
		{"wrong date", `{"ping": {"$date": "SENTINEL"}}`, `{"$date": …} at ping`},
		{"wrong number", `{"ping": {"$numberInt": "SENTINEL"}}`, `{"$numberInt": …} at ping`},
		{"extra key in wrapper", `{"ping": {"$numberInt": "1", "SENTINEL": 1}}`, `{"$numberInt": …} at ping`},
		{"number out of range", `{"ping": 1e999}`, "the value at ping is not Extended JSON v2, or out of range"},
		{"name twice", `{"find": "c", "filter": {"a": "SENTINEL", "a": 1}}`, "the field filter.a is there twice"},
		{"name twice in an array", `{"ping": [{"a": "SENTINEL", "b": 1, "\u0061": 2}]}`, "the field ping.0.a is there twice"},
		{"NUL in a name", `{"ping": {"a\u0000b": "SENTINEL"}}`, "a field name at ping has a NUL character in it"},
		{"NUL in a pattern", `{"ping": {"$regularExpression": {"pattern": "SENTINEL\u0000", "options": ""}}}`, `{"$regularExpression": …} at ping`},
		{"not UTF-8", "{\"ping\": \"SENTINEL\xff\"}", "column 19 (byte 18): not UTF-8"},
		{"high surrogate", `{"ping": "\ud800SENTINEL"}`, "half of a surrogate pair"},
		{"low surrogate", `{"ping": "\\\udc00"}`, "column 13 (byte 12): a \\u escape is half"},
		{"two high surrogates", `{"ping": "\ud800\ud800"}`, "half of a surrogate pair"},
		{"deep documents", strings.Repeat(`{"a":`, 201) + "1" + strings.Repeat("}", 201), "nests deeper than 200 levels"},
		{"deep arrays", `{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}", "nests deeper than 200 levels"},
		{"far too deep", strings.Repeat(`{"a":`, 1<<20), "not JSON"},
		{"$db is a number", `{"find": "c", "$db": 7}`, "expected the name of a database in $db"},
		{"$db is empty", `{"find": "c", "$db": ""}`, "expected the name of a database in $db"},
		{"$db with a dot", `{"find": "c", "$db": "d.SENTINEL"}`, "expected the name of a database in $db"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, command := range []string{"analyze", "explain"} {
				code, stdout, stderr := runWith(tt.in, command, "--schema", file, "--db", "d")
				if code != exitUsage || !strings.Contains(stderr, tt.want) {
					t.Errorf("%s: got code %d and %s, want %d and %s", command, code, stderr, exitUsage, tt.want)
				}
				if strings.Contains(stdout+stderr, canary) {
					t.Errorf("%s printed a value: %s%s", command, stdout, stderr)
				}
				if strings.Contains(stderr, "Usage:") {
					t.Errorf("%s: bad input is no bad usage", command)
				}
			}
		})
	}
}

// However a command is broken, errors hold no value of it.
func TestErrorsHoldNoValues(t *testing.T) {
	file := schemaFile(t)
	const in = `{"find": "c", "filter": {"ssn": {"$in": ["SENTINEL"]}, "b": {"$oid": "0123456789abcdef01234567"}, "c": {"$date": "SENTINEL"}}}`
	check := func(broken string) {
		code, _, stderr := runWith(broken, "analyze", "--schema", file, "--db", "d")
		if strings.Contains(stderr, canary) || code != exitOK && code != exitUsage && code != exitRefused {
			t.Fatalf("code %d, standard error %s, for %s", code, stderr, broken)
		}
		if _, stdout, stderr := runWith(broken, "explain", "--schema", file, "--db", "d"); strings.Contains(stdout+stderr, canary) {
			t.Fatalf("explain printed %s%s for %s", stdout, stderr, broken)
		}
	}
	for i := range in {
		check(in[:i])
		for _, c := range []byte("\"\\{}[],:$0x\x00\xff \n") {
			b := []byte(in)
			b[i] = c
			check(string(b))
		}
	}
}

func TestLongDocument(t *testing.T) {
	docs := newDocuments("command", io.MultiReader(strings.NewReader(`{"ping": 1} {"ping": "`), endless{}))
	docs.in.most = 1 << 16
	if _, err := docs.next(); err != nil {
		t.Fatal(err)
	}
	want := "reading command 2: line 1, column 13 (byte 12): the document that begins here is longer than 65536 bytes, the most that is read"
	if _, err := docs.next(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

func TestSixteenMebibyteCommand(t *testing.T) {
	in := `{"insert": "c", "documents": [{"ssn": "` + strings.Repeat("x", 16<<20) + `"}]}`
	code, stdout, stderr := runWith(in, "analyze", "--schema", schemaFile(t), "--db", "d")
	if code != exitOK || len(stdout) < 16<<20 || strings.Count(stdout, "\n") != 1 {
		t.Errorf("code %d, %d bytes of output, standard error %s", code, len(stdout), stderr)
	}
}

// brokenPipe is an output that fails with err.
type brokenPipe struct{ err error }

func (b brokenPipe) Write([]byte) (int, error) { return 0, b.err }

func TestOutputFails(t *testing.T) {
	file := schemaFile(t)
	for _, tt := range []struct {
		err    error
		code   int
		stderr string
	}{
		{syscall.ENOSPC, exitFailure, "fieldcrypt: writing the result: " + syscall.ENOSPC.Error() + "\n"},
		{&os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}, exitPipe, ""},
	} {
		var stderr bytes.Buffer
		code := run([]string{"analyze", "--schema", file, "--db", "d"}, io.MultiReader(strings.NewReader(`{"ping": 1}`), endless{}), brokenPipe{tt.err}, &stderr)
		if code != tt.code || stderr.String() != tt.stderr {
			t.Errorf("%v: got code %d and %q, want %d and %q", tt.err, code, &stderr, tt.code, tt.stderr)
		}
	}
}

func TestInputCannotBeRead(t *testing.T) {
	var stderr bytes.Buffer
	in := io.MultiReader(strings.NewReader(`{"ping": 1} {"pi`), iotest.ErrReader(errors.New("device is gone")))
	code := run([]string{"analyze", "--schema", schemaFile(t), "--db", "d"}, in, io.Discard, &stderr)
	if want := "fieldcrypt: reading command 2: device is gone\n"; code != exitFailure || stderr.String() != want {
		t.Errorf("got code %d and %q, want %d and %q", code, &stderr, exitFailure, want)
	}
}

func TestByteOrderMark(t *testing.T) {
	code, _, stderr := runWith("\ufeff"+`{"ping": 1}`, "analyze", "--schema", schemaFile(t), "--db", "d")
	if code != exitOK {
		t.Errorf("code %d: %s", code, stderr)
	}
}

// A command that nothing is sealed in comes out as it went in, whichever way it is written and laid out.
func TestCommandsComeOutUnchanged(t *testing.T) {
	file := schemaFile(t)
	rapid.Check(t, func(t *rapid.T) {
		cmd, err := bson.Marshal(append(bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "d"}}, documentGen(2).Draw(t, "fields")...))
		if err != nil {
			t.Fatal(err)
		}
		in, err := bson.MarshalExtJSON(bson.Raw(cmd), rapid.Bool().Draw(t, "canonical"), rapid.Bool().Draw(t, "escape HTML"))
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "indent") {
			var b bytes.Buffer
			if err := bson.IndentExtJSON(&b, in, "", "  "); err != nil {
				t.Fatal(err)
			}
			in = b.Bytes()
		}
		code, stdout, stderr := runWith(string(in), "analyze", "--schema", file)
		if code != exitOK {
			t.Fatalf("code %d: %s", code, stderr)
		}
		var line struct{ Result bson.Raw }
		if err := bson.UnmarshalExtJSON([]byte(stdout), true, &line); err != nil {
			t.Fatal(err)
		}
		if string(line.Result) != string(cmd) {
			t.Fatalf("got %s, want %s", line.Result, bson.Raw(cmd))
		}
	})
}

// documentGen draws documents with distinct names and no name that could be a wrapper of Extended JSON.
func documentGen(depth int) *rapid.Generator[bson.D] {
	name := rapid.StringMatching(`[a-zäß€😀 ."\\<>&]{1,4}`)
	kinds := []*rapid.Generator[any]{
		rapid.String().AsAny(), rapid.Int32().AsAny(), rapid.Bool().AsAny(),
		rapid.Int64Min(1 << 40).AsAny(),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 20), func(b []byte) any { return bson.Binary{Subtype: 6, Data: b} }),
		rapid.Map(rapid.Int64Range(-1<<50, 1<<50), func(n int64) any { return bson.DateTime(n) }),
		rapid.Just[any](nil), rapid.Just[any](bson.MinKey{}), rapid.Just[any](bson.NewObjectID()),
		rapid.Just[any](bson.Regex{Pattern: `a"\`, Options: "im"}), rapid.Just[any](0.5),
		rapid.Map(rapid.Uint32(), func(n uint32) any { return bson.Timestamp{T: n, I: n} }),
	}
	if depth > 0 {
		kinds = append(kinds, documentGen(depth-1).AsAny(), rapid.SliceOfN(documentGen(depth-1), 0, 3).AsAny())
	}
	return rapid.Map(rapid.MapOfN(name, rapid.OneOf(kinds...), 0, 5), func(m map[string]any) bson.D {
		d := bson.D{}
		for k, v := range m {
			d = append(d, bson.E{Key: k, Value: v})
		}
		return d
	})
}

// Whatever the input is, the program ends with a documented code, and what it printed are whole lines of JSON.
func FuzzAnalyze(f *testing.F) {
	for _, in := range []string{`{"find":"c","filter":{"ssn":"x"}}{}`, `{"a":{"$oid":"x"}}`, `{"insert":"c","documents":[{"ssn":1}]}`, "\ufeff[]"} {
		f.Add(in)
	}
	file := schemaFile(f)
	f.Fuzz(func(t *testing.T, in string) {
		code, stdout, stderr := runWith(in, "analyze", "--schema", file, "--db", "d")
		if code != exitOK && code != exitUsage && code != exitRefused {
			t.Fatalf("code %d: %s", code, stderr)
		}
		for line := range strings.Lines(stdout) {
			if !strings.HasSuffix(line, "\n") || !json.Valid([]byte(line)) {
				t.Fatalf("not a line of JSON: %q", line)
			}
		}
		if code, _, stderr := runWith(in, "explain", "--schema", file, "--db", "d"); code > exitRefused {
			t.Fatalf("explain: code %d: %s", code, stderr)
		}
	})
}

func BenchmarkAnalyze(b *testing.B) {
	in := strings.Repeat(`{"find": "c", "$db": "d", "filter": {"ssn": "123-45-6789", "name": {"$gt": "a"}}}`+"\n", 1000)
	file := schemaFile(b)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if code := run([]string{"analyze", "--schema", file}, strings.NewReader(in), io.Discard, os.Stderr); code != exitOK {
			b.Fatalf("code %d", code)
		}
	}
}
