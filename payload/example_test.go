package payload_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// Encrypting one value into what the server stores, and reading it back.
func Example() {
	material := make([]byte, payload.KeySize) // in production: a data key of the key vault, unwrapped by its KMS
	_, _ = rand.Read(material)
	key, err := payload.NewKey(material)
	if err != nil {
		log.Fatal(err)
	}
	clear(material)
	id, err := payload.ParseKeyID("2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e")
	if err != nil {
		log.Fatal(err)
	}

	typ, data, err := bson.MarshalValue("457-55-5462")
	if err != nil {
		log.Fatal(err)
	}
	stored, err := key.AppendEncrypt(nil, payload.Deterministic, id, bson.RawValue{Type: typ, Value: data})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(payload.Kind(stored[0]), len(stored), "bytes")

	c, err := payload.ParseCiphertext(stored)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c)
	plain, err := key.AppendDecrypt(nil, c)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bson.RawValue{Type: c.Type, Value: plain}.StringValue())

	stored[40] ^= 1 // somebody tampers with it
	_, err = key.AppendDecrypt(nil, c)
	fmt.Println(errors.Is(err, payload.ErrAuthentication))
	// Output:
	// FLE1 deterministic ciphertext 98 bytes
	// ciphertext(AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic, data key 2a6bf1c1-9d0b-4cb5-8f2f-6d2f2f0f5d1e, value of type string, 98 bytes)
	// 457-55-5462
	// true
}
