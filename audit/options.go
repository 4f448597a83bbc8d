package audit

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/audit/sensitive"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Decrypter decrypts one value; a *fieldcrypt.ClientEncryption is one.
type Decrypter interface {
	Decrypt(ctx context.Context, value bson.Binary) (bson.RawValue, error)
}

// Options says what is audited and how. The zero value reads every collection whole, with the schemas of their validators.
type Options struct {
	// Namespaces are databases ("db") and collections ("db.coll") to audit. Default: all that the user may list, but for the databases
	// admin, config and local. Views, the server's own collections and the key vault are never read; it is an error to name one, or what does not
	// exist.
	Namespaces []string
	// Schemas are encryption schemas by "db.coll". A collection without one has that of its validator, if there is one.
	Schemas map[string]*schema.Schema
	// Sample, if greater than 0, is how many documents of each collection are read, drawn at random. Default 0: all.
	Sample int64
	// Workers is how many collections are read at the same time. Each holds a batch of documents, and what it has found. The report is the same for any
	// number. Default 0: 4.
	Workers int

	// KeyVault is where the data keys are. Default nil: keys are counted, but not looked up.
	KeyVault keyvault.Store
	// KeyVaultNamespace is its collection, "db.coll", for the report; it is not audited.
	KeyVaultNamespace string
	// Decrypter proves that ciphertexts are authentic: each value is decrypted and forgotten. Default nil: nothing is decrypted.
	Decrypter Decrypter
	// Prove is about how many ciphertexts of each field the Decrypter is asked for, drawn at random; some more in large collections.
	// Default 0: 20.
	Prove int

	// Detectors are asked about values of fields that no schema names. Default nil: all of package sensitive; none if empty. What they recognise, or all of
	// package sensitive if they are none, is left out of the report where it is an _id or the name of a field.
	Detectors []sensitive.Detector
	// Names are asked about the names of such fields. Default nil: the patterns of package sensitive.
	Names *sensitive.Names
	// MinHits and MinShare are how many of a field's values, and which part of them, a detector must recognise. Where a field has fewer
	// values than MinHits, but more than one, all must be. Default 0: 3 values and 0.2.
	MinHits  int64
	MinShare float64
	// Accepted are fields, "db.coll.path", that may look sensitive: they are in the report, but no finding.
	Accepted []string

	// MaxIDs is how many _ids are listed for each problem of a field; all are counted. Default 0: 10; none if less.
	MaxIDs int
	// MaxPaths is how many different paths of a collection are told apart, beside those of the schema. Default 0: 10,000.
	MaxPaths int
	// MaxKeys is how many data keys are listed, in all and for each field; all are counted. Default 0: 100.
	MaxKeys int

	// Server is what the report calls the server: never a connection string. Default "".
	Server string
	// Version is the program that audits, for the report. Default "".
	Version string
	// Progress, if set, is called now and then, by one goroutine at a time, with the number of documents read and about how many there are. It
	// must be quick.
	Progress func(documents, total int64)
}

// hides says what kind of sensitive value a text is, as a name or an _id, so that the report must not hold it: one that the detectors recognise, or the
// usual ones if there are none, because fields are not to be looked at.
func (o *Options) hides(text string) (kind string, is bool) {
	detectors := o.Detectors
	if len(detectors) == 0 {
		detectors = sensitive.Detectors()
	}
	found, is := sensitive.Find(detectors, text)
	if !is {
		return "", false
	}
	return detectors[found].Name, true
}

func (o Options) withDefaults() (Options, error) {
	set(&o.Workers, 4)
	set(&o.Prove, 20)
	set(&o.MinHits, 3)
	set(&o.MinShare, 0.2)
	set(&o.MaxIDs, 10)
	set(&o.MaxPaths, 10_000)
	set(&o.MaxKeys, 100)
	if o.Detectors == nil {
		o.Detectors = sensitive.Detectors()
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
	var err error
	if o.Names == nil {
		o.Names, err = sensitive.NewNames(sensitive.NamePatterns())
	}
	return o, err
}

func set[T int | int64 | float64](option *T, usual T) {
	if *option == 0 {
		*option = usual
	}
}
