package breakingproxy_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldcrypt/fieldcrypt/internal/breakingproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers each line of connections with prefix and the line, until the test ends.
func echo(t *testing.T, prefix string) breakingproxy.Dial {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					_, _ = io.WriteString(c, prefix+lines.Text()+"\n")
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return breakingproxy.To(listener.Addr().String())
}

func run(t *testing.T) *breakingproxy.Proxy {
	t.Helper()
	p, err := breakingproxy.Run(context.Background(), echo(t, "re: "))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func breaks(t *testing.T, p *breakingproxy.Proxy, f breakingproxy.Fault) {
	t.Helper()
	if err := p.Break(f); err != nil {
		t.Fatal(err)
	}
}

func dial(t *testing.T, p *breakingproxy.Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ask returns the line that answers, or the part of it that came before the error.
func ask(c net.Conn) (string, error) {
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return "", err
	}
	return bufio.NewReader(c).ReadString('\n')
}

func TestFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		fault breakingproxy.Fault
		want  string
		err   error
	}{
		"none":            {breakingproxy.Fault{}, "re: hello\n", nil},
		"reset":           {breakingproxy.Fault{Reset: true}, "", syscall.ECONNRESET},
		"half-close":      {breakingproxy.Fault{HalfClose: true}, "", io.EOF},
		"cut":             {breakingproxy.Fault{CutAfter: 4}, "re: ", io.EOF},
		"slow and steady": {breakingproxy.Fault{Delay: time.Millisecond, Rate: 10000}, "re: hello\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := run(t)
			open := dial(t, p)
			if got, err := ask(open); got != "re: hello\n" || err != nil {
				t.Fatalf("before: %q, %v", got, err)
			}
			breaks(t, p, tt.fault)
			for state, c := range map[string]net.Conn{"open": open, "new": dial(t, p)} {
				if got, err := ask(c); got != tt.want || !errors.Is(err, tt.err) {
					t.Errorf("%s connection: %q, %v", state, got, err)
				}
			}
			breaks(t, p, breakingproxy.Fault{})
			if got, err := ask(dial(t, p)); got != "re: hello\n" || err != nil {
				t.Errorf("after: %q, %v", got, err)
			}
		})
	}
}

func TestRefuse(t *testing.T) {
	p := run(t)
	open := dial(t, p)
	if _, err := ask(open); err != nil {
		t.Fatal(err)
	}
	breaks(t, p, breakingproxy.Fault{Refuse: true})
	if _, err := ask(open); err == nil {
		t.Error("the open connection works")
	}
	if c, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, %v", c, err)
	}
	breaks(t, p, breakingproxy.Fault{})
	if _, err := ask(dial(t, p)); err != nil {
		t.Error(err)
	}
	if n := p.Connections(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// What a black hole has taken never comes.
func TestBlackHole(t *testing.T) {
	p := run(t)
	breaks(t, p, breakingproxy.Fault{BlackHole: true, Hit: p.Disconnect})
	if got, err := ask(dial(t, p)); got != "" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %q, %v", got, err)
	}
}

// The end of a fault ends its delays.
func TestDelay(t *testing.T) {
	p := run(t)
	c := dial(t, p)
	if _, err := ask(c); err != nil {
		t.Fatal(err)
	}
	breaks(t, p, breakingproxy.Fault{Delay: time.Hour})
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if got, err := ask(c); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %q, %v", got, err)
	}
	breaks(t, p, breakingproxy.Fault{})
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReader(c).ReadString('\n'); got != "re: hello\n" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestDialElsewhere(t *testing.T) {
	p := run(t)
	for _, want := range []string{"re: hello\n", "other: hello\n", "re: hello\n"} {
		c := dial(t, p)
		if got, err := ask(c); got != want || err != nil {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
		next := breakingproxy.Fault{}
		if want == "re: hello\n" {
			next.Dial = echo(t, "other: ")
		}
		breaks(t, p, next)
		if _, err := ask(c); err == nil {
			t.Error("the open connection works")
		}
	}
}
