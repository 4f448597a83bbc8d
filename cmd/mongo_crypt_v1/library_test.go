//go:build linux

package main_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/cryptd"
)

// The library is tested from outside, by a C program that loads it: testdata/host.c, which is for Linux.

// builds is the library and the program, built once for all tests.
type builds struct {
	once          sync.Once
	library, host string
	skip          string // why they cannot be built here
	err           error
}

var built builds

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "mongo_crypt_v1")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built.library, built.host = filepath.Join(dir, "mongo_crypt_v1.so"), filepath.Join(dir, "host")
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// artifacts gives library and program; it skips where there is no C compiler.
func artifacts(t testing.TB) (library, host string) {
	t.Helper()
	built.once.Do(func() { built.skip, built.err = built.build() })
	if built.skip != "" {
		t.Skip(built.skip)
	}
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.library, built.host
}

func (b *builds) build() (skip string, err error) {
	cc, err := exec.LookPath("gcc")
	if err != nil {
		return "no C compiler: " + err.Error(), nil
	}
	// With cgo even where the tests run without: the library is always made with it.
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", b.library, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=1", "CC="+cc)
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the library: %v\n%s", err, out)
	}
	if out, err := exec.Command(cc, "-Wall", "-Werror", "-O1", "-o", b.host, "testdata/host.c", "-ldl", "-pthread").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program: %v\n%s", err, out)
	}
	return "", nil
}

// run runs the program in a mode and gives what it prints.
func run(t testing.TB, in []bson.Raw, args ...string) []byte {
	t.Helper()
	library, host := artifacts(t)
	cmd := exec.Command(host, append([]string{library}, args...)...)
	var stdin, stderr bytes.Buffer
	for _, request := range in {
		stdin.Write(request)
	}
	cmd.Stdin, cmd.Stderr = &stdin, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, &stderr)
	}
	return out
}

// requests are those of the golden files of package cryptd.
func requests(t testing.TB) (all []bson.Raw) {
	files, err := filepath.Glob("../../cryptd/testdata/*.golden")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var schemas []string
		for block := range strings.SplitSeq(string(text), "\n\n") {
			question, _, isQuestion := strings.Cut(block, "\n----")
			if schema, isSchema := strings.CutPrefix(block, "schema "); isSchema {
				name, doc, _ := strings.Cut(schema, "\n")
				schemas = append(schemas, `"@`+name+`"`, doc)
			} else if isQuestion {
				lines := strings.Split(question, "\n")
				all = append(all, extJSON(t, strings.NewReplacer(schemas...).Replace(lines[len(lines)-1])))
			}
		}
	}
	return all
}

func extJSON(t testing.TB, s string) bson.Raw {
	t.Helper()
	var doc bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(s), false, &doc); err != nil {
		t.Fatalf("%v in %s", err, s)
	}
	return doc
}

// damaged makes hostile documents of one: bytes in the middle are changed, the length is true.
func damaged(doc bson.Raw) (all []bson.Raw) {
	for i := 4; i < len(doc); i++ {
		for _, b := range []byte{0, 1, 0x7f, 0xff} {
			changed := bytes.Clone(doc)
			changed[i] = b
			all = append(all, changed)
		}
	}
	return all
}

// What comes through C is what the Go analyzer says.
func TestAnswers(t *testing.T) {
	in := requests(t)
	in = append(in, damaged(in[0])...)
	for _, n := range []uint32{0, 1, 4, 0x80000000, 0xffffffff} { // no documents, by their length
		in = append(in, binary.LittleEndian.AppendUint32(nil, n))
	}
	out := run(t, in, "answers")
	answered := 0
	for i, request := range in {
		if len(out) < 12 {
			t.Fatalf("%d answers to %d requests", i, len(in))
		}
		status, code, length := binary.LittleEndian.Uint32(out), int32(binary.LittleEndian.Uint32(out[4:])), binary.LittleEndian.Uint32(out[8:])
		got := out[12 : 12+length]
		out = out[12+length:]
		db := "db" // of the namespace; a request's own $db goes before it
		if bson.Raw(request).Lookup("$db").Type != 0 {
			db = ""
		}
		want, err := new(cryptd.Analyzer).Analyze(nil, db, request)
		if err == nil {
			answered++
			if status != 0 || code != 0 || !bytes.Equal(got, want) {
				t.Errorf("%v: error %d, code %d, %q, want %v", request, status, code, got, want)
			}
			continue
		}
		failure := cryptd.Describe(err)
		if status != 2 || code != failure.Code || string(got) != failure.Message {
			t.Errorf("%v: error %d, code %d, %q, want %+v", request, status, code, got, failure)
		}
	}
	if answered < 20 || len(out) != 0 {
		t.Errorf("%d of %d requests answered, %d bytes left", answered, len(in), len(out))
	}
}

