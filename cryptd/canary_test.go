package cryptd_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt/cryptd"
	"github.com/fieldcrypt/fieldcrypt/wire"
)

// question is a message about values that have a canary in them.
type question struct {
	message []byte
	packed  wire.Compressor
	refused bool
}

// drawQuestion makes one of any length, compressed or not, with documents beside it or inside, that is answered or refused.
func drawQuestion(t *rapid.T, tb testing.TB, k *wire.Codec, canary string) question {
	q := question{refused: rapid.Bool().Draw(t, "refused"), packed: wire.Compressor(rapid.IntRange(0, 3).Draw(t, "compressor"))}
	length := rapid.SampledFrom([]int{0, 100, 5_000, 20_000, 300_000}).Draw(t, "length")
	value := canary + strings.Repeat(" ", length) + canary
	var m wire.Msg
	person := bson.D{{Key: "name", Value: value}, {Key: "ssn", Value: value}}
	cmd := bson.D{{Key: "insert", Value: "people"}, {Key: "$db", Value: "db"}}
	switch rapid.IntRange(0, 2).Draw(t, "form") {
	case 0:
		cmd[0].Key = "find"
		cmd = append(cmd, bson.E{Key: "filter", Value: person})
	case 1:
		cmd = append(cmd, bson.E{Key: "documents", Value: bson.A{person, person}})
	case 2:
		m.Sequences = []wire.Sequence{{ID: []byte("documents"), Documents: doc(tb, person)}}
	}
	if q.refused {
		cmd = append(cmd, bson.E{Key: canary, Value: value}) // an unknown field
	}
	m.Body = request(tb, cmd, wideSchema)
	q.message = msg(tb, m)
	if q.packed != wire.Noop {
		var err error
		if q.message, err = k.Compress(nil, q.message, q.packed); err != nil {
			t.Fatal(err)
		}
	}
	return q
}

// canaries is what marks the values of one client.
var canaries = regexp.MustCompile(`canary-\d+-`)

// Memory goes from one client to the next, what was in it does not: whatever others ask at the same time, an answer holds the client's own values,
// and nothing of anybody else's.
func TestServerMixesNoClients(t *testing.T) {
	var k wire.Codec
	addr := serve(t, &cryptd.Server{})
	rapid.Check(t, func(rt *rapid.T) {
		var all sync.WaitGroup
		for i := range 6 {
			canary := fmt.Sprintf("canary-%d-", i)
			var questions []question
			for range rapid.IntRange(1, 4).Draw(rt, "questions") {
				questions = append(questions, drawQuestion(rt, t, &k, canary))
			}
			all.Go(func() {
				c := dial(t, addr)
				defer c.Close()
				for _, q := range questions {
					if err := ask(c, &k, q, canary); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		if t.Failed() {
			rt.FailNow()
		}
	})
}

func ask(c *client, k *wire.Codec, q question, canary string) error {
	if _, err := c.Write(q.message); err != nil {
		return err
	}
	answer, h, err := wire.Read(c, nil, wire.MaxMessageSize)
	if err != nil {
		return err
	}
	if h.OpCode == wire.OpCompressed {
		var packed wire.Compressed
		if err := packed.Decode(answer, wire.MaxMessageSize); err != nil {
			return err
		}
		if answer, err = k.Decompress(nil, &packed); err != nil {
			return err
		}
	}
	for _, found := range canaries.FindAll(answer, -1) {
		if string(found) != canary {
			return fmt.Errorf("%s got a value of %s", canary, found)
		}
	}
	var m wire.Msg
	if err := m.Decode(answer); err != nil {
		return err
	}
	if refused := m.Body.Lookup("ok").Double() == 0; refused != q.refused || !refused && bytes.Count(answer, []byte(canary)) < 4 {
		return fmt.Errorf("%s: refused: %v, want %v; %d canaries", canary, refused, q.refused, bytes.Count(answer, []byte(canary)))
	}
	return nil
}
