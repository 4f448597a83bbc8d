package fieldcrypt_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// sickVault is a list of documents, as a server without an index would have them.
type sickVault struct {
	keyvault.Store
	docs []bson.Raw
	err  error // at the end of a scan
}

func (v *sickVault) Scan(_ context.Context, _ any, each func(bson.Raw) error) error {
	for _, doc := range v.docs {
		if err := each(doc); err != nil {
			return err
		}
	}
	return v.err
}

func (v *sickVault) Fetch(_ context.Context, ids []payload.KeyID, names []string) (keys []*keyvault.DataKey, _ error) {
	for _, doc := range v.docs {
		k, err := keyvault.ParseDataKey(doc)
		if err == nil && (slices.Contains(ids, k.ID) || slices.ContainsFunc(k.KeyAltNames, func(n string) bool { return slices.Contains(names, n) })) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func (v *sickVault) Index(context.Context) (keyvault.Index, error) { return keyvault.IndexMissing, nil }
func (v *sickVault) EnsureIndex(context.Context) (bool, error)     { return true, nil }
func (v *sickVault) add(t *testing.T, key keyvault.DataKey, n byte) { // as key n
	t.Helper()
	key.ID = payload.KeyID{n}
	doc, err := key.MarshalBSON()
	if err != nil {
		t.Fatal(err)
	}
	v.docs = append(v.docs, doc)
}

// rotatingKMS knows the versions of its master key.
type rotatingKMS struct{ fakeKMS }

func (r *rotatingKMS) Open(kms.ID, bson.Raw) (kms.Provider, error) { return r, nil }

func (r *rotatingKMS) UnwrapKeyVersion(_ context.Context, _ bson.Raw, material []byte) ([]byte, kms.Version, error) {
	states := []kms.VersionState{kms.VersionUnknown, kms.VersionOld, kms.VersionCurrent}
	return slices.Clone(material), kms.Version{State: states[material[0]], Reason: fmt.Errorf("reason %d", len(material))}, nil
}

func masterKey(t *testing.T, provider string) bson.Raw {
	t.Helper()
	doc, err := bson.Marshal(bson.D{{Key: "provider", Value: provider}})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestCheckKeyVault(t *testing.T) {
	healthy := explicit(t, keyvault.NewMemoryStore())
	newKey(t, healthy, "local", "a")
	good, err := healthy.GetKeyByAltName(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	report, err := healthy.CheckKeyVault(t.Context(), fieldcrypt.CheckKeyVaultOptions{})
	if err != nil || !report.OK() || report.Documents != 1 || report.Index != keyvault.IndexPartial {
		t.Errorf("a healthy key vault: %+v, %v", report, err)
	}

	vault := &sickVault{}
	key := func(n byte, change func(*keyvault.DataKey)) {
		k := *good
		k.KeyAltNames = nil
		change(&k)
		vault.add(t, k, n)
	}
	key(1, func(k *keyvault.DataKey) { k.KeyAltNames = []string{"x"} })
	key(2, func(k *keyvault.DataKey) { k.KeyAltNames = []string{"x", "y"} })
	key(3, func(k *keyvault.DataKey) { k.MasterKey = masterKey(t, "gcp:other") })
	key(4, func(k *keyvault.DataKey) { k.MasterKey = masterKey(t, "local:tenant") })
	key(5, func(k *keyvault.DataKey) {})
	key(5, func(k *keyvault.DataKey) {})
	for i, first := range []byte{1, 2, 0, 0, 1} { // old, current, unknown twice, and a data key of the wrong length
		key(6+byte(i), func(k *keyvault.DataKey) {
			k.MasterKey, k.KeyMaterial = masterKey(t, "aws"), slices.Concat([]byte{first}, make([]byte, 95+i/4))
		})
	}
	vault.docs = append(vault.docs, foreign)
	ce := explicit(t, vault, &rotatingKMS{})
	for name, tc := range map[string]struct {
		opts    fieldcrypt.CheckKeyVaultOptions
		want    []string
		unknown int64
	}{
		"all": {fieldcrypt.CheckKeyVaultOptions{Parallel: 3}, []string{
			"cannot unwrap 4 local:tenant", "cannot unwrap 10 aws", "duplicate alt name 1 x", "duplicate alt name 2 x", "duplicate key id 5", "missing unique index 0",
			"old master key 6 aws: reason 96", "unknown provider 3 gcp:other", "unreadable document 0",
		}, 2},
		"without KMS": {fieldcrypt.CheckKeyVaultOptions{SkipKMS: true}, []string{
			"duplicate alt name 1 x", "duplicate alt name 2 x", "duplicate key id 5", "missing unique index 0",
			"unknown provider 3 gcp:other", "unreadable document 0",
		}, 0},
	} {
		var progress []int64
		tc.opts.Progress = func(n int64) { progress = append(progress, n) }
		report, err := ce.CheckKeyVault(t.Context(), tc.opts)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range report.Findings {
			line := strings.TrimSpace(fmt.Sprint(f.Problem, " ", f.KeyID[0], " ", f.AltName, f.Provider))
			if f.Problem == fieldcrypt.OldMasterKey {
				line += ": " + f.Err.Error()
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff([]int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, progress); diff != "" || report.Documents != 12 {
			t.Errorf("%s: %d documents, progress %s", name, report.Documents, diff)
		}
		if u := report.UnknownVersions["aws"]; u.Keys != tc.unknown || len(report.UnknownVersions) > 1 || u.Keys > 0 && u.Reason.Error() != "reason 96" {
			t.Errorf("%s: got %+v", name, report.UnknownVersions)
		}
	}
	report, err = ce.CheckKeyVault(t.Context(), fieldcrypt.CheckKeyVaultOptions{MaxFindings: 2})
	if err != nil || len(report.Findings) != 2 || report.Counts[fieldcrypt.DuplicateKeyAltName] != 2 || len(report.Counts) != 7 {
		t.Errorf("a short report: %+v, %v", report, err)
	}
	vault.err = errors.New("connection reset")
	report, err = ce.CheckKeyVault(t.Context(), fieldcrypt.CheckKeyVaultOptions{})
	if !errors.Is(err, vault.err) || report.Documents != 12 {
		t.Errorf("an unreadable vault: %+v, %v", report, err)
	}
}

// slowKMS takes a second for each key.
type slowKMS struct{ fakeKMS }

func (s *slowKMS) Open(kms.ID, bson.Raw) (kms.Provider, error) { return s, nil }

func (s *slowKMS) UnwrapKey(ctx context.Context, _ bson.Raw, material []byte) ([]byte, error) {
	select {
	case <-time.After(time.Second):
		return slices.Clone(material), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Keys are at the KMS in parallel, so many at a time; a check that is interrupted ends at once and blames no key.
func TestCheckKeyVaultInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ce := explicit(t, keyvault.NewMemoryStore(), &slowKMS{})
		for range 40 {
			newKey(t, ce, "aws")
		}
		began := time.Now()
		report, err := ce.CheckKeyVault(t.Context(), fieldcrypt.CheckKeyVaultOptions{Parallel: 10})
		if took := time.Since(began); err != nil || !report.OK() || took != 4*time.Second {
			t.Errorf("took %v: %+v, %v", took, report, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		began = time.Now()
		report, err = ce.CheckKeyVault(ctx, fieldcrypt.CheckKeyVaultOptions{Parallel: 10})
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || len(report.Findings) > 0 || took != 1500*time.Millisecond {
			t.Errorf("interrupted after %v: %+v, %v", took, report, err)
		}
	})
}

func TestEnsureKeyVault(t *testing.T) {
	ce := explicit(t, keyvault.NewMemoryStore())
	for range 2 {
		if index, err := ce.EnsureKeyVault(t.Context()); index != keyvault.IndexPartial || err != nil {
			t.Errorf("got %q, %v", index, err)
		}
	}
	if _, err := explicit(t, newVault()).EnsureKeyVault(t.Context()); err != nil {
		t.Errorf("got %v", err)
	}
	plain := explicit(t, struct{ keyvault.Store }{keyvault.NewMemoryStore()})
	if _, err := plain.EnsureKeyVault(t.Context()); err == nil || !strings.Contains(err.Error(), "has no indexes") {
		t.Errorf("got %v", err)
	}
	report, err := plain.CheckKeyVault(t.Context(), fieldcrypt.CheckKeyVaultOptions{})
	if diff := cmp.Diff(&fieldcrypt.KeyVaultReport{Counts: map[fieldcrypt.KeyVaultProblem]int64{}}, report, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

// endlessVault makes its documents while they are read.
type endlessVault struct {
	*keyvault.MemoryStore
	key   keyvault.DataKey
	count int
}

func (v *endlessVault) Scan(_ context.Context, _ any, each func(bson.Raw) error) error {
	key := v.key
	for n := range v.count {
		binary.BigEndian.PutUint64(key.ID[8:], uint64(n)+1)
		key.KeyAltNames = []string{"person " + strconv.Itoa(n)}
		doc, err := key.MarshalBSON()
		if err != nil {
			return err
		}
		if err := each(doc); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkCheckKeyVault checks a million keys with an alt name each, and measures what it holds in memory at the end.
func BenchmarkCheckKeyVault(b *testing.B) {
	const count = 1_000_000
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	ce := explicit(b, keyvault.NewMemoryStore())
	newKey(b, ce, "local", "a")
	key, err := ce.GetKeyByAltName(b.Context(), "a")
	if err != nil {
		b.Fatal(err)
	}
	ce = explicit(b, &endlessVault{MemoryStore: keyvault.NewMemoryStore(), key: *key, count: count})
	var held uint64
	for b.Loop() {
		before := heap()
		report, err := ce.CheckKeyVault(b.Context(), fieldcrypt.CheckKeyVaultOptions{Progress: func(n int64) {
			if n == count {
				held = heap() - before
			}
		}})
		if err != nil || !report.OK() || report.Documents != count {
			b.Fatal(report, err)
		}
	}
	b.ReportMetric(float64(held)/count, "B/key")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*count), "ns/key")
}
