package arch

import (
	"os"
	"testing"
	"testing/fstest"
)

const (
	module = "github.com/fieldcrypt/fieldcrypt"
	driver = "go.mongodb.org/mongo-driver/v2"
)

// rules are what must hold for every package of the module; check returns one line for each place where it does not.
var rules = []struct {
	name   string
	reason string
	check  func(tree) []string
	broken map[string]string // a tree, file name to source, that breaks the rule
}{
	{
		name:   "formats import nothing but bson",
		reason: "the stored bytes never change, so what makes them must be readable on its own",
		check: onlyImports([]string{"payload", "internal/bsonraw"},
			std, exactly(driver+"/bson", module+"/internal/bsonraw", module+"/internal/secret")),
		broken: map[string]string{"payload/x.go": `package payload; import _ "` + module + `/schema"`},
	},
	{
		name:   "analyze imports no cipher and no key",
		reason: "the same rules run in a daemon that must never be able to see a key",
		check: onlyImports([]string{"analyze"},
			std.without(under("crypto")), exactly(driver+"/bson", module+"/schema", module+"/payload", module+"/internal/bsonraw")),
		broken: map[string]string{"analyze/x.go": `package analyze; import _ "crypto/aes"`},
	},
	{
		name:   "wire knows nothing but messages",
		reason: "it reads what strangers send: whoever checks it should need no other package",
		check: onlyImports([]string{"wire"},
			std.without(under("net")), exactly(driver+"/bson", module+"/internal/bsonraw"), under("github.com/klauspost/compress")),
		broken: map[string]string{"wire/x.go": `package wire; import _ "net"`},
	},
	{
		name:   "schemas need no server",
		reason: "they are read where commands are analysed; what asks a server is in schema/enforce",
		check:  onlyImports([]string{"schema"}, std, exactly(driver+"/bson", module+"/payload", module+"/internal/bsonraw")),
		broken: map[string]string{"schema/x.go": `package schema; import _ "` + driver + `/mongo"`},
	},
	{
		name:   "cryptd reaches no key",
		reason: "the daemon speaks to anyone on the machine; without key code it cannot leak a key",
		check: neverReaches([]string{"cryptd", "cmd/mongo_crypt_v1"},
			under(module+"/keyvault", module+"/kms", module+"/internal/secret", module+"/mongodriver").or(exactly(module))),
		broken: map[string]string{
			"cryptd/x.go": `package cryptd; import _ "` + module + `/a"`,
			"a/x.go":      `package a; import _ "` + module + `/kms/local"`,
		},
	},
	{
		name:   "cryptd and the C library import no cipher",
		reason: "package payload, which they reach through analyze, holds the AEAD beside the markings: nobody there may call it",
		check:  onlyImports([]string{"cryptd", "cmd/mongo_crypt_v1"}, anything.without(under("crypto", module+"/payload"))),
		broken: map[string]string{"cryptd/x.go": `package cryptd; import _ "` + module + `/payload"`},
	},
	{
		name:   "audit imports no cipher and no KMS",
		reason: "what looks at everything that is stored should not be able to read it: it is handed a Decrypter, or none",
		check: onlyImports([]string{"audit", "audit/sensitive", "audit/page"},
			std.without(under("crypto/aes", "crypto/cipher", "crypto/hmac")), under(driver+"/bson", module+"/audit"),
			exactly(driver+"/mongo", driver+"/mongo/options", module+"/schema", module+"/payload", module+"/keyvault", module+"/internal/bsonraw")),
		broken: map[string]string{"audit/x.go": `package audit; import _ "` + module + `/kms/local"`},
	},
	{
		name:   "only mongodriver touches the driver's x packages",
		reason: "they change without notice: one package to mend when they do",
		check:  onlyImporter("mongodriver", under(driver+"/x")),
		broken: map[string]string{"schema/x_test.go": `package schema; import _ "` + driver + `/x/bsonx/bsoncore"`},
	},
	{
		name:   "nothing imports integration or the embedded server",
		reason: "its hundred modules must never reach a user of the library or of the program",
		check:  onlyImporter("", under(module+"/integration", "github.com/FerretDB")),
		broken: map[string]string{"cmd/fieldcrypt/x.go": `package main; import _ "` + module + `/integration/testserver"`},
	},
	{
		name:   "no test code in the product",
		reason: "package testing brings flags, and test helpers are not made for hostile input",
		check:  neverReaches(nil, under("testing", "pgregory.net/rapid", "go.uber.org/goleak", "github.com/google/go-cmp", "github.com/rogpeppe/go-internal")),
		broken: map[string]string{"kms/x.go": `package kms; import _ "testing/fstest"`},
	},
	{
		name:   "cgo only in the C library",
		reason: "everything else builds with CGO_ENABLED=0, for any target",
		check:  onlyImporter("cmd/mongo_crypt_v1", exactly("C")),
		broken: map[string]string{"payload/x.go": `package payload; import "C"`},
	},
	{
		name:   "no init functions",
		reason: "importing a package must do nothing",
		check:  everyFile(initFunctions),
		broken: map[string]string{"kms/x.go": `package kms; func init() {}`},
	},
	{
		name:   "no package loggers",
		reason: "the caller decides what is logged and where: loggers come in options",
		check:  everyFile(packageLoggers),
		broken: map[string]string{"kms/x.go": `package kms; import l "log/slog"; var logger = l.Default().With("a", 1)`},
	},
	{
		name:   "no bsoncore in public signatures",
		reason: "it belongs to the driver's x packages: callers use bson.Raw, bson.RawValue and bson.Binary",
		check:  everyFile(exportedBsoncore),
		broken: map[string]string{"mongodriver/x.go": `package mongodriver
			import "` + driver + `/x/bsonx/bsoncore"
			type T struct { F []map[string]bsoncore.Document }`},
	},
	{
		name:   "every package has a comment",
		reason: "it says what the package is for and what it is not for",
		check:  everyPackage(missingComment),
		broken: map[string]string{"kms/x.go": `package kms`},
	},
	{
		name:   "every public package has an example",
		reason: "examples are the documentation that the compiler checks",
		check:  everyPackage(missingExample),
		broken: map[string]string{"kms/x.go": `package kms`, "kms/x_test.go": `package kms; func ExampleTest(x int) {}`},
	},
	{
		name:   "every exported name is documented",
		reason: "what has no comment is not for users and should not be exported",
		check:  everyFile(undocumented),
		broken: map[string]string{"kms/x.go": "package kms\n// T is documented.\ntype T int\nfunc (T) Method() {}"},
	},
}

