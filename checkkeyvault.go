package fieldcrypt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/sync/errgroup"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// CheckKeyVaultOptions says how thoroughly a key vault is checked; the zero value checks everything.
type CheckKeyVaultOptions struct {
	// SkipKMS asks no KMS: problems CannotUnwrap and OldMasterKey are not found, and UnknownVersions is empty. Default false.
	SkipKMS bool
	// Parallel is how many keys are at their KMS at the same time. Default 8.
	Parallel int
	// MaxFindings bounds how many findings the report lists; all are counted. Default 1000.
	MaxFindings int
	// Progress, if set, is called after each document with their number so far; one call at a time. It must be quick.
	Progress func(documents int64)
}

// KeyVaultProblem is a kind of finding.
type KeyVaultProblem string

const (
	DuplicateKeyID      KeyVaultProblem = "duplicate key id"     // several documents with one _id, as a badly sharded collection can have
	DuplicateKeyAltName KeyVaultProblem = "duplicate alt name"   // several data keys with one name: using it is an error
	UnreadableDocument  KeyVaultProblem = "unreadable document"  // it is not a data key
	UnknownProvider     KeyVaultProblem = "unknown provider"     // its KMS is not among this client's KmsProviders
	CannotUnwrap        KeyVaultProblem = "cannot unwrap"        // its KMS could not be reached, refuses, or does not recognise the wrapped key
	OldMasterKey        KeyVaultProblem = "old master key"       // wrapped under another version of the master key than the one that wraps now; rewrapping mends it
	MissingIndex        KeyVaultProblem = "missing unique index" // on keyAltNames; EnsureKeyVault makes it
)

// KeyVaultFinding is one problem.
type KeyVaultFinding struct {
	Problem  KeyVaultProblem
	KeyID    payload.KeyID // zero for a document without one, and for MissingIndex
	AltName  string        // of DuplicateKeyAltName
	Provider string        // KMS provider id, if it can be read
	Err      error         // the reason, where there is one: for CannotUnwrap see also its Temporary() and kms.ErrDenied, for OldMasterKey how to rewrap
}

// KeyVaultReport is what CheckKeyVault found.
type KeyVaultReport struct {
	Documents int64
	Index     keyvault.Index // empty if the key vault has no such thing
	Counts    map[KeyVaultProblem]int64
	Findings  []KeyVaultFinding // ordered by problem, then by key id; at most MaxFindings
	// UnknownVersions, by the id of the KMS provider, are of data keys that were not found to be under an OldMasterKey because it could not be told.
	// They are no problems, and not in Counts and Findings.
	UnknownVersions map[string]UnknownVersions
}

// OK says whether no problem was found. UnknownVersions are none: who must be sure that no OldMasterKey is in use looks at them too.
func (r *KeyVaultReport) OK() bool { return len(r.Counts) == 0 }

const (
	checkParallel = 8
	checkFindings = 1000
)

// CheckKeyVault goes through the whole key vault and reports what is wrong with it; it changes nothing. It reads with a cursor and holds a few
// documents at a time, besides about 40 bytes for each id and alt name.
//
// Each data key is unwrapped. Providers that are a [kms.Versioner] are asked at the same time whether the master key was rotated since it wrapped the
// data key, for which some KMSs want one more request and a permission of its own: see the provider's package. What they cannot tell is counted in
// UnknownVersions. The others have no versions of master keys, and no OldMasterKey.
//
// A problem is a finding, not an error. An error says that the key vault could not be read to its end, or that ctx ended: the report then has what was
// found until then.
func (ce *ClientEncryption) CheckKeyVault(ctx context.Context, opts CheckKeyVaultOptions) (*KeyVaultReport, error) {
	if ce.closed.Load() {
		return nil, mongo.ErrClientDisconnected
	}
	c := &check{
		ce: ce, opts: opts, report: &KeyVaultReport{Counts: map[KeyVaultProblem]int64{}},
		ids: newSightings[payload.KeyID](), names: newSightings[string](),
	}
	if c.opts.Parallel <= 0 {
		c.opts.Parallel = checkParallel
	}
	if c.opts.MaxFindings <= 0 {
		c.opts.MaxFindings = checkFindings
	}
	err := errors.Join(c.index(ctx), c.documents(ctx))
	if err == nil {
		err = c.duplicates(ctx)
	}
	slices.SortStableFunc(c.report.Findings, func(a, b KeyVaultFinding) int {
		return cmp.Or(cmp.Compare(a.Problem, b.Problem), slices.Compare(a.KeyID[:], b.KeyID[:]), cmp.Compare(a.AltName, b.AltName))
	})
	if err != nil {
		return c.report, fmt.Errorf("checking the key vault: %w", err)
	}
	return c.report, nil
}

