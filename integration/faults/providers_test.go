package faults

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/breakingproxy"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// expectation is what a provider says of a fault.
type expectation struct {
	name      string
	fault     breakingproxy.Fault
	answer    int  // the KMS's, in place of a fault; KMIP has none of these
	late      bool // no answer by the deadline
	temporary bool
}

func expectations(t *testing.T, s *service) []expectation {
	strangers, hour := newAuthority(t), time.Now().Add(time.Hour)
	return []expectation{
		{name: "slow", fault: breakingproxy.Fault{Delay: time.Hour}, late: true, temporary: true},
		{name: "trickling", fault: breakingproxy.Fault{Rate: 20}, late: true, temporary: true},
		{name: "black hole", fault: breakingproxy.Fault{BlackHole: true}, late: true, temporary: true},
		{name: "refusing", fault: breakingproxy.Fault{Refuse: true}, temporary: true},
		{name: "resetting", fault: breakingproxy.Fault{Reset: true}, temporary: true},
		{name: "half-closed", fault: breakingproxy.Fault{HalfClose: true}, temporary: true},
		{name: "cut in the answer", fault: breakingproxy.Fault{CutAfter: 40}, temporary: true},
		{name: "429", answer: 429, temporary: true},
		{name: "503", answer: 503, temporary: true},
		{name: "gone after the handshake", fault: breakingproxy.Fault{Dial: s.impostors.impostor(t, hour)}, temporary: true},
		{name: "expired certificate", fault: breakingproxy.Fault{Dial: s.impostors.impostor(t, time.Now().Add(-time.Hour))}},
		{name: "certificate for another host", fault: breakingproxy.Fault{Dial: s.impostors.impostor(t, hour, "kms.example.org")}},
		{name: "certificate of another authority", fault: breakingproxy.Fault{Dial: strangers.impostor(t, hour)}},
	}
}

// Each fault meets a provider that was never used and one that keeps a connection; both wrap and unwrap. Afterwards both work.
func TestProvider(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		w, err := provider(t, s).WrapKey(t.Context(), document(t, s.masterKey), []byte(material))
		if err != nil {
			t.Fatal(err)
		}
		k := key{s.stored(t, w.MasterKey), w.KeyMaterial}
		for _, want := range expectations(t, s) {
			if want.answer != 0 && !s.web {
				continue
			}
			t.Run(want.name, func(t *testing.T) {
				unused, used := provider(t, s), provider(t, s)
				k.check(t, used)
				before := s.proxy.Connections()
				s.answer(func() int { return want.answer })
				s.breaks(t, want.fault)
				var asking sync.WaitGroup
				for _, p := range []kms.Provider{unused, used} {
					asking.Go(func() {
						want.check(t, s, func(ctx context.Context) error {
							_, err := p.WrapKey(ctx, document(t, s.masterKey), []byte(material))
							return err
						})
					})
					asking.Go(func() {
						want.check(t, s, func(ctx context.Context) error {
							_, err := p.UnwrapKey(ctx, k.masterKey, k.material)
							return err
						})
					})
				}
				asking.Wait()
				most := 4 * 4 // each call four times
				if !want.temporary {
					most = 4
				}
				if n := s.proxy.Connections() - before; n > most {
					t.Errorf("%d connections, want at most %d", n, most)
				}
				s.answer(nil)
				s.breaks(t, breakingproxy.Fault{})
				k.check(t, unused)
				k.check(t, used)
			})
		}
	})
}

func (want *expectation) check(t *testing.T, s *service, call func(context.Context) error) {
	t.Helper()
	err := within(t, want.late, call)
	if e := s.checkError(t, err); e.Temporary() != want.temporary || e.Status != want.answer || errors.Is(err, context.DeadlineExceeded) != want.late {
		t.Errorf("Temporary() is %v, status %d: %v", e.Temporary(), e.Status, err)
	}
}

// A kept connection that ends once, with a request under way, is not the caller's concern.
func TestBlip(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		p := provider(t, s)
		w, err := p.WrapKey(t.Context(), document(t, s.masterKey), []byte(material))
		if err != nil {
			t.Fatal(err)
		}
		k := key{s.stored(t, w.MasterKey), w.KeyMaterial}
		s.proxy.Disconnect() // as a server that is started anew
		k.check(t, p)
		s.breaks(t, breakingproxy.Fault{Hit: func() {
			s.breaks(t, breakingproxy.Fault{})
			s.proxy.Disconnect()
		}})
		k.check(t, p)
	})
}

// A caller that leaves gets its error at once, and it is not for trying again.
func TestCancelled(t *testing.T) {
	each(t, func(t *testing.T, s *service) {
		ctx, cancel := context.WithCancel(t.Context())
		s.breaks(t, breakingproxy.Fault{BlackHole: true, Hit: cancel})
		_, err := provider(t, s).WrapKey(ctx, document(t, s.masterKey), []byte(material))
		if e := s.checkError(t, err); !errors.Is(err, context.Canceled) || e.Temporary() {
			t.Errorf("got %v", err)
		}
	})
}

// key is a wrapped data key.
type key struct {
	masterKey bson.Raw
	material  []byte
}

func (k key) check(t *testing.T, p kms.Provider) {
	t.Helper()
	got, err := p.UnwrapKey(t.Context(), k.masterKey, k.material)
	if err != nil || !bytes.Equal(got, []byte(material)) {
		t.Errorf("the key cannot be unwrapped: %v", err)
	}
}

func provider(t *testing.T, s *service) kms.Provider {
	t.Helper()
	p, err := s.open(t).Provider(s.id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mapping(t *testing.T, doc bson.Raw) (d bson.D) {
	t.Helper()
	if err := bson.Unmarshal(doc, &d); err != nil {
		t.Fatal(err)
	}
	return d
}
