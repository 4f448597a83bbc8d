//go:build cgo

package main

/*
#include <stdlib.h>
#include "analysis.h"

// Unlike C.malloc, this gives NULL when there is no memory.
static void *fieldcrypt_alloc(size_t n) { return malloc(n); }
*/
import "C"

import (
	"encoding/binary"
	"runtime/cgo"
	"strings"
	"sync"
	"unsafe"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/cryptd"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/wire"
)

// library is the Go side of a mongo_crypt_v1_lib.
type library struct {
	analyzer cryptd.Analyzer
	buffers  sync.Pool // of *[]byte, for answers
}

//export fieldcryptOpen
func fieldcryptOpen() C.uintptr_t { return C.uintptr_t(cgo.NewHandle(new(library))) }

//export fieldcryptClose
func fieldcryptClose(handle C.uintptr_t) { cgo.Handle(handle).Delete() }

// fieldcryptAnalyze fills outcome, whatever happens: a panic must not reach the host.
//
//export fieldcryptAnalyze
func fieldcryptAnalyze(handle C.uintptr_t, document *C.uint8_t, ns *C.char, nsLen C.uint32_t, outcome *C.fieldcrypt_outcome) {
	defer func() {
		if recover() != nil {
			fail(outcome, cryptd.Internal())
		}
	}()
	l := cgo.Handle(handle).Value().(*library)
	buffer, _ := l.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	request := whole((*byte)(document))
	answer, err := l.analyzer.Analyze((*buffer)[:0], database(request, unsafe.String((*byte)(unsafe.Pointer(ns)), int(nsLen))), request)
	if err != nil {
		fail(outcome, cryptd.Describe(err))
	} else {
		give(outcome, answer)
	}
	l.keep(buffer, answer)
}

// maxKept is how long buffers may be to be used again: they are wiped each time.
const maxKept = 64 << 10

// keep puts the buffer of an answer back, if there was one. It held plaintext.
func (l *library) keep(buffer *[]byte, answer []byte) {
	if answer != nil {
		*buffer = answer
	}
	whole := (*buffer)[:cap(*buffer)]
	clear(whole)
	if len(whole) <= maxKept {
		l.buffers.Put(buffer)
	}
}

// whole is the document that begins at b, which is as long as it says itself.
func whole(b *byte) bson.Raw {
	n := int32(binary.LittleEndian.Uint32(unsafe.Slice(b, 4)))
	return unsafe.Slice(b, max(n, 4))
}

// database is that of ns, for a request without one of its own. One that is too long is left to the analyzer, which refuses it unread.
func database(request bson.Raw, ns string) string {
	if len(request) > wire.MaxMessageSize {
		return ""
	}
	it := bsonraw.Iterate(request)
	for it.Next() {
		if string(it.Element.Key) == "$db" {
			return ""
		}
	}
	db, _, _ := strings.Cut(ns, ".")
	return db
}

func give(outcome *C.fieldcrypt_outcome, answer []byte) {
	outcome.bson = (*C.uint8_t)(C.fieldcrypt_alloc(C.size_t(len(answer))))
	if outcome.bson == nil {
		return
	}
	outcome.len = C.uint32_t(len(answer))
	copy(unsafe.Slice((*byte)(outcome.bson), len(answer)), answer)
}

func fail(outcome *C.fieldcrypt_outcome, f cryptd.Failure) {
	text := (*C.char)(C.fieldcrypt_alloc(C.size_t(len(f.Message) + 1)))
	if text == nil {
		return
	}
	to := unsafe.Slice((*byte)(unsafe.Pointer(text)), len(f.Message)+1)
	to[copy(to, strings.ReplaceAll(f.Message, "\x00", "?"))] = 0
	outcome.code, outcome.explanation = C.int32_t(f.Code), text
}
