package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

var structKey = bson.Binary{Subtype: bson.TypeBinaryUUID, Data: []byte("aaaaaaaaaaaaaaaa")}

type (
	audit struct {
		Token string `fieldcrypt:"random"`
		Plain string
	}
	embedded struct {
		Email string `bson:"mail" fieldcrypt:"deterministic,keyid=2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e"`
		Name  string // hidden by the one of person
	}
	uuidLike [16]byte
	grade    int
	own      struct{ v string }
	ownDoc   struct{ audit }
	named    string
)

func (g grade) MarshalBSONValue() (byte, []byte, error) {
	t, data, err := bson.MarshalValue(fmt.Sprint(int(g)))
	return byte(t), data, err
}

func (o *own) MarshalBSONValue() (byte, []byte, error) {
	t, data, err := bson.MarshalValue(o.v)
	return byte(t), data, err
}

func (o ownDoc) MarshalBSON() ([]byte, error) { return bson.Marshal(bson.D{}) }

// What becomes of every kind of Go type.
type everything struct {
	Str       string          `fieldcrypt:"deterministic"`
	Named     named           `fieldcrypt:"deterministic"`
	I         int             `fieldcrypt:"random"`
	I16       int16           `fieldcrypt:"deterministic"`
	I64       int64           `bson:"i64" fieldcrypt:"deterministic"`
	Small     int64           `bson:"small,minsize" fieldcrypt:"random"`
	U8        uint8           `fieldcrypt:"deterministic"`
	U32       uint32          `fieldcrypt:"deterministic"`
	U         uint            `fieldcrypt:"deterministic"`
	For       time.Duration   `fieldcrypt:"deterministic"`
	F         float32         `fieldcrypt:"random"`
	B         bool            `fieldcrypt:"random"`
	When      time.Time       `fieldcrypt:"deterministic"`
	Bytes     []byte          `bson:",omitempty" fieldcrypt:"deterministic"`
	UUID      uuidLike        `fieldcrypt:"deterministic"`
	OID       bson.ObjectID   `fieldcrypt:"deterministic"`
	Bin       bson.Binary     `fieldcrypt:"deterministic"`
	Dec       bson.Decimal128 `fieldcrypt:"random"`
	Re        bson.Regex      `fieldcrypt:"deterministic"`
	TS        bson.Timestamp  `fieldcrypt:"deterministic"`
	URL       url.URL         `fieldcrypt:"deterministic"`
	D         bson.D          `bson:"d,omitempty" fieldcrypt:"random"`
	M         bson.M          `bson:"m,omitempty" fieldcrypt:"random"`
	A         bson.A          `bson:"a,omitempty" fieldcrypt:"random"`
	Raw       bson.Raw        `bson:"raw,omitempty" fieldcrypt:"random"`
	Strings   []string        `bson:",omitempty" fieldcrypt:"random"`
	Pair      [2]float64      `fieldcrypt:"random"`
	Doc       struct{ A int } `fieldcrypt:"random"`
	Ptr       **string        `bson:",omitempty" fieldcrypt:"deterministic"`
	Any       any             `bson:",omitempty" fieldcrypt:"random"`
	AnyString any             `bson:",omitempty" fieldcrypt:"deterministic,type=string"`
	JSON      json.Number     `fieldcrypt:"random"`
	Grade     grade           `fieldcrypt:"deterministic,type=string"`
	Own       own             `fieldcrypt:"random,type=string|int"`
	OwnDoc    struct{ plainDoc }
	Whole     plainDoc `fieldcrypt:"random"`
}

type plainDoc struct{ A int }

func (plainDoc) MarshalBSON() ([]byte, error) { return bson.Marshal(bson.D{}) }

