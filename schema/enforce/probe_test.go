package enforce_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/mockmongo"
	"github.com/fieldcrypt/fieldcrypt/schema/enforce"
)

func verdicts(r *enforce.ProbeReport) string {
	var all []string
	for _, f := range r.Fields {
		all = append(all, f.Path+" "+string(f.Verdict))
	}
	return strings.Join(all, ", ")
}

func each(v enforce.Verdict) string {
	return strings.ReplaceAll("ssn V, salary V, home.street V, /^tmp_/ V", "V", string(v))
}

// Servers that enforce and servers that do not, by both methods; nothing stays behind.
func TestProbe(t *testing.T) {
	whole := bson.E{Key: "validator", Value: document(t, `{"$jsonSchema": `+employees+`}`)}
	approximate := bson.E{Key: "validator", Value: document(t, `{"$jsonSchema": {"bsonType": "object", "properties": {"ssn": {"bsonType": "binData"}, "salary": {"bsonType": "binData"}}}}`)}
	strictly := `{"$jsonSchema": {"required": ["name"], ` + employees[1:] + `}`
	for _, tt := range []struct {
		name    string
		server  mockmongo.Options
		options bson.D
		probe   enforce.ProbeOptions
		want    string
		reason  string // of the first field
	}{
		{"enforced", mockmongo.Options{Enforce: true}, bson.D{whole}, enforce.ProbeOptions{}, each(enforce.Enforced), ""},
		{"kept only", mockmongo.Options{}, bson.D{whole}, enforce.ProbeOptions{}, each(enforce.NotEnforced), "the server took plaintext"},
		{"no validator", mockmongo.Options{Enforce: true}, nil, enforce.ProbeOptions{Schema: document(t, employees)}, each(enforce.NotEnforced), "no validator"},
		{"off", mockmongo.Options{Enforce: true}, bson.D{whole, {Key: "validationLevel", Value: "off"}}, enforce.ProbeOptions{}, each(enforce.NotEnforced), "validationLevel is off"},
		{"warn", mockmongo.Options{Enforce: true}, bson.D{whole, {Key: "validationAction", Value: "warn"}}, enforce.ProbeOptions{}, each(enforce.NotEnforced), "validationAction is warn"},
		{"moderate", mockmongo.Options{Enforce: true}, bson.D{whole, {Key: "validationLevel", Value: "moderate"}}, enforce.ProbeOptions{}, each(enforce.Enforced), "validationLevel is moderate"},
		{"approximated", mockmongo.Options{Enforce: true}, bson.D{approximate}, enforce.ProbeOptions{Schema: document(t, employees)},
			"ssn enforced, salary enforced, home.street not-enforced, /^tmp_/ not-enforced", ""},
		{"approximated, any type", mockmongo.Options{Enforce: true}, bson.D{{Key: "validator", Value: document(t, `{"$jsonSchema": {"bsonType": "object", "properties": {
			"ssn": {"bsonType": "binData"}, "salary": {"bsonType": "binData"}, "home": {"bsonType": "object", "properties": {"street": {"bsonType": "binData"}}}},
			"patternProperties": {"^tmp_": {"bsonType": "binData"}}}}`)}}, enforce.ProbeOptions{Schema: document(t, employees)},
			"ssn enforced, salary enforced, home.street not-enforced, /^tmp_/ enforced", ""},
		{"other conditions", mockmongo.Options{Enforce: true}, bson.D{{Key: "validator", Value: document(t, strictly)}}, enforce.ProbeOptions{}, each(enforce.Enforced), "without the validator's other conditions"},
		{"conditions met", mockmongo.Options{Enforce: true}, bson.D{{Key: "validator", Value: document(t, strictly)}}, enforce.ProbeOptions{Document: document(t, `{"name": "x"}`)}, each(enforce.Enforced), ""},
		{"transaction", mockmongo.Options{Enforce: true, Transactions: true}, bson.D{whole}, enforce.ProbeOptions{Transaction: true}, each(enforce.Enforced), ""},
		{"transaction, kept only", mockmongo.Options{Transactions: true}, bson.D{whole}, enforce.ProbeOptions{Transaction: true}, each(enforce.NotEnforced), "the server took"},
		{"transaction, other conditions", mockmongo.Options{Enforce: true, Transactions: true}, bson.D{{Key: "validator", Value: document(t, strictly)}}, enforce.ProbeOptions{Transaction: true}, each(enforce.Undecided), "refuses a document of ciphertexts too"},
	} {
		s, client := start(t, tt.server)
		s.Put("hr.employees", tt.options)
		r, err := enforce.Probe(t.Context(), client, "hr.employees", tt.probe)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, verdicts(r)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if r.Enforced() != (tt.want == each(enforce.Enforced)) {
			t.Errorf("%s: Enforced says %v", tt.name, r.Enforced())
		}
		if reason := r.Fields[0].Reason; !strings.Contains(reason, tt.reason) || tt.reason == "" && reason != "" {
			t.Errorf("%s: got %q, want %q", tt.name, reason, tt.reason)
		}
		if diff := cmp.Diff(map[string]int{"hr.employees": 0}, s.Collections()); diff != "" {
			t.Errorf("%s: left behind: %s", tt.name, diff)
		}
	}
}

