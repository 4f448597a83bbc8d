package keyvault

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// DataKey is one document of the key vault. Its shape is that of the MongoDB driver specification "Client Side Encryption", data keys.
type DataKey struct {
	ID           payload.KeyID
	KeyAltNames  []string  // other names of the key, unique in the vault
	KeyMaterial  []byte    // the wrapped key
	CreationDate time.Time // milliseconds, UTC
	UpdateDate   time.Time // of the last wrapping; milliseconds, UTC
	Status       int32     // 0 enabled, 1 disabled; informational, nothing acts on it
	MasterKey    bson.Raw  // names the master key: the KMS id in "provider", then the KMS's own fields
}

// ParseDataKey reads a document of the key vault. It is strict: a field that is missing, unknown, given twice or of another type is an
// error that names the field and, where it can be read, the key's id. The result does not share memory with doc.
func ParseDataKey(doc bson.Raw) (*DataKey, error) {
	k := &DataKey{}
	if err := bsonraw.Validate(doc); err != nil {
		return nil, fmt.Errorf("data key document: %w", err)
	}
	if err := k.parse(doc); err != nil {
		if id, ok := documentID(doc); ok {
			return nil, fmt.Errorf("data key %s: %w", id, err)
		}
		return nil, fmt.Errorf("data key document: %w", err)
	}
	return k, nil
}

// required are the fields that every data key has, in the order in which they are written.
var required = [...]string{"_id", "keyMaterial", "creationDate", "updateDate", "status", "masterKey"}

func (k *DataKey) parse(doc bson.Raw) error {
	seen := make(map[string]bool, len(required)+2)
	it := bsonraw.Iterate(doc)
	for it.Next() {
		name := string(it.Element.Key)
		if seen[name] {
			return fmt.Errorf("invalid key, duplicate field '%s'", printable(name))
		}
		seen[name] = true
		if err := k.parseField(name, it.Element.RawValue()); err != nil {
			return err
		}
	}
	for _, name := range required {
		if !seen[name] {
			return fmt.Errorf("invalid key, no '%s'", name)
		}
	}
	return it.Err
}

func (k *DataKey) parseField(name string, v bson.RawValue) (err error) {
	switch name {
	case "_id":
		var ok bool
		if k.ID, ok = keyID(v); !ok {
			return errors.New("invalid key, '_id' is not a UUID")
		}
	case "keyAltNames":
		k.KeyAltNames, err = parseAltNames(v)
	case "keyMaterial":
		subtype, data, ok := v.BinaryOK()
		if !ok || subtype != bson.TypeBinaryGeneric {
			return fmt.Errorf("invalid key, 'keyMaterial' is not binary of subtype 0: got %s", typeName(v))
		}
		k.KeyMaterial = bytes.Clone(data)
	case "creationDate":
		k.CreationDate, err = parseDate(name, v)
	case "updateDate":
		k.UpdateDate, err = parseDate(name, v)
	case "status":
		n, _ := v.AsInt64OK() // any type is accepted, as the drivers do: it is only informational
		k.Status = int32(n)
	case "masterKey":
		k.MasterKey, err = parseMasterKey(v)
	case "version":
		if n, ok := v.AsInt64OK(); !ok || n != 0 || v.Type == bson.TypeDouble {
			return errors.New("unsupported key document version, only supports version=0")
		}
	default:
		return fmt.Errorf("unrecognized field '%s'", printable(name))
	}
	return err
}

func parseAltNames(v bson.RawValue) ([]string, error) {
	if v.Type == bson.TypeNull {
		return nil, nil // what the drivers' way of removing a name leaves of a key that had none: the key itself is whole
	}
	if v.Type != bson.TypeArray {
		return nil, fmt.Errorf("invalid key, 'keyAltNames' is not an array: got %s", typeName(v))
	}
	var names []string
	seen := make(map[string]bool)
	it := bsonraw.Iterate(v.Value)
	for it.Next() {
		name, ok := it.Element.RawValue().StringValueOK()
		if !ok || !utf8.ValidString(name) {
			return nil, errors.New("unexpected non-UTF8 keyAltName")
		}
		if seen[name] {
			return nil, errors.New("unexpected duplicate keyAltNames")
		}
		seen[name] = true
		names = append(names, name)
	}
	return names, it.Err
}

func parseDate(name string, v bson.RawValue) (time.Time, error) {
	ms, ok := v.DateTimeOK()
	if !ok {
		return time.Time{}, fmt.Errorf("invalid key, '%s' is not a date: got %s", name, typeName(v))
	}
	return time.UnixMilli(ms).UTC(), nil
}