func TestForTypes(t *testing.T) {
	doc, err := schema.For[everything](schema.ForOptions{KeyID: structKey})
	if err != nil {
		t.Fatal(err)
	}
	s, err := schema.Parse(doc, schema.Local)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range s.Fields() {
		got[f.Path] = f.Types.String()
	}
	want := map[string]string{
		"str": "string", "named": "string", "i": "int, long", "i16": "int", "i64": "long", "small": "int, long", "u8": "int", "u32": "long", "u": "long",
		"for": "long", "f": "double", "b": "bool", "when": "date", "bytes": "binData", "uuid": "binData", "oid": "objectId", "bin": "binData", "dec": "decimal",
		"re": "regex", "ts": "timestamp", "url": "string", "d": "object", "m": "object", "a": "array", "raw": "object", "strings": "array", "pair": "array",
		"doc": "object", "ptr": "string", "any": "", "anystring": "string", "json": "", "grade": "string", "own": "string, int", "whole": "object",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

type person struct {
	embedded `bson:",inline"` // not exported, so that the driver does not store it: see below
}

type Embedded embedded

type nested struct {
	Embedded `bson:",inline"`
	Name     string
	Tenant   string  `bson:"tenantKey"`
	Phone    *string `bson:"phone,omitempty" fieldcrypt:"random,key=/tenantKey"`
	Address  *struct {
		Street string `bson:"street" fieldcrypt:"random"`
		City   string
	} `bson:"address"`
	ByYear  map[string]audit
	Extra   map[string]audit `bson:",inline"`
	Skipped string           `bson:"-"`
	Tree    *tree            // recursive, but without tags
	Audit   audit
}

type tree struct {
	Left, Right *tree
	Value       int
}

func TestForStructure(t *testing.T) {
	got, err := schema.For[*nested](schema.ForOptions{KeyID: structKey})
	if err != nil {
		t.Fatal(err)
	}
	random := `"algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"`
	key := `"keyId": [{"$binary": {"base64": "YWFhYWFhYWFhYWFhYWFhYQ==", "subType": "04"}}]`
	token := `{"bsonType": "object", "properties": {"token": {"encrypt": {"bsonType": "string", ` + random + `, ` + key + `}}}}`
	want := document(t, `{"bsonType": "object", "properties": {
		"mail": {"encrypt": {"bsonType": "string", "algorithm": @det, "keyId": [{"$uuid": "2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e"}]}},
		"phone": {"encrypt": {"bsonType": "string", `+random+`, "keyId": "/tenantKey"}},
		"address": {"bsonType": "object", "properties": {"street": {"encrypt": {"bsonType": "string", `+random+`, `+key+`}}}},
		"byyear": {"bsonType": "object", "additionalProperties": `+token+`},
		"audit": `+token+`,
		"name": {}, "tenantKey": {}, "tree": {}},
		"additionalProperties": `+token+`}`)
	if diff := cmp.Diff(want.String(), got.String()); diff != "" {
		t.Error(diff)
	}
}

type endless struct {
	Next *endless
	SSN  string `fieldcrypt:"random"`
}

type endlessInline struct {
	Self *endlessInline `bson:",inline"`
	SSN  string         `fieldcrypt:"random"`
}

// Each mistake is an error that names the field.
func TestForMistakes(t *testing.T) {
	for _, tt := range []struct {
		of             any
		field, message string
	}{
		{struct {
			A int `fieldcrypt:"deterministic"`
		}{}, "A", "writes a int as int or long, by value"},
		{struct {
			A int64 `bson:",minsize" fieldcrypt:"deterministic"`
		}{}, "A", "int or long"},
		{struct {
			A struct{ B int64 } `bson:",minsize"`
			C struct {
				D struct {
					E uint32 `fieldcrypt:"deterministic"`
				}
			} `bson:",minsize"`
		}{}, "C.D.E", "int or long"},
		{struct {
			A float64 `fieldcrypt:"deterministic"`
		}{}, "A", "written as double, which the deterministic algorithm does not take"},
		{struct {
			A bool `fieldcrypt:"deterministic"`
		}{}, "A", "written as bool"},
		{struct {
			A []string `bson:",omitempty" fieldcrypt:"deterministic"`
		}{}, "A", "written as array"},
		{struct {
			A bson.Null `fieldcrypt:"random"`
		}{}, "A", "written as null"},
		{struct {
			A bson.MinKey `fieldcrypt:"random"`
		}{}, "A", "written as minKey"},
		{struct {
			A any `bson:",omitempty" fieldcrypt:"deterministic"`
		}{}, "A", "does not tell the BSON type"},
		{struct {
			A grade `fieldcrypt:"random"`
		}{}, "A", "BSON encoding of its own"},
		{struct {
			A *own `bson:",omitempty" fieldcrypt:"random"`
		}{}, "A", "BSON encoding of its own"},
		{struct {
			A string `fieldcrypt:"random,type=int"`
		}{}, "A", "writes a string as string, the tag says int"},
		{struct {
			A any `bson:",omitempty" fieldcrypt:"random,type=number"`
		}{}, "A", `unknown BSON type "number"`},
		{struct {
			A any `bson:",omitempty" fieldcrypt:"deterministic,type=int|long"`
		}{}, "A", "needs one BSON type"},
		{struct {
			A *string `fieldcrypt:"random"`
		}{}, "A", "nil would be written as null"},
		{struct {
			A []byte `fieldcrypt:"random"`
		}{}, "A", "nil would be written as null"},
		{struct {
			A chan int `fieldcrypt:"random"`
		}{}, "A", "cannot store a chan int"},
		{struct {
			A string `fieldcrypt:"randon"`
		}{}, "A", `begins with "randon"`},
		{struct {
			A string `fieldcrypt:""`
		}{}, "A", "is empty"},
		{struct {
			A string `fieldcrypt:"random,kid=1"`
		}{}, "A", `unknown option "kid"`},
		{struct {
			A string `fieldcrypt:"random,key=/b,key=/b"`
			B string
		}{}, "A", `has "key" twice`},
		{struct {
			A string `fieldcrypt:"random,keyid=1"`
		}{}, "A", "expected a UUID"},
		{struct {
			A string `fieldcrypt:"random,key=b"`
			B string
		}{}, "A", "must begin with '/'"},
		{struct {
			A string `fieldcrypt:"random,key=/b"`
		}{}, "A", `no field of struct`},
		{struct {
			A string `fieldcrypt:"random,key=/b"`
			B int32
		}{}, "A", "the field B is written as int"},
		{struct {
			A string `fieldcrypt:"deterministic,key=/b"`
			B string
		}{}, "A", "key that each document names"},
		{struct {
			A string `fieldcrypt:"random,key=/b,keyid=2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e"`
			B string
		}{}, "A", "both key and keyid"},
		{struct {
			A audit `fieldcrypt:"random"`
		}{}, "A", "tagged fields inside it"},
		{struct{ A []audit }{}, "A", "elements of arrays"},
		{struct{ A map[string][1]audit }{}, "A", "elements of arrays"},
		{struct{ A struct{ B ownDoc } }{}, "A.B", "BSON encoding of its own"},
		{struct {
			a string `fieldcrypt:"random"`
		}{}, "a", "does not store it"},
		{person{}, "embedded", "does not store it"},
		{struct {
			A string `bson:"-" fieldcrypt:"random"`
		}{}, "A", "does not store it"},
		{struct {
			A audit `bson:",inline" fieldcrypt:"random"`
		}{}, "A", "no field of its own"},
		{struct {
			A int `bson:",inline"`
			B audit
		}{}, "A", "the driver refuses it"},
		{struct {
			A string `bson:"x.y" fieldcrypt:"random"`
		}{}, "A", "holds a dot"},
		{struct {
			A     audit `bson:",inline"`
			Token string
		}{}, "A.Token", "hides it"},
		{struct {
			A, B audit `bson:",inline"`
		}{}, "B.Token", "the driver refuses it"},
		{endless{}, "Next", "contains itself"},
		{endlessInline{}, "Self", "contains itself inline"},
		{struct{ A string }{}, "", "no field has the tag"},
		{"", "", "not those of a struct"},
		{time.Time{}, "", "not those of a struct"},
		{ownDoc{}, "", "not those of a struct"},
	} {
		_, err := schema.ForType(reflect.TypeOf(tt.of), schema.ForOptions{KeyID: structKey})
		var bad *schema.FieldError
		if !errors.As(err, &bad) || bad.Field != tt.field || !strings.Contains(bad.Message, tt.message) || bad.Hint == "" {
			t.Errorf("%T: got %v, want field %q and %q", tt.of, err, tt.field, tt.message)
		}
	}
}

// A tag that reflection does not see, so that the field would stay in clear, is an error; what only looks like one is none.
func TestForMisspeltTags(t *testing.T) {
	for tag, bad := range map[string]bool{
		`fieldcrypt:"random"`: false, `bson:"fieldcrypt"`: false, `bson:"fieldcrypt_version" json:"x"`: false, `bson:"x"fieldcrypt:"random"`: false, `json:"fieldcrypt:x"`: false,
		`fieldcrypt: "random"`: true, `fieldcrypt"random"`: true, `fieldcrypt="random"`: true, `FieldCrypt:"random"`: true, `bson: "ssn" fieldcrypt:"random"`: true,
		`json:ssn fieldcrypt:"random"`: true, `bson:"ssn", fieldcrypt:"random"`: true, `bson:"ssn";fieldcrypt:"random"`: true,
	} {
		field := reflect.StructField{Name: "B", Type: reflect.TypeFor[string](), Tag: reflect.StructTag(tag)}
		other := reflect.StructField{Name: "A", Type: reflect.TypeFor[string](), Tag: `fieldcrypt:"random"`}
		_, err := schema.ForType(reflect.StructOf([]reflect.StructField{other, field}), schema.ForOptions{KeyID: structKey})
		if bad != (err != nil) || bad && !strings.Contains(err.Error(), "field B: its tag 'fieldcrypt' cannot be read") {
			t.Errorf("%s: %v", tag, err)
		}
		elements := reflect.StructField{Name: "B", Type: reflect.SliceOf(reflect.StructOf([]reflect.StructField{field}))}
		if _, err = schema.ForType(reflect.StructOf([]reflect.StructField{other, elements}), schema.ForOptions{KeyID: structKey}); bad && err == nil {
			t.Errorf("in an array, %s: %v", tag, err)
		}
	}
}

// All mistakes are told at once.
func TestForTellsAll(t *testing.T) {
	type many struct {
		A int      `fieldcrypt:"deterministic"`
		B *float64 `fieldcrypt:"deterministic"`
		C string   `fieldcrypt:"random"`
	}
	_, err := schema.For[many](schema.ForOptions{})
	for _, want := range []string{"field A: the driver", "field A: it has no key", "field B: nil", "field B: a *float64 is written as double", "field C: it has no key"} {
		if err == nil || !strings.Contains(err.Error(), "encryption schema of schema_test.many: "+want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	_, err = schema.For[many](schema.ForOptions{KeyID: bson.Binary{Data: []byte{1}}})
	if err == nil || !strings.Contains(err.Error(), "option KeyID: ") {
		t.Errorf("got %v", err)
	}
	if _, err := payload.KeyIDFromBinary(structKey); err != nil {
		t.Error(err)
	}
}
