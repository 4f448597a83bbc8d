//go:build cgo

package libmongocrypt

/*
#cgo CFLAGS: -O2 -Wall -Wextra
#cgo linux LDFLAGS: -ldl
#include <stdlib.h>
#include "libmongocrypt.h"
*/
import "C"

import (
	"bytes"
	"unsafe"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Library is libmongocrypt, opened; it stays open.
type Library struct{ l *C.library }

// Open opens the shared library at path, or the one that the dynamic linker finds by that name.
func Open(path string) (*Library, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var why reason
	l := C.library_open(name, why.room())
	if l == nil {
		return nil, why.err()
	}
	return &Library{l}, nil
}

// Version is the library's version, and whose ciphers it runs with.
func (l *Library) Version() string { return C.GoString(C.library_version(l.l)) }

// Crypt is one handle, for one goroutine at a time.
type Crypt struct{ c *C.crypt }

// New makes a handle; Close frees it.
func (l *Library) New(o Options) (*Crypt, error) {
	var why reason
	master, masterLen := pass(o.MasterKey)
	vault, vaultLen := pass(joined(o.DataKeys))
	schemas, schemasLen := pass(o.SchemaMap)
	c := C.crypt_open(l.l, master, masterLen, vault, vaultLen, schemas, schemasLen, why.room())
	if c == nil {
		return nil, why.err()
	}
	return &Crypt{c}, nil
}

// Close frees the handle.
func (c *Crypt) Close() { C.crypt_close(c.c) }

// Encrypt runs a command through automatic encryption.
func (c *Crypt) Encrypt(in Command) (bson.Raw, error) {
	var why reason
	var out C.bytes
	db, dbLen := pass([]byte(in.Database))
	cmd, cmdLen := pass(in.Command)
	collections, collectionsLen := pass(joined(in.Collections))
	analysis, analysisLen := pass(in.Analysis)
	ok := C.crypt_encrypt(c.c, (*C.char)(unsafe.Pointer(db)), dbLen, cmd, cmdLen, collections, collectionsLen, analysis, analysisLen, &out, why.room())
	return take(bool(ok), &out, &why, in.Command)
}

// Decrypt runs a reply through automatic decryption.
func (c *Crypt) Decrypt(doc bson.Raw) (bson.Raw, error) {
	var why reason
	var out C.bytes
	p, n := pass(doc)
	return take(bool(C.crypt_decrypt(c.c, p, n, &out, why.room())), &out, &why, doc)
}

// EncryptValue encrypts the value v of {v: value} and returns {v: ciphertext}.
func (c *Crypt) EncryptValue(doc bson.Raw, algorithm string, key Key) (bson.Raw, error) {
	name := C.CString(algorithm)
	defer C.free(unsafe.Pointer(name))
	var why reason
	var out C.bytes
	p, n := pass(doc)
	id, idLen := pass(key.ID)
	alt, altLen := pass([]byte(key.AltName))
	return take(bool(C.crypt_encrypt_value(c.c, p, n, name, id, idLen, alt, altLen, &out, why.room())), &out, &why, nil)
}

// DecryptValue decrypts the value v of {v: ciphertext} and returns {v: value}.
func (c *Crypt) DecryptValue(doc bson.Raw) (bson.Raw, error) {
	var why reason
	var out C.bytes
	p, n := pass(doc)
	return take(bool(C.crypt_decrypt_value(c.c, p, n, &out, why.room())), &out, &why, nil)
}

// reason takes an error's text.
type reason [C.ERROR_SIZE]C.char

func (r *reason) room() *C.char { return &r[0] }

func (r *reason) err() error { return &Error{C.GoString(&r[0])} }

func joined(docs []bson.Raw) (all []byte) {
	for _, doc := range docs {
		all = append(all, doc...)
	}
	return all
}

// pass gives the bytes to C for the time of one call.
func pass(b []byte) (*C.uint8_t, C.size_t) {
	return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(b))), C.size_t(len(b))
}

// take copies what C made, or gives unchanged if it made nothing.
func take(ok bool, out *C.bytes, why *reason, unchanged bson.Raw) (bson.Raw, error) {
	if !ok {
		return nil, why.err()
	}
	if out.data == nil {
		return unchanged, nil
	}
	defer C.free(unsafe.Pointer(out.data))
	return bytes.Clone(unsafe.Slice((*byte)(unsafe.Pointer(out.data)), out.len)), nil
}
