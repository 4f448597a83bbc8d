package keyvault_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/keyvault"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

func TestNoSuchKey(t *testing.T) {
	_, store := startStore(t, func(cmd bson.Raw) bson.D {
		if _, err := cmd.LookupErr("find"); err == nil {
			return cursor()
		}
		return bson.D{{Key: "ok", Value: 1}, {Key: "value", Value: nil}}
	})
	for _, change := range []func(context.Context, payload.KeyID, string) (*keyvault.DataKey, error){store.AddKeyAltName, store.RemoveKeyAltName} {
		key, err := change(t.Context(), someID, "a")
		var vault *keyvault.Error
		if key != nil || !errors.Is(err, keyvault.ErrNotFound) || errors.As(err, &vault) || !strings.Contains(err.Error(), someID.String()) {
			t.Errorf("got %v, %v", key, err)
		}
	}
}

// A server without update pipelines: one command for the last name, another for a name among others. Here another writer adds a name
// between the two and takes it away again.
func TestRemoveKeyAltNameWithoutPipelines(t *testing.T) {
	for _, code := range []int{9, 14, 115, 168, 238, 303, 40324} {
		lists := []bson.A{{"x", "a"}, {"a"}, {"a"}, {"a"}} // at each command
		step := -1
		server, store := startStore(t, func(cmd bson.Raw) bson.D {
			if cmd.Lookup("update").Type == bson.TypeArray {
				return refusal(code, "no pipelines")
			}
			step++
			key := with("keyAltNames", lists[step])
			if _, err := cmd.LookupErr("find"); err == nil {
				return cursor(key)
			}
			_, wantsLast := cmd.Lookup("query", "keyAltNames").ArrayOK()
			if matches := wantsLast == (len(lists[step]) == 1); !matches {
				return bson.D{{Key: "ok", Value: 1}, {Key: "value", Value: nil}}
			}
			return bson.D{{Key: "ok", Value: 1}, {Key: "value", Value: key}}
		})
		before, err := store.RemoveKeyAltName(t.Context(), someID, "a")
		if err != nil {
			t.Fatalf("code %d: %v", code, err)
		}
		if diff := cmp.Diff([]string{"a"}, before.KeyAltNames); diff != "" {
			t.Errorf("code %d: the key before (-want +got):\n%s", code, diff)
		}
		last := `{"findAndModify":"keys","query":{"_id":` + uuid1 + `,"keyAltNames":["a"]},"update":{"$unset":{"keyAltNames":""}},` + majority + `}`
		among := `{"findAndModify":"keys","query":{"_id":` + uuid1 + `,"keyAltNames":"a","keyAltNames.1":{"$exists":true}},"update":{"$pullAll":{"keyAltNames":["a"]}},` + majority + `}`
		find := `{"find":"keys","filter":{"_id":` + uuid1 + `},"limit":1,"readConcern":{"level":"majority"},"singleBatch":true}`
		server.mu.Lock()
		server.commands = server.commands[1:] // the pipeline
		server.mu.Unlock()
		server.checkCommands(t, last, among, find, last)
	}
}

func TestRemoveKeyAltNameGivesUp(t *testing.T) {
	answer := func(cmd bson.Raw) bson.D {
		if _, err := cmd.LookupErr("find"); err == nil {
			return cursor(goodFields())
		}
		if cmd.Lookup("update").Type == bson.TypeArray {
			return refusal(238, "no pipelines")
		}
		return bson.D{{Key: "ok", Value: 1}, {Key: "value", Value: nil}} // somebody is always faster
	}
	_, store := startStore(t, answer)
	if _, err := store.RemoveKeyAltName(t.Context(), someID, "a"); err == nil || !strings.Contains(err.Error(), "other writers") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, store = startStore(t, func(cmd bson.Raw) bson.D {
		if _, err := cmd.LookupErr("find"); err == nil {
			cancel()
		}
		return answer(cmd)
	})
	if _, err := store.RemoveKeyAltName(ctx, someID, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A name that the key does not have changes nothing, with and without update pipelines.
func TestRemoveKeyAltNameThatIsNotThere(t *testing.T) {
	for _, pipelines := range []bool{true, false} {
		_, store := startStore(t, func(cmd bson.Raw) bson.D {
			_, find := cmd.LookupErr("find")
			switch pipeline := cmd.Lookup("update").Type == bson.TypeArray; {
			case find == nil:
				return cursor(goodFields())
			case pipeline && pipelines:
				return bson.D{{Key: "ok", Value: 1}, {Key: "value", Value: goodFields()}}
			case pipeline:
				return refusal(238, "no pipelines")
			default:
				return bson.D{{Key: "ok", Value: 1}, {Key: "value", Value: nil}}
			}
		})
		key, err := store.RemoveKeyAltName(t.Context(), someID, "other")
		if err != nil || key.ID != someID {
			t.Errorf("got %v, %v", key, err)
		}
	}
}

// Of a key without names the pipeline makes one that no driver can read: the field goes again, even if the caller has given up by then.
func TestRemoveKeyAltNameOfKeyWithoutNames(t *testing.T) {
	for name, tc := range map[string]struct {
		unset bson.D
		want  string
	}{
		"put right":     {bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: int32(1)}}, ""},
		"not put right": {refusal(13, "not authorized"), "keyAltNames may be null now"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			server, store := startStore(t, func(cmd bson.Raw) bson.D {
				if _, err := cmd.LookupErr("findAndModify"); err == nil {
					return bson.D{{Key: "ok", Value: 1}, {Key: "value", Value: with("keyAltNames", omit)}}
				}
				cancel()
				return tc.unset
			})
			key, err := store.RemoveKeyAltName(ctx, someID, "a")
			if tc.want == "" && (err != nil || key.ID != someID) {
				t.Errorf("got %v, %v", key, err)
			}
			if tc.want != "" && (err == nil || key != nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, %v, want %q", key, err, tc.want)
			}
			server.mu.Lock()
			server.commands = server.commands[1:] // the pipeline
			server.mu.Unlock()
			server.checkCommands(t, `{"update":"keys","ordered":true,"updates":[{"q":{"_id":`+uuid1+`,"keyAltNames":{"$type":"null"}},"u":{"$unset":{"keyAltNames":""}}}],`+majority+`}`)
		})
	}
}
