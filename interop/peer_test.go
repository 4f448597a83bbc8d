package interop

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// peer is a ClientEncryption of pymongo, whose code is libmongocrypt: see peer.py.
type peer struct {
	in  io.Writer
	out io.Reader
}

func startPeer(t *testing.T, c *configuration, uri, namespace string) *peer {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), setting(t, "PYTHON"), "peer.py")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // peer.py ends with its input
		if err := cmd.Wait(); err != nil {
			t.Errorf("peer.py: %v", err)
		}
	})
	p := &peer{in, out}
	if _, err := in.Write(document(t, bson.D{
		{Key: "uri", Value: uri}, {Key: "namespace", Value: namespace}, {Key: "providers", Value: c.providers}, {Key: "tls", Value: c.tlsFiles},
	})); err != nil {
		t.Fatal(err)
	}
	return p
}

// ask returns what the peer says, or the error that it met. It ends the test when the peer does not answer.
func (p *peer) ask(t *testing.T, op string, fields ...bson.E) (bson.RawValue, error) {
	t.Helper()
	if _, err := p.in.Write(document(t, append(bson.D{{Key: "op", Value: op}}, fields...))); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(p.out, head); err != nil {
		t.Fatalf("peer.py does not answer: %v", err)
	}
	reply := append(head, make([]byte, binary.LittleEndian.Uint32(head)-4)...)
	if _, err := io.ReadFull(p.out, reply[4:]); err != nil {
		t.Fatalf("peer.py does not answer: %v", err)
	}
	if text, ok := bson.Raw(reply).Lookup("error").StringValueOK(); ok {
		return bson.RawValue{}, errors.New(text)
	}
	return bson.Raw(reply).Lookup("ok"), nil
}

func (p *peer) create(t *testing.T, w wrapping, altNames ...string) bson.Binary {
	t.Helper()
	got, err := p.ask(t, "create", bson.E{Key: "provider", Value: w.provider}, bson.E{Key: "keyAltNames", Value: altNames}, w.pythonMasterKey())
	if err != nil {
		t.Fatal(err)
	}
	return asBinary(got)
}

// pythonMasterKey leaves out what the local provider refuses on either side, any field.
func (w wrapping) pythonMasterKey() bson.E {
	if len(w.masterKey) == 0 && w.provider[0] == 'l' {
		return bson.E{Key: "masterKey", Value: nil}
	}
	return bson.E{Key: "masterKey", Value: w.masterKey}
}

func (p *peer) encrypt(t *testing.T, v bson.RawValue, algorithm string, key bson.E) (bson.Binary, error) {
	t.Helper()
	doc := document(t, bson.D{{Key: "v", Value: v}})
	got, err := p.ask(t, "encrypt", bson.E{Key: "doc", Value: []byte(doc)}, bson.E{Key: "algorithm", Value: algorithm}, key)
	if err != nil {
		return bson.Binary{}, err
	}
	return asBinary(got), nil
}

func (p *peer) decrypt(t *testing.T, b bson.Binary) (bson.RawValue, error) {
	t.Helper()
	got, err := p.ask(t, "decrypt", bson.E{Key: "value", Value: b})
	if err != nil {
		return bson.RawValue{}, err
	}
	return bson.Raw(asBinary(got).Data).Lookup("v"), nil
}

func (p *peer) rewrap(t *testing.T, key bson.Binary, w *wrapping) {
	t.Helper()
	fields := bson.D{{Key: "filter", Value: bson.D{{Key: "_id", Value: key}}}}
	if w != nil {
		fields = append(fields, bson.E{Key: "provider", Value: w.provider}, w.pythonMasterKey())
	}
	if n, err := p.ask(t, "rewrap", fields...); err != nil || n.AsInt64() != 1 {
		t.Fatalf("rewrapped %v keys, %v; expected 1", n, err)
	}
}

func (p *peer) byAltName(t *testing.T, name string) *bson.Binary {
	t.Helper()
	got, err := p.ask(t, "byAltName", bson.E{Key: "keyAltName", Value: name})
	if err != nil {
		t.Fatal(err)
	}
	if got.Type == bson.TypeNull {
		return nil
	}
	id := asBinary(got)
	return &id
}

func (p *peer) addAltName(t *testing.T, key bson.Binary, name string) {
	t.Helper()
	if _, err := p.ask(t, "addAltName", bson.E{Key: "keyId", Value: key}, bson.E{Key: "keyAltName", Value: name}); err != nil {
		t.Fatal(err)
	}
}

// forget empties the cache of data keys.
func (p *peer) forget(t *testing.T) {
	t.Helper()
	if _, err := p.ask(t, "forget"); err != nil {
		t.Fatal(err)
	}
}

func asBinary(v bson.RawValue) bson.Binary {
	subtype, data := v.Binary()
	return bson.Binary{Subtype: subtype, Data: data}
}
