package payload

import (
	"bytes"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Published ciphertexts and such as were recomputed from public keys with other implementations.
func TestDeterministicVectors(t *testing.T) {
	local := unwrapLocal(t)
	custom := unbase64(t, "xPTAjBRG5JiPm+d3fj6XLi2q5DMXUS/f1f+SMAlhhwkhDRL0kr8r9GDLIGTAGlvC+HVjSIgdL+RKwZCvpXSyxTICWSXTUYsWYPyu3IoHbuBZdmw2faM3WhcRIgbMReU5")
	aws := unbase64(t, awsDEK)
	as := KeyID([]byte("aaaaaaaaaaaaaaaa"))
	for _, tt := range []struct {
		name string
		dek  []byte
		id   KeyID
		v    any
		want string
	}{
		{"custom key material (driver specification, prose test 1)", custom, KeyID{}, "test",
			"AQAAAAAAAAAAAAAAAAAAAAACz0ZOLuuhEYi807ZXTdhbqhLaS2/t9wLifJnnNYwiw79d75QYIZ6M/aYC1h9nCzCjZ7pGUpAuNnkUhnIXM3PjrA=="},
		{"string (driver specification, basic)", aws, KeyID{}, "string0",
			"AQAAAAAAAAAAAAAAAAAAAAACwj+3zkv2VM+aTfk60RqhXq6a/77WlLwu/BxXFkL7EppGsju/m8f0x5kBDD3EZTtGALGXlym5jnpZAoSIkswHoA=="},
		{"int32", aws, KeyID{}, int32(5),
			"AQAAAAAAAAAAAAAAAAAAAAAQKs0S/lLcl74wnwsxBuTEV6WDshJlTOLOC1f1d1eSA6mpvHnmFPzRcBdG+fB2pyoF5QrWPXahOkJPFVEZhneaXQ=="},
		{"int64", aws, KeyID{}, int64(5),
			"AQAAAAAAAAAAAAAAAAAAAAASVPzQqF3H9JDyoGcnh60o15H6r/h8nx/yRSkeG1x2BY6Hthp0kig+RGL5hhdXs4DkN5/j4fth3HH/qiQhtO4bWg=="},
		{"another key id (also in the Go driver's test data)", aws, as, "457-55-5462",
			"AWFhYWFhYWFhYWFhYWFhYWECRTOW9yZzNDn5dGwuqsrJQNLtgMEKaujhs9aRWRp+7Yo3JK8N8jC8P0Xjll6C1CwLsE/iP5wjOMhVv1KMMyOCSCrHorXRsb2IKPtzl2lKTqQ="},
		{"16 bytes, so a whole block of padding", aws, KeyID{}, "hello world",
			"AQAAAAAAAAAAAAAAAAAAAAAC03XNEzra7brm5GXzuFJ9u8Tn7HVOEiu8ibJ12TfrPkvA89pl7xa5t7nvpJo4rgOvCX3Mw6X39/p/wibIorfCb5Ya4ixnwPXc4BD+NZDxrSY="},
		{"local key (driver specification, localKMS)", local, KeyID{}, "string0",
			"AQAAAAAAAAAAAAAAAAAAAAACV/+zJmpqMU47yxS/xIVAviGi7wHDuFwaULAixEAoIh0xHz73UYOM3D8D44gcJn67EROjbz4ITpYzzlCJovDL0Q=="},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key, v, want := keyOf(t, tt.dek), value(t, tt.v), unbase64(t, tt.want)
			if got := encrypt(t, key, Deterministic, tt.id, v); !bytes.Equal(got, want) {
				t.Errorf("encrypt: got %x\nwant %x", got, want)
			}
			if got, err := decrypt(key, want); err != nil || !got.Equal(v) {
				t.Errorf("decrypt: got type %s, %v; the value is not the one that was encrypted", got.Type, err)
			}
		})
	}
}

// unwrapLocal unwraps the local data key of the driver specification's tests (localKMS, corpus, limits, external).
func unwrapLocal(t *testing.T) []byte {
	t.Helper()
	return unwrap(t, localMasterKey, "Ce9HSz/HKKGkIt4uyy+jDuKGA+rLC2cycykMo6vc8jXxqa1UVDYHWq1r+vZKbnnSRBfB981akzRKZCFpC05CTyFqDhXv6OnMjpG97OZEREGI"+
		"sHEYiJkBW0jJJvfLLgeLsEpBzsro9FztGGXASxyxFRZFhXvHxyiLOKrdWfs7X1O/iK3pEoHMx6uSNSfUOgbebLfIqW7TO++iQS5g1xovXA==")
}

func unwrap(t *testing.T, masterKey, keyMaterial string) []byte {
	t.Helper()
	dek, err := keyOf(t, unbase64(t, masterKey)).AppendUnwrap(nil, unbase64(t, keyMaterial))
	if err != nil {
		t.Fatal(err)
	}
	return dek
}

// The wrapped keys are those of the driver specification's corpus, the KMIP master key that of the public test KMIP server.
func TestUnwrapVectors(t *testing.T) {
	kmip := unwrap(t, "9clYgfMnBnAzcWZoSfn9DgjNjck3YSj73v79SW88fJD4+15MXU0EdWLU2sY2CdNj13AxfAs5Lp1GiaElckYXdi/z8MiB6JRqyjIPcBQ4kDPSM0PUB2XuPCmPJqMzLsAV",
		"eUYDyB0HuWb+lQgUwO+6qJQyTTDTY2gp9FbemL7ZFo0pvr0x6rm6Ff9OVUTGH6HyMKipaeHdiIJU1dzsLwvqKvi7Beh+U4iaIWX/K0oEg1GOsJc0+Z/in8gNHbGUYLmy"+
			"cHViM3LES3kdt7FdFSUl5rEBHrM71yoNEXImz17QJWMGOuT4x6yoi2pvnaRJwfrI4DjpmnnTrDMac92jgZehbg==")
	for _, tt := range []struct {
		name string
		got  []byte
		want string
	}{
		{"local", unwrapLocal(t), "79Jj1hg1wEigxMAaUswnq6QUN4qCsHZZrluGp4IcbstaNHQ829Guuuwi6v7Le9rimajxBK88W7wAR9MOu+ZsbzvDLC6Q9llnODNi2f74PNn/cNUErHnAWigAlRSBFAGP"},
		{"kmip", kmip, "vwlCDQz1I7KvRMEAd/JqJMqhb96vY80Hw9lKq3/evQGuX89eeqsBOXBjrs+gBnBJu0Ve+v0r9Zp5i6+jpK/2BrxexmZ0vscdEq9jbalbH049Qa12cStA9JAZVfZfKX1z"},
	} {
		if !bytes.Equal(tt.got, unbase64(t, tt.want)) {
			t.Errorf("%s: the unwrapped key is not the published one", tt.name)
		}
	}
}

// Layout of a ciphertext, offset by offset.
func TestParseCiphertext(t *testing.T) {
	b := unbase64(t, "AWFhYWFhYWFhYWFhYWFhYWECRTOW9yZzNDn5dGwuqsrJQNLtgMEKaujhs9aRWRp+7Yo3JK8N8jC8P0Xjll6C1CwLsE/iP5wjOMhVv1KMMyOCSCrHorXRsb2IKPtzl2lKTqQ=")
	c, err := ParseCiphertext(b)
	if err != nil {
		t.Fatal(err)
	}
	if c.Algorithm != Deterministic || c.KeyID != KeyID([]byte("aaaaaaaaaaaaaaaa")) || c.Type != bson.TypeString ||
		!bytes.Equal(c.Content, b) {
		t.Errorf("got %v", c)
	}
}
