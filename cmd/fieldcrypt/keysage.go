package main

import (
	"bytes"
	"context"
	"crypto/fips140"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"

	"filippo.io/age"
	"filippo.io/age/armor"
	"golang.org/x/term"
)

// ageHeaders are what files begin with that age (age-encryption.org/v1) has encrypted.
var ageHeaders = [][]byte{[]byte("age-encryption.org/"), []byte(armor.Header)}

// openAge decrypts what age has encrypted with a passphrase, which a person types at the terminal.
func openAge(ctx context.Context, file string, text []byte) ([]byte, error) {
	passphrase, err := askPassphrase(ctx, "Passphrase of "+printable(file)+": ")
	if err != nil {
		return nil, err
	}
	return decryptAge(text, passphrase)
}

// errAgeFIPS is what there is to say where a person demands FIPS 140 ciphers, to which those of age do not belong.
var errAgeFIPS = errors.New("age's ciphers are not allowed in FIPS 140 mode: keep the key in a KMS, or in a private file without a passphrase")

func decryptAge(text []byte, passphrase string) ([]byte, error) {
	if fips140.Enabled() {
		return nil, errAgeFIPS
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, errors.New("the passphrase is empty")
	}
	var in io.Reader = bytes.NewReader(text)
	if bytes.HasPrefix(text, []byte(armor.Header)) {
		in = armor.NewReader(in)
	}
	plain, err := age.Decrypt(in, identity)
	if err != nil {
		return nil, errors.New("it cannot be decrypted: a wrong passphrase, or encrypted by age in another way than with one")
	}
	out, err := io.ReadAll(io.LimitReader(plain, maxProviders))
	if err != nil {
		return nil, errors.New("it is damaged")
	}
	return out, nil
}

// sealAge encrypts key with a passphrase, which a person types twice.
func sealAge(ctx context.Context, key []byte) ([]byte, error) {
	const shortest = 12 // characters: whoever gets the file can try passphrases as fast as scrypt lets them
	passphrase, err := askPassphrase(ctx, "New passphrase: ")
	if err != nil {
		return nil, err
	}
	if len([]rune(passphrase)) < shortest {
		return nil, fmt.Errorf("the passphrase has fewer than %d characters", shortest)
	}
	again, err := askPassphrase(ctx, "Once more: ")
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(passphrase), []byte(again)) != 1 {
		return nil, errors.New("the passphrases differ")
	}
	return encryptAge(key, passphrase)
}

func encryptAge(key []byte, passphrase string) ([]byte, error) {
	if fips140.Enabled() {
		return nil, errAgeFIPS
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	text := armor.NewWriter(&out)
	w, err := age.Encrypt(text, recipient)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(key)
	err = errors.Join(err, w.Close(), text.Close())
	return out.Bytes(), err
}

// askPassphrase reads a line from the terminal, whatever standard input is, without showing it.
func askPassphrase(ctx context.Context, prompt string) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", errors.New("a passphrase is asked for, but there is no terminal")
	}
	defer tty.Close()
	state, err := term.GetState(int(tty.Fd()))
	if err != nil {
		return "", errors.New("a passphrase is asked for, but there is no terminal")
	}
	fmt.Fprint(tty, prompt)
	type answer struct {
		line []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() { // waits for the terminal as long as the program lives
		line, err := term.ReadPassword(int(tty.Fd()))
		answers <- answer{line, err}
	}()
	defer fmt.Fprintln(tty)
	select {
	case <-ctx.Done():
		_ = term.Restore(int(tty.Fd()), state)
		return "", context.Cause(ctx)
	case a := <-answers:
		return string(a.line), a.err
	}
}
