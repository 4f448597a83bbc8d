package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
)

func initFunctions(f *file) (violations []string) {
	for _, d := range f.syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			violations = append(violations, f.at(fn)+" has an init function")
		}
	}
	return violations
}

func packageLoggers(f *file) (violations []string) {
	for _, d := range f.syntax.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok || gen.Tok != token.VAR {
			continue
		}
		for _, spec := range gen.Specs {
			v := spec.(*ast.ValueSpec)
			for _, local := range f.named("log/slog", "log") {
				if mentions(v.Type, local, "Logger") || slices.ContainsFunc(v.Values, func(e ast.Expr) bool {
					return mentions(e, local, "New", "Default", "With")
				}) {
					violations = append(violations, f.at(v)+" declares a logger of the package: "+v.Names[0].Name)
				}
			}
		}
	}
	return violations
}

func exportedBsoncore(f *file) (violations []string) {
	for _, local := range f.named("go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore") {
		for _, e := range exported(f) {
			if slices.ContainsFunc(e.signature, func(n ast.Node) bool { return mentions(n, local) }) {
				violations = append(violations, fmt.Sprintf("%s: %s mentions bsoncore", f.at(e.node), e.name))
			}
		}
	}
	return violations
}

func missingComment(p *pkg) []string {
	product := p.product()
	if len(product) == 0 || slices.ContainsFunc(product, func(f *file) bool { return f.syntax.Doc.Text() != "" }) {
		return nil
	}
	return []string{"package " + p.dir + " has no package comment"}
}

func missingExample(p *pkg) []string {
	if len(p.product()) == 0 || !p.public() {
		return nil
	}
	for _, f := range p.files {
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if ok && f.test && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Example") && fn.Type.Params.NumFields() == 0 {
				return nil
			}
		}
	}
	return []string{"package " + p.dir + " has no example"}
}

// customary are methods of well-known interfaces, whose contract is written there.
var customary = []string{
	"Error", "Unwrap", "Is", "As", "String", "GoString", "Format", "LogValue", "Len", "Less", "Swap",
	"MarshalBSON", "UnmarshalBSON", "MarshalBSONValue", "UnmarshalBSONValue",
	"MarshalText", "UnmarshalText", "MarshalJSON", "UnmarshalJSON", "MarshalBinary", "UnmarshalBinary",
}

func undocumented(f *file) (violations []string) {
	for _, e := range exported(f) {
		if !e.documented && !(e.method && slices.Contains(customary, e.name)) {
			violations = append(violations, fmt.Sprintf("%s: %s has no doc comment", f.at(e.node), e.name))
		}
	}
	return violations
}

// declaration is an exported top-level name, or an exported method of an exported type.
type declaration struct {
	name       string
	method     bool
	node       ast.Node
	documented bool
	signature  []ast.Node // what users see of it
}

func exported(f *file) (found []declaration) {
	for _, d := range f.syntax.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
				found = append(found, declaration{d.Name.Name, d.Recv != nil, d, d.Doc.Text() != "", []ast.Node{d.Type}})
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				found = append(found, exportedSpec(d, spec)...)
			}
		}
	}
	return found
}

func exportedSpec(d *ast.GenDecl, spec ast.Spec) (found []declaration) {
	group := d.Doc.Text() != ""
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() {
			documented := s.Doc.Text() != "" || s.Comment.Text() != "" || group && !d.Lparen.IsValid()
			found = append(found, declaration{s.Name.Name, false, s, documented, visible(s.Type)})
		}
	case *ast.ValueSpec: // a comment may speak for a whole group of constants
		for _, name := range s.Names {
			if name.IsExported() {
				documented := group || s.Doc.Text() != "" || s.Comment.Text() != ""
				found = append(found, declaration{name.Name, false, s, documented, visible(s.Type)})
			}
		}
	}
	return found
}

// visible is the part of a type that users see: of structs, the exported and embedded fields.
func visible(t ast.Expr) (nodes []ast.Node) {
	s, ok := t.(*ast.StructType)
	if !ok {
		return []ast.Node{t}
	}
	for _, field := range s.Fields.List {
		if len(field.Names) == 0 || slices.ContainsFunc(field.Names, (*ast.Ident).IsExported) {
			nodes = append(nodes, visible(field.Type)...)
		}
	}
	return nodes
}

func receiver(fn *ast.FuncDecl) (name string) {
	ast.Inspect(fn.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return true
	})
	return name
}

// named returns the names by which the file calls the given packages.
func (f *file) named(imported ...string) (names []string) {
	for i, spec := range f.syntax.Imports {
		switch {
		case !slices.Contains(imported, f.imports[i]):
		case spec.Name != nil:
			names = append(names, spec.Name.Name)
		default:
			names = append(names, path.Base(f.imports[i]))
		}
	}
	return names
}

// mentions says whether local.name occurs in n, for one of the names or, without names, for any.
func mentions(n ast.Node, local string, names ...string) (found bool) {
	if n == nil {
		return false
	}
	ast.Inspect(n, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		id, ok := s.X.(*ast.Ident)
		found = found || ok && id.Name == local && (len(names) == 0 || slices.Contains(names, s.Sel.Name))
		return true
	})
	return found
}
