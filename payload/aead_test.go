package payload

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"testing"

	"github.com/c2sp/wycheproof"
)

// aeadOf returns the AEAD under MAC key ‖ encryption key, the 64 bytes that published vectors call the key.
func aeadOf(t testing.TB, key []byte) *aead {
	t.Helper()
	return keyOf(t, slices.Concat(key, make([]byte, 32))).acquire()
}

// draft-mcgrew-aead-aes-cbc-hmac-sha2, section 5.4.
func TestMcGrewDraft(t *testing.T) {
	a := aeadOf(t, unhex(t, `00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f
		20 21 22 23 24 25 26 27 28 29 2a 2b 2c 2d 2e 2f 30 31 32 33 34 35 36 37 38 39 3a 3b 3c 3d 3e 3f`))
	plaintext := []byte("A cipher system must not be required to be secret, " +
		"and it must be able to fall into the hands of the enemy without inconvenience")
	ad := []byte("The second principle of Auguste Kerckhoffs")
	iv := unhex(t, "1a f3 8c 2d c2 b9 6f fd d8 66 94 09 23 41 bc 04")
	want := slices.Concat(iv, unhex(t, `4a ff aa ad b7 8c 31 c5 da 4b 1b 59 0d 10 ff bd 3d d8 d5 d3 02 42 35 26 91 2d a0 37 ec bc c7 bd
		82 2c 30 1d d6 7c 37 3b cc b5 84 ad 3e 92 79 c2 e6 d1 2a 13 74 b7 7f 07 75 53 df 82 94 10 44 6b
		36 eb d9 70 66 29 6a e6 42 7e a7 5c 2e 08 46 a1 1a 09 cc f5 37 0d c8 0b fe cb ad 28 c7 3f 09 b3
		a3 b7 5e 66 2a 25 94 41 0a e4 96 b2 e2 e6 60 9e 31 e6 e0 2c c8 37 f0 53 d2 1f 37 ff 4f 51 95 0b
		be 26 38 d0 9d d7 a4 93 09 30 80 6d 07 03 b1 f6
		4d d3 b4 c0 88 a7 f4 5c 21 68 39 64 5b 20 12 bf 2e 62 69 a8 c5 6a 81 6d bc 1b 26 77 61 95 5b c5`))
	checkAEAD(t, a, iv, ad, plaintext, want)
}

// sealWith is A ‖ IV ‖ S ‖ T.
func sealWith(a *aead, iv, ad, plaintext []byte) []byte {
	room := slices.Concat(ad, iv, make([]byte, sealedSize(len(plaintext))-ivSize))
	a.seal(room, len(ad), plaintext)
	return room
}

// checkAEAD seals and opens one vector.
func checkAEAD(t *testing.T, a *aead, iv, ad, plaintext, sealed []byte) {
	t.Helper()
	whole := slices.Concat(ad, sealed)
	if got := sealWith(a, iv, ad, plaintext); !bytes.Equal(got, whole) {
		t.Errorf("seal: got %x\nwant %x", got, whole)
	}
	if got, err := a.open(nil, whole, len(ad)); err != nil || !bytes.Equal(got, plaintext) {
		t.Errorf("open: got %x, %v\nwant %x", got, err, plaintext)
	}
}

// Wycheproof's A256CBC-HS512 (RFC 7518) is the same construction.
func TestWycheproof(t *testing.T) {
	raw, err := fs.ReadFile(wycheproof.TestVectors, "a256cbc_hs512_test.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		NumberOfTests int
		TestGroups    []struct {
			Tests []struct {
				TcID                                int
				Comment, Key, IV, Aad, Msg, Ct, Tag string
				Result                              string
			}
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	run := map[string]int{}
	for _, group := range file.TestGroups {
		for _, tt := range group.Tests {
			run[tt.Result]++
			a := aeadOf(t, unhex(t, tt.Key))
			iv, ad, msg := unhex(t, tt.IV), unhex(t, tt.Aad), unhex(t, tt.Msg)
			sealed := slices.Concat(iv, unhex(t, tt.Ct), unhex(t, tt.Tag))
			switch tt.Result {
			case "valid":
				checkAEAD(t, a, iv, ad, msg, sealed)
			case "invalid":
				if got, err := a.open(nil, slices.Concat(ad, sealed), len(ad)); err == nil || len(got) != 0 {
					t.Errorf("test %d (%s): invalid ciphertext opened", tt.TcID, tt.Comment)
				}
			default:
				t.Errorf("test %d: result %q is neither valid nor invalid", tt.TcID, tt.Result)
			}
		}
	}
	if total := run["valid"] + run["invalid"]; total != 94 || file.NumberOfTests != 94 || run["invalid"] == 0 {
		t.Errorf("ran %v of %d tests, want all 94", run, file.NumberOfTests)
	}
	t.Logf("ran %v", run)
}

// NIST SP 800-38A, F.2.5 and F.2.6.
func TestNISTCBC(t *testing.T) {
	key := unhex(t, "603deb1015ca71be2b73aef0857d7781 1f352c073b6108d72d9810a30914dff4")
	iv := unhex(t, "000102030405060708090a0b0c0d0e0f")
	plaintext := unhex(t, `6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51
		30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710`)
	ciphertext := unhex(t, `f58c4c04d6e5f1ba779eabfb5f7bfbd6 9cfc4e967edb808d679f777bc6702c7d
		39f23369a9d9bacfa530e26304231461 b2eb05e2c39be9fcda6c19078c6a9d1b`)
	a := aeadOf(t, slices.Concat(make([]byte, 32), key))
	sealed := sealWith(a, iv, nil, plaintext)
	if got := sealed[ivSize:][:len(ciphertext)]; !bytes.Equal(got, ciphertext) {
		t.Errorf("encrypt: got %x, want %x", got, ciphertext)
	}
	if got, err := a.open(nil, sealed, 0); err != nil || !bytes.Equal(got, plaintext) {
		t.Errorf("decrypt: got %x, %v, want %x", got, err, plaintext)
	}
}

// Authentic bytes with a padding count outside 1..16 cannot come from an honest writer.
func TestAuthenticPadding(t *testing.T) {
	a := aeadOf(t, make([]byte, 64))
	iv := make([]byte, ivSize)
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	for count := range 256 {
		// The drivers look at the last byte only, so every other byte may be anything.
		padded := bytes.Repeat([]byte{0xee}, 32)
		padded[31] = byte(count)
		body := append(slices.Clone(iv), padded...)
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(body[ivSize:], padded)
		sealed := append(body, a.tag(body, 0)...)

		spare := make([]byte, 4, 128)
		got, err := a.open(spare, sealed, 0)
		if count >= 1 && count <= 16 {
			if err != nil || !bytes.Equal(got[4:], padded[:32-count]) {
				t.Errorf("padding count %d: got %d bytes, %v", count, len(got)-4, err)
			}
			continue
		}
		if !errors.Is(err, ErrMalformed) || len(got) != 4 {
			t.Errorf("padding count %d: got %d bytes, %v, want ErrMalformed", count, len(got)-4, err)
		}
		if !bytes.Equal(spare[:128], make([]byte, 128)) {
			t.Errorf("padding count %d: refused plaintext left in the buffer", count)
		}
	}
}

func TestRandomIVIsFresh(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		iv := make([]byte, ivSize)
		randomIV(iv)
		seen[string(iv)] = true
	}
	if len(seen) != 1000 {
		t.Errorf("got %d different IVs of 1000", len(seen))
	}
}