func parseMasterKey(v bson.RawValue) (bson.Raw, error) {
	if v.Type != bson.TypeEmbeddedDocument {
		return nil, fmt.Errorf("invalid key, 'masterKey' is not a document: got %s", typeName(v))
	}
	seen := make(map[string]bool)
	it := bsonraw.Iterate(v.Value)
	for it.Next() {
		name := string(it.Element.Key)
		if seen[name] {
			return nil, fmt.Errorf("invalid key, duplicate field 'masterKey.%s'", printable(name))
		}
		seen[name] = true
	}
	if it.Err != nil {
		return nil, it.Err
	}
	doc := bson.Raw(bytes.Clone(v.Value))
	if providerOf(doc) == "" {
		return nil, errors.New("invalid key, 'masterKey' has no 'provider' string")
	}
	return doc, nil
}

// MarshalBSON writes the document in the drivers' order: _id, keyAltNames (only when there are any), keyMaterial, creationDate,
// updateDate, status, masterKey. It refuses what ParseDataKey would refuse.
func (k *DataKey) MarshalBSON() ([]byte, error) {
	doc := bson.D{{Key: "_id", Value: k.ID.Binary()}}
	if len(k.KeyAltNames) > 0 {
		doc = append(doc, bson.E{Key: "keyAltNames", Value: k.KeyAltNames})
	}
	masterKey := k.MasterKey
	if masterKey == nil {
		masterKey = bson.Raw{5, 0, 0, 0, 0}
	}
	out, err := bson.Marshal(append(doc,
		bson.E{Key: "keyMaterial", Value: bson.Binary{Data: k.KeyMaterial}},
		bson.E{Key: "creationDate", Value: bson.NewDateTimeFromTime(k.CreationDate)},
		bson.E{Key: "updateDate", Value: bson.NewDateTimeFromTime(k.UpdateDate)},
		bson.E{Key: "status", Value: k.Status},
		bson.E{Key: "masterKey", Value: masterKey},
	))
	if err != nil {
		return nil, fmt.Errorf("data key %s: its masterKey or keyAltNames cannot be written as BSON", k.ID)
	}
	if len(k.KeyMaterial) == 0 {
		return nil, fmt.Errorf("data key %s: no key material", k.ID)
	}
	if _, err := ParseDataKey(out); err != nil {
		return nil, err
	}
	return out, nil
}

// UnmarshalBSON is ParseDataKey, for the driver's decoder.
func (k *DataKey) UnmarshalBSON(doc []byte) error {
	parsed, err := ParseDataKey(doc)
	if err != nil {
		return err
	}
	*k = *parsed
	return nil
}

// Provider returns masterKey.provider: the id of the KMS that wrapped the key, such as "local" or "aws:prod".
func (k *DataKey) Provider() string { return providerOf(k.MasterKey) }

func providerOf(masterKey bson.Raw) string {
	v, err := masterKey.LookupErr("provider")
	if err != nil {
		return ""
	}
	s, _ := v.StringValueOK()
	return s
}

// clone returns a copy that shares no memory.
func (k *DataKey) clone() *DataKey {
	c := *k
	c.KeyAltNames = append([]string(nil), k.KeyAltNames...)
	c.KeyMaterial = bytes.Clone(k.KeyMaterial)
	c.MasterKey = bytes.Clone(k.MasterKey)
	return &c
}

// keyID reads the value of an _id: binary of subtype 4 and 16 bytes.
func keyID(v bson.RawValue) (payload.KeyID, bool) {
	subtype, data, ok := v.BinaryOK()
	if !ok {
		return payload.KeyID{}, false
	}
	id, err := payload.KeyIDFromBinary(bson.Binary{Subtype: subtype, Data: data})
	return id, err == nil
}

func documentID(doc bson.Raw) (payload.KeyID, bool) {
	v, err := doc.LookupErr("_id")
	if err != nil {
		return payload.KeyID{}, false
	}
	return keyID(v)
}

func typeName(v bson.RawValue) string {
	if subtype, _, ok := v.BinaryOK(); ok {
		return fmt.Sprintf("binary of subtype %d", subtype)
	}
	return v.Type.String()
}

// printable makes a name from a document fit for a log line.
func printable(s string) string {
	const limit = 64
	tail := ""
	if len(s) > limit {
		s, tail = s[:limit], "…"
	}
	quoted := strconv.Quote(s)
	return quoted[1:len(quoted)-1] + tail
}
