package main

import (
	"bytes"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/interop/differential/draw"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// kind is what a question asks for.
type kind string

const (
	encryptValue   kind = "encrypt" // explicit encryption of {v: value}
	decryptValue   kind = "decrypt" // explicit decryption of {v: ciphertext}
	decryptReply   kind = "reply"   // automatic decryption of a document
	sealMarking    kind = "marking" // encryption of the document {v: marking}
	encryptCommand kind = "command" // automatic encryption of a command
)

// question is what both sides are asked.
type question struct {
	kind      kind
	detail    string // what is special about it, for the table
	document  bson.Raw
	algorithm payload.Algorithm // of encryptValue
	key       int               // of encryptValue: the number of the data key
	byName    bool              // of encryptValue: the key is named by its alt name
	exact     bool              // of encryptCommand: the rewrite
}

// answer is what one side says: it refuses, or gives a document.
type answer struct {
	err    error
	given  bson.Raw // with random ciphertexts, but for the 18 bytes that are authenticated and not encrypted, as zeros
	opened bson.Raw // what the other side decrypts it to, if it is to be decrypted
}

func refusal(err error) answer { return answer{err: err} }

// String is short.
func (a answer) String() string {
	if a.err != nil {
		return fmt.Sprintf("refused: %v", a.err)
	}
	return fmt.Sprintf("%.150x, opened %.150x", []byte(a.given), []byte(a.opened))
}

// same says whether two answers are the same. Why a side refuses may differ.
func (a answer) same(b answer) bool {
	if a.err != nil || b.err != nil {
		return a.err != nil && b.err != nil
	}
	return bytes.Equal(a.given, b.given) && bytes.Equal(a.opened, b.opened)
}

// masked is doc without what is random in it, and the types of the values that are encrypted in it.
func masked(doc bson.Raw) (bson.Raw, []bson.Type) {
	out := bytes.Clone(doc)
	var types []bson.Type
	_ = bsonraw.Scan(out, func(b []byte) error {
		c, err := payload.ParseCiphertext(b)
		if err != nil {
			return nil
		}
		types = append(types, c.Type)
		if c.Algorithm == payload.Random {
			clear(b[18:]) // its IV and what follows from it
		}
		return nil
	})
	return out, types
}

// only is the value of {v: value}, which need not be a well-formed value.
func only(doc bson.Raw) bson.RawValue {
	return bson.RawValue{Type: bson.Type(doc[4]), Value: doc[7 : len(doc)-1]}
}

// alone makes {v: value}.
func alone(v bson.RawValue) bson.Raw {
	return bson.Raw(draw.Document(draw.E{Key: "v", Value: v}).Value)
}
