package schema_test

import (
	"testing"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

const records = `{"bsonType": "object", "encryptMetadata": {"keyId": [@A]},
	"properties": {
		"insurance": {"bsonType": "object", "properties": {"policyNumber": {"encrypt": {"bsonType": "int", "algorithm": @det}}}},
		"medicalRecords": {"encrypt": {"bsonType": "array", "algorithm": @random}},
		"ssn": {"encrypt": {"bsonType": "int", "algorithm": @det}},
		"name": {"bsonType": "string"}},
	"patternProperties": {"^note_": {"encrypt": {"algorithm": @random}}}}`

func BenchmarkParse(b *testing.B) {
	doc := document(b, records)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := schema.Parse(doc, schema.Local); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChild(b *testing.B) {
	root := parse(b, records).Root()
	for _, name := range []string{"ssn", "plain", "note_1"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := root.Child(name); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	s := parse(b, records)
	for _, path := range []string{"insurance.policyNumber", "insurance.provider.name", "plain.a.b.c"} {
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Lookup(path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
