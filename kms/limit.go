package kms

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Limit returns a Type that opens the providers of t with at most n calls in flight to each, such as a KMS's quota asks for. Further calls wait for
// one to end, until their context does: their error is then an *Error that wraps the context's. The time that a provider gives calls without a
// deadline begins after the wait. An n below 1 is no limit. The providers are a Versioner where those of t are.
func Limit(t Type, n int) Type {
	if n < 1 {
		return t
	}
	return limitedType{t, n}
}

type limitedType struct {
	Type
	n int
}

func (t limitedType) Open(id ID, config bson.Raw) (Provider, error) {
	p, err := t.Type.Open(id, config)
	if err != nil {
		return nil, err
	}
	l := &limited{p, id.String(), make(chan struct{}, t.n)}
	if v, ok := p.(Versioner); ok {
		return &limitedVersioner{l, v}, nil
	}
	return l, nil
}

// limited has a place in flight for each call.
type limited struct {
	provider Provider
	id       string
	flying   chan struct{}
}

func (l *limited) WrapKey(ctx context.Context, masterKey bson.Raw, dataKey []byte) (Wrapped, error) {
	if err := l.enter(ctx, masterKey, "WrapKey"); err != nil {
		return Wrapped{}, err
	}
	defer l.leave()
	return l.provider.WrapKey(ctx, masterKey, dataKey)
}

func (l *limited) UnwrapKey(ctx context.Context, masterKey bson.Raw, keyMaterial []byte) ([]byte, error) {
	if err := l.enter(ctx, masterKey, "UnwrapKey"); err != nil {
		return nil, err
	}
	defer l.leave()
	return l.provider.UnwrapKey(ctx, masterKey, keyMaterial)
}

// limitedVersioner is limited to the provider's other ability too.
type limitedVersioner struct {
	*limited
	versioner Versioner
}

// UnwrapKeyVersion takes one place for all that it asks, one after the other.
func (l *limitedVersioner) UnwrapKeyVersion(ctx context.Context, masterKey bson.Raw, keyMaterial []byte) ([]byte, Version, error) {
	if err := l.enter(ctx, masterKey, "UnwrapKey"); err != nil {
		return nil, Version{}, err
	}
	defer l.leave()
	return l.versioner.UnwrapKeyVersion(ctx, masterKey, keyMaterial)
}

// enter takes a place, or none and returns an error.
func (l *limited) enter(ctx context.Context, masterKey bson.Raw, operation string) error {
	select {
	case l.flying <- struct{}{}:
		return nil
	case <-ctx.Done():
	}
	e := l.Locate(masterKey)
	e.Provider, e.Operation, e.Cause = l.id, operation, ctx.Err()
	e.Message = fmt.Sprintf("waiting for one of the %d calls in flight to end: %v", cap(l.flying), ctx.Err())
	e.CanRetry = errors.Is(ctx.Err(), context.DeadlineExceeded)
	return &e
}

func (l *limited) leave() { <-l.flying }

// Locate is the limited provider's.
func (l *limited) Locate(masterKey bson.Raw) Error { return Locate(l.provider, masterKey) }
