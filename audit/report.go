package audit

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Report is what an audit found.
type Report struct {
	Server        string // as Options has it
	ServerVersion string // as the server says, "" if it does not
	Version       string // as Options has it
	Started       time.Time
	Ended         time.Time
	Complete      bool  // all that was asked for was read
	Sample        int64 // as Options has it
	Proven        bool  // there was a Decrypter
	Collections   []*Collection
	Keys          Keys
}

// Source is where a collection's schema is from.
type Source string

// The sources.
const (
	FromMap       Source = "schema map"
	FromValidator Source = "validator"
	FromNowhere   Source = "none"
)

// Collection is what was found in one collection.
type Collection struct {
	Namespace  string
	Source     Source
	Queryable  bool  // it has encryptedFields: ciphertexts of Queryable Encryption are in place
	Missing    bool  // it is in the schema map but not on the server
	Schema     error // why the schema of its validator is unusable
	Total      int64 // documents, as the server estimates
	Documents  int64 // documents read
	Unreadable int64 // documents that are no well-formed BSON, or nest too deep
	Untold     int64 // values at paths beyond MaxPaths: they were judged, but their paths are not told apart
	Drawn      bool  // the server cannot draw a sample: all documents were transferred, and some looked at
	Complete   bool  // it was read to the end, or as many documents as the sample has, and all of them could be read
	Err        error // why it could not be read
	Fields     []*Field
	Others     []*Field // ciphertexts that no schema asks for
	Suspects   []*Suspect

	unproven error // why the first value could not be decrypted
}

// Field is a place that the schema encrypts, or one where ciphertexts were found.
type Field struct {
	Path      string
	Schema    *schema.Encrypted // what the schema wants; nil when no schema names the place
	Documents int64             // documents that have the field
	Values    int64             // values at the field: more than one in a document if there is an array on the way
	Clean     int64             // ciphertexts with which nothing is wrong
	Encrypted int64             // well-formed ciphertexts, clean or not
	Empty     int64             // null, undefined, minKey and maxKey, which cannot be encrypted and hold nothing
	Keys      []KeyCount        // most used first
	OtherKeys int64             // ciphertexts under further keys
	// Algorithms, Types and PlainTypes count ciphertexts and plaintext values.
	Algorithms map[payload.Algorithm]int64
	Types      map[bson.Type]int64
	PlainTypes map[bson.Type]int64
	Problems   []*Occurrences // worst first
	Proven     int64          // ciphertexts that the Decrypter has decrypted

	lastDocument int64                 // the last one that had the field
	keyAt        map[payload.KeyID]int // where in Keys
}

// KeyCount is how many ciphertexts are under a data key.
type KeyCount struct {
	ID     payload.KeyID
	Values int64
}

// Occurrences says how often and where there is a problem.
type Occurrences struct {
	Problem   Problem
	Values    int64
	Documents []ID // some of them
}

// Suspect is a field that no schema names and that looks sensitive.
type Suspect struct {
	Path      string
	Values    int64  // plaintext values at the field
	ByName    bool   // its name looks sensitive
	Detector  string // what recognised its values; "" for none
	Hits      int64  // values that it recognised
	InNames   bool   // it recognised the names of fields, which stand for all of them here, not their values
	Accepted  bool
	Documents []ID
}

// Keys is what was found about data keys.
type Keys struct {
	Vault     string // the key vault's namespace
	Looked    bool   // whether there was a key vault to look in
	InVault   int64  // data keys in it
	Used      int64  // data keys of the vault with ciphertexts
	Listed    []*Key // of those used, most used first
	Unused    []*Key
	UnusedAll int64 // how many are unused, listed or not
	Unknown   []KeyCount
	// UnknownAll counts data keys that ciphertexts name and the vault lacks, listed or not.
	UnknownAll int64
	Missing    []SchemaKey // named by a schema and not in the vault
	Unproven   error       // the first reason for CannotDecrypt
	Err        error       // why the vault could not be read to its end
}

// Key is a data key of the vault.
type Key struct {
	ID       payload.KeyID
	AltNames []string
	Provider string
	Values   int64
}

// SchemaKey is a data key that a schema names.
type SchemaKey struct {
	ID        payload.KeyID
	Namespace string
	Path      string
}

// Finding is a problem somewhere, for a list of all.
type Finding struct {
	Problem   Problem
	Namespace string // "" for keys
	Path      string
	Values    int64
	Documents []ID
	Detail    string
}

// Counts adds up the values with each problem; keys, schemas and suspects count as one each.
func (r *Report) Counts() map[Problem]int64 {
	counts := map[Problem]int64{}
	for _, f := range r.Findings() {
		if f.Problem == LooksSensitive || f.Problem == UnusedKey || f.Problem == MissingKey || f.Problem == UnusableSchema || f.Problem == NoSchema {
			counts[f.Problem]++
		} else {
			counts[f.Problem] += f.Values
		}
	}
	if n := r.Keys.UnusedAll; n > 0 {
		counts[UnusedKey] = n
	}
	return counts
}

// OK says whether nothing was found that is a reason to fail. A document that could not be read is one, and no schema to hold anything against. With strict, notes are reasons too, and a
// collection of the schema map that does not exist: its name may be wrong. It says nothing about Complete.
func (r *Report) OK(strict bool) bool {
	for _, c := range r.Collections {
		if c.Unreadable > 0 || strict && c.Missing {
			return false
		}
	}
	for problem, n := range r.Counts() {
		if n > 0 && (strict || !problem.note()) {
			return false
		}
	}
	return true
}

// Everything says whether all documents of all collections were read, so that a key without ciphertexts is one that nobody needs here.
func (r *Report) Everything() bool { return r.Complete && r.Sample == 0 }
