package schema_test

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// leaf is a Go type that may be encrypted.
type leaf struct {
	typ     reflect.Type
	det     bool // deterministically too
	options string
}

var leaves = []leaf{
	{reflect.TypeFor[string](), true, ""}, {reflect.TypeFor[named](), true, ""}, {reflect.TypeFor[*string](), true, ""},
	{reflect.TypeFor[int](), false, ""}, {reflect.TypeFor[int8](), true, ""}, {reflect.TypeFor[int32](), true, ""}, {reflect.TypeFor[int64](), true, ""},
	{reflect.TypeFor[uint16](), true, ""}, {reflect.TypeFor[uint32](), true, ""}, {reflect.TypeFor[uint64](), true, ""}, {reflect.TypeFor[*int](), false, ""},
	{reflect.TypeFor[float32](), false, ""}, {reflect.TypeFor[float64](), false, ""}, {reflect.TypeFor[bool](), false, ""},
	{reflect.TypeFor[time.Time](), true, ""}, {reflect.TypeFor[time.Duration](), true, ""}, {reflect.TypeFor[[]byte](), true, ""},
	{reflect.TypeFor[uuidLike](), true, ""}, {reflect.TypeFor[bson.ObjectID](), true, ""}, {reflect.TypeFor[bson.Decimal128](), false, ""},
	{reflect.TypeFor[[]int](), false, ""}, {reflect.TypeFor[[3]string](), false, ""}, {reflect.TypeFor[map[string]int64](), false, ""},
	{reflect.TypeFor[struct{ A, B int }](), false, ""}, {reflect.TypeFor[*struct{ A []string }](), false, ""},
	{reflect.TypeFor[grade](), true, ",type=string"}, {reflect.TypeFor[any](), false, ""}, {reflect.TypeFor[any](), false, ",type=string|long"},
	{reflect.TypeFor[any](), true, ",type=string"},
}

// drawStruct draws a struct type with encrypted fields, plain ones, and structs with both.
func drawStruct(t *rapid.T, depth int) reflect.Type {
	var fields []reflect.StructField
	add := func(typ reflect.Type, tag string) {
		name := fmt.Sprintf("F%d", len(fields))
		fields = append(fields, reflect.StructField{Name: name, Type: typ, Tag: reflect.StructTag(tag)})
	}
	for range rapid.IntRange(1, 5).Draw(t, "encrypted") {
		l := rapid.SampledFrom(leaves).Draw(t, "leaf")
		algorithm := "random"
		if l.det && rapid.Bool().Draw(t, "deterministic") {
			algorithm = "deterministic"
		}
		minsize := ""
		if algorithm == "random" && rapid.Bool().Draw(t, "minsize") {
			minsize = ",minsize"
		}
		add(l.typ, fmt.Sprintf(`bson:",omitempty%s" fieldcrypt:"%s%s"`, minsize, algorithm, l.options))
	}
	for range rapid.IntRange(0, 3).Draw(t, "plain") {
		add(rapid.SampledFrom(leaves).Draw(t, "plain leaf").typ, "")
	}
	if depth == 0 {
		return reflect.StructOf(fields)
	}
	for range rapid.IntRange(0, 2).Draw(t, "nested") {
		in := drawStruct(t, depth-1)
		switch rapid.IntRange(0, 3).Draw(t, "how") {
		case 0:
			add(in, "")
		case 1:
			add(reflect.PointerTo(in), "")
		case 2:
			add(reflect.MapOf(reflect.TypeFor[string](), in), "")
		case 3: // its fields would have the names of those around it
			in = reflect.StructOf([]reflect.StructField{{Name: fmt.Sprintf("In%d%d", depth, len(fields)), Type: in}})
			add(in, `bson:",inline"`)
		}
	}
	return reflect.StructOf(fields)
}

