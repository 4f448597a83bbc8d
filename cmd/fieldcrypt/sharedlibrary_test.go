package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFindSharedLibrary(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	if path, found := findSharedLibrary([]string{first, second}); found {
		t.Errorf("found %s in empty folders", path)
	}
	if err := os.Mkdir(filepath.Join(first, libraryName()), 0o755); err != nil { // a folder is no library
		t.Fatal(err)
	}
	want := filepath.Join(second, libraryName())
	if err := os.WriteFile(want, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if path, found := findSharedLibrary([]string{first, second}); !found || path != want {
		t.Errorf("got %s, %v", path, found)
	}
}
