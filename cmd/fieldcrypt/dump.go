package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const whatDump = "expected the directory that mongodump has made, with DB/COLL.bson in it"

// isDump says whether a directory is given in the place of a file.
func isDump(args []string) bool {
	if len(args) != 1 {
		return false
	}
	info, err := os.Stat(args[0])
	return err == nil && info.IsDir()
}

// dump changes a directory of mongodump: DB/COLL.bson by what of gives for the namespace, nil to leave it as it is. All other files are copied:
// prelude.json, and COLL.metadata.json with indexes and options. The directory out is made when all is done.
func (t *transform) dump(ctx context.Context, in, out string, of func(ns string) change) error {
	if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
		return badInput("writing "+out, "name a directory that does not exist yet", "it exists")
	}
	building, err := os.MkdirTemp(filepath.Dir(out), "."+filepath.Base(out)+".*") // mode 0700
	if err != nil {
		return ioFailure("writing "+out, err)
	}
	defer os.RemoveAll(building)
	t.binary = true
	root := os.DirFS(in)
	changed := 0
	err = fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch target := filepath.Join(building, filepath.FromSlash(name)); {
		case err != nil:
			return ioFailure("reading "+in, err)
		case name == ".":
			return nil
		case entry.IsDir():
			if err := os.Mkdir(target, 0o700); err != nil {
				return ioFailure("writing "+out, err)
			}
			return nil
		case !entry.Type().IsRegular():
			return badInput("reading "+filepath.Join(in, name), "", "it is neither a file nor a directory")
		default:
			n, err := t.dumped(ctx, root, name, target, of)
			changed += n
			return err
		}
	})
	if err != nil {
		return err
	}
	if changed == 0 {
		return badInput("reading "+in, whatDump, "there is no collection to change")
	}
	if err := os.Rename(building, out); err != nil {
		return ioFailure("writing "+out, err)
	}
	t.note("%s of %s written to %s", plural(int(t.done), "document"), plural(changed, "collection"), out)
	return nil
}

// dumped changes or copies one file of a dump, and says how many collections that were.
func (t *transform) dumped(ctx context.Context, root fs.FS, name, target string, of func(ns string) change) (changed int, err error) {
	in, err := root.Open(name)
	if err != nil {
		return 0, ioFailure("reading "+name, err)
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return 0, ioFailure("reading "+name, err)
	}
	out, err := createWhole(target)
	if err != nil {
		return 0, ioFailure("writing "+target, err)
	}
	defer out.discard()
	ns, isCollection := dumpedNamespace(root, name)
	switch {
	case strings.HasSuffix(name, ".gz"):
		return 0, badInput("reading "+name, "dump without --gzip, or uncompress it", "it is compressed")
	case isCollection:
		t.change = of(ns)
	case name == "oplog.bson":
		if t.change = of(""); t.change == nil {
			return 0, badInput("reading "+name, "dump without --oplog", "it holds documents in plaintext, and is no collection")
		}
	case strings.HasSuffix(name, ".bson"):
		return 0, badInput("reading "+name, whatDump, "it is not in a database's directory")
	default:
		t.change = nil
	}
	if t.change == nil {
		if _, err := io.Copy(out, in); err != nil {
			return 0, ioFailure("copying "+name, err)
		}
	} else {
		before := t.done
		if err := t.interruptibly(ctx, in, info.Size(), out); err != nil {
			return 0, inFile(name, err)
		}
		t.note("%s: %s", name, plural(int(t.done-before), "document"))
		changed = 1
	}
	if err := out.commit(); err != nil {
		return 0, ioFailure("writing "+target, err)
	}
	return changed, nil
}

// inFile adds the file to what is said of a document.
func inFile(name string, err error) error {
	var f *failure
	if !errors.As(err, &f) {
		return err
	}
	shown := *f
	shown.doing = name + ": " + f.doing
	return &shown
}

// dumpedNamespace is the collection that a file holds. mongodump writes names with special characters as %XX, and cuts long ones: the metadata
// beside it has the name, of newer versions.
func dumpedNamespace(root fs.FS, name string) (ns string, is bool) {
	db, file := path.Split(name)
	coll, is := strings.CutSuffix(file, ".bson")
	if db = strings.TrimSuffix(db, "/"); !is || db == "" || strings.Contains(db, "/") {
		return "", false
	}
	if plain, err := url.PathUnescape(coll); err == nil {
		coll = plain
	}
	var metadata struct{ CollectionName string }
	text, err := fs.ReadFile(root, strings.TrimSuffix(name, ".bson")+".metadata.json")
	if err == nil && bson.UnmarshalExtJSON(text, false, &metadata) == nil && metadata.CollectionName != "" {
		coll = metadata.CollectionName
	}
	return db + "." + coll, true
}
