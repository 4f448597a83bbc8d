//go:build unix

package cryptd_test

import (
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/fieldcrypt/fieldcrypt/cryptd"
	"github.com/fieldcrypt/fieldcrypt/wire"
)

// Idle connections cost little, and leave the server answering. FIELDCRYPT_TEST_CONNECTIONS sets how many there are.
func TestServerIdleConnections(t *testing.T) {
	n := 2000
	if text := os.Getenv("FIELDCRYPT_TEST_CONNECTIONS"); text != "" {
		n, _ = strconv.Atoi(text)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if room := int(limit.Cur)/2 - 100; n > room { // this process has both ends
		t.Logf("%d connections instead of %d: the limit of open files is %d", room, n, limit.Cur)
		n = room
	}
	addr := serve(t, &cryptd.Server{})
	clients := make([]*client, n)
	before := heap()
	hello := msg(t, wire.Msg{Body: command(t, one("hello"))})
	find := msg(t, wire.Msg{Body: findRequest(t)})
	for i := range clients {
		clients[i] = dial(t, addr)
		for _, b := range [][]byte{hello, find} { // as drivers do, before they fall silent
			clients[i].send(b)
			ok(t, clients[i].reply())
		}
		clients[i].buf = nil
	}
	each := (int64(heap()) - int64(before)) / int64(n) // both ends
	t.Logf("%d connections, %d bytes each", n, each)
	if each > 64<<10 {
		t.Errorf("%d bytes for an idle connection, want 64 KiB at most", each)
	}
	for _, i := range []int{0, n / 2, n - 1} {
		ok(t, clients[i].run(findRequest(t)))
	}
}
