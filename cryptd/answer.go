package cryptd

import (
	"encoding/binary"
	"errors"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// maxAnswer is as long as a message of the wire protocol may be, in bytes: no driver could read more.
const maxAnswer = 48_000_000

var errTooLong = errors.New("the command with its markings would be longer than 48,000,000 bytes: send fewer values at once")

// room is how much an answer takes in the usual case: the command, and behind it, if something is to be sealed, the command with markings.
func room(r *request, encrypt bool) int {
	const frame, analysis = 128, 512 // the answer around the command; what the analysis asks for, and a few markings
	n := frame + r.size
	if encrypt {
		n += r.size + r.size/2 + analysis
	}
	return n
}

// beginAnswer appends an answer up to its result; flags is where endAnswer puts the values of the first two fields.
func beginAnswer(dst []byte) (out []byte, flags [2]int) {
	dst, _ = bsonraw.Begin(dst)
	for i, name := range [...]string{"hasEncryptionPlaceholders", "schemaRequiresEncryption"} {
		dst = bsonraw.AppendBool(dst, name, false)
		flags[i] = len(dst) - 1
	}
	return bsonraw.AppendKey(dst, bson.TypeEmbeddedDocument, "result"), flags
}

// endAnswer ends the answer that began at start.
func (a *Analyzer) endAnswer(dst []byte, start int, flags [2]int, res analyze.Result) ([]byte, error) {
	for i, set := range [...]bool{res.HasPlaceholders, res.RequiresEncryption} {
		if set {
			dst[flags[i]] = 1
		}
	}
	if a.OK {
		dst = bsonraw.AppendKey(dst, bson.TypeDouble, "ok")
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(1))
	}
	dst = bsonraw.End(dst, start)
	if len(dst)-start > maxAnswer {
		return nil, errTooLong
	}
	return dst, nil
}

// bounded seals with markings until the command is too long. What has to be sealed may be many small values, each of which grows manifold.
type bounded struct{ analyze.Markings }

var _ analyze.Sealer = bounded{}

// Seal appends a marking.
func (b bounded) Seal(dst []byte, field *schema.Encrypted, value bson.RawValue) ([]byte, error) {
	if len(dst) > 2*maxAnswer { // dst holds the command as well
		return nil, errTooLong
	}
	return b.Markings.Seal(dst, field, value)
}
