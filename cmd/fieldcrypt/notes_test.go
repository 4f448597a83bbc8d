package main

import (
	"log/slog"
	"testing"
)

// Warnings become notes, with what they are about; what is of no concern does not.
func TestNotes(t *testing.T) {
	var told []string
	log := slog.New(notes(func(text string) { told = append(told, text) }))
	log.Info("all is well")
	log.Warn("the server did not answer", "tries", 2, "range", 3)
	log.Error("it never did")
	if len(told) != 2 || told[0] != "the server did not answer (tries 2, range 3)" || told[1] != "it never did" {
		t.Errorf("%q", told)
	}
}
