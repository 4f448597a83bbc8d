package kmip

import (
	"crypto/aes"
	"fmt"

	"github.com/ovh/kmip-go"
	"github.com/ovh/kmip-go/payloads"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// delegatedSize is the length of a data key in the delegated form: the IV, then the data key with one block of padding.
const delegatedSize = aes.BlockSize + payload.KeySize + aes.BlockSize

// createKey makes a new AES-256 key in the server and activates it.
func (c *conn) createKey() (id string, err error) {
	reply, err := ask[*payloads.CreateResponsePayload](c, &payloads.CreateRequestPayload{
		ObjectType: kmip.ObjectTypeSymmetricKey,
		TemplateAttribute: attributes(
			kmip.AttributeNameCryptographicAlgorithm, kmip.CryptographicAlgorithmAES,
			kmip.AttributeNameCryptographicLength, int32(256),
			kmip.AttributeNameCryptographicUsageMask, kmip.CryptographicUsageEncrypt|kmip.CryptographicUsageDecrypt,
		),
	})
	if err != nil {
		return "", err
	}
	return reply.UniqueIdentifier, c.activate(reply.UniqueIdentifier)
}

// cbc says how the server encrypts. Some servers want the algorithm, though the key has it.
func cbc(randomIV *bool) *kmip.CryptographicParameters {
	return &kmip.CryptographicParameters{
		BlockCipherMode:        kmip.BlockCipherModeCBC,
		PaddingMethod:          kmip.PaddingMethodPKCS5,
		CryptographicAlgorithm: kmip.CryptographicAlgorithmAES,
		RandomIV:               randomIV,
	}
}

func (c *conn) encrypt(id string, dataKey []byte) ([]byte, error) {
	random := true
	reply, err := ask[*payloads.EncryptResponsePayload](c, &payloads.EncryptRequestPayload{
		UniqueIdentifier: id, CryptographicParameters: cbc(&random), Data: dataKey,
	})
	if err != nil {
		return nil, err
	}
	if reply.UniqueIdentifier != id {
		return nil, errOtherKey
	}
	if len(reply.IVCounterNonce) != aes.BlockSize || len(reply.IVCounterNonce)+len(reply.Data) != delegatedSize {
		return nil, fmt.Errorf("malformed reply: got an IV of %d bytes and %d bytes of ciphertext, expected %d and %d",
			len(reply.IVCounterNonce), len(reply.Data), aes.BlockSize, delegatedSize-aes.BlockSize)
	}
	return append(reply.IVCounterNonce, reply.Data...), nil
}

func (c *conn) decrypt(id string, keyMaterial []byte) ([]byte, error) {
	reply, err := ask[*payloads.DecryptResponsePayload](c, &payloads.DecryptRequestPayload{
		UniqueIdentifier: id, CryptographicParameters: cbc(nil), Data: keyMaterial[aes.BlockSize:], IVCounterNonce: keyMaterial[:aes.BlockSize],
	})
	if err != nil {
		return nil, err
	}
	if reply.UniqueIdentifier != id {
		return nil, errOtherKey
	}
	return reply.Data, nil
}
