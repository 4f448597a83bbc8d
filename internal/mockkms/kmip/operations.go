package kmip

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"strconv"

	"github.com/ovh/kmip-go"
	"github.com/ovh/kmip-go/kmipserver"
	"github.com/ovh/kmip-go/payloads"
)

// object is a key of the server.
type object struct {
	secret *kmip.SecretData // or else
	key    []byte           // of AES
	active bool
}

func newObjects(o Options) map[string]*object {
	all := map[string]*object{}
	for id, secret := range o.Secrets {
		all[id] = &object{active: true, secret: &kmip.SecretData{
			SecretDataType: kmip.SecretDataTypeSeed,
			KeyBlock: kmip.KeyBlock{
				KeyFormatType: kmip.KeyFormatTypeOpaque,
				KeyValue:      &kmip.KeyValue{Plain: &kmip.PlainKeyValue{KeyMaterial: kmip.KeyMaterial{Bytes: &secret}}},
			},
		}}
	}
	for id, key := range o.Keys {
		all[id] = &object{active: true, key: key}
	}
	return all
}

func (s *Server) newExecutor() *kmipserver.BatchExecutor {
	e := kmipserver.NewBatchExecutor()
	e.Route(kmip.OperationRegister, kmipserver.HandleFunc(s.register))
	e.Route(kmip.OperationCreate, kmipserver.HandleFunc(s.create))
	e.Route(kmip.OperationActivate, kmipserver.HandleFunc(s.activate))
	e.Route(kmip.OperationGet, kmipserver.HandleFunc(s.get))
	e.Route(kmip.OperationEncrypt, kmipserver.HandleFunc(s.encrypt))
	e.Route(kmip.OperationDecrypt, kmipserver.HandleFunc(s.decrypt))
	return e
}

// objectID is the object that a request is about.
func objectID(p kmip.OperationPayload) string {
	switch p := p.(type) {
	case *payloads.ActivateRequestPayload:
		return p.UniqueIdentifier
	case *payloads.GetRequestPayload:
		return p.UniqueIdentifier
	case *payloads.EncryptRequestPayload:
		return p.UniqueIdentifier
	case *payloads.DecryptRequestPayload:
		return p.UniqueIdentifier
	}
	return ""
}

func (s *Server) add(o *object) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id = "new-" + strconv.Itoa(len(s.objects)+1)
	s.objects[id] = o
	return id
}

func (s *Server) find(id string) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := s.objects[id]; ok {
		return *o, nil
	}
	return object{}, kmipserver.Errorf(kmip.ResultReasonItemNotFound, "Could not locate object: %s", id)
}

func (s *Server) register(_ context.Context, r *payloads.RegisterRequestPayload) (*payloads.RegisterResponsePayload, error) {
	secret, ok := r.Object.(*kmip.SecretData)
	if !ok || secret.SecretDataType != kmip.SecretDataTypeSeed || secret.KeyBlock.KeyFormatType != kmip.KeyFormatTypeOpaque {
		return nil, kmipserver.ErrInvalidField
	}
	if mask, ok := attribute(r.TemplateAttribute, kmip.AttributeNameCryptographicUsageMask); !ok || mask != kmip.CryptographicUsageMask(0) {
		return nil, kmipserver.ErrInvalidField
	}
	return &payloads.RegisterResponsePayload{UniqueIdentifier: s.add(&object{secret: secret})}, nil
}

