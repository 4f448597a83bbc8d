package arch

import (
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// tree is the module's source: packages by their directory below the root, which is ".".
type tree map[string]*pkg

type pkg struct {
	dir   string
	files []*file // tests included
}

type file struct {
	name    string // with the directory
	test    bool
	syntax  *ast.File
	fset    *token.FileSet
	imports []string
}

// at is where something is, for a person and an editor.
func (f *file) at(n ast.Node) string {
	return f.name + ":" + strconv.Itoa(f.fset.Position(n.Pos()).Line)
}

// load parses every Go file of the module at fsys, for whatever platform it is, but not those of nested modules.
func load(fsys fs.FS) (tree, error) {
	packages := tree{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, nested := fs.Stat(fsys, path.Join(name, "go.mod"))
			base := path.Base(name)
			if name != "." && (nested == nil || base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		f, err := parseFile(fsys, name)
		if err != nil || f == nil {
			return err
		}
		dir := path.Dir(name)
		if packages[dir] == nil {
			packages[dir] = &pkg{dir: dir}
		}
		packages[dir].files = append(packages[dir].files, f)
		return nil
	})
	return packages, err
}

// parseFile returns nil for a file that belongs to no package.
func parseFile(fsys fs.FS, name string) (*file, error) {
	source, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	f := &file{name: name, test: strings.HasSuffix(name, "_test.go"), fset: token.NewFileSet()}
	if f.syntax, err = parser.ParseFile(f.fset, name, source, parser.ParseComments|parser.SkipObjectResolution); err != nil {
		return nil, err
	}
	for _, group := range f.syntax.Comments {
		for _, c := range group.List {
			if expr, err := constraint.Parse(c.Text); err == nil && expr.String() == "ignore" {
				return nil, nil
			}
		}
	}
	for _, spec := range f.syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		f.imports = append(f.imports, imported)
	}
	return f, nil
}

// sorted are the packages in the order of their directories.
func (t tree) sorted() []*pkg {
	var all []*pkg
	for _, p := range t {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *pkg) int { return strings.Compare(a.dir, b.dir) })
	return all
}

// product are the files that are not tests.
func (p *pkg) product() []*file {
	return slices.DeleteFunc(slices.Clone(p.files), func(f *file) bool { return f.test })
}

// public says whether users may import the package.
func (p *pkg) public() bool {
	for _, closed := range []string{"internal", "cmd", "integration"} {
		if slices.Contains(strings.Split(p.dir, "/"), closed) {
			return false
		}
	}
	return true
}

func everyPackage(check func(*pkg) []string) func(tree) []string {
	return func(t tree) (violations []string) {
		for _, p := range t.sorted() {
			violations = append(violations, check(p)...)
		}
		return violations
	}
}

// everyFile checks each file that is not a test.
func everyFile(check func(*file) []string) func(tree) []string {
	return everyPackage(func(p *pkg) (violations []string) {
		for _, f := range p.product() {
			violations = append(violations, check(f)...)
		}
		return violations
	})
}
