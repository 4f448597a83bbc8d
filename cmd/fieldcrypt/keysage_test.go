package main

import (
	"bytes"
	"crypto/fips140"
	"strings"
	"testing"
)

func TestAge(t *testing.T) {
	key := bytes.Repeat([]byte("SENTINEL"), 12)
	sealed, err := encryptAge(key, "correct horse battery")
	if fips140.Enabled() {
		_, opening := decryptAge([]byte(ageHeaders[1]), "correct horse battery")
		if err != errAgeFIPS || opening != errAgeFIPS {
			t.Errorf("in FIPS 140 mode: got %v and %v", err, opening)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(sealed, ageHeaders[1]) || bytes.Contains(sealed, key[:8]) {
		t.Errorf("got %s", sealed)
	}
	if got, err := decryptAge(sealed, "correct horse battery"); err != nil || !bytes.Equal(got, key) {
		t.Errorf("got %v", err)
	}
	for passphrase, want := range map[string]string{"wrong horse battery": "a wrong passphrase", "": "the passphrase is empty"} {
		if _, err := decryptAge(sealed, passphrase); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := decryptAge(append(ageHeaders[0], "v1\nx"...), "correct horse battery"); err == nil {
		t.Error("decrypts what is damaged")
	}
}
