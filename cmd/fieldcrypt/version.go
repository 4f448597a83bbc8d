package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what the binary knows about itself.
type build struct {
	Version  string `json:"version"`  // of the module; "(devel)" when built from a checkout
	Revision string `json:"revision"` // of the version control system; empty when not known
	Time     string `json:"time"`     // of the revision, RFC 3339
	Modified bool   `json:"modified"` // built from files that differ from the revision
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print version, revision, Go version and platform",
		Example: `  fieldcrypt version
  fieldcrypt version --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := buildVersion()
			text := []byte(b.String())
			if asJSON {
				text, _ = json.Marshal(b) // strings and a bool always marshal
				text = append(text, '\n')
			}
			return write(cmd.OutOrStdout(), text)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

func buildVersion() build {
	b := build{Version: "(unknown)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b build) String() string {
	revision := "not known"
	if b.Revision != "" {
		revision = b.Revision + " " + b.Time
	}
	if b.Modified {
		revision += " (modified)"
	}
	return fmt.Sprintf("fieldcrypt %s\nrevision   %s\ngo         %s\nplatform   %s\n", b.Version, revision, b.Go, b.Platform)
}
