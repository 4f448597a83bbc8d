package kms_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

// versionedGate is a gate that knows versions.
type versionedGate struct{ gate }

func (g *versionedGate) Open(kms.ID, bson.Raw) (kms.Provider, error) { return g, g.err }

func (g *versionedGate) UnwrapKeyVersion(context.Context, bson.Raw, []byte) ([]byte, kms.Version, error) {
	g.entered <- "version"
	<-g.open
	return []byte{3}, kms.Version{State: kms.VersionOld}, nil
}

// A limited provider knows versions where the provider does, and counts that call with the others.
func TestLimitVersioner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if _, ok := openLimited(t, &gate{}, 1).(kms.Versioner); ok {
			t.Error("knows versions that its provider does not know")
		}
		g := &versionedGate{gate{entered: make(chan string, 9), open: make(chan struct{})}}
		opened, err := kms.Limit(g, 1).Open(kms.ID{Type: "aws", Name: "prod"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, ok := opened.(kms.Versioner)
		if !ok {
			t.Fatal("does not know versions")
		}
		go func() { _, _ = p.WrapKey(t.Context(), nil, nil) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), kmsWait)
		defer cancel()
		var e *kms.Error
		if _, _, err := p.UnwrapKeyVersion(ctx, nil, nil); !errors.As(err, &e) || !errors.Is(err, context.DeadlineExceeded) || e.Provider != "aws:prod" || e.Operation != "UnwrapKey" {
			t.Errorf("got %v", err)
		}
		g.open <- struct{}{}
		go func() { g.open <- struct{}{} }()
		if got, v, err := p.UnwrapKeyVersion(t.Context(), nil, nil); err != nil || string(got) != "\x03" || v.State != kms.VersionOld {
			t.Errorf("got %v, %v, %v", got, v, err)
		}
		if n := len(g.entered); n != 2 {
			t.Errorf("%d calls", n)
		}
	})
}

// What says nothing is unknown, not current.
func TestVersionState(t *testing.T) {
	for state, want := range map[kms.VersionState]string{
		kms.Version{}.State: "unknown", kms.VersionCurrent: "current", kms.VersionOld: "old", 99: "unknown",
	} {
		if got := state.String(); got != want {
			t.Errorf("%d: got %q", state, got)
		}
	}
}
