package kmip

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/ovh/kmip-go"
	"github.com/ovh/kmip-go/payloads"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// registerSecret gives the server a new secret of 96 bytes and activates it.
func (c *conn) registerSecret() (id string, err error) {
	secret := make([]byte, payload.KeySize)
	defer clear(secret)
	if _, err := rand.Read(secret); err != nil {
		return "", err
	}
	reply, err := ask[*payloads.RegisterResponsePayload](c, &payloads.RegisterRequestPayload{
		ObjectType:        kmip.ObjectTypeSecretData,
		TemplateAttribute: attributes(kmip.AttributeNameCryptographicUsageMask, kmip.CryptographicUsageMask(0)),
		Object: &kmip.SecretData{
			SecretDataType: kmip.SecretDataTypeSeed,
			KeyBlock: kmip.KeyBlock{
				KeyFormatType: kmip.KeyFormatTypeOpaque,
				KeyValue:      &kmip.KeyValue{Plain: &kmip.PlainKeyValue{KeyMaterial: kmip.KeyMaterial{Bytes: &secret}}},
			},
		},
	})
	if err != nil {
		return "", err
	}
	return reply.UniqueIdentifier, c.activate(reply.UniqueIdentifier)
}

func (c *conn) activate(id string) error {
	if id == "" {
		return errors.New("malformed reply: the new key has no identifier")
	}
	_, err := ask[*payloads.ActivateResponsePayload](c, &payloads.ActivateRequestPayload{UniqueIdentifier: id})
	return err
}

var errOtherKey = errors.New("malformed reply: it is about another key")

// masterKey fetches the secret and expands it.
func (c *conn) masterKey(id string) (*payload.Key, error) {
	reply, err := ask[*payloads.GetResponsePayload](c, &payloads.GetRequestPayload{UniqueIdentifier: id})
	if err != nil {
		return nil, err
	}
	if reply.UniqueIdentifier != id {
		return nil, errOtherKey
	}
	object, ok := reply.Object.(*kmip.SecretData)
	if !ok {
		return nil, errors.New("the key is not secret data; is it a delegated one?")
	}
	block := object.KeyBlock
	if block.KeyValue == nil || block.KeyValue.Plain == nil || block.KeyValue.Plain.KeyMaterial.Bytes == nil || block.KeyWrappingData != nil {
		return nil, errors.New("the secret data has no plain bytes")
	}
	secret := *block.KeyValue.Plain.KeyMaterial.Bytes
	defer clear(secret)
	if len(secret) != payload.KeySize {
		return nil, fmt.Errorf("the secret data must be %d bytes: got %d", payload.KeySize, len(secret))
	}
	return payload.NewKey(secret)
}

// attributes takes pairs of names and values.
func attributes(pairs ...any) (t kmip.TemplateAttribute) {
	for i := 0; i < len(pairs); i += 2 {
		t.Attribute = append(t.Attribute, kmip.Attribute{AttributeName: pairs[i].(kmip.AttributeName), AttributeValue: pairs[i+1]})
	}
	return t
}
