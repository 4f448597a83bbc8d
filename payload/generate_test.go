package payload

import (
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// leaves draw a value of each type that is no container; those that the deterministic algorithm takes come first.
var (
	deterministicLeaves = map[bson.Type]*rapid.Generator[any]{
		bson.TypeString:     rapid.String().AsAny(),
		bson.TypeBinary:     rapid.Custom(drawBinary).AsAny(),
		bson.TypeObjectID:   rapid.Custom(drawObjectID).AsAny(),
		bson.TypeDateTime:   rapid.Map(rapid.Int64(), func(n int64) any { return bson.DateTime(n) }),
		bson.TypeRegex:      rapid.Custom(drawRegex),
		bson.TypeDBPointer:  rapid.Custom(drawDBPointer),
		bson.TypeJavaScript: rapid.Map(rapid.String(), func(s string) any { return bson.JavaScript(s) }),
		bson.TypeSymbol:     rapid.Map(rapid.String(), func(s string) any { return bson.Symbol(s) }),
		bson.TypeInt32:      rapid.Int32().AsAny(),
		bson.TypeTimestamp:  rapid.Map(rapid.Uint64(), func(n uint64) any { return bson.Timestamp{T: uint32(n >> 32), I: uint32(n)} }),
		bson.TypeInt64:      rapid.Int64().AsAny(),
	}
	randomLeaves = map[bson.Type]*rapid.Generator[any]{
		bson.TypeDouble:     rapid.Float64().AsAny(),
		bson.TypeBoolean:    rapid.Bool().AsAny(),
		bson.TypeDecimal128: rapid.Custom(drawDecimal),
	}
	neverEncrypted = map[bson.Type]any{
		bson.TypeNull: bson.Null{}, bson.TypeUndefined: bson.Undefined{}, bson.TypeMinKey: bson.MinKey{}, bson.TypeMaxKey: bson.MaxKey{},
	}
)

func drawBinary(t *rapid.T) bson.Binary {
	return bson.Binary{
		Subtype: rapid.SampledFrom([]byte{0, 1, 2, 3, 4, 5, 7, 8, 9, 0x80, 0xff}).Draw(t, "subtype"),
		Data:    rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "data"),
	}
}

func drawObjectID(t *rapid.T) bson.ObjectID {
	return bson.ObjectID(rapid.SliceOfN(rapid.Byte(), 12, 12).Draw(t, "oid"))
}

func drawRegex(t *rapid.T) any {
	return bson.Regex{Pattern: rapid.StringMatching(`[a-zü.*^$]{0,20}`).Draw(t, "pattern"), Options: rapid.StringMatching(`i?m?s?x?`).Draw(t, "options")}
}

func drawDBPointer(t *rapid.T) any {
	return bson.DBPointer{DB: rapid.String().Draw(t, "db"), Pointer: drawObjectID(t)}
}

func drawDecimal(t *rapid.T) any {
	return bson.NewDecimal128(rapid.Uint64().Draw(t, "high"), rapid.Uint64().Draw(t, "low"))
}

// drawAny draws a Go value for any BSON type, containers with at most depth levels.
func drawAny(t *rapid.T, depth int) any {
	var all []*rapid.Generator[any]
	for b := range 256 { // not over the maps, whose order changes
		typ := bson.Type(b)
		if g, ok := deterministicLeaves[typ]; ok {
			all = append(all, g)
		} else if g, ok := randomLeaves[typ]; ok {
			all = append(all, g)
		} else if v, ok := neverEncrypted[typ]; ok {
			all = append(all, rapid.Just(v))
		}
	}
	if depth > 0 {
		for _, typ := range containers {
			all = append(all, container(typ, depth))
		}
	}
	return rapid.OneOf(all...).Draw(t, "value")
}

var containers = []bson.Type{bson.TypeEmbeddedDocument, bson.TypeArray, bson.TypeCodeWithScope}

// container draws values of one container type.
func container(typ bson.Type, depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		doc, array := bson.D{}, bson.A{}
		for range rapid.IntRange(0, 4).Draw(t, "elements") {
			v := drawAny(t, depth-1)
			doc = append(doc, bson.E{Key: rapid.StringMatching(`[a-z.$ü]{0,6}`).Draw(t, "name"), Value: v})
			array = append(array, v)
		}
		switch typ {
		case bson.TypeArray:
			return array
		case bson.TypeCodeWithScope:
			return bson.CodeWithScope{Code: bson.JavaScript(rapid.String().Draw(t, "code")), Scope: doc}
		}
		return doc
	})
}

// generatorsFor returns one generator of Go values for each type that alg takes.
func generatorsFor(alg Algorithm) map[bson.Type]*rapid.Generator[any] {
	out := map[bson.Type]*rapid.Generator[any]{}
	for typ, g := range deterministicLeaves {
		out[typ] = g
	}
	if alg == Random {
		for typ, g := range randomLeaves {
			out[typ] = g
		}
		for _, typ := range containers {
			out[typ] = container(typ, 3)
		}
	}
	return out
}

func drawKeyID(t *rapid.T) KeyID {
	return KeyID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "key id"))
}

func drawKey(t *rapid.T) *Key {
	return keyOf(t, rapid.SliceOfN(rapid.Byte(), KeySize, KeySize).Draw(t, "key"))
}
