package analyze

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

var ruleRedact = &rule{"redact-descends-into-encrypted", "$$DESCEND would go into the documents of a field that is encrypted whole, of which the server sees none",
	"give the field a bsonType other than object and array in the schema, or redact after decryption", 0}

// redactStage writes $redact: what it keeps is like what it was given.
func (p *pipeline) redactStage(dst []byte, e bsonraw.Element) ([]byte, error) {
	if p.root != nil && bytes.Contains(e.Value, []byte("$$DESCEND")) {
		if err := p.descends(); err != nil {
			return nil, err
		}
	}
	p.op = "$redact"
	return p.redaction(dst, e.Key, e.RawValue())
}

// descends refuses $$DESCEND where a field's plaintext could be a document or an array: on ciphertext it would not be gone into.
// Every field that earlier stages have moved is one of the collections' that the command reads.
func (p *pipeline) descends() error {
	for _, ns := range p.target.Namespaces {
		for _, f := range p.schemas[ns].Fields() {
			if f.Types == 0 || f.Types.Has(bson.TypeEmbeddedDocument) || f.Types.Has(bson.TypeArray) {
				return refused(ruleRedact, f.Path, "$redact")
			}
		}
	}
	return nil
}
