package main

import (
	"strings"
	"testing"

	"github.com/fieldcrypt/fieldcrypt/migrate"
)

// What is told to a person is English for one and for more.
func TestMigrationTextCounts(t *testing.T) {
	for n, want := range map[int]string{1: "1 document read in 1 pass, 1 changed (+0 bytes), 1 conflict\n", 2: "2 documents read in 2 passes, 2 changed (+0 bytes), 2 conflicts\n"} {
		r := &migrate.Report{Job: "run", Passes: n, Documents: int64(n), Changed: int64(n), Conflicts: int64(n)}
		if text := string(migrationText(r, migrate.Options{})); !strings.Contains(text, want) {
			t.Errorf("got %s, want %s", text, want)
		}
	}
}

// A partition does not speak for the collection.
func TestMigrationTextOfPartition(t *testing.T) {
	for of, partial := range map[int]bool{1: false, 3: true} {
		r := &migrate.Report{Job: "run", Complete: true, Settled: true, Partition: 0, Of: of}
		if text := string(migrationText(r, migrate.Options{})); !strings.Contains(text, "nothing is left") || strings.Contains(text, "in partition 0/3") != partial {
			t.Errorf("of %d: %s", of, text)
		}
	}
}
