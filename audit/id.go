package audit

import (
	"bytes"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// ID is a document's _id as far as it may be shown.
type ID struct {
	// Value is the _id, if it is an ObjectId, a number, a date, a UUID or a short string that does not look sensitive; else it has type 0.
	Value bson.RawValue
	// Withheld is why there is no Value: "an _id of type object".
	Withheld string
}

// longestID is the most bytes of a string that is shown as an _id.
const longestID = 64

// showID copies an _id, or says why it is not shown.
func (s *scanner) showID(id bson.RawValue) ID {
	switch id.Type {
	case 0:
		return ID{Withheld: "a document without _id"}
	case bson.TypeObjectID, bson.TypeInt32, bson.TypeInt64, bson.TypeDateTime, bson.TypeTimestamp:
	case bson.TypeBinary:
		if subtype, data, ok := id.BinaryOK(); !ok || subtype != bson.TypeBinaryUUID || len(data) != len(payload.KeyID{}) {
			return ID{Withheld: "an _id of type binData"}
		}
	case bson.TypeString:
		text, ok := id.StringValueOK()
		if !ok || len(text) > longestID {
			return ID{Withheld: "a long string as _id"}
		}
		for _, part := range append(strings.FieldsFunc(text, separates), text) {
			if kind, is := s.opts.hides(part); is {
				return ID{Withheld: "an _id that looks like: " + kind}
			}
		}
	default:
		return ID{Withheld: "an _id of type " + payload.TypeAlias(id.Type)}
	}
	if text, ok := numberText(id); ok {
		if kind, is := s.opts.hides(text); is {
			return ID{Withheld: "an _id that looks like: " + kind}
		}
	}
	return ID{Value: bson.RawValue{Type: id.Type, Value: bytes.Clone(id.Value)}}
}

// separates says whether r may stand between the parts of an _id, such as those of "user:jane@example.org".
func separates(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(":;,|/=#_<>()", r) }

// String is the _id for a person, on one line.
func (id ID) String() string {
	v := id.Value
	switch v.Type {
	case bson.TypeObjectID:
		return v.ObjectID().Hex()
	case bson.TypeInt32, bson.TypeInt64:
		return strconv.FormatInt(v.AsInt64(), 10)
	case bson.TypeDateTime:
		return v.Time().UTC().Format(time.RFC3339Nano)
	case bson.TypeTimestamp:
		t, i := v.Timestamp()
		return strconv.FormatUint(uint64(t), 10) + ":" + strconv.FormatUint(uint64(i), 10)
	case bson.TypeBinary:
		_, data := v.Binary()
		return payload.KeyID(data).String()
	case bson.TypeString:
		text := v.StringValue()
		for _, r := range text {
			if !unicode.IsPrint(r) {
				return strconv.Quote(text)
			}
		}
		return text
	}
	return id.Withheld
}

// documentID finds the _id; it may stand anywhere in what a client has written by hand.
func documentID(doc bson.Raw) bson.RawValue {
	for it := bsonraw.Iterate(doc); it.Next(); {
		if string(it.Element.Key) == "_id" {
			return it.Element.RawValue()
		}
	}
	return bson.RawValue{}
}

// numberText is how a person writes a whole number.
func numberText(v bson.RawValue) (string, bool) {
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64:
		n, ok := v.AsInt64OK()
		return strconv.FormatInt(n, 10), ok && n > 0
	case bson.TypeDouble:
		const exact = 1 << 53
		f, ok := v.DoubleOK()
		return strconv.FormatFloat(f, 'f', 0, 64), ok && f > 0 && f < exact && f == float64(int64(f))
	}
	return "", false
}
