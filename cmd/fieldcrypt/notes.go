package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// notes is a log whose warnings are told to a person; it has no groups.
type notes func(text string)

var _ slog.Handler = notes(nil)

// Enabled has warnings and errors told.
func (notes) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle tells one in a line: message (key value, …).
func (tell notes) Handle(_ context.Context, r slog.Record) error {
	var about []string
	r.Attrs(func(a slog.Attr) bool {
		about = append(about, fmt.Sprintf("%s %s", a.Key, a.Value))
		return true
	})
	text := r.Message
	if len(about) > 0 {
		text += " (" + strings.Join(about, ", ") + ")"
	}
	tell(text)
	return nil
}

// WithAttrs leaves them out.
func (tell notes) WithAttrs([]slog.Attr) slog.Handler { return tell }

// WithGroup leaves it out.
func (tell notes) WithGroup(string) slog.Handler { return tell }
