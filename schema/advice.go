package schema

import (
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// Advice is about something that a schema may say but seldom should.
type Advice struct {
	Rule    string // stable, for programs: "few-values", "not-queried", "unique-index-on-random", "index-on-random"
	Path    string // the field
	Message string
	Hint    string
}

// Usage is what is known of a collection besides its schema. The zero value is nothing; what is not known is not advised on.
type Usage struct {
	Indexes []bson.Raw          // documents of listIndexes
	Queried map[string]bool     // paths that queries compare, as Encrypted.Path; nil: not known
	Samples map[string]Distinct // by path: what a look at stored ciphertexts found
}

// Distinct counts different values.
type Distinct struct{ Values, Of int }

// few says that some values come again and again.
func (d Distinct) few() bool { return d.Of >= 50 && d.Values <= 100 && d.Of >= 10*d.Values }

// Advise tells what may be a mistake although the schema is sound.
//   - few-values: a deterministic field with few different values, by a sample or, without one, by its name. Equal values have equal ciphertexts, so that
//     counting them tells which is which (frequency analysis).
//   - not-queried: a deterministic field that no query compares. Random gives less away.
//   - unique-index-on-random, index-on-random: no two ciphertexts of a random field are the same, so that the index finds nothing and lets equal values pass.
func (s *Schema) Advise(u Usage) []Advice {
	var all []Advice
	for _, f := range s.Fields() {
		if f.Algorithm == payload.Random {
			all = append(all, indexAdvice(f, u.Indexes)...)
			continue
		}
		if a, found := fewValues(f, u.Samples); found {
			all = append(all, a)
		}
		if u.Queried != nil && !u.Queried[f.Path] {
			all = append(all, Advice{Rule: "not-queried", Path: f.Path, Message: "it is encrypted deterministically, but no query compares it",
				Hint: "choose the random algorithm: equal values then look different"})
		}
	}
	return all
}

func fewValues(f *Encrypted, samples map[string]Distinct) (Advice, bool) {
	a := Advice{Rule: "few-values", Path: f.Path, Hint: "choose the random algorithm, unless queries need the field: who counts ciphertexts learns which value is which"}
	d, sampled := samples[f.Path]
	switch {
	case sampled && d.few():
		a.Message = fmt.Sprintf("it is encrypted deterministically and has only %d different values in %d documents", d.Values, d.Of)
		return a, true
	case (!sampled || d.Of < 50) && soundsLikeFew(f.Path):
		a.Message = "it is encrypted deterministically and, by its name, has few different values"
		return a, true
	}
	return Advice{}, false
}

// fewByName are names of fields with few values, in small letters without signs between words.
var fewByName = []string{
	"active", "age", "bloodgroup", "bloodtype", "category", "country", "countrycode", "currency", "department", "enabled", "ethnicity", "gender", "grade", "language",
	"level", "maritalstatus", "month", "nationality", "plan", "priority", "race", "region", "religion", "role", "salutation", "sex", "state", "status", "tier", "title", "type", "verified",
}

func soundsLikeFew(path string) bool {
	name := path[strings.LastIndexByte(path, '.')+1:]
	name = strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(name))
	return slices.Contains(fewByName, name)
}

func indexAdvice(f *Encrypted, indexes []bson.Raw) (all []Advice) {
	for _, index := range indexes {
		keys, isDoc := index.Lookup("key").DocumentOK()
		if !isDoc || !covers(keys, f.Path) {
			continue
		}
		name, _ := index.Lookup("name").StringValueOK()
		if unique, _ := index.Lookup("unique").BooleanOK(); unique {
			all = append(all, Advice{Rule: "unique-index-on-random", Path: f.Path, Message: fmt.Sprintf("the unique index %s keeps no two equal values apart: their ciphertexts differ", quote(name)),
				Hint: "encrypt the field deterministically if it must be unique, or drop the index"})
			continue
		}
		all = append(all, Advice{Rule: "index-on-random", Path: f.Path, Message: fmt.Sprintf("the index %s finds nothing by it: equal values have different ciphertexts", quote(name)),
			Hint: "drop the index, or encrypt the field deterministically if queries need it"})
	}
	return all
}

// covers says whether an index has the field, or something in it, as a key.
func covers(keys bson.Raw, path string) bool {
	for it := bsonraw.Iterate(keys); it.Next(); {
		if key := string(it.Element.Key); key == path || strings.HasPrefix(key, path+".") {
			return true
		}
	}
	return false
}