// fill draws a value of any of the types above.
func fill(t *rapid.T, v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.UnixMilli(rapid.Int64Range(0, 1e13).Draw(t, "time")).UTC()))
		return
	case bson.Decimal128:
		v.Set(reflect.ValueOf(bson.NewDecimal128(0x3040000000000000, rapid.Uint64().Draw(t, "decimal"))))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.StringMatching("[a-z]{0,8}").Draw(t, "string"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int8, reflect.Int32, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "int") >> rapid.SampledFrom([]int{0, 40, 63}).Draw(t, "shift"))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(t, "uint") >> rapid.SampledFrom([]int{1, 40, 63}).Draw(t, "shift"))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(rapid.IntRange(-9, 9).Draw(t, "float")) / 2)
	case reflect.Interface:
		switch rapid.IntRange(0, 2).Draw(t, "any") {
		case 0:
			v.Set(reflect.ValueOf(rapid.StringMatching("[a-z]{0,3}").Draw(t, "any string")))
		case 1:
			v.Set(reflect.ValueOf("0"))
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "set") {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem())
		}
	case reflect.Slice:
		if n := rapid.IntRange(-1, 2).Draw(t, "length"); n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			fillAll(t, v)
		}
	case reflect.Array:
		fillAll(t, v)
	case reflect.Map:
		if n := rapid.IntRange(-1, 2).Draw(t, "entries"); n >= 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for i := range n {
				value := reflect.New(v.Type().Elem()).Elem()
				fill(t, value)
				v.SetMapIndex(reflect.ValueOf(fmt.Sprintf("k%d", i)), value)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	}
}

func fillAll(t *rapid.T, v reflect.Value) {
	for i := range v.Len() {
		fill(t, v.Index(i))
	}
}

// Whatever the driver writes of a struct has, at each path, the BSON type that its schema says; it is encrypted there and nowhere else, and comes back
// as it was.
func TestForSaysWhatTheDriverWrites(t *testing.T) {
	vault := keyvault.NewMemoryStore()
	kms := map[string]map[string]any{"local": {"key": bytes.Repeat([]byte{7}, 96)}}
	ce, err := fieldcrypt.NewClientEncryption(nil, fieldcrypt.ClientEncryptionOptions{KeyVault: vault, KmsProviders: kms})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ce.CreateDataKey(t.Context(), "local", fieldcrypt.DataKeyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	sealed := 0
	rapid.Check(t, func(rt *rapid.T) {
		typ := drawStruct(rt, 2)
		doc, err := schema.ForType(typ, schema.ForOptions{KeyID: key})
		if err != nil {
			rt.Fatalf("%v: %v", typ, err)
		}
		s, err := schema.Parse(doc, schema.Local)
		if err != nil {
			rt.Fatal(err)
		}
		value := reflect.New(typ).Elem()
		fill(rt, value)
		plain, err := bson.Marshal(value.Interface())
		if err != nil {
			rt.Fatalf("%v: %v", typ, err)
		}
		engine, err := fieldcrypt.NewAutoEncryption(fieldcrypt.AutoEncryptionOptions{KmsProviders: kms, SchemaMap: map[string]any{"d.c": doc}}, vault, nil)
		if err != nil {
			rt.Fatal(err)
		}
		defer engine.Close()
		cmd, err := bson.Marshal(bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.Raw(plain)}}})
		if err != nil {
			rt.Fatal(err)
		}
		sent, err := engine.Encrypt(t.Context(), "d", cmd)
		if err != nil {
			rt.Fatalf("%v: %v\nschema %v", typ, err, doc)
		}
		stored := sent.Lookup("documents", "0").Document()
		sealed += compare(rt, s.Root(), plain, stored)
		opened, err := engine.Decrypt(t.Context(), stored)
		if err != nil || !bytes.Equal(opened, plain) {
			rt.Fatalf("%v: not the same again: %v", typ, err)
		}
	})
	if sealed == 0 {
		t.Error("nothing was encrypted")
	}
}

// compare counts the encrypted values.
func compare(t *rapid.T, at *schema.Node, plain, stored bson.Raw) (sealed int) {
	before, err := plain.Elements()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range before {
		child, err := at.Child(e.Key())
		if err != nil {
			t.Fatal(err)
		}
		was, is := e.Value(), stored.Lookup(e.Key())
		subtype, _, binary := is.BinaryOK()
		field := child.Encrypted()
		switch {
		case field == nil && child.Encrypts() && was.Type == bson.TypeEmbeddedDocument:
			sealed += compare(t, child, was.Document(), is.Document())
		case field == nil && !was.Equal(is):
			t.Fatalf("the plain field %s changed", e.Key())
		case field == nil:
		case !binary || subtype != 6:
			t.Fatalf("%s is stored as %s, in clear", field.Path, is.Type)
		case field.Types != 0 && !field.Types.Has(was.Type):
			t.Fatalf("%s is written as %s, its schema says %s", field.Path, was.Type, field.Types)
		default:
			sealed++
		}
	}
	return sealed
}
