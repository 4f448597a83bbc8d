package measure

// Operation is what a task does.
type Operation string

// The operations, and what an input is.
const (
	EncryptValue   Operation = "encrypt value"   // the bytes of a BSON value
	DecryptValue   Operation = "decrypt value"   // the content of a binary of subtype 6
	EncryptCommand Operation = "encrypt command" // a command for Task.Database
	DecryptReply   Operation = "decrypt reply"   // a server's reply
	FirstReply     Operation = "first reply"     // a server's reply, for a client that is made for it and has no key in its cache
	Insert         Operation = "insert"          // a document, for the server at Task.URI
	Find           Operation = "find"            // none: finds all documents of the collection there
)

// Task is one thing to do, with all the bytes that it needs, so that every side has the same.
type Task struct {
	Operation Operation
	Inputs    [][]byte // the i-th time with Inputs[i % len(Inputs)]

	Algorithm string // of EncryptValue: the name that drivers take
	KeyID     []byte // of EncryptValue
	Type      byte   // of EncryptValue: the BSON type of the inputs

	Database  string
	SchemaMap []byte   // BSON: schemas by namespace
	Analysis  []byte   // what query analysis answers for the one command; ready made for the side that has no analyser of its own
	MasterKey []byte   // of the local KMS provider; 96 bytes
	DataKeys  [][]byte // the key vault's documents

	Procs int // GOMAXPROCS; 0: as many as there are cores

	URI         string // of a server
	Collection  string // on it, in Database
	KeyVault    string // on it: its namespace
	Mongocryptd string // the URI of a daemon that analyses, for the side that has no analyser of its own
	Plain       bool   // without encryption, for comparison
}

// Side is one implementation.
type Side interface {
	// Name is what it is, with its version.
	Name() string
	// Open gets everything ready that a program does once, and returns what it does each time: the i-th operation, and its result.
	// Several goroutines may call do. Close frees what Open made.
	Open(Task) (do func(i int) ([]byte, error), close func(), err error)
}
