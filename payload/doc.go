// Package payload reads and writes the bytes that client-side field level encryption (CSFLE) stores: ciphertexts, the markings that
// ask for one, and wrapped data keys. The formats are those of MongoDB's drivers, byte for byte, and never change here: what any
// official driver wrote reads here, and the other way round.
//
// It is for code that has a data key and one BSON value at hand. It is not for whole documents or commands, not for schemas, and it
// never fetches a key. Queryable Encryption values are named by [Kind], not read.
//
// # Formats
//
// Both are the content of a BSON binary of subtype 6 (MongoDB driver specification "BSON Binary Encrypted"):
//
//	ciphertext  kind (1 byte: 1 deterministic, 2 random) ‖ data key id (16) ‖ BSON type of the value (1) ‖ IV (16) ‖ S ‖ T (32)
//	marking     0 (1 byte) ‖ BSON document {a: algorithm, ki: key id | ka: key alt name, v: value}
//
// S is the AES-256-CBC encryption, PKCS#7 padded, of the value's bytes as they stand in a BSON document after the field name. T is the
// first half of HMAC-SHA-512 over the first 18 bytes, the IV, S and the bit length of the first 18 bytes as a big-endian 64-bit number:
// AEAD_AES_256_CBC_HMAC_SHA_512 of draft-mcgrew-aead-aes-cbc-hmac-sha2. The 96 bytes of a data key are its MAC key, its encryption key
// and its IV key, each 32 bytes. The random algorithm draws the IV; the deterministic one takes the first 16 bytes of HMAC-SHA-512 under
// the IV key over the first 18 bytes, their bit length and the value.
//
// # What the server learns
//
// The data key id, the algorithm, the BSON type and the length to within 16 bytes of every value are in clear, authenticated but not
// encrypted. Under one key the deterministic algorithm gives equal ciphertexts for equal values of one type: that is what makes equality
// queries possible, and it shows how often each value occurs. The tag does not bind a value to its field or document: whoever can write
// to the server can copy a ciphertext from one place to another.
package payload

// Subtype is the BSON binary subtype of markings and ciphertexts.
const Subtype byte = 0x06

// KeySize is the length in bytes of a data key's material.
const KeySize = 96
