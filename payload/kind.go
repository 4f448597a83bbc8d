package payload

import "fmt"

// Kind is the first byte of a subtype 6 binary and says what the rest is (MongoDB driver specification "BSON Binary Encrypted").
// This package reads the three kinds of client-side field level encryption (FLE1); the others belong to Queryable Encryption (FLE2).
type Kind byte

// The kinds of client-side field level encryption.
const (
	KindMarking       Kind = 0
	KindDeterministic Kind = 1
	KindRandom        Kind = 2
)

// kinds is indexed by Kind. decryptable: a reader's decryption pass looks at it.
var kinds = [...]struct {
	name        string
	decryptable bool
}{
	0:  {"FLE1 marking (intent-to-encrypt)", false},
	1:  {"FLE1 deterministic ciphertext", true},
	2:  {"FLE1 random ciphertext", true},
	3:  {"FLE2 placeholder", false},
	4:  {"FLE2 insert/update payload v1 (removed)", true},
	5:  {"FLE2 find equality v1 (removed)", false},
	6:  {"FLE2 unindexed value v1", true},
	7:  {"FLE2 indexed equality value v1", true},
	8:  {"server-transient (v1)", false},
	9:  {"FLE2 indexed range value v1", true},
	10: {"FLE2 find range v1", false},
	11: {"FLE2 insert/update payload v2", true},
	12: {"FLE2 find equality v2", false},
	13: {"FLE2 find range v2", false},
	14: {"FLE2 indexed equality value v2", true},
	15: {"FLE2 indexed range value v2", true},
	16: {"FLE2 unindexed value v2", true},
	17: {"FLE2 indexed text value", true},
	18: {"FLE2 find text", false},
}

// String returns the kind's name, such as "FLE1 random ciphertext"; "unknown kind 42" when there is none.
func (k Kind) String() string {
	if int(k) < len(kinds) {
		return kinds[k].name
	}
	return fmt.Sprintf("unknown kind %d", byte(k))
}

// Decryptable reports whether a decryption pass looks at such a value; it leaves all others as they are.
func (k Kind) Decryptable() bool { return int(k) < len(kinds) && kinds[k].decryptable }

// Queryable reports whether the kind belongs to Queryable Encryption, which this package does not read.
func (k Kind) Queryable() bool { return k > KindRandom && int(k) < len(kinds) }
