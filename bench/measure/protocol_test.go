package measure

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// serving makes this program one that serves, as the tests start it.
const serving = "FIELDCRYPT_BENCH_TEST_SERVES"

func TestMain(m *testing.M) {
	if os.Getenv(serving) == "" {
		os.Exit(m.Run())
	}
	if err := Serve(os.Stdin, os.Stdout, fake{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// fake returns its input with the number of processors; an empty input is an error, "sleep" takes a while.
type fake struct{}

func (fake) Name() string { return "fake" }

func (fake) Open(t Task) (func(int) ([]byte, error), func(), error) {
	if t.Operation == Find {
		return nil, nil, &SlowError{"7 keys"}
	}
	return func(i int) ([]byte, error) {
		switch in := string(t.Inputs[i%len(t.Inputs)]); in {
		case "":
			return nil, errors.New("nothing to do")
		case "sleep":
			time.Sleep(100 * time.Millisecond)
			return nil, nil
		default:
			return fmt.Appendf(nil, "%s %d", in, runtime.GOMAXPROCS(0)), nil
		}
	}, func() {}, nil
}

const long = time.Minute

func started(t *testing.T, task Task) *Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), serving+"=1")
	p, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	if p.Name != "fake" {
		t.Errorf("its name is %q", p.Name)
	}
	if err := p.Open(task, long); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOnce(t *testing.T) {
	p := started(t, Task{Inputs: [][]byte{[]byte("a"), []byte("b"), nil}, Procs: 1})
	for i, want := range []string{"a 1", "b 1"} {
		if got, err := p.Once(i, long); err != nil || string(got) != want {
			t.Errorf("%d: %q, %v; want %q", i, got, err, want)
		}
	}
	if _, err := p.Once(2, long); err == nil || !strings.Contains(err.Error(), "nothing to do") {
		t.Errorf("an error became %v", err)
	}
	if got, err := p.Once(3, long); err != nil || string(got) != "a 1" {
		t.Errorf("after an error: %q, %v", got, err)
	}
	if err := p.Open(Task{Inputs: [][]byte{[]byte("c")}}, long); err != nil {
		t.Fatal(err)
	}
	if got, err := p.Once(0, long); err != nil || string(got) != fmt.Sprint("c ", runtime.NumCPU()) {
		t.Errorf("another task: %q, %v", got, err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

func TestTimes(t *testing.T) {
	p := started(t, Task{Inputs: [][]byte{[]byte("sleep")}})
	for goroutines, least := range map[int]time.Duration{1: 100 * time.Millisecond, 4: 25 * time.Millisecond} {
		n, err := p.Calibrate(250*time.Millisecond, goroutines, long)
		if err != nil || n < 3 {
			t.Errorf("%d goroutines: %d repetitions, %v", goroutines, n, err)
		}
		s, err := p.Time(8, goroutines, long)
		if err != nil || s.N != 8 || s.Wall < float64(least) {
			t.Errorf("%d goroutines: %+v, %v", goroutines, s, err)
		}
	}
}

func TestTooSlow(t *testing.T) {
	slow := new(SlowError)
	p := started(t, Task{Inputs: [][]byte{[]byte("sleep")}})
	if err := p.Open(Task{Operation: Find}, long); !errors.As(err, &slow) || slow.Why != "7 keys" {
		t.Errorf("slow to open: %v", err)
	}
	if _, err := p.Once(0, long); err == nil {
		t.Error("it did a task that is not open")
	}
	if err := p.Open(Task{Inputs: [][]byte{[]byte("sleep")}}, long); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Time(1_000_000, 1, 50*time.Millisecond); !errors.As(err, &slow) {
		t.Errorf("slow to do: %v", err)
	}
	if err := p.Stop(); err == nil {
		t.Error("it was not killed")
	}
}

func TestRepeatDoesEachOnce(t *testing.T) {
	for _, goroutines := range []int{1, 3, 7} {
		done := make([]int, 20)
		err := repeat(func(i int) ([]byte, error) { done[i]++; return nil, nil }, len(done), goroutines)
		for i, n := range done {
			if n != 1 || err != nil {
				t.Errorf("%d goroutines did %d %d times, %v", goroutines, i, n, err)
			}
		}
	}
}

func TestFill(t *testing.T) {
	n := 0
	task := Task{Inputs: make([][]byte, 250)}
	if err := Fill(task, func(int) ([]byte, error) { n++; return nil, nil }); err != nil || n != 250 {
		t.Errorf("%d inputs, %v", n, err)
	}
}

func TestWithID(t *testing.T) {
	doc := "\x0c\x00\x00\x00\x10a\x00\x01\x00\x00\x00\x00"
	want := "\x1d\x00\x00\x00\x07_id\x00ABCDEFGHIJKL\x10a\x00\x01\x00\x00\x00\x00"
	if got := string(WithID([]byte(doc), [12]byte([]byte("ABCDEFGHIJKL")))); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