// Whatever goes wrong, the canary is removed, or it is said that it could not be.
func TestProbeRemovesItsTraces(t *testing.T) {
	whole := bson.D{{Key: "validator", Value: document(t, `{"$jsonSchema": `+employees+`}`)}}
	refuses := func(name string) func(bson.Raw) bson.D {
		return func(cmd bson.Raw) bson.D {
			if first, _ := cmd.IndexErr(0); first.Key() != name {
				return nil
			}
			return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: int32(13)}, {Key: "codeName", Value: "Unauthorized"}, {Key: "errmsg", Value: "not authorized to " + name}}
		}
	}
	for _, tt := range []struct {
		name   string
		server mockmongo.Options
		probe  enforce.ProbeOptions
		fault  string
		left   bool
		stays  int // collections
	}{
		{"no right to drop", mockmongo.Options{Enforce: true, Intercept: refuses("drop")}, enforce.ProbeOptions{}, "was left behind", true, 2},
		{"no right to create", mockmongo.Options{Enforce: true, Intercept: refuses("create")}, enforce.ProbeOptions{}, "making the scratch collection", false, 1},
		{"no right to insert", mockmongo.Options{Enforce: true, Intercept: refuses("insert")}, enforce.ProbeOptions{}, "writing a document of ciphertexts", false, 1},
		{"encrypt unknown", mockmongo.Options{Enforce: true, NoEncrypt: true}, enforce.ProbeOptions{}, "does not know the keyword encrypt", false, 1},
		{"no transactions", mockmongo.Options{}, enforce.ProbeOptions{Transaction: true}, "no transactions", false, 1},
		{"aborts are ignored", mockmongo.Options{Transactions: true, KeepAborted: true}, enforce.ProbeOptions{Transaction: true}, "the canary was deleted", false, 1},
		{"aborts are ignored, no right to delete", mockmongo.Options{Transactions: true, KeepAborted: true, Intercept: refuses("delete")}, enforce.ProbeOptions{Transaction: true}, "was left behind", true, 1},
	} {
		s, client := start(t, tt.server)
		s.Put("hr.employees", whole)
		r, err := enforce.Probe(t.Context(), client, "hr.employees", tt.probe)
		var left *enforce.LeftError
		if err == nil || !strings.Contains(err.Error(), tt.fault) || errors.As(err, &left) != tt.left {
			t.Errorf("%s: got %v", tt.name, err)
		}
		if r != nil && r.Enforced() && !tt.left {
			t.Errorf("%s: says enforced", tt.name)
		}
		all := s.Collections()
		if len(all) != tt.stays || !tt.left && all["hr.employees"] != 0 {
			t.Errorf("%s: left %v", tt.name, all)
		}
		if tt.left && !slices.ContainsFunc([]string{"hr.fieldcrypt_probe_", "in hr.employees"}, func(part string) bool { return strings.Contains(left.What, part) }) {
			t.Errorf("%s: %q does not say what", tt.name, left.What)
		}
	}
}

// An interrupted probe cleans up too.
func TestProbeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	inserts := 0
	s, client := start(t, mockmongo.Options{Enforce: true, Intercept: func(cmd bson.Raw) bson.D {
		if first, _ := cmd.IndexErr(0); first.Key() == "insert" {
			if inserts++; inserts == 2 {
				cancel()
			}
		}
		return nil
	}})
	s.Put("hr.employees", bson.D{{Key: "validator", Value: document(t, `{"$jsonSchema": `+employees+`}`)}})
	if _, err := enforce.Probe(ctx, client, "hr.employees", enforce.ProbeOptions{}); err == nil || ctx.Err() == nil {
		t.Errorf("got %v", err)
	}
	if all := s.Collections(); len(all) != 1 {
		t.Errorf("left %v", all)
	}
}

func TestProbeNothing(t *testing.T) {
	s, client := start(t, mockmongo.Options{})
	s.Put("hr.none", nil)
	s.Put("hr.view", bson.D{{Key: "viewOn", Value: "x"}})
	s.Put("hr.plain", bson.D{{Key: "validator", Value: document(t, `{"$jsonSchema": {"required": ["x"]}}`)}})
	for ns, fault := range map[string]string{"hr.gone": "does not exist", "hr.none": "no $jsonSchema", "hr.view": "is a view", "hr.plain": "encrypts nothing"} {
		if _, err := enforce.Probe(t.Context(), client, ns, enforce.ProbeOptions{}); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%s: got %v", ns, err)
		}
	}
}
