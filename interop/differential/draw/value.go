package draw

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// Types are all BSON types.
var Types = []bson.Type{
	bson.TypeDouble, bson.TypeString, bson.TypeEmbeddedDocument, bson.TypeArray, bson.TypeBinary, bson.TypeUndefined, bson.TypeObjectID,
	bson.TypeBoolean, bson.TypeDateTime, bson.TypeNull, bson.TypeRegex, bson.TypeDBPointer, bson.TypeJavaScript, bson.TypeSymbol,
	bson.TypeCodeWithScope, bson.TypeInt32, bson.TypeTimestamp, bson.TypeInt64, bson.TypeDecimal128, bson.TypeMinKey, bson.TypeMaxKey,
}

// EncryptedBy are the types that alg takes.
func EncryptedBy(alg payload.Algorithm) (types []bson.Type) {
	for _, t := range Types {
		if payload.Encryptable(t, alg) == nil {
			types = append(types, t)
		}
	}
	return types
}

// Value draws a well-formed value of type t, of any size; binaries are never of subtype 6. Containers nest depth levels at most, but at
// times, with a depth above 1, many more.
func (d *Drawer) Value(t bson.Type, depth int) bson.RawValue {
	return bson.RawValue{Type: t, Value: d.bytes(t, depth)}
}

// Any draws a well-formed value of any type.
func (d *Drawer) Any(depth int) bson.RawValue { return d.Value(Pick(d, Types...), depth) }

func (d *Drawer) bytes(t bson.Type, depth int) []byte {
	switch t {
	case bson.TypeString, bson.TypeSymbol:
		return stringBytes(d.text(d.Size()))
	case bson.TypeJavaScript:
		return stringBytes(d.code())
	case bson.TypeInt32:
		return d.number()[:4]
	case bson.TypeInt64, bson.TypeDateTime, bson.TypeTimestamp:
		return d.number()
	case bson.TypeDouble:
		return d.double()
	case bson.TypeDecimal128:
		return d.decimal()
	case bson.TypeBoolean:
		return []byte{byte(d.IntN(2))}
	case bson.TypeObjectID:
		return d.Bytes(12)
	case bson.TypeBinary:
		return d.binary()
	case bson.TypeRegex:
		pattern, options := d.cstring(d.Size()), d.cstring(d.IntN(8))
		switch {
		case d.Tidy || d.Chance(2):
			options = []byte(Pick(d, "", "i", "im", "imsx", "ilmsux"))
		case d.Chance(2):
			options = []byte(Pick(d, "xi", "ii", "iz", "I"))
		}
		return append(append(append(pattern, 0), options...), 0)
	case bson.TypeDBPointer:
		return append(stringBytes(d.code()), d.Bytes(12)...)
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		return d.container(t, depth).Value
	case bson.TypeCodeWithScope:
		b := append(stringBytes(d.code()), d.scope(depth-1)...)
		return append(binary.LittleEndian.AppendUint32(nil, uint32(len(b)+4)), b...)
	}
	return nil
}

// text draws n bytes of a string: ASCII, anything that is UTF-8, with NULs in it, and at times what is no UTF-8.
func (d *Drawer) text(n int) []byte {
	pieces := []string{"a", "Z", "0", " ", "é", "日", "🔑", "\u200d"}
	switch d.IntN(20) {
	case 0, 1, 2:
		pieces = append(pieces, "\x00", "\ufeff", "\uffff", "$", ".", "\"", "\\", "\n")
	case 3:
		if d.UTF8 {
			break
		}
		pieces = append(pieces, "\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe6\x97") // overlong, surrogate, too high, cut off
	case 4, 5, 6, 7, 8, 9, 10:
		pieces = pieces[:4]
	}
	var b bytes.Buffer
	for b.Len() < n {
		p := Pick(d, pieces...)
		if b.Len()+len(p) > n {
			p = "x"
		}
		for repeat := 1 + n/4096; repeat > 0 && b.Len()+len(p) <= n; repeat-- { // long strings of fewer draws
			b.WriteString(p)
		}
	}
	return b.Bytes()
}

// code draws the text of javascript and the name in a dbPointer.
func (d *Drawer) code() []byte {
	if d.Tidy {
		return d.cstring(d.Size())
	}
	return d.text(d.Size())
}

