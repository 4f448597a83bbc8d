package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
)

// maxBSON is the length of the longest BSON document that is read: far more than the 16 MiB that a server stores.
const maxBSON = 64 << 20

// bsonDocuments reads BSON documents one after the other.
type bsonDocuments struct {
	in     *bufio.Reader
	buffer bytes.Buffer
	n      int64 // documents so far, the present one included
	at     int64 // where it begins
	offset int64 // where the next one does
}

func (d *bsonDocuments) where() string { return fmt.Sprintf("document %d, at byte %d", d.n, d.at) }

// next gives the next document, which is there until next is called again; io.EOF at the end. Every other error is a *failure.
func (d *bsonDocuments) next() (bson.Raw, error) {
	d.n++
	d.at = d.offset
	head, err := d.in.Peek(4)
	if len(head) == 0 && err == io.EOF {
		return nil, io.EOF
	}
	if len(head) < 4 {
		return nil, d.cut(err)
	}
	length := int64(head[0]) | int64(head[1])<<8 | int64(head[2])<<16 | int64(head[3])<<24
	if length < 5 || length > maxBSON {
		return nil, badInput("reading "+d.where(), "expected the documents of a mongodump .bson file, uncompressed",
			"not BSON: a length of %d bytes, expected 5 to %d", length, maxBSON)
	}
	d.buffer.Reset()
	if _, err := io.CopyN(&d.buffer, d.in, length); err != nil { // memory grows with what is there, not with what is claimed
		return nil, d.cut(err)
	}
	d.offset += length
	doc := bson.Raw(d.buffer.Bytes())
	if err := bsonraw.Validate(doc); err != nil {
		return nil, badInput("reading "+d.where(), "", "not BSON: %v", err)
	}
	return doc, nil
}

func (d *bsonDocuments) cut(err error) error {
	if errors.Is(err, io.EOF) {
		return badInput("reading "+d.where(), "", "the input ends in the middle of the document")
	}
	return ioFailure("reading "+d.where(), err)
}
