package audit

// Problem is something that an audit can find.
type Problem string

// The problems, worst first.
const (
	Plaintext      Problem = "plaintext"
	StoredMarking  Problem = "stored marking"
	NotAuthentic   Problem = "not authentic"
	Malformed      Problem = "malformed ciphertext"
	UnknownKey     Problem = "unknown key"
	CannotDecrypt  Problem = "cannot decrypt"
	WrongKey       Problem = "wrong key"
	WrongAlgorithm Problem = "wrong algorithm"
	WrongType      Problem = "wrong type"
	NoKeyName      Problem = "no key name"
	Queryable      Problem = "queryable encryption"
	Contradiction  Problem = "contradictory schema"
	UnusableSchema Problem = "unusable schema"
	NoSchema       Problem = "no schema"
	MissingKey     Problem = "missing key"
	LooksSensitive Problem = "looks sensitive"
	NotInSchema    Problem = "not in the schema"
	UnusedKey      Problem = "unused key"
)

// Explained is a problem with its explanation.
type Explained struct {
	Problem Problem
	Note    bool   // worth knowing, but no reason to fail
	Meaning string // what it is
	Advice  string // what to do
}

// Problems explains all problems, worst first.
func Problems() []Explained {
	return []Explained{
		{Plaintext, false, "The schema says that the field is encrypted; the value is stored as it is, readable for everyone who can read the collection, its backups and logs.",
			"Encrypt the existing values, and find the writer that has no encryption schema."},
		{StoredMarking, false, "The value is an intent to encrypt, which holds the plaintext. Such a thing must never reach a server.",
			"Treat the value as leaked; find the client that sends the output of query analysis without encrypting it."},
		{NotAuthentic, false, "The ciphertext was made with another key than it names, or was altered since: its authentication tag does not fit.",
			"Restore the value from a backup, and find out who can write to the collection."},
		{Malformed, false, "A binary value of subtype 6 that is too short, too long or of no known kind to be a ciphertext.",
			"Restore the value from a backup; nobody can decrypt it."},
		{UnknownKey, false, "The ciphertext names a data key that is not in the key vault. Nobody can decrypt it: right after a key was shredded on purpose, a loss otherwise.",
			"If the key was not destroyed on purpose, restore it from a backup of the key vault; else remove the values."},
		{CannotDecrypt, false, "The audit has tried to decrypt a sample of the values, and could not get the data key from its KMS.",
			"Check the credentials of the KMS providers and the master key: fieldcrypt keys check."},
		{WrongKey, false, "The ciphertext is under another data key than the schema names.", "Change the schema, or encrypt the values anew under its key."},
		{WrongAlgorithm, false, "The ciphertext is deterministic where the schema says random, or the other way round. Deterministic ones show which values are equal; random ones cannot be searched.",
			"Encrypt the values anew with the algorithm of the schema."},
		{WrongType, false, "The BSON type inside the ciphertext, which is authenticated but not hidden, is none that the schema allows.",
			"Find the writer that encrypts by hand with another type; convert the values."},
		{NoKeyName, false, "The schema takes the data key's name from the document itself; there is none, or no data key has it.",
			"Set the name in the document, or give the data key the name."},
		{Queryable, false, "A value of Queryable Encryption, which is another feature with other keys and rules, at a field of client-side field level encryption.",
			"Find the writer that uses encryptedFields on this collection."},
		{Contradiction, false, "Several rules of the schema apply to this field and do not agree.", "Mend the schema: automatic encryption refuses such documents."},
		{UnusableSchema, false, "The validator of the collection holds an encryption schema that cannot be used, so that nothing is known to be encrypted.",
			"Mend the validator, or give a schema map."},
		{NoSchema, false, "None of the collections has an encryption schema, on the server or in a schema map: whether what should be encrypted is encrypted, nobody could tell.",
			"Give a schema map, with --schema-map."},
		{MissingKey, false, "The schema names a data key that is not in the key vault: writes of this field fail.", "Restore the data key, or change the schema."},
		{LooksSensitive, false, "The field is in no schema, is not encrypted, and its name or many of its values look like personal or secret data. A guess.",
			"Encrypt the field, or accept it with --accept."},
		{NotInSchema, true, "Ciphertexts at a place where no schema asks for them: encrypted by hand, or left from an older schema. They are not checked against anything.",
			"Add the field to the schema if it is to be encrypted automatically."},
		{UnusedKey, true, "No ciphertext that was read is under this data key. In a sample, or when not all collections were read, that means little.",
			"If it is not needed, delete it; first make sure that no other collection or backup uses it."},
	}
}

// note says whether p is worth knowing but no reason to fail.
func (p Problem) note() bool { return p == NotInSchema || p == UnusedKey }
