// Package spec runs the public tests of the MongoDB driver specification "Client Side Encryption" (the legacy and the unified format)
// through this module's engine on the official driver: operation results, command events and stored documents are compared as the files say.
//
// The server is the embedded one behind the proxy of package shim, which remembers validators; the key management services are mocks that
// speak the real protocols. What that server cannot do, what cannot run here at all, and what this module does otherwise than a file says
// is listed in tables with the reason: scripts, skips and deviations. The package is for tests only, and has no other code.
package spec

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The databases have the names that the files say, "default" and "keyvault": with FIELDCRYPT_TEST_URI they are dropped on that server.

func TestLegacy(t *testing.T) { runAll(t, "legacy", parseLegacy) }

func TestUnified(t *testing.T) { runAll(t, "unified", parseUnified) }

func runAll(t *testing.T, format string, parse parser) {
	files := load(t, format, parse)
	checkTables(t, format, files)
	s := startServer(t, files)
	var r report
	for _, f := range files {
		t.Run(f.name, func(t *testing.T) {
			if reason, skipped := skipReason(format, f.name, ""); skipped {
				r.add(row{f.name, "", "skipped", reason})
				t.Skip(reason)
			}
			for _, test := range f.tests {
				r.run(t, s, format, f.name, test)
			}
		})
	}
	t.Log(r.String())
}
