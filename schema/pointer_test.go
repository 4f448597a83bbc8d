package schema_test

import (
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// The document of RFC 6901, section 5, and more to go down into.
const pointed = `{"foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, "k\"l": 6, " ": 7, "m~n": 8,
	"list": [{"name": "x", "0": "y"}], "~1": "escaped", "twice": "first", "twice": "second"}`

func TestResolvePointer(t *testing.T) {
	doc := document(t, pointed)
	for pointer, want := range map[string]any{
		"/foo/0": "bar", "/": int32(0), "/a~1b": int32(1), "/c%d": int32(2), "/e^f": int32(3), "/g|h": int32(4),
		"/i\\j": int32(5), "/k\"l": int32(6), "/ ": int32(7), "/m~0n": int32(8),
		"/list/0/name": "x", "/list/0/0": "y", "/~01": "escaped", "/twice": "first",
	} {
		got, err := schema.ResolvePointer(doc, pointer)
		if err != nil {
			t.Errorf("%s: %v", pointer, err)
			continue
		}
		var value any
		if err := got.Unmarshal(&value); err != nil || value != want {
			t.Errorf("%s: got %v (%v), want %v", pointer, value, err, want)
		}
	}
}

func TestResolvePointerRefusals(t *testing.T) {
	doc := document(t, pointed)
	for _, test := range []struct {
		pointer string
		missing bool
		code    int
	}{
		{"", false, 51064},
		{"foo", false, 51065},
		{"/foo~", false, 51063},
		{"/foo~2", false, 51063},
		{strings.Repeat("/x", 201), false, 51067},
		{"/none", true, 0},
		{"/foo/2", true, 0},
		{"/foo/-", true, 0},
		{"/foo/00", true, 0},
		{"/foo/-1", true, 0},
		{"/foo/+1", true, 0},
		{"/foo/99999999999999999999", true, 0},
		{"/foo/bar", true, 0},
		{"/foo/0/x", true, 0},
		{"/list/name", true, 0},
	} {
		_, err := schema.ResolvePointer(doc, test.pointer)
		var fault *schema.PointerError
		if !errors.As(err, &fault) || fault.Missing != test.missing || fault.Code != test.code || fault.Pointer != test.pointer {
			t.Errorf("%q: got %#v", test.pointer, err)
			continue
		}
		if strings.Contains(err.Error(), "baz") {
			t.Errorf("%q: the error tells a value: %v", test.pointer, err)
		}
	}
	if _, err := schema.ResolvePointer(doc[:len(doc)-2], "/list"); err == nil {
		t.Error("malformed BSON passes")
	}
	if _, err := schema.ResolvePointer(nil, "/a"); err == nil {
		t.Error("no BSON at all passes")
	}
}

func FuzzResolvePointer(f *testing.F) {
	f.Add([]byte(document(f, pointed)), "/list/0/name")
	f.Add([]byte{5, 0, 0, 0, 0}, "/~01/0")
	f.Fuzz(func(t *testing.T, doc []byte, pointer string) {
		if v, err := schema.ResolvePointer(bson.Raw(doc), pointer); err == nil && v.Type == 0 {
			t.Error("neither value nor error")
		}
	})
}
