package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

// description is what is to say about an encrypted value.
type description struct {
	Kind              payload.Kind    `json:"kind"`
	KindName          string          `json:"kindName"`
	Algorithm         string          `json:"algorithm,omitempty"`
	KeyID             string          `json:"keyId,omitempty"`
	KeyAltName        string          `json:"keyAltName,omitempty"`
	BSONType          string          `json:"bsonType,omitempty"`
	PayloadBytes      int             `json:"payloadBytes"`
	CiphertextBytes   int             `json:"ciphertextBytes,omitempty"`   // of ciphertexts, without IV and tag
	PlaintextMaxBytes int             `json:"plaintextMaxBytes,omitempty"` // of ciphertexts
	PlaintextBytes    *int            `json:"plaintextBytes,omitempty"`    // of markings
	Value             json.RawMessage `json:"value,omitempty"`             // of markings, when asked for
	Decryptable       bool            `json:"decryptable"`
}

// describe reads the content of a binary of subtype 6.
func describe(b []byte, showValue bool) (*description, error) {
	if len(b) == 0 {
		return nil, errors.New("expected an encrypted value, got nothing")
	}
	kind := payload.Kind(b[0])
	d := &description{Kind: kind, KindName: kind.String(), PayloadBytes: len(b)}
	switch {
	case kind == payload.KindMarking:
		return d, d.marking(b, showValue)
	case kind == payload.KindDeterministic, kind == payload.KindRandom:
		return d, d.ciphertext(b)
	case kind.Queryable():
		return d, nil
	}
	return nil, fmt.Errorf("expected a first byte from 0 to 18, the kind of value, got %d in %d bytes", b[0], len(b))
}

func (d *description) ciphertext(b []byte) error {
	c, err := payload.ParseCiphertext(b)
	if err != nil {
		return err
	}
	// Nothing that encrypts makes such a value, and nothing would decrypt it.
	if payload.Encryptable(c.Type, c.Algorithm) != nil {
		return fmt.Errorf("malformed ciphertext: expected a BSON type that %s encrypts, got %s", c.Algorithm, payload.TypeAlias(c.Type))
	}
	d.Algorithm, d.KeyID, d.BSONType = c.Algorithm.String(), c.KeyID.String(), payload.TypeAlias(c.Type)
	d.CiphertextBytes = len(c.Content) - payload.Overhead
	d.PlaintextMaxBytes = d.CiphertextBytes - 1 // padding takes at least one byte
	d.Decryptable = true
	return nil
}

func (d *description) marking(b []byte, showValue bool) error {
	m, err := payload.ParseMarking(b)
	if err != nil {
		return err
	}
	size := len(m.Value.Value)
	d.Algorithm, d.KeyAltName, d.BSONType, d.PlaintextBytes = m.Algorithm.String(), m.KeyAltName, payload.TypeAlias(m.Value.Type), &size
	if m.KeyID != nil {
		d.KeyID = m.KeyID.String()
	}
	if showValue {
		d.Value, err = canonical(m.Value)
	}
	return err
}

// canonical is the Extended JSON of a value.
func canonical(v bson.RawValue) (json.RawMessage, error) {
	doc, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: v}}, true, false)
	if err != nil {
		return nil, errors.New("the value in the marking cannot be written as Extended JSON") // the encoder's error might quote it
	}
	var outer struct {
		V json.RawMessage `json:"v"`
	}
	err = json.Unmarshal(doc, &outer)
	return outer.V, err
}

// json is one line.
func (d *description) json() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(d) // strings, numbers and JSON that was just written
	return b.Bytes()
}

// text is for people.
func (d *description) text() []byte {
	var b bytes.Buffer
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", label, fmt.Sprintf(format, args...))
	}
	line("kind", "%d, %s", d.Kind, d.KindName)
	if d.Algorithm != "" {
		line("algorithm", "%s", d.Algorithm)
		if d.KeyID != "" {
			line("key id", "%s", d.KeyID)
		} else {
			line("key alt name", "%s", printable(d.KeyAltName))
		}
		line("BSON type", "%s", d.BSONType)
	}
	line("payload", "%d bytes", d.PayloadBytes)
	if d.CiphertextBytes > 0 {
		line("ciphertext", "%d bytes, besides IV and tag", d.CiphertextBytes)
		line("plaintext", "at most %d bytes of BSON", d.PlaintextMaxBytes)
	}
	if d.PlaintextBytes != nil {
		line("plaintext", "%d bytes of BSON, not encrypted", *d.PlaintextBytes)
	}
	if d.Value != nil {
		line("value", "%s", escaped(string(d.Value)))
	}
	line("decryptable", "%s", d.whether())
	return b.Bytes()
}

// whether says who can decrypt the value.
func (d *description) whether() string {
	switch {
	case d.Decryptable:
		return "yes, with this data key"
	case d.Kind == payload.KindMarking:
		return "no: it is plaintext that a driver was to encrypt; a server must never see it"
	}
	return "no: Queryable Encryption is not supported"
}
