package kmsconfig_test

import (
	"errors"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
)

func doc(t testing.TB, pairs ...any) bson.Raw {
	t.Helper()
	d := bson.D{}
	for i := 0; i < len(pairs); i += 2 {
		d = append(d, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// read reads a document of three fields.
func read(doc bson.Raw) (text string, boolean bool, number int32, err error) {
	err = kmsconfig.Read(doc, "aws masterKey", []kmsconfig.Field{
		{Name: "text", Text: &text, Required: true},
		{Name: "bool", Bool: &boolean},
		{Name: "value", Value: func(v bson.RawValue) error {
			var ok bool
			if number, ok = v.Int32OK(); !ok {
				return errors.New("must be a number")
			}
			return nil
		}},
	})
	return text, boolean, number, err
}

func TestRead(t *testing.T) {
	raw := doc(t, "value", int32(7), "bool", true, "text", "a")
	text, boolean, number, err := read(raw)
	clear(raw) // as the callers do
	if text != "a" || !boolean || number != 7 || err != nil {
		t.Errorf("got %q, %v, %d, %v", text, boolean, number, err)
	}
	if err := kmsconfig.Read(nil, "x", []kmsconfig.Field{{Name: "a", Text: &text}}); err != nil {
		t.Errorf("nil: %v", err)
	}
}

func TestReadErrors(t *testing.T) {
	const canary = "CANARY"
	for name, tt := range map[string]struct {
		doc  bson.Raw
		want string
	}{
		"nil":           {nil, `aws masterKey: field "text" is required`},
		"missing":       {doc(t, "bool", false), `aws masterKey: field "text" is required`},
		"empty":         {doc(t, "text", ""), `aws masterKey: field "text" is empty`},
		"not text":      {doc(t, "text", []byte(canary)), `aws masterKey: field "text" must be text, got binary`},
		"null":          {doc(t, "text", nil), `aws masterKey: field "text" must be text, got null`},
		"not a boolean": {doc(t, "bool", canary), `aws masterKey: field "bool" must be a boolean, got string`},
		"not a value":   {doc(t, "value", canary), `aws masterKey: field "value" must be a number`},
		"twice":         {doc(t, "text", canary, "text", canary), `aws masterKey: field "text" is given twice`},
		"bool twice":    {doc(t, "bool", false, "bool", false), `aws masterKey: field "bool" is given twice`},
		"unknown":       {doc(t, "Text", canary), "unexpected field: 'Text' in the aws masterKey, expected text, bool, value"},
		"long":          {doc(t, "a\nb"+strings.Repeat("x", 1<<16), canary), `unexpected field: 'a\nbx`},
		"malformed":     {bson.Raw{1, 2}, "aws masterKey: malformed BSON"},
		"cut":           {doc(t, "text", canary)[:12], "aws masterKey: malformed BSON"},
	} {
		_, _, _, err := read(tt.doc)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), canary) || len(err.Error()) > 200 {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

func TestDocument(t *testing.T) {
	for want, pairs := range map[string][]string{
		`{}`:                       nil,
		`{"b": "1","a": "2"}`:      {"b", "1", "a", "2"},
		`{"b": "1","c": "3 \" é"}`: {"b", "1", "a", "", "c", `3 " é`},
	} {
		if got := kmsconfig.Document(pairs...); got.String() != want || got.Validate() != nil {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(doc(f, "text", "a", "bool", true)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if text, _, _, err := read(raw); err == nil && text == "" {
			t.Error("a required text is empty")
		}
	})
}
