package schema

// Migration says what is stored in the encrypted fields of a collection, and how a client reads and writes them, while its documents are
// being encrypted. docs/migration.md has the steps in their order.
type Migration int

const (
	// EncryptedOnly: all values are ciphertext, or are taken for it. Before a collection is encrypted and after.
	EncryptedOnly Migration = iota
	// ReadBothWritePlain: values may be plaintext or ciphertext; queries ask for both, and new values are WRITTEN IN CLEAR. It is for the time in
	// which not yet all clients read both, and for the way back.
	ReadBothWritePlain
	// ReadBothWriteEncrypted: values may be plaintext or ciphertext; queries ask for both, which sends the values that they compare with in
	// clear as well; new values are written as ciphertext.
	ReadBothWriteEncrypted
)

var migrationNames = [...]string{"encrypted-only", "write-plain", "write-encrypted"}

// String is "encrypted-only", "write-plain" or "write-encrypted".
func (m Migration) String() string {
	if !m.Valid() {
		return "unknown"
	}
	return migrationNames[m]
}

// Valid says whether m is one of the constants.
func (m Migration) Valid() bool { return m >= 0 && int(m) < len(migrationNames) }

// ReadsBoth says whether values may be plaintext as well as ciphertext.
func (m Migration) ReadsBoth() bool { return m != EncryptedOnly }

// During is s with all its fields in a step of a migration; s itself for the step that it is in.
func (s *Schema) During(m Migration) *Schema {
	if !s.Encrypts() || s.migration == m {
		return s
	}
	c := migrating{m, map[*Node]*Node{}, map[*Encrypted]*Encrypted{}}
	during := &Schema{root: c.node(s.root), weight: s.weight, migration: m}
	for _, f := range s.fields {
		during.fields = append(during.fields, c.field(f))
	}
	return during
}

// Migration is the step that the schema's fields are in.
func (s *Schema) Migration() Migration {
	if s == nil {
		return EncryptedOnly
	}
	return s.migration
}

// migrating copies the places of a parsed schema.
type migrating struct {
	to     Migration
	nodes  map[*Node]*Node
	fields map[*Encrypted]*Encrypted
}

func (c *migrating) field(e *Encrypted) *Encrypted {
	if e == nil {
		return nil
	}
	if c.fields[e] == nil {
		during := *e
		during.Migration = c.to
		c.fields[e] = &during
	}
	return c.fields[e]
}

func (c *migrating) node(n *Node) *Node {
	if n == nil {
		return nil
	}
	if c.nodes[n] != nil {
		return c.nodes[n]
	}
	during := *n
	c.nodes[n] = &during
	during.enc, during.rest = c.field(n.enc), c.node(n.rest)
	if n.named != nil {
		during.named = make(map[string]*Node, len(n.named))
	}
	for name, child := range n.named {
		during.named[name] = c.node(child)
	}
	during.patterns = make([]pattern, len(n.patterns))
	for i, p := range n.patterns {
		p.node = c.node(p.node)
		during.patterns[i] = p
	}
	return &during
}
