package spec

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
)

// started is a command-started event.
type started struct {
	name, db string
	command  bson.Raw
}

// monitor records the commands of one client, and of the internal client that package mongodriver makes with the same options.
type monitor struct {
	mu     sync.Mutex
	events []started
}

func (m *monitor) command() *event.CommandMonitor {
	return &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.events = append(m.events, started{e.CommandName, e.DatabaseName, slices.Clone(e.Command)})
	}}
}

func (m *monitor) seen() []started {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

// expectedEvent is a command-started event as a file has it; what is empty may be anything.
type expectedEvent struct {
	Name    string   `bson:"command_name"`
	DB      string   `bson:"database_name"`
	Command bson.Raw `bson:"command"`
}

// matchEvents compares the commands of a client, all of them and in order.
func (m matcher) matchEvents(want []expectedEvent, got []started) error {
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) {
			return fmt.Errorf("%d commands, want %d; the first unmatched is number %d of %s", len(got), len(want), i+1, names(got))
		}
		if err := m.matchEvent(want[i], got[i]); err != nil {
			return fmt.Errorf("command %d, %s: %w\nof %s", i+1, got[i].name, err, names(got))
		}
	}
	return nil
}

func (m matcher) matchEvent(want expectedEvent, got started) error {
	if want.Name != "" && want.Name != got.name {
		return fmt.Errorf("want the command %s", want.Name)
	}
	if want.DB != "" && want.DB != got.db {
		return fmt.Errorf("on database %s, want %s", got.db, want.DB)
	}
	if want.Command == nil {
		return nil
	}
	return m.document("", want.Command, got.command, true)
}

func names(events []started) []string {
	var s []string
	for _, e := range events {
		s = append(s, e.db+"."+e.name)
	}
	return s
}
