package audit

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/payload"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// stopped wraps an error that ends the scan, other than one about a document.
type stopped struct{ err error }

func (s *stopped) Error() string { return s.err.Error() }

// pending is a ciphertext that is judged but for its data key.
type pending struct {
	field *Field
	key   payload.KeyID
	name  string        // the alt name that the document asks for, if the schema wants one
	id    bson.RawValue // of the document; a copy
	clean bool
}

// ciphertext judges the content of a binary value of subtype 6.
func (s *scanner) ciphertext(ctx context.Context, p *place, content []byte) error {
	f, want := p.field, p.node.Encrypted()
	if want == nil {
		if p.field == nil && p == s.untold {
			s.result.Untold++
		}
		f = s.other(p)
	}
	f.Values++
	if want == nil && f.lastDocument != s.result.Documents {
		f.lastDocument = s.result.Documents
		f.Documents++
	}
	if bad := s.kind(content, want != nil); bad != "" {
		return s.problem(f, bad, s.id)
	}
	if len(content) > 0 && payload.Kind(content[0]).Queryable() { // in place: the collection has encryptedFields
		f.Encrypted++
		f.Clean++
		return nil
	}
	c, err := payload.ParseCiphertext(content)
	if err != nil {
		return s.problem(f, Malformed, s.id)
	}
	f.Encrypted++
	f.key(c.KeyID, s.opts.MaxKeys)
	count(&f.Algorithms, c.Algorithm)
	count(&f.Types, c.Type)
	problems, name := s.compare(c, want)
	authentic, err := s.prove(ctx, f, content)
	if err != nil {
		return &stopped{err}
	}
	if authentic != "" {
		problems = append(problems, authentic)
	}
	for _, problem := range problems {
		_ = s.problem(f, problem, s.id)
	}
	return s.wait(pending{field: f, key: c.KeyID, name: name, clean: len(problems) == 0 && want != nil})
}

// kind says what is wrong with a value by its first byte. inSchema says that it stands where ciphertext of client-side field level encryption should.
func (s *scanner) kind(content []byte, inSchema bool) Problem {
	const queryablePlaceholder = 3 // the marking of Queryable Encryption, with the plaintext in it
	if len(content) == 0 {
		return Malformed
	}
	switch k := payload.Kind(content[0]); {
	case k == payload.KindMarking, k == queryablePlaceholder:
		return StoredMarking
	case k.Queryable() && (!s.result.Queryable || inSchema):
		return Queryable
	}
	return ""
}

// compare gives what differs from what the schema wants, and the alt name that the data key should have.
func (s *scanner) compare(c payload.Ciphertext, want *schema.Encrypted) (problems []Problem, name string) {
	if want == nil {
		return []Problem{NotInSchema}, ""
	}
	if c.Algorithm != want.Algorithm {
		problems = append(problems, WrongAlgorithm)
	}
	if want.Types != 0 && !want.Types.Has(c.Type) || want.Types == 0 && payload.Encryptable(c.Type, want.Algorithm) != nil {
		problems = append(problems, WrongType)
	}
	if want.KeyPointer == "" {
		if c.KeyID != want.KeyID {
			problems = append(problems, WrongKey)
		}
		return problems, ""
	}
	v, err := schema.ResolvePointer(s.doc, want.KeyPointer)
	name, isName := v.StringValueOK()
	if err != nil || !isName || name == "" {
		return append(problems, NoKeyName), ""
	}
	return problems, name
}

// prove decrypts the value, if it is drawn, and forgets it. An error ends the scan.
func (s *scanner) prove(ctx context.Context, f *Field, content []byte) (Problem, error) {
	if s.opts.Decrypter == nil {
		return "", nil
	}
	// The n-th value is drawn with a chance of Prove/n: a fair sample of what was read, whenever it ends.
	s.drawn[f]++
	if rand.Int64N(s.drawn[f]) >= int64(s.opts.Prove) {
		return "", nil
	}
	value, err := s.opts.Decrypter.Decrypt(ctx, bson.Binary{Subtype: payload.Subtype, Data: content})
	clear(value.Value)
	switch {
	case err == nil:
		f.Proven++
		return "", nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.Is(err, payload.ErrAuthentication), errors.Is(err, payload.ErrMalformed):
		return NotAuthentic, nil
	case s.keys.lacks(err):
		return "", nil // told as UnknownKey
	}
	if s.result.unproven == nil {
		s.result.unproven = err
	}
	return CannotDecrypt, nil
}

// wait judges the key at once if it is known, else later together with others.
func (s *scanner) wait(p pending) error {
	p.id = s.id
	if p.name == "" && (s.keys.store == nil || s.keys.known(p.key)) {
		s.judgeKey(p, "")
		return nil
	}
	p.id.Value = bytes.Clone(p.id.Value)
	s.pending = append(s.pending, p)
	return nil
}

// settle looks up the keys that ciphertexts wait for, and judges them.
func (s *scanner) settle(ctx context.Context) error {
	if len(s.pending) == 0 {
		return nil
	}
	names, err := s.keys.look(ctx, s.pending)
	if err != nil {
		return err
	}
	for _, p := range s.pending {
		var wrong Problem
		if named, ok := names[p.name]; p.name != "" && s.keys.store != nil {
			switch {
			case !ok:
				wrong = NoKeyName
			case named != p.key:
				wrong = WrongKey
			}
		}
		s.judgeKey(p, wrong)
	}
	s.pending = s.pending[:0]
	return nil
}

// judgeKey counts a ciphertext whose key is known by now.
func (s *scanner) judgeKey(p pending, wrong Problem) {
	missing := !s.keys.count(p.key)
	if missing {
		_ = s.problem(p.field, UnknownKey, p.id)
	}
	if wrong != "" && !(missing && wrong == NoKeyName) {
		_ = s.problem(p.field, wrong, p.id)
	}
	if p.clean && !missing && wrong == "" {
		p.field.Clean++
	}
}