func (s *Server) create(_ context.Context, r *payloads.CreateRequestPayload) (*payloads.CreateResponsePayload, error) {
	for name, want := range map[kmip.AttributeName]any{
		kmip.AttributeNameCryptographicAlgorithm: kmip.CryptographicAlgorithmAES,
		kmip.AttributeNameCryptographicLength:    int32(256),
		kmip.AttributeNameCryptographicUsageMask: kmip.CryptographicUsageMask(12),
	} {
		if got, ok := attribute(r.TemplateAttribute, name); !ok || got != want || r.ObjectType != kmip.ObjectTypeSymmetricKey {
			return nil, kmipserver.ErrInvalidField
		}
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return &payloads.CreateResponsePayload{ObjectType: kmip.ObjectTypeSymmetricKey, UniqueIdentifier: s.add(&object{key: key})}, nil
}

func attribute(t kmip.TemplateAttribute, name kmip.AttributeName) (any, bool) {
	for _, a := range t.Attribute {
		if a.AttributeName == name {
			return a.AttributeValue, true
		}
	}
	return nil, false
}

func (s *Server) activate(_ context.Context, r *payloads.ActivateRequestPayload) (*payloads.ActivateResponsePayload, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[r.UniqueIdentifier]
	if !ok {
		return nil, kmipserver.ErrItemNotFound
	}
	if o.active {
		return nil, kmipserver.Errorf(kmip.ResultReasonPermissionDenied, "The object state is not pre-active and cannot be activated.")
	}
	o.active = true
	return &payloads.ActivateResponsePayload{UniqueIdentifier: r.UniqueIdentifier}, nil
}

func (s *Server) get(_ context.Context, r *payloads.GetRequestPayload) (*payloads.GetResponsePayload, error) {
	o, err := s.find(r.UniqueIdentifier)
	if err != nil {
		return nil, err
	}
	out := &payloads.GetResponsePayload{ObjectType: kmip.ObjectTypeSecretData, UniqueIdentifier: r.UniqueIdentifier, Object: o.secret}
	if o.secret == nil {
		out.ObjectType = kmip.ObjectTypeSymmetricKey
		out.Object = &kmip.SymmetricKey{KeyBlock: kmip.KeyBlock{
			KeyFormatType:          kmip.KeyFormatTypeRaw,
			KeyValue:               &kmip.KeyValue{Plain: &kmip.PlainKeyValue{KeyMaterial: kmip.KeyMaterial{Bytes: &o.key}}},
			CryptographicAlgorithm: kmip.CryptographicAlgorithmAES, CryptographicLength: 256,
		}}
	}
	return out, nil
}

func (s *Server) encrypt(_ context.Context, r *payloads.EncryptRequestPayload) (*payloads.EncryptResponsePayload, error) {
	block, err := s.cipher(r.UniqueIdentifier, r.CryptographicParameters)
	if err != nil {
		return nil, err
	}
	if random := r.CryptographicParameters.RandomIV; random == nil || !*random {
		return nil, kmipserver.ErrInvalidField
	}
	iv := make([]byte, aes.BlockSize)
	_, _ = rand.Read(iv) // never fails
	n := aes.BlockSize - len(r.Data)%aes.BlockSize
	data := append(bytes.Clone(r.Data), bytes.Repeat([]byte{byte(n)}, n)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, data)
	return &payloads.EncryptResponsePayload{UniqueIdentifier: r.UniqueIdentifier, Data: data, IVCounterNonce: iv}, nil
}

func (s *Server) decrypt(_ context.Context, r *payloads.DecryptRequestPayload) (*payloads.DecryptResponsePayload, error) {
	block, err := s.cipher(r.UniqueIdentifier, r.CryptographicParameters)
	if err != nil {
		return nil, err
	}
	if len(r.IVCounterNonce) != aes.BlockSize || len(r.Data) == 0 || len(r.Data)%aes.BlockSize != 0 {
		return nil, kmipserver.Errorf(kmip.ResultReasonCryptographicFailure, "wrong length")
	}
	data := bytes.Clone(r.Data)
	cipher.NewCBCDecrypter(block, r.IVCounterNonce).CryptBlocks(data, data)
	n := int(data[len(data)-1])
	if n < 1 || n > aes.BlockSize || !bytes.Equal(data[len(data)-n:], bytes.Repeat([]byte{byte(n)}, n)) {
		return nil, kmipserver.Errorf(kmip.ResultReasonCryptographicFailure, "Invalid padding bytes.")
	}
	return &payloads.DecryptResponsePayload{UniqueIdentifier: r.UniqueIdentifier, Data: data[:len(data)-n]}, nil
}

// cipher is that of an active key, if the parameters are AES, CBC and PKCS5.
func (s *Server) cipher(id string, p *kmip.CryptographicParameters) (cipher.Block, error) {
	o, err := s.find(id)
	if err != nil {
		return nil, err
	}
	if p == nil || p.BlockCipherMode != kmip.BlockCipherModeCBC || p.PaddingMethod != kmip.PaddingMethodPKCS5 || p.CryptographicAlgorithm != kmip.CryptographicAlgorithmAES {
		return nil, kmipserver.ErrInvalidField
	}
	if !o.active || o.key == nil {
		return nil, kmipserver.Errorf(kmip.ResultReasonPermissionDenied, "The object must be an active key.")
	}
	return aes.NewCipher(o.key)
}
