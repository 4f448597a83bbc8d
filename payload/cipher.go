package payload

import "go.mongodb.org/mongo-driver/v2/bson"

// Cipher encrypts and decrypts value after value, for one goroutine at a time. It holds on to what its last key works with, so that many values under one key
// cost less than by the key's own methods. The zero value is ready; Close ends its hold.
type Cipher struct{ aead *aead }

// AppendEncrypt is that of key.
func (c *Cipher) AppendEncrypt(key *Key, dst []byte, alg Algorithm, id KeyID, value bson.RawValue) ([]byte, error) {
	return c.under(key).appendEncrypt(dst, alg, id, value)
}

// AppendDecryptContent is that of key.
func (c *Cipher) AppendDecryptContent(key *Key, dst, content []byte) ([]byte, bson.Type, error) {
	return c.under(key).openContent(dst, content)
}

func (c *Cipher) under(key *Key) *aead {
	if c.aead == nil || c.aead.key != key {
		c.Close()
		c.aead = key.acquire()
	}
	return c.aead
}

// Close gives back what the last key works with. The Cipher can be used again.
func (c *Cipher) Close() {
	if c.aead != nil {
		c.aead.key.release(c.aead)
		c.aead = nil
	}
}
