package fieldcrypt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// RewrapOutcome is what became of a data key whose new wrapping was proven.
type RewrapOutcome string

const (
	RewrapNotWritten RewrapOutcome = "not written" // it has its old wrapping
	RewrapOvertaken  RewrapOutcome = "overtaken"   // somebody else has changed its keyMaterial or masterKey meanwhile, and that stands
	RewrapDeleted    RewrapOutcome = "deleted"     // somebody else has deleted it meanwhile
	RewrapUnknown    RewrapOutcome = "unknown"     // it has its old or its new wrapping: the key vault did not say. Either can be read
)

// RewrapError says which data keys were not, or perhaps not, written, after every new wrapping was proven. Run RewrapManyDataKey again: keys
// that were overtaken are then wrapped from their present state.
type RewrapError struct {
	Keys map[payload.KeyID]RewrapOutcome // all other keys have their new wrapping
	Err  error                           // the key vault's, a *keyvault.Error; nil when others' changes are the reason
}

func (e *RewrapError) Error() string {
	count := map[RewrapOutcome]int{}
	for _, outcome := range e.Keys {
		count[outcome]++
	}
	var parts []string
	for _, outcome := range slices.Sorted(maps.Keys(count)) {
		parts = append(parts, fmt.Sprintf("%d %s", count[outcome], outcome))
	}
	text := "rewrapping data keys: " + strings.Join(parts, ", ")
	if len(parts) == 0 {
		text += "all written"
	}
	for id, outcome := range e.Keys {
		if len(e.Keys) == 1 {
			text = fmt.Sprintf("rewrapping data key %s: %s", id, outcome)
		}
	}
	if e.Err != nil {
		return text + ": " + e.Err.Error()
	}
	return text + "; every key is readable, run it again"
}

// Unwrap returns Err.
func (e *RewrapError) Unwrap() error { return e.Err }

// outcomeTimeout bounds the look at what was written, which goes on when the caller gives up.
const outcomeTimeout = 10 * time.Second

// rewrapOutcome looks up what became of keys after a write that failed or that passed some of them over, and how many were written. The error is
// nil if all were written or are gone for good.
func (ce *ClientEncryption) rewrapOutcome(ctx context.Context, keys []*keyvault.DataKey, rewrapped []keyvault.Rewrapped, cause error) (written int64, _ error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeTimeout)
	defer cancel()
	ids := make([]payload.KeyID, len(keys))
	for i, key := range keys {
		ids[i] = key.ID
	}
	stored := map[payload.KeyID]*keyvault.DataKey{}
	found, err := ce.store.Fetch(ctx, ids, nil)
	for _, key := range found {
		stored[key.ID] = key
	}
	outcomes := map[payload.KeyID]RewrapOutcome{}
	failed := cause != nil
	for i, key := range keys {
		outcome := outcomeOf(key, rewrapped[i], stored[key.ID], err, answered(cause))
		if outcome != "" {
			outcomes[key.ID] = outcome
		}
		failed = failed || outcome != "" && outcome != RewrapDeleted
	}
	written = int64(len(keys) - len(outcomes))
	switch {
	case !failed:
		return written, nil
	case len(outcomes) == 0 && cause != nil && !answered(cause):
		return written, nil // only the reply was lost: a majority has them
	case cause == nil:
		cause = err
	}
	return written, &RewrapError{Keys: outcomes, Err: cause}
}

// outcomeOf compares what is stored now with what was read and what was to be written; "" is written. settled says that the key vault
// answered the write, so that it does not go on behind our backs.
func outcomeOf(was *keyvault.DataKey, to keyvault.Rewrapped, now *keyvault.DataKey, err error, settled bool) RewrapOutcome {
	switch {
	case now == nil && err != nil:
		return RewrapUnknown
	case now == nil:
		return RewrapDeleted
	case bytes.Equal(now.KeyMaterial, to.KeyMaterial) && bytes.Equal(now.MasterKey, to.MasterKey):
		return ""
	case !bytes.Equal(now.KeyMaterial, was.KeyMaterial) || !bytes.Equal(now.MasterKey, was.MasterKey):
		return RewrapOvertaken
	case settled:
		return RewrapNotWritten
	}
	return RewrapUnknown
}

// answered says whether a write's error, or nil, came with the server's answer.
func answered(err error) bool {
	var bulk mongo.BulkWriteException
	var one mongo.WriteException
	if errors.As(err, &bulk) && bulk.WriteConcernError != nil || errors.As(err, &one) && one.WriteConcernError != nil {
		return false // written, but perhaps not for good
	}
	var server mongo.ServerError
	return err == nil || errors.As(err, &server) && !mongo.IsNetworkError(err) && !mongo.IsTimeout(err)
}
