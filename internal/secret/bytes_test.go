package secret_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/secret"
)

const material = "sEcReT-mAtErIaL"

// holders are the ways in which a program may hold a secret, by itself and inside its own structs.
func holders() map[string]any {
	b := secret.New([]byte(material))
	return map[string]any{
		"pointer":                b,
		"value":                  *b,
		"exported pointer":       struct{ K *secret.Bytes }{b},
		"exported value":         struct{ K secret.Bytes }{*b},
		"unexported pointer":     struct{ k *secret.Bytes }{b},
		"unexported value":       struct{ k secret.Bytes }{*b},
		"pointer to unexported":  &struct{ k secret.Bytes }{*b},
		"slice":                  []secret.Bytes{*b},
		"map":                    map[string]*secret.Bytes{"k": b},
		"any in unexported":      struct{ k any }{*b},
		"slice in an unexported": struct{ k []secret.Bytes }{[]secret.Bytes{*b}},
	}
}

// checkHidden fails when text shows the material in any of the encodings that fmt, json and slog use for bytes.
func checkHidden(t *testing.T, how, text string) {
	t.Helper()
	decimal := strings.Trim(fmt.Sprint([]byte(material)), "[]")
	for _, form := range []string{
		material, hex.EncodeToString([]byte(material)), base64.StdEncoding.EncodeToString([]byte(material)),
		decimal, strings.ReplaceAll(decimal, " ", ","), "0x73, 0x45",
	} {
		if strings.Contains(strings.ToLower(text), strings.ToLower(form)) {
			t.Errorf("%s shows the secret", how)
		}
	}
}

func TestNeverPrinted(t *testing.T) {
	for name, v := range holders() {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "% x", "%q", "%d", "%o", "%b", "%c", "%U", "%t", "%p"} {
			checkHidden(t, name+" with "+verb, fmt.Sprintf(verb, v))
		}
		var log bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			slog.New(h).With("with", v).Info("m", "attr", v, slog.Group("g", "in", v))
		}
		checkHidden(t, name+" with slog", log.String())
		checkHidden(t, name+" in an error", fmt.Errorf("x: %v %w", v, io.EOF).Error())
	}
}

func TestNeverMarshalled(t *testing.T) {
	gobbed := func(v any) ([]byte, error) {
		var buf bytes.Buffer
		err := gob.NewEncoder(&buf).Encode(v)
		return buf.Bytes(), err
	}
	for name, v := range holders() {
		for how, marshal := range map[string]func(any) ([]byte, error){
			"json": json.Marshal, "xml": xml.Marshal, "gob": gobbed, "bson": func(v any) ([]byte, error) { return bson.Marshal(v) },
		} {
			out, err := marshal(v)
			checkHidden(t, name+" as "+how, fmt.Sprintf("%s %v", out, err))
		}
	}
	if _, err := json.Marshal(secret.New([]byte(material))); err == nil {
		t.Error("json.Marshal of a secret: got no error")
	}
}

func TestPrintsLength(t *testing.T) {
	b := secret.New(make([]byte, 96))
	for _, got := range []string{b.String(), fmt.Sprint(b), fmt.Sprintf("%#v", *b), fmt.Sprintf("%x", b), b.LogValue().String()} {
		if want := "secret(96 bytes)"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestCopyEqualWipe(t *testing.T) {
	src := []byte(material)
	b := secret.New(src)
	clear(src)
	if string(b.Expose()) != material || b.Len() != len(material) {
		t.Error("the secret changed with the slice it was made from")
	}
	for _, tt := range []struct {
		name  string
		other *secret.Bytes
		want  bool
	}{
		{"same bytes", secret.New([]byte(material)), true},
		{"last byte differs", secret.New([]byte(material[:len(material)-1] + "X")), false},
		{"shorter", secret.New([]byte(material[1:])), false},
		{"nil", nil, false},
	} {
		if got := b.Equal(tt.other); got != tt.want {
			t.Errorf("%s: Equal = %v, want %v", tt.name, got, tt.want)
		}
	}
	exposed := b.Expose()
	b.Wipe()
	if !bytes.Equal(exposed, make([]byte, len(material))) {
		t.Error("Wipe left bytes behind")
	}
	if b.Len() != 0 || b.Expose() != nil {
		t.Error("a wiped secret still has bytes")
	}
}

func TestEmpty(t *testing.T) {
	for name, b := range map[string]*secret.Bytes{"nil": nil, "zero": {}, "of nil": secret.New(nil)} {
		if b.Len() != 0 || len(b.Expose()) != 0 || !b.Equal(&secret.Bytes{}) {
			t.Errorf("%s secret is not empty", name)
		}
		b.Wipe()
		_ = fmt.Sprintf("%v %#v", b, b)
	}
}
