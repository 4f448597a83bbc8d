package spec

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// A harness that accepts everything proves nothing.
func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		want, got string // of the field v; "" is an absent one
		ok        bool
	}{
		{`{"v": 1}`, `{"v": {"$numberLong": "1"}}`, true},
		{`{"v": 1}`, `{"v": 1.5}`, false},
		{`{"v": 1}`, `{"v": "1"}`, false},
		{`{"v": 1}`, `{}`, false},
		{`{"v": null}`, `{"v": null}`, true},
		{`{"v": null}`, `{}`, false},
		{`{}`, `{"more": 1}`, true},
		{`{"v": {}}`, `{"v": {"more": 1}}`, false},
		{`{"v": {}}`, `{"v": {"multi": false}}`, false},
		{`{"v": {"a": 1, "b": 2}}`, `{"v": {"b": 2, "a": 1}}`, true},
		{`{"v": [1, 2]}`, `{"v": [2, 1]}`, false},
		{`{"v": [1]}`, `{"v": [1, 1]}`, false},
		{`{"v": {"$binary": {"base64": "AQ==", "subType": "06"}}}`, `{"v": {"$binary": {"base64": "AQ==", "subType": "00"}}}`, false},
		{`{"v": {"$$type": "binData"}}`, `{"v": {"$binary": {"base64": "AQ==", "subType": "06"}}}`, true},
		{`{"v": {"$$type": ["int", "long"]}}`, `{"v": {"$numberLong": "1"}}`, true},
		{`{"v": {"$$type": "binData"}}`, `{"v": "x"}`, false},
		{`{"v": {"$$type": "binData"}}`, `{}`, false},
		{`{"v": {"$$exists": false}}`, `{}`, true},
		{`{"v": {"$$exists": false}}`, `{"v": null}`, false},
		{`{"v": {"$$exists": true}}`, `{}`, false},
		{`{"v": {"$$unsetOrMatches": 1}}`, `{}`, true},
		{`{"v": {"$$unsetOrMatches": 1}}`, `{"v": 2}`, false},
		{`{"v": {"$$unheardOf": 1}}`, `{"v": 1}`, false},
	} {
		err := unified.root(fromJSON(t, tc.want), fromJSON(t, tc.got))
		if (err == nil) != tc.ok {
			t.Errorf("%s matches %s: %v, want %t", tc.got, tc.want, err, tc.ok)
		}
	}
	if err := legacy.exact(fromJSON(t, `{"u": {}}`), fromJSON(t, `{"u": {"multi": false, "upsert": false}}`)); err != nil {
		t.Error(err)
	}
	if legacy.exact(fromJSON(t, `{}`), fromJSON(t, `{"more": 1}`)) == nil {
		t.Error("more than expected is accepted where it must be exact")
	}
}

func TestMatchEvents(t *testing.T) {
	find := started{"find", "db", fromJSON(t, `{"find": "c", "filter": {"a": 1}, "lsid": 1}`).Document()}
	is := func(command string) expectedEvent {
		return expectedEvent{"find", "db", fromJSON(t, command).Document()}
	}
	for name, tc := range map[string]struct {
		want []expectedEvent
		got  []started
		ok   bool
	}{
		"same":           {[]expectedEvent{is(`{"find": "c", "filter": {"a": 1}}`)}, []started{find}, true},
		"another filter": {[]expectedEvent{is(`{"find": "c", "filter": {"a": 2}}`)}, []started{find}, false},
		"one more":       {nil, []started{find}, false},
		"one less":       {[]expectedEvent{{}, {}}, []started{find}, false},
		"another name":   {[]expectedEvent{{Name: "insert"}}, []started{find}, false},
		"another db":     {[]expectedEvent{{DB: "other"}}, []started{find}, false},
	} {
		if err := unified.matchEvents(tc.want, tc.got); (err == nil) != tc.ok {
			t.Errorf("%s: %v, want %t", name, err, tc.ok)
		}
	}
}

func fromJSON(t *testing.T, text string) bson.RawValue {
	t.Helper()
	var doc bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(text), false, &doc); err != nil {
		t.Fatal(err)
	}
	return bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}
}
