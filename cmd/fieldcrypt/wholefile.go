package main

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// wholeFile is a file that appears under its name when it is complete, or not at all: until then it has another name beside it.
type wholeFile struct {
	*bufio.Writer
	name string
	temp *os.File
}

// createWhole begins a file that nobody but its owner can read.
func createWhole(name string) (*wholeFile, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "create", Path: name, Err: errors.New("it exists and is no regular file")}
	}
	temp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return nil, err
	}
	return &wholeFile{Writer: bufio.NewWriterSize(temp, 1<<16), name: name, temp: temp}, nil
}

// commit gives the complete file its name.
func (f *wholeFile) commit() error {
	err := f.Flush()
	if err == nil {
		err = f.temp.Sync()
	}
	if closed := f.temp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.temp.Name(), f.name)
	}
	if err != nil {
		os.Remove(f.temp.Name())
	}
	return err
}

// discard removes what was written. After commit it does nothing.
func (f *wholeFile) discard() {
	if f.temp.Close() == nil {
		os.Remove(f.temp.Name())
	}
}
