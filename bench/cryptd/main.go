// Command cryptd puts load on a mongocryptd, through the official driver, and prints what it took. See ../README.md.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func main() {
	uri := flag.String("uri", "mongodb://localhost:27020", "the daemon's `URI`")
	connections := flag.String("connections", "1,2,8", "how many connections, `N,N,…`, one after the other")
	duration := flag.Duration("for", 3*time.Second, "how long each measurement takes, a minute at most")
	idle := flag.Int("idle", 0, "open so many idle connections first, 20,000 at most")
	pid := flag.Int("pid", 0, "process id of the daemon, for its memory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *uri, *connections, min(*duration, time.Minute), min(*idle, 20_000), *pid); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, uri, connections string, duration time.Duration, idle, pid int) error {
	if idle > 0 {
		closeAll, err := hold(ctx, uri, idle, pid)
		if err != nil {
			return err
		}
		defer closeAll()
	}
	fmt.Printf("%-8s %11s %12s %12s %12s\n", "request", "connections", "median", "99 %", "a second")
	for _, text := range strings.Split(connections, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			return fmt.Errorf("-connections: expected numbers from 1 to 1000, got %q", text)
		}
		for _, r := range []struct {
			name    string
			command bson.D
		}{{"ping", bson.D{{Key: "ping", Value: 1}}}, {"find", find}, {"insert", insert}} {
			took, err := load(ctx, uri, n, duration, r.command)
			if err != nil {
				return fmt.Errorf("%s over %d connections: %w", r.name, n, err)
			}
			fmt.Printf("%-8s %11d %12v %12v %12.0f\n", r.name, n, took[len(took)/2], took[len(took)*99/100], float64(len(took))/duration.Seconds())
		}
	}
	return nil
}

// load sends a command over n connections, one after the other on each, and gives how long each request took, the shortest first.
func load(ctx context.Context, uri string, n int, duration time.Duration, command bson.D) ([]time.Duration, error) {
	client, err := mongo.Connect(options.Client().ApplyURI(uri).SetMaxPoolSize(uint64(n)).SetDirect(true))
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Disconnect(context.WithoutCancel(ctx)) }()
	raw, err := bson.Marshal(command)
	if err != nil {
		return nil, err
	}
	var (
		mu   sync.Mutex
		all  []time.Duration
		errs []error
		wg   sync.WaitGroup
	)
	if err := client.Database("hr").RunCommand(ctx, raw).Err(); err != nil { // connects
		return nil, err
	}
	end := time.Now().Add(duration)
	for range n {
		wg.Go(func() {
			var took []time.Duration
			for now := time.Now(); now.Before(end); {
				if err := client.Database("hr").RunCommand(ctx, raw).Err(); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					return
				}
				before := now
				now = time.Now()
				took = append(took, now.Sub(before))
			}
			mu.Lock()
			all = append(all, took...)
			mu.Unlock()
		})
	}
	wg.Wait()
	if len(errs) > 0 {
		return nil, errs[0]
	}
	slices.Sort(all)
	return all, nil
}

// hold opens idle connections on which something was said, as a driver does, and prints what memory they take.
func hold(ctx context.Context, uri string, n, pid int) (closeAll func(), err error) {
	var conns []net.Conn
	closeAll = func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}
	address := strings.TrimPrefix(strings.SplitN(strings.TrimPrefix(uri, "mongodb://"), "/", 2)[0], "//")
	before, err := memory(pid)
	if err != nil {
		return nil, err
	}
	hello, err := query(bson.D{{Key: "hello", Value: 1}})
	if err != nil {
		return nil, err
	}
	reply := make([]byte, 4096)
	for range n {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			conns = append(conns, c)
			_, err = c.Write(hello)
		}
		if err == nil {
			_, err = c.Read(reply)
		}
		if err != nil {
			closeAll()
			return nil, fmt.Errorf("connection %d of %d: %w", len(conns), n, err)
		}
	}
	after, err := memory(pid)
	if err != nil {
		closeAll()
		return nil, err
	}
	fmt.Printf("%d idle connections: the daemon took %d kB before and %d kB after, %.1f kB each\n", n, before, after, float64(after-before)/float64(n))
	return closeAll, nil
}

// query is an OP_MSG with one command.
func query(command bson.D) ([]byte, error) {
	body, err := bson.Marshal(append(command, bson.E{Key: "$db", Value: "admin"}))
	if err != nil {
		return nil, err
	}
	const header, flagsAndKind, opMsg = 16, 5, 2013
	m := make([]byte, header+flagsAndKind, header+flagsAndKind+len(body))
	for i, v := range []int{len(m) + len(body), 1, 0, opMsg} {
		m[4*i], m[4*i+1], m[4*i+2], m[4*i+3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
	}
	return append(m, body...), nil
}

// memory is the resident memory of a process in kB; 0 without a pid.
func memory(pid int) (int, error) {
	if pid == 0 {
		return 0, nil
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == "VmRSS:" {
			return strconv.Atoi(fields[1])
		}
	}
	return 0, errors.New("the system does not tell the memory of processes")
}
