package migrate

// job is what a pass over the collection does.
type job int

const (
	planning job = iota
	encrypting
	rekeying
	decrypting
	verifying
)

// jobs is indexed by job.
var jobs = [...]struct {
	name            string
	encrypts        bool    // changes plaintext
	leavesPlaintext bool    // of any type, null included
	opens           bool    // decrypts ciphertexts of another key or algorithm
	opensAll        bool    // decrypts all ciphertexts
	writes          bool    // unless it is a dry run
	wants           []State // what it leaves behind when it succeeds
}{
	planning:   {name: "plan", encrypts: true, wants: []State{Encrypted, OtherKey, Plaintext}},
	encrypting: {name: "run", encrypts: true, writes: true, wants: []State{Encrypted, OtherKey}},
	rekeying:   {name: "rekey", leavesPlaintext: true, opens: true, writes: true, wants: []State{Encrypted, Plaintext}},
	decrypting: {name: "decrypt", leavesPlaintext: true, opens: true, opensAll: true, writes: true, wants: []State{Plaintext}},
	verifying:  {name: "verify", opens: true, opensAll: true, wants: []State{Encrypted}},
}

// String is the name that checkpoints and reports have.
func (j job) String() string { return jobs[j].name }

// mayOpen says whether the job decrypts a ciphertext in this state.
func (j job) mayOpen(s State) bool {
	switch s {
	case Encrypted:
		return jobs[j].opensAll
	case OtherKey:
		return jobs[j].opens
	}
	return j == decrypting // the key that a ciphertext itself names may be there
}