// check is one run of CheckKeyVault.
type check struct {
	ce    *ClientEncryption
	opts  CheckKeyVaultOptions
	ids   *sightings[payload.KeyID]
	names *sightings[string]

	mu     sync.Mutex
	report *KeyVaultReport
}

func (c *check) found(f KeyVaultFinding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Counts[f.Problem]++
	if len(c.report.Findings) < c.opts.MaxFindings {
		c.report.Findings = append(c.report.Findings, f)
	}
}

func (c *check) index(ctx context.Context) (err error) {
	indexer, ok := c.ce.store.(keyvault.Indexer)
	if !ok {
		return nil
	}
	if c.report.Index, err = indexer.Index(ctx); err != nil {
		return err
	}
	if c.report.Index == keyvault.IndexMissing {
		c.found(KeyVaultFinding{Problem: MissingIndex})
	}
	return nil
}

// documents goes through the key vault; keys are at their KMS meanwhile.
func (c *check) documents(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(c.opts.Parallel)
	err := c.ce.store.Scan(ctx, bson.D{}, func(doc bson.Raw) error {
		key, err := keyvault.ParseDataKey(doc)
		if err != nil {
			c.unreadable(doc, err)
			c.done()
			return nil
		}
		c.ids.see(key.ID)
		for _, name := range key.KeyAltNames {
			c.names.see(name)
		}
		group.Go(func() error { // waits while there are too many
			c.key(ctx, key)
			c.done()
			return nil
		})
		return ctx.Err()
	})
	_ = group.Wait()
	if err == nil {
		err = ctx.Err() // keys at their KMS when it ended were passed over
	}
	return err
}

func (c *check) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.report.Documents++; c.opts.Progress != nil {
		c.opts.Progress(c.report.Documents)
	}
}

func (c *check) unreadable(doc bson.Raw, err error) {
	u := keyvault.NewUnreadable(doc, err)
	f := KeyVaultFinding{Problem: UnreadableDocument, Err: u.Err}
	if subtype, data, ok := u.ID.BinaryOK(); ok {
		f.KeyID, _ = payload.KeyIDFromBinary(bson.Binary{Subtype: subtype, Data: data})
	}
	c.found(f)
}

// key checks what can be said about one data key alone.
func (c *check) key(ctx context.Context, key *keyvault.DataKey) {
	f := KeyVaultFinding{KeyID: key.ID, Provider: key.Provider()}
	provider, err := c.ce.providers.Provider(f.Provider)
	if err != nil {
		f.Problem, f.Err = UnknownProvider, err
		c.found(f)
		return
	}
	if c.opts.SkipKMS {
		return
	}
	version, err := c.unwrap(ctx, provider, key)
	switch {
	case err == nil && version.State == kms.VersionCurrent:
	case err == nil && version.State == kms.VersionOld:
		f.Problem, f.Err = OldMasterKey, version.Reason
		c.found(f)
	case ctx.Err() != nil: // it says nothing about the key
	case err != nil:
		f.Problem, f.Err = CannotUnwrap, err
		c.found(f)
	default:
		c.unknown(f.Provider, version.Reason)
	}
}

// duplicates looks again for what was seen twice: a document that changed during the scan may have come twice.
func (c *check) duplicates(ctx context.Context) error {
	keys, err := c.ce.store.Fetch(ctx, c.ids.twice, c.names.twice)
	var unreadable *keyvault.UnreadableError
	if err != nil && !errors.As(err, &unreadable) {
		return err
	}
	byID, byName := map[payload.KeyID]int{}, map[string][]payload.KeyID{}
	for _, key := range keys {
		byID[key.ID]++
		for _, name := range key.KeyAltNames {
			byName[name] = append(byName[name], key.ID)
		}
	}
	for id, n := range byID {
		if n > 1 {
			c.found(KeyVaultFinding{Problem: DuplicateKeyID, KeyID: id})
		}
	}
	for name, ids := range byName {
		if len(ids) < 2 || !slices.Contains(c.names.twice, name) {
			continue
		}
		for _, id := range ids {
			c.found(KeyVaultFinding{Problem: DuplicateKeyAltName, KeyID: id, AltName: name})
		}
	}
	return nil
}
