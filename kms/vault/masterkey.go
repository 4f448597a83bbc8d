package vault

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
)

const masterKeyDocument = "vault masterKey"

// masterKey names a key of the Transit engine.
type masterKey struct {
	keyName string
	mount   string // empty for the provider's
	version int32  // to wrap with; 0 is the newest
}

// parseMasterKey reads the user's document, or the stored one, which has the provider too.
func parseMasterKey(doc bson.Raw, stored bool) (m masterKey, err error) {
	fields := []kmsconfig.Field{
		{Name: "keyName", Text: &m.keyName, Required: true},
		{Name: "mount", Text: &m.mount},
		{Name: "keyVersion", Value: m.readVersion},
	}
	var provider string // the caller has chosen by it
	if stored {
		fields = append(fields, kmsconfig.Field{Name: "provider", Text: &provider})
	}
	if err := kmsconfig.Read(doc, masterKeyDocument, fields); err != nil {
		return masterKey{}, err
	}
	if !isName(m.keyName) {
		return masterKey{}, fmt.Errorf("%s: keyName %.200q is not a name in Transit: letters, digits, underscores and, between them, hyphens and dots", masterKeyDocument, m.keyName)
	}
	if m.mount != "" {
		err = checkMount(m.mount, masterKeyDocument)
	}
	return m, err
}

func (m *masterKey) readVersion(v bson.RawValue) error {
	n, ok := v.AsInt64OK()
	if (v.Type != bson.TypeInt32 && v.Type != bson.TypeInt64) || !ok || n < 1 || n > math.MaxInt32 {
		return fmt.Errorf("must be an integer from 1 to %d", math.MaxInt32)
	}
	m.version = int32(n)
	return nil
}

// isName knows the names of Transit's keys.
func isName(s string) bool {
	word := func(b byte) bool {
		return b == '_' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
	}
	for i := range len(s) {
		if !word(s[i]) && (s[i] != '-' && s[i] != '.' || i == 0 || i == len(s)-1) {
			return false
		}
	}
	return s != "" && len(s) <= 255
}

// checkMount keeps mounts to paths of names. Vault's own ones, where no engine can be mounted, are refused: whoever writes to the key vault must
// not make requests there.
func checkMount(mount, what string) error {
	parts := strings.Split(mount, "/")
	if len(mount) > 255 || slices.ContainsFunc(parts, func(s string) bool { return !isName(s) }) {
		return fmt.Errorf("%s: mount %.200q is not a path of names, such as transit or team/transit", what, mount)
	}
	if slices.Contains([]string{"auth", "cubbyhole", "identity", "sys"}, parts[0]) {
		return fmt.Errorf("%s: mount %.200q is a path of Vault's own", what, mount)
	}
	return nil
}

// document is what the key vault stores, but for the provider.
func (m masterKey) document() bson.Raw {
	texts := kmsconfig.Document("keyName", m.keyName, "mount", m.mount)
	if m.version == 0 {
		return texts
	}
	doc, start := bsonraw.Begin(nil)
	doc = append(doc, texts[4:len(texts)-1]...)
	t, value, _ := bson.MarshalValue(m.version) // an integer can always be written
	return bsonraw.End(bsonraw.AppendValue(doc, "keyVersion", bson.RawValue{Type: t, Value: value}), start)
}
