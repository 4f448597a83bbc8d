package arch

import (
	"fmt"
	"slices"
	"strings"
)

// paths is a set of import paths.
type paths func(imported string) bool

func exactly(paths ...string) paths {
	return func(imported string) bool { return slices.Contains(paths, imported) }
}

// under is the given packages and all below them.
func under(parents ...string) paths {
	return func(imported string) bool {
		return slices.ContainsFunc(parents, func(p string) bool { return imported == p || strings.HasPrefix(imported, p+"/") })
	}
}

// std is the standard library: no other import path may start with a name without a dot.
var std paths = func(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".") && imported != "C"
}

var anything paths = func(string) bool { return true }

func (p paths) or(q paths) paths {
	return func(imported string) bool { return p(imported) || q(imported) }
}

func (p paths) without(q paths) paths {
	return func(imported string) bool { return p(imported) && !q(imported) }
}

// onlyImports: the product files of the packages dirs import nothing but what is allowed.
func onlyImports(dirs []string, allowed ...paths) func(tree) []string {
	return func(t tree) (violations []string) {
		for _, dir := range dirs {
			if t[dir] == nil {
				continue
			}
			for _, f := range t[dir].product() {
				for _, imported := range f.imports {
					if !slices.ContainsFunc(allowed, func(p paths) bool { return p(imported) }) {
						violations = append(violations, fmt.Sprintf("%s imports %s", f.name, imported))
					}
				}
			}
		}
		return violations
	}
}

// onlyImporter: no file imports what is guarded, tests included, but those of the package dir.
func onlyImporter(dir string, guarded paths) func(tree) []string {
	return everyPackage(func(p *pkg) (violations []string) {
		if p.dir == dir {
			return nil
		}
		for _, f := range p.files {
			for _, imported := range f.imports {
				if guarded(imported) {
					violations = append(violations, fmt.Sprintf("%s imports %s", f.name, imported))
				}
			}
		}
		return violations
	})
}

// neverReaches: the product files of the packages dirs (nil: of all) do not import what is forbidden, neither directly
// nor through other packages of the module.
func neverReaches(dirs []string, forbidden paths) func(tree) []string {
	return func(t tree) (violations []string) {
		seen := map[string]bool{}
		var visit func(p *pkg, via string)
		visit = func(p *pkg, via string) {
			if p == nil || seen[p.dir] {
				return
			}
			seen[p.dir] = true
			for _, f := range p.product() {
				for _, imported := range f.imports {
					if forbidden(imported) {
						violations = append(violations, fmt.Sprintf("%s imports %s%s", f.name, imported, via))
					} else if dir, own := strings.CutPrefix(imported, module+"/"); own {
						visit(t[dir], fmt.Sprintf("\n\twhich %s imports%s", f.name, via))
					} else if imported == module {
						visit(t["."], fmt.Sprintf("\n\twhich %s imports%s", f.name, via))
					}
				}
			}
		}
		for _, p := range t.sorted() {
			if dirs == nil || slices.ContainsFunc(dirs, func(d string) bool { return p.dir == d || strings.HasPrefix(p.dir, d+"/") }) {
				visit(p, "")
			}
		}
		return violations
	}
}
