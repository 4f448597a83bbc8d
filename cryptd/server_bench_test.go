package cryptd_test

import (
	"io"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/cryptd"
	"github.com/fieldcrypt/fieldcrypt/wire"
)

// A find, and an insert of 20 fields of which 5 are encrypted, over loopback.
func BenchmarkServer(b *testing.B) {
	addr := serve(b, &cryptd.Server{})
	for _, bench := range []struct {
		name    string
		request bson.Raw
	}{{"find", findRequest(b)}, {"insert", insertRequest(b)}} {
		sent := msg(b, wire.Msg{Body: bench.request})
		b.Run(bench.name+"/one connection", func(b *testing.B) {
			c := dial(b, addr)
			timed(b, func() { c.exchange(sent) })
		})
		b.Run(bench.name+"/many connections", func(b *testing.B) { // with -cpu 1,2,…
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				c := dial(b, addr)
				for pb.Next() {
					c.exchange(sent)
				}
			})
		})
	}
}

// timed reports the median and the 99th percentile beside the mean, which on a busy machine tells of the machine.
func timed(b *testing.B, do func()) {
	took := make([]time.Duration, 0, 1<<20)
	for b.Loop() {
		start := time.Now()
		do()
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "median-ns")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
}

// exchange is a request and its reply, as cheap as can be.
func (c *client) exchange(sent []byte) {
	if _, err := c.Write(sent); err != nil {
		c.t.Error(err)
		return
	}
	var err error
	c.buf = slices.Grow(c.buf[:0], 64<<10)[:64<<10]
	n, err := io.ReadAtLeast(c, c.buf, wire.HeaderSize)
	var h wire.Header
	if err == nil {
		err = h.Decode(c.buf, len(c.buf))
	}
	if err == nil && n < int(h.Length) {
		_, err = io.ReadFull(c, c.buf[n:h.Length])
	}
	if err != nil {
		c.t.Error(err)
	}
}

// The same through the official driver's socket, pool and encoder.
func BenchmarkDriver(b *testing.B) {
	client := connect(b, serve(b, &cryptd.Server{}), func(o *options.ClientOptions) { o.SetMaxPoolSize(1) })
	for _, bench := range []struct {
		name    string
		request bson.Raw
	}{{"find", findRequest(b)}, {"insert", insertRequest(b)}} {
		var cmd bson.D
		if err := bson.Unmarshal(bench.request, &cmd); err != nil {
			b.Fatal(err)
		}
		cmd = slices.DeleteFunc(cmd, func(e bson.E) bool { return e.Key == "$db" }) // the driver adds it
		raw := doc(b, cmd)
		b.Run(bench.name, func(b *testing.B) {
			timed(b, func() {
				if err := client.Database("db").RunCommand(b.Context(), raw).Err(); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}