func TestRules(t *testing.T) {
	real, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"payload", "analyze", "mongodriver"} {
		if real[name] == nil {
			t.Errorf("package %s was not found: are the rules looking at the right tree?", name)
		}
	}
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			for _, violation := range rule.check(real) {
				t.Errorf("%s\n\trule: %s, because %s", violation, rule.name, rule.reason)
			}
			if len(rule.check(parse(t, rule.broken))) == 0 {
				t.Error("the rule does not notice the source that breaks it")
			}
		})
	}
}

func parse(t *testing.T, sources map[string]string) tree {
	t.Helper()
	files := fstest.MapFS{}
	for name, source := range sources {
		files[name] = &fstest.MapFile{Data: []byte(source)}
	}
	parsed, err := load(files)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// What the checks of single files notice, and what they let pass.
func TestFileChecks(t *testing.T) {
	const slog, bsoncore = `import l "log/slog";`, `import b "go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore";`
	for _, tt := range []struct {
		check  func(*file) []string
		source string
		want   int
	}{
		{packageLoggers, slog + `var logger *l.Logger`, 1},
		{packageLoggers, slog + `func f() { var logger *l.Logger; _ = logger }`, 0},
		{packageLoggers, slog + `type T struct { Logger *l.Logger }; var level = l.LevelInfo`, 0},
		{exportedBsoncore, bsoncore + `type I interface { F(b.Document) }`, 1},
		{exportedBsoncore, bsoncore + `func F() []b.Document { return nil }`, 1},
		{exportedBsoncore, bsoncore + `type T struct { x b.Document }; func (t) F() b.Document { return nil }`, 0},
		{undocumented, "const (\nA = 1\n)\nvar B int\nfunc C() {}\ntype D int", 4},
		{undocumented, "// All of them.\nconst (\nA = 1\n)\nvar B int // B is.\ntype (\n// D is.\nD int\n)\nfunc (D) String() string { return `` }", 0},
	} {
		got := everyFile(tt.check)(parse(t, map[string]string{"kms/x.go": "package kms\n" + tt.source}))
		if len(got) != tt.want {
			t.Errorf("%s: got %q, want %d", tt.source, got, tt.want)
		}
	}
}
