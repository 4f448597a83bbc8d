package fieldcrypt

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// batch is what is to be encrypted in a large insert after its documents have been written with room for ciphertexts: by several cores. Only inserts are
// done so, because their documents are written from the first byte to the last, once.
type batch struct {
	active bool
	rooms  []room
	bytes  int // of plaintexts
}

// room is where a ciphertext belongs in the command, and what it is of.
type room struct {
	start, end int
	key        *payload.Key
	value      bson.RawValue // in the command that was given
}

// batchSize is how long an insert is at least that may be worth it.
const batchSize = 32 << 10

// appendRoom notes a value.
func (b *batch) appendRoom(dst []byte, alg payload.Algorithm, k *sealingKey, value bson.RawValue) ([]byte, error) {
	out, err := payload.AppendRoom(dst, alg, k.id, value)
	if err == nil {
		b.rooms = append(b.rooms, room{len(dst), len(out), k.key, value})
		b.bytes += len(value.Value)
	}
	return out, err
}

// fill writes the ciphertexts into cmd.
func (b *batch) fill(ctx context.Context, cmd []byte) error {
	if len(b.rooms) == 0 {
		return nil
	}
	err := spread(ctx, coresFor(len(b.rooms), b.bytes), len(b.rooms), func(i int) error {
		r := b.rooms[i]
		if r.end > len(cmd) {
			return errors.New("room for a ciphertext lies outside of the command")
		}
		return r.key.Fill(cmd[r.start:r.end:r.end], r.value)
	})
	if err != nil {
		return fmt.Errorf("encrypting a command's values: %w", err)
	}
	return nil
}

// restart forgets the values of a walk that has not led to a command. They are the application's: nothing of them is kept.
func (b *batch) restart() {
	clear(b.rooms)
	b.rooms, b.bytes = b.rooms[:0], 0
}

// reset ends a command.
func (b *batch) reset() {
	b.restart()
	if b.active = false; cap(b.rooms) > maxIdle {
		b.rooms = nil
	}
}
