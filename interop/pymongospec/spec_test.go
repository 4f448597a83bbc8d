package pymongospec

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldcrypt/fieldcrypt/interop/daemon"
)

const files = "../.cache/pymongospec/test/client-side-encryption/spec/unified"

// result is what pymongo's runner says of one test.
type result struct{ File, Test, Outcome, Reason string }

// TestAutomaticEncryption runs all tests. Each that does not pass must be in the table of exceptions.
func TestAutomaticEncryption(t *testing.T) {
	python := setting(t, "PYTHON")
	s := startServices(t, files)
	routes, err := json.Marshal(map[string]string{"localhost:27020": daemon.Run(t, "--rewrite=exact"), ".amazonaws.com:443": s.aws.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	server := startServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	var out, log bytes.Buffer
	cmd := exec.CommandContext(ctx, python, "spec.py", "-k", "not "+strings.Join(slices.Sorted(maps.Keys(notRun)), " and not "))
	cmd.Env = slices.Concat(os.Environ(), s.environment(t), []string{"ROUTES=" + string(routes), "DB_IP=" + server.Hostname(), "DB_PORT=" + server.Port()})
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("spec.py: %v\n%s", err, log.Bytes())
	}
	results := parse(t, &out)
	for _, r := range results {
		if want, excepted := exceptions[caseName{r.File, r.Test}]; excepted {
			r.checkException(t, want)
		} else {
			t.Run(r.File+"/"+r.Test, func(t *testing.T) {
				if r.Outcome != "passed" {
					t.Errorf("%s: %s", r.Outcome, r.Reason)
				}
			})
		}
	}
	checkTable(t, results)
	report(t, results)
	if t.Failed() {
		t.Logf("%s", log.Bytes())
	}
}

// parse reads what spec.py says: at least one test must have passed.
func parse(t *testing.T, out *bytes.Buffer) []result {
	t.Helper()
	var all []result
	for decoder := json.NewDecoder(out); decoder.More(); {
		var r result
		if err := decoder.Decode(&r); err != nil {
			t.Fatalf("what spec.py says: %v", err)
		}
		all = append(all, r)
	}
	if !slices.ContainsFunc(all, func(r result) bool { return r.Outcome == "passed" }) {
		t.Errorf("of %d tests none passed", len(all))
	}
	return all
}

func (r result) checkException(t *testing.T, want exception) {
	t.Helper()
	if r.Outcome != want.outcome || !strings.Contains(r.Reason, want.says) {
		t.Errorf("%s, %s: %s, expected that it is %s, saying %q (%s): %s", r.File, r.Test, r.Outcome, want.outcome, want.says, want.why, r.Reason)
		return
	}
	t.Logf("%s, %s: %s: %s", r.File, r.Test, r.Outcome, want.why)
}

// checkTable fails for exceptions that there are no tests of.
func checkTable(t *testing.T, results []result) {
	t.Helper()
	for name := range exceptions {
		if !slices.ContainsFunc(results, func(r result) bool { return caseName{r.File, r.Test} == name }) {
			t.Errorf("the table of exceptions has %v, which there is none of", name)
		}
	}
}

func report(t *testing.T, results []result) {
	t.Helper()
	count := map[string]int{}
	for _, r := range results {
		count[r.Outcome]++
	}
	for class, why := range notRun {
		t.Logf("%s: not run: %s", class, why)
	}
	t.Logf("%d passed, %d failed, %d skipped", count["passed"], count["failed"], count["skipped"])
}

// setting returns what the script run says of what it built and started.
func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv("FIELDCRYPT_INTEROP_" + name)
	if value == "" {
		t.Skipf("FIELDCRYPT_INTEROP_%s is not set: use the script run, which builds and starts what this test needs", name)
	}
	return value
}
