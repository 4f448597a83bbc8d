package schema

import (
	"cmp"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// structField is a field as the driver's encoder sees it.
type structField struct {
	name      string // in BSON
	path      string // in Go: "Insurance.Policy"
	typ       reflect.Type
	tag       string // fieldcrypt; "" when there is none
	omitEmpty bool
	minSize   bool
	inlineMap bool // the entries of the map are fields of the document
	depth     int  // of inlining
}

// fields are the fields that the driver stores of a struct, by the driver's rules: lower-case names unless the tag "bson" has another, unexported
// fields and "-" left out, inline structs dissolved; of several with one name the outermost counts.
func (r *structReader) fields(t reflect.Type, at string) []structField {
	all := r.collect(t, at, 0)
	byName := map[string][]structField{}
	var names []string // in their order, which is that of the faults
	for _, f := range all {
		if f.inlineMap {
			continue
		}
		if byName[f.name] == nil {
			names = append(names, f.name)
		}
		byName[f.name] = append(byName[f.name], f)
	}
	hidden := map[string]bool{}
	for _, name := range names {
		same := byName[name]
		slices.SortStableFunc(same, func(a, b structField) int { return cmp.Compare(a.depth, b.depth) })
		for _, other := range same[1:] {
			hidden[other.path] = true
			switch {
			case other.depth == same[0].depth:
				r.add(other.path, "give one of them another name", "the driver refuses it: the field %s has the BSON name %s too", same[0].path, quote(name))
			case other.tag != "" || tagged(other.typ):
				r.add(other.path, "rename one of them", "it is not stored: the field %s has the same BSON name %s and hides it", same[0].path, quote(name))
			}
		}
	}
	return slices.DeleteFunc(all, func(f structField) bool { return hidden[f.path] })
}

func (r *structReader) collect(t reflect.Type, at string, depth int) []structField {
	var all []structField
	for i := range t.NumField() {
		sf := t.Field(i)
		f, inline, stored := readField(sf)
		f.path, f.depth = join(at, sf.Name), depth
		_, has := sf.Tag.Lookup(tagName)
		switch {
		case !has && misspelt(sf.Tag):
			r.add(f.path, "write it as go vet wants it, such as `bson:\"ssn\" fieldcrypt:\"random\"`", "its tag 'fieldcrypt' cannot be read, so the field would not be encrypted")
		case !stored:
			if has || tagged(sf.Type) {
				r.add(f.path, "export it, and give it a name in the tag 'bson'", "the driver does not store it")
			}
		case has && f.tag == "":
			r.add(f.path, tagHint, "its tag 'fieldcrypt' is empty")
		case !inline:
			if has && strings.Contains(f.name, ".") {
				r.add(f.path, "choose another name in the tag 'bson'", "the name %s holds a dot; no query could address it", quote(f.name))
				continue
			}
			all = append(all, f)
		case has:
			r.add(f.path, "take 'inline' away, or tag the fields inside", "an inline field is no field of its own that could be encrypted")
		default:
			all = append(all, r.inline(f)...)
		}
	}
	return all
}

// fieldcryptTag is the tag as people get it wrong: with a space after the colon, without the colon, in capital letters, behind another tag that is malformed.
var fieldcryptTag = regexp.MustCompile(`(?i)(?:^|[\s,;])` + tagName + `\s*[:=]?\s*"`)

// misspelt says whether a tag is there that reflection does not see.
func misspelt(tag reflect.StructTag) bool { return fieldcryptTag.MatchString(string(tag)) }

// inline dissolves a field with the option inline.
func (r *structReader) inline(f structField) []structField {
	t := f.typ
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case f.typ.Kind() == reflect.Map && f.typ.Key().Kind() == reflect.String:
		f.inlineMap = true
		return []structField{f}
	case t.Kind() != reflect.Struct:
		r.add(f.path, "take 'inline' away", "the driver refuses it: it inlines structs, pointers to structs and maps with string keys")
		return nil
	case slices.Contains(r.stack, t):
		r.add(f.path, "take 'inline' away", "the type %s contains itself inline", t)
		return nil
	}
	r.stack = append(r.stack, t)
	defer func() { r.stack = r.stack[:len(r.stack)-1] }()
	return r.collect(t, f.path, f.depth+1)
}

// readField reads the tags of a field.
func readField(sf reflect.StructField) (f structField, inline, stored bool) {
	f = structField{name: strings.ToLower(sf.Name), typ: sf.Type, tag: strings.TrimSpace(sf.Tag.Get(tagName))}
	tag, has := sf.Tag.Lookup("bson")
	if !has && !strings.Contains(string(sf.Tag), ":") {
		tag = string(sf.Tag) // an old form that the driver takes
	}
	if !sf.IsExported() || tag == "-" {
		return f, false, false
	}
	name, _, _ := strings.Cut(tag, ",")
	if name != "" {
		f.name = name
	}
	options := strings.Split(tag, ",")
	f.omitEmpty, f.minSize = slices.Contains(options, "omitempty"), slices.Contains(options, "minsize")
	return f, slices.Contains(options, "inline"), true
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}
