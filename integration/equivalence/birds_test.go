package equivalence

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"regexp"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// birds are values that occur once in a workload, by how their bytes look in BSON.
type birds struct {
	secret, open map[string][]byte
	n            int64
}

var bird = regexp.MustCompile(`"@(text|long|double|date|id|binary|open)"`)

// document makes a document of extended JSON in which "@text" and so on stand for new canaries: all for encrypted fields,
// but "@open".
func (b *birds) document(t *testing.T, text string) bson.D {
	t.Helper()
	var doc bson.D
	if err := bson.UnmarshalExtJSON(bird.ReplaceAllFunc([]byte(text), b.next), true, &doc); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return doc
}

func (b *birds) next(kind []byte) []byte {
	b.n++
	number := canaryLong + b.n
	name, pattern := fmt.Sprintf("canary%04d", b.n), binary.LittleEndian.AppendUint64(nil, uint64(number))
	var json string
	switch string(kind[2 : len(kind)-1]) {
	case "open":
		b.open[name] = []byte(name)
		return fmt.Appendf(nil, "%q", name)
	case "long":
		json = fmt.Sprintf(`{"$numberLong": "%d"}`, number)
	case "double":
		f := math.Float64frombits(uint64(number))
		json, pattern = fmt.Sprintf(`{"$numberDouble": "%g"}`, f), binary.LittleEndian.AppendUint64(nil, math.Float64bits(f))
	case "date":
		json = fmt.Sprintf(`{"$date": {"$numberLong": "%d"}}`, canaryDate<<8+bson.DateTime(b.n))
		pattern = binary.LittleEndian.AppendUint64(nil, uint64(canaryDate<<8+bson.DateTime(b.n)))
	case "id":
		pattern = fmt.Appendf(nil, "oid%09d", b.n)
		json = fmt.Sprintf(`{"$oid": "%x"}`, pattern)
	case "binary":
		pattern = []byte(name)
		json = fmt.Sprintf(`{"$binary": {"base64": %q, "subType": "00"}}`, base64.StdEncoding.EncodeToString(pattern))
	default:
		json, pattern = fmt.Sprintf("%q", name), []byte(name)
	}
	b.secret[name] = pattern
	return []byte(json)
}
