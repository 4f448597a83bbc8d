package schema

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// DifferenceKind is how a collection's own schema differs from the one that clients have.
type DifferenceKind string

// The kinds. All but Extra mean that the server lets something pass which the local schema does not write, or refuses what it does write.
const (
	Missing              DifferenceKind = "missing"               // encrypted locally, not on the server
	Weaker               DifferenceKind = "weaker"                // the server asks for less: more types, or any binary data
	ConflictingKey       DifferenceKind = "conflicting-key"       // another data key
	ConflictingAlgorithm DifferenceKind = "conflicting-algorithm" // another algorithm
	ConflictingType      DifferenceKind = "conflicting-type"      // the server refuses types that the local schema encrypts
	Extra                DifferenceKind = "extra"                 // encrypted on the server only
)

// Difference is one difference of a field.
type Difference struct {
	Kind          DifferenceKind
	Path          string
	Local, Remote *Encrypted // nil where the field is not encrypted
}

// Compare tells how the $jsonSchema of a collection's validator encrypts otherwise than a local schema, in the order of the local one. A nil remote encrypts
// nothing. The error is an [*Error] about either.
func Compare(local, remote bson.Raw) ([]Difference, error) {
	mine, err := Parse(local, Remote)
	if err != nil {
		return nil, err
	}
	if remote == nil {
		remote = bson.Raw{5, 0, 0, 0, 0}
	}
	theirs, err := Parse(remote, Remote)
	if err != nil {
		return nil, err
	}
	approximated := map[string]bool{}
	a, errA := decoded(local)
	b, errB := decoded(remote)
	if errA == nil && errB == nil {
		findApproximations(a, b, "", approximated)
	}
	var all []Difference
	here, there := mine.byPath(), theirs.byPath()
	for _, f := range mine.fields {
		other := theirs.field(f, there)
		switch {
		case other != nil:
			all = append(all, differences(f, other)...)
		case approximated[f.Path]:
			all = append(all, Difference{Kind: Weaker, Path: f.Path, Local: f})
		default:
			all = append(all, Difference{Kind: Missing, Path: f.Path, Local: f})
		}
	}
	for _, f := range theirs.fields {
		if mine.field(f, here) == nil {
			all = append(all, Difference{Kind: Extra, Path: f.Path, Remote: f})
		}
	}
	return append(all, exceptions(mine.Root(), theirs.Root(), "")...), nil
}

// exceptions finds what the local rule for additional properties encrypts and the server does otherwise, because it has a rule of its own there: for the server
// these are no additional ones.
func exceptions(local, remote *Node, path string) (all []Difference) {
	if local == nil || remote == nil || local.enc != nil || remote.enc != nil {
		return nil
	}
	for _, name := range remote.names() {
		x, errX := local.Child(name)
		y, errY := remote.Child(name)
		if errX != nil || errY != nil { // no client writes it
			continue
		}
		if _, compared := local.named[name]; !compared {
			all = append(all, exception(x, y, join(path, name))...)
		}
		all = append(all, exceptions(x, y, join(path, name))...)
	}
	for _, q := range remote.patterns {
		at := join(path, "/"+q.source+"/")
		if i := slices.IndexFunc(local.patterns, func(p pattern) bool { return p.source == q.source }); i >= 0 {
			all = append(all, exceptions(local.patterns[i].node, q.node, at)...)
		} else {
			all = append(all, exception(local.rest, q.node, at)...)
		}
	}
	return append(all, exceptions(local.rest, remote.rest, join(path, "*"))...)
}

// exception compares one place.
func exception(local, remote *Node, path string) (all []Difference) {
	mine, theirs := local.Encrypted(), remote.Encrypted()
	switch {
	case local == nil: // what is encrypted on the server only is told already
	case mine != nil && theirs != nil:
		all = differences(mine, theirs)
		for i := range all {
			all[i].Path = path
		}
	case mine != nil || remote == nil:
		all = []Difference{{Kind: Missing, Path: path, Local: mine}}
	}
	return all
}

func (s *Schema) byPath() map[string]*Encrypted {
	fields := make(map[string]*Encrypted, len(s.fields))
	for _, f := range s.fields {
		fields[f.Path] = f
	}
	return fields
}

// field is the rule of s for the field f of another schema: the same rule, or one that hits the same name. own are the fields of s by path.
func (s *Schema) field(f *Encrypted, own map[string]*Encrypted) *Encrypted {
	if same := own[f.Path]; same != nil {
		return same
	}
	for component := range strings.SplitSeq(f.Path, ".") {
		if component == "*" || strings.HasPrefix(component, "/") { // not one name but many
			return nil
		}
	}
	m, err := s.Lookup(f.Path)
	if err != nil || m.Class == Below {
		return nil
	}
	return m.Field
}

func differences(local, remote *Encrypted) (all []Difference) {
	add := func(kind DifferenceKind) {
		all = append(all, Difference{Kind: kind, Path: local.Path, Local: local, Remote: remote})
	}
	if local.Algorithm != remote.Algorithm {
		add(ConflictingAlgorithm)
	}
	if local.KeyID != remote.KeyID || local.KeyPointer != remote.KeyPointer {
		add(ConflictingKey)
	}
	switch l, r := local.allTypes(), remote.allTypes(); {
	case l&^r != 0:
		add(ConflictingType)
	case l != r:
		add(Weaker)
	}
	return all
}

// allTypes are the types that values of e can have.
func (e *Encrypted) allTypes() (set TypeSet) {
	if e.Types != 0 {
		return e.Types
	}
	for t := bson.TypeDouble; t <= bson.TypeDecimal128; t++ {
		if payload.Encryptable(t, e.Algorithm) == nil {
			set |= 1 << t
		}
	}
	return set
}

// findApproximations notes where remote asks for binary data and local encrypts; see ValidatorOptions.Approximate.
func findApproximations(local, remote bson.D, path string, found map[string]bool) {
	if get(local, "encrypt") != nil {
		found[path] = get(remote, "bsonType") == "binData"
		return
	}
	for _, keyword := range []string{"properties", "patternProperties"} {
		mine, _ := get(local, keyword).(bson.D)
		theirs, _ := get(remote, keyword).(bson.D)
		places := index(theirs)
		for _, e := range mine {
			a, _ := e.Value.(bson.D)
			var b bson.D
			if i, there := places[e.Key]; there {
				b, _ = theirs[i].Value.(bson.D)
			}
			name := e.Key
			if keyword == "patternProperties" {
				name = "/" + name + "/"
			}
			findApproximations(a, b, join(path, name), found)
		}
	}
	a, _ := get(local, "additionalProperties").(bson.D)
	b, _ := get(remote, "additionalProperties").(bson.D)
	if a != nil {
		findApproximations(a, b, join(path, "*"), found)
	}
}
