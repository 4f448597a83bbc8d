package migrate

// State is what a value at an encrypted place of the schema is.
type State string

// The states of values. The first three are healthy, each before or after some job; the others are never touched.
const (
	Encrypted  State = "encrypted"   // ciphertext under the schema's key and algorithm
	Plaintext  State = "plaintext"   // a value that the schema would encrypt; to Rekey and Decrypt, which leave it, of any type
	OtherKey   State = "other key"   // ciphertext under another data key or algorithm than the schema's
	WrongType  State = "wrong type"  // plaintext, or the type of a ciphertext, that the schema does not take; null, too
	UnknownKey State = "unknown key" // its data key is not in the key vault, or this program may not use it
	Damaged    State = "damaged"     // binary of subtype 6 that is no ciphertext, was altered, or is under another key than it says
	NoKeyName  State = "no key name" // the schema's JSON pointer leads to no name of a key in this document
	InArray    State = "in array"    // an array stands above encrypted fields, where only documents can be
	NoPath     State = "no path"     // a field name with a dot, a dollar sign at its start, or none: no update can address it
	Duplicate  State = "duplicate"   // the document has the field twice
	Ambiguous  State = "ambiguous"   // rules of the schema that hit this name contradict each other
)

// The states of values that should have been changed and were not.
const (
	Contended State = "contended" // other writers were faster each time
	Unmatched State = "unmatched" // the server does not find the document by the values that it shows: it compares values, or _ids, of such a type otherwise
	Refused   State = "refused"   // the server refused the update: a validator, a unique index, the size of the document
)
