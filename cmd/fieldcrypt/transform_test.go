package main

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// What a ciphertext held need not fit into Extended JSON. It is not written as something else.
func TestExtendedJSONChangesNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		value any
		fits  bool
	}{
		"text":          {"\u2028é\x00", true},
		"minus zero":    {math.Copysign(0, -1), true},
		"no number":     {bson.A{math.Float64frombits(0xfff8000000000000)}, true}, // one of many
		"one more":      {bson.A{math.Float64frombits(0xfff8000000000000), "\xff"}, false},
		"no UTF-8":      {"\xff" + canary, false},
		"like an id":    {bson.D{{Key: "$oid", Value: strings.Repeat("0", 24)}}, false},
		"like a number": {bson.D{{Key: "$numberInt", Value: "5"}}, false},
		"like a date":   {bson.D{{Key: "$date", Value: "2020"}}, false},
		"a reference":   {bson.D{{Key: "$ref", Value: "c"}, {Key: "$id", Value: 1}}, true},
	} {
		doc, err := bson.Marshal(bson.D{{Key: "v", Value: tt.value}})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		tr := &transform{change: func(context.Context, bson.Raw) (bson.Raw, error) { return doc, nil }}
		err = tr.stream(t.Context(), strings.NewReader("{}"), 0, &out)
		var f *failure
		if tt.fits != (err == nil) || !tt.fits && (!errors.As(err, &f) || f.code != exitRefused || out.Len() > 0 || strings.Contains(f.Error(), canary)) {
			t.Errorf("%s: %v, written: %s", name, err, out.Bytes())
		}
	}
}
