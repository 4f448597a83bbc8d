package spec

import "strings"

// caseName names a test of a file; an empty test means the whole file.
type caseName struct{ format, file, test string }

// skips has the tests that are not run, with the reason. A test that carries a skipReason of its own is here only if there is a better one.
var skips = map[caseName]string{
	{"legacy", "azureKMS", ""}: notPublic,
	{"legacy", "gcpKMS", ""}:   notPublic,
	{"legacy", "aggregate", "Aggregate with deterministic encryption"}: "the file skips it (SERVER-39395), and contradicts itself: " +
		`it wants the filter's "457-55-5642" sent as it is, and "string0" found by it; this module encrypts it and finds nothing`,
	{"legacy", "countDocuments", "countDocuments with deterministic encryption"}: "the file skips it (waiting on SERVER-39395), and wants " +
		"the filter and $group without the $eq and $const that analyze.Exact, with which the legacy files are run here, writes there; and the embedded server knows no $const",
	{"legacy", "maxWireVersion", ""}: "the official driver v2 refuses an old server itself before it asks this module, in other words: " +
		`"reports wire version 7, but this version of the Go driver requires at least 9 (MongoDB 4.4)" (TestOldServer of package integration)`,
}

const notPublic = "the data key's material is not public"

// runThough has the tests that are run although the file says to skip them, with the reason.
var runThough = map[caseName]string{
	{"legacy", "aggregate", "Aggregate with empty pipeline"}: `the file says "SERVER-40829 hides agg support behind enableTestCommands flag": ` +
		"this module needs no server's support",
	{"legacy", "aggregate", "Aggregate should fail with random encryption"}: `the file says "SERVER-39395": ` +
		"this module needs no server's support",
}

// skipReason says why a test, or with an empty test a file, is not run.
func skipReason(format, file, test string) (string, bool) {
	if isQueryableEncryption(file) {
		return "Queryable Encryption, which this module does not do", true
	}
	reason, ok := skips[caseName{format, file, test}]
	return reason, ok
}

func isQueryableEncryption(file string) bool { return strings.HasPrefix(file, "fle2v2-") }
