package fieldcrypt_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// unreliable is a key vault whose answers to writes get lost.
type unreliable struct {
	*keyvault.MemoryStore
	err   error  // in place of the answer
	skips bool   // the write gets lost too
	blind bool   // and nothing can be read afterwards
	then  func() // the caller's doing, meanwhile
}

func (u *unreliable) lose(err error) error {
	if u.then != nil {
		u.then()
	}
	if u.err != nil {
		return &keyvault.Error{Op: "writing", Err: u.err}
	}
	return err
}

func (u *unreliable) Insert(ctx context.Context, key *keyvault.DataKey) error {
	if u.skips {
		return u.lose(nil)
	}
	return u.lose(u.MemoryStore.Insert(ctx, key))
}

func (u *unreliable) Take(ctx context.Context, id payload.KeyID) (bson.Raw, error) {
	if u.skips {
		return nil, u.lose(nil)
	}
	doc, err := u.MemoryStore.Take(ctx, id)
	if err = u.lose(err); err != nil {
		return nil, err
	}
	return doc, nil
}

func (u *unreliable) Fetch(ctx context.Context, ids []payload.KeyID, altNames []string) ([]*keyvault.DataKey, error) {
	if u.blind {
		return nil, &keyvault.Error{Op: "fetching", Err: u.err}
	}
	return u.MemoryStore.Fetch(ctx, ids, altNames)
}

var (
	lost         = mongo.CommandError{Message: "connection reset", Labels: []string{"NetworkError"}}
	duplicate    = mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: 11000, Message: "duplicate key"}}} // of the driver's own second try
	notYet       = mongo.WriteException{WriteConcernError: &mongo.WriteConcernError{Code: 64, Message: "waiting for replication timed out"}}
	writeRefused = mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: 121, Message: "validation"}}}
)

// A key that is in the key vault has been created, whatever became of the answer: who tried again would find its alt name taken, or have two keys.
func TestCreateDataKeyWhoseAnswerIsLost(t *testing.T) {
	for name, tt := range map[string]struct {
		vault   unreliable
		created bool
		told    bool // the id comes with the error
	}{
		"answered":                      {unreliable{}, true, true},
		"lost":                          {unreliable{err: lost}, true, true},
		"sent twice":                    {unreliable{err: duplicate}, true, true},
		"without majority":              {unreliable{err: notYet}, true, true},
		"lost before the write":         {unreliable{err: lost, skips: true}, false, true},
		"lost, and then all":            {unreliable{err: lost, blind: true}, false, true},
		"another key has the name":      {unreliable{err: duplicate, skips: true}, false, false},
		"refused":                       {unreliable{err: writeRefused, skips: true}, false, false},
		"without majority, rolled back": {unreliable{err: notYet, skips: true}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			vault := tt.vault
			vault.MemoryStore = keyvault.NewMemoryStore()
			ce := explicit(t, &vault)
			id, err := ce.CreateDataKey(t.Context(), "local", fieldcrypt.DataKeyOptions{KeyAltNames: []string{"name"}})
			if (err == nil) != tt.created || (len(id.Data) == 16) != tt.told {
				t.Errorf("got %d bytes, %v", len(id.Data), err)
			}
			if err != nil && !errors.As(err, new(*keyvault.Error)) {
				t.Errorf("got a %T", err)
			}
		})
	}
}

// What was shredded has a receipt, even if the answer is lost or the caller gives up: nobody can make one later.
func TestShredKeyWhoseAnswerIsLost(t *testing.T) {
	for name, tt := range map[string]struct {
		vault  unreliable
		cancel bool
		done   bool
	}{
		"answered":              {unreliable{}, false, true},
		"lost":                  {unreliable{err: lost}, false, true},
		"given up":              {unreliable{err: context.Canceled}, true, true},
		"given up when done":    {unreliable{}, true, true},
		"lost before the write": {unreliable{err: lost, skips: true}, false, false},
		"lost, and then all":    {unreliable{err: lost, blind: true}, false, false},
		"refused":               {unreliable{err: writeRefused, skips: true}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			vault := unreliable{MemoryStore: keyvault.NewMemoryStore()}
			ce := explicit(t, &vault)
			id := newKey(t, ce, "local", "name")
			key, err := ce.GetKey(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := key.MarshalBSON()
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			vault.err, vault.skips, vault.blind = tt.vault.err, tt.vault.skips, tt.vault.blind
			if tt.cancel {
				vault.then = cancel
			}
			receipt, err := ce.ShredKey(ctx, id, fieldcrypt.ShredOptions{})
			if !tt.done {
				if receipt != nil || !errors.As(err, new(*keyvault.Error)) {
					t.Errorf("got %+v, %v", receipt, err)
				}
				return
			}
			hash := sha256.Sum256(doc)
			if err != nil || !receipt.Verified || receipt.DocumentSHA256 != hex.EncodeToString(hash[:]) || len(receipt.KeyAltNames) != 1 {
				t.Errorf("got %+v, %v", receipt, err)
			}
		})
	}
}