// scope draws the document of a javascriptWithScope.
func (d *Drawer) scope(depth int) []byte {
	if d.Tidy {
		defer func(before bool) { d.UTF8 = before }(d.UTF8)
		d.UTF8 = true
	}
	return d.container(bson.TypeEmbeddedDocument, depth).Value
}

func (d *Drawer) cstring(n int) []byte { return bytes.ReplaceAll(d.text(n), []byte{0}, []byte("x")) }

// number draws 8 bytes, in half of all cases of a number near a limit.
func (d *Drawer) number() []byte {
	n := d.Uint64()
	if d.Chance(2) {
		n = uint64(Pick(d, 0, 1, -1, 5, math.MaxInt32, math.MinInt32, math.MaxInt64, math.MinInt64, 1<<53, 1<<32))
	}
	return binary.LittleEndian.AppendUint64(nil, n)
}

func (d *Drawer) double() []byte {
	f := math.Float64frombits(d.Uint64())
	if d.Chance(2) {
		f = Pick(d, 0, math.Copysign(0, -1), 1, -1.5, math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(0xfff8000000000001),
			math.SmallestNonzeroFloat64, math.MaxFloat64)
	}
	return binary.LittleEndian.AppendUint64(nil, math.Float64bits(f))
}

// decimal draws 16 bytes: a number, an infinity, a NaN with or without a payload, or a number that is written in no canonical way.
func (d *Drawer) decimal() []byte {
	high, low := d.Uint64(), d.Uint64()
	switch d.IntN(4) {
	case 0:
		high, low = Pick[uint64](d, 0x7800000000000000, 0xf800000000000000, 0x7c00000000000000, 0x7e00000000000000, 0xfc00000000000001), 0
	case 1:
		high, low = 0x3040000000000000, uint64(d.IntN(1000))
	}
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, low), high)
}

func (d *Drawer) binary() []byte {
	data, subtype := d.Bytes(d.Size()), byte(d.Uint32())
	if d.Chance(2) {
		subtype = Pick[byte](d, 0, 1, 2, 3, 4, 5, 7, 8, 9, 0x80, 0xff)
	}
	switch subtype {
	case payload.Subtype:
		subtype = 0
	case bson.TypeBinaryBinaryOld:
		data = append(binary.LittleEndian.AppendUint32(nil, uint32(len(data))), data...)
	case bson.TypeBinaryUUID:
		if d.Chance(2) {
			data = d.Bytes(16)
		}
	}
	return Binary(subtype, data).Value
}

func (d *Drawer) container(t bson.Type, depth int) bson.RawValue {
	if depth > 1 && d.Chance(100) {
		return d.deep(t)
	}
	var elements []E
	for i := range d.IntN(5) {
		if depth <= 0 {
			break
		}
		name := strconv.Itoa(i)
		if t == bson.TypeEmbeddedDocument || i > 0 && d.Chance(50) { // arrays with other names than numbers are odd, but stored by servers
			name = d.name()
		}
		v := d.Any(depth - 1)
		if len(v.Value) > 64<<10 { // so that containers, too, are about as long as other values
			v = Int(i)
		}
		elements = append(elements, E{name, v})
	}
	return bson.RawValue{Type: t, Value: Document(elements...).Value}
}

func (d *Drawer) name() string {
	if d.Chance(10) {
		return string(d.cstring(d.IntN(300)))
	}
	return Pick(d, "a", "b", "c", "v", "_id", "", "$x", "a.b", "日", "0")
}

// deep draws a chain of documents and arrays, in half of all cases about as deep as servers let a document be, or as messages may be.
func (d *Drawer) deep(t bson.Type) bson.RawValue {
	v := Int(1)
	levels := d.IntN(110)
	if d.Chance(2) {
		levels = 90 + d.IntN(12)
		if !d.Tidy && d.Chance(5) {
			levels = 190 + d.IntN(20)
		}
	}
	for range levels {
		if d.Chance(3) {
			v = Array(v)
		} else {
			v = Document(E{"a", v})
		}
	}
	if t == bson.TypeArray {
		return Array(v)
	}
	return Document(E{"a", v})
}
