package main

import (
	"strings"
	"testing"

	"github.com/fieldcrypt/fieldcrypt/migrate"
)

// A partition does not speak for the collection.
func TestMigrationTextOfPartition(t *testing.T) {
	for of, partial := range map[int]bool{1: false, 3: true} {
		r := &migrate.Report{Job: "run", Complete: true, Settled: true, Partition: 0, Of: of}
		if text := string(migrationText(r, migrate.Options{})); !strings.Contains(text, "nothing is left") || strings.Contains(text, "in partition 0/3") != partial {
			t.Errorf("of %d: %s", of, text)
		}
	}
}