func TestNulls(t *testing.T) { run(t, nil, "nulls") }

func TestThreads(t *testing.T) { run(t, requests(t), "threads", "2000") }

func TestFork(t *testing.T) {
	out := string(run(t, requests(t)[:1], "fork"))
	if !strings.Contains(out, "forked") || !strings.Contains(out, "mongocryptdURI") {
		t.Errorf("the child was told %q", out)
	}
	run(t, requests(t), "load-in-child", "100")
}

func TestSignals(t *testing.T) {
	library, host := artifacts(t)
	cmd := exec.Command(host, library, "signals")
	out, err := cmd.CombinedOutput()
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != syscall.SIGPIPE || string(out) != "alive\n" {
		t.Errorf("got %q and %v, want it alive until SIGPIPE kills it", out, err)
	}
}

// A hundred thousand calls leave nothing behind.
func TestMemory(t *testing.T) {
	var heap, resident int
	if _, err := fmt.Sscan(string(run(t, requests(t), "leak", "100000")), &heap, &resident); err != nil {
		t.Fatal(err)
	}
	if heap > 64<<10 || resident > 16<<10 {
		t.Errorf("grown by %d bytes of malloc's memory, %d KiB in all", heap, resident)
	}
}

// The linker leaves out what nothing calls: of the keys and the AEAD that package payload holds, nothing is in the library. (AES itself is, by
// the self-tests of the standard library.)
func TestNoKeyIsLinked(t *testing.T) {
	library, _ := artifacts(t)
	symbols, err := exec.Command("go", "tool", "nm", library).Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(symbols, []byte("cryptd.(*Analyzer).Analyze")) {
		t.Fatal("the analyzer is not among the symbols")
	}
	for line := range strings.Lines(string(symbols)) {
		for _, name := range []string{"/payload.(*Key).", "/payload.NewKey", "/internal/secret.", "/keyvault.", "/kms."} {
			if strings.Contains(line, name) {
				t.Errorf("linked: %s", line)
			}
		}
	}
}

// Another implementation of the calling side: libmongocrypt. Its script prints what it checks.
func TestLibmongocrypt(t *testing.T) {
	python := os.Getenv("FIELDCRYPT_TEST_PYTHON")
	if python == "" {
		t.Skip("FIELDCRYPT_TEST_PYTHON does not name a Python with pymongocrypt; interop/run has one")
	}
	library, _ := artifacts(t)
	out, err := exec.Command(python, "testdata/libmongocrypt.py", library).CombinedOutput()
	if err != nil || bytes.Count(out, []byte("ok  ")) < 15 {
		t.Errorf("%v\n%s", err, out)
	}
}

// BenchmarkCall compares a call through C with one of the Go function, in time of the processor, since the two run in processes of their own.
func BenchmarkCall(b *testing.B) {
	request := requests(b)[:1]
	b.Run("go", func(b *testing.B) {
		var a cryptd.Analyzer
		var dst []byte
		start := processorTime(b)
		for b.Loop() {
			answer, err := a.Analyze(dst[:0], "db", request[0])
			if err != nil {
				b.Fatal(err)
			}
			dst = answer
		}
		b.ReportMetric(float64(processorTime(b)-start)/float64(b.N), "cpu-ns/op")
	})
	b.Run("c", func(b *testing.B) {
		var load, call float64
		for b.Loop() {
			if _, err := fmt.Sscanf(string(run(b, request, "time", "200000")), "%f ms to load, %f us for a call", &load, &call); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(load, "ms-load")
		b.ReportMetric(call*1000, "cpu-ns/op")
	})
}

// processorTime is what this process has used, in nanoseconds.
func processorTime(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
