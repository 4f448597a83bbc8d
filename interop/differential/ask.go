package main

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/internal/bsonraw"
	"github.com/fieldcrypt/fieldcrypt/interop/differential/draw"
	"github.com/fieldcrypt/fieldcrypt/interop/differential/libmongocrypt"
	"github.com/fieldcrypt/fieldcrypt/payload"
)

// otherSays is the field for the reason why the other side does not decrypt what one side encrypts.
const otherSays = "the other side says"

// ask asks fieldcrypt, and libmongocrypt if it is there. plain is the document that what they give decrypts to, where it is known.
func (s *sides) ask(q *question) (ours, theirs answer, plain bson.Raw) {
	marked, plain, notAllowed := s.marked(q)
	given, err := s.askOurs(q)
	if notAllowed != nil {
		return s.finish(q, given, err, s.openOurs), refusal(notAllowed), nil
	}
	if s.theirs == nil {
		return s.finish(q, given, err, s.openOurs), answer{}, plain
	}
	theirGiven, theirErr := s.askTheirs(q, marked)
	return s.finish(q, given, err, s.theirs.Decrypt), s.finish(q, theirGiven, theirErr, s.openOurs), plain
}

func (s *sides) finish(q *question, given bson.Raw, err error, open func(bson.Raw) (bson.Raw, error)) answer {
	if err != nil {
		return refusal(err)
	}
	if q.kind == decryptReply || q.kind == decryptValue {
		return answer{given: given}
	}
	hidden, _ := masked(given)
	opened, err := open(given)
	if err != nil {
		return answer{given: hidden, opened: bson.Raw(draw.Document(draw.E{Key: otherSays, Value: draw.String(err.Error())}).Value)}
	}
	return answer{given: hidden, opened: opened}
}

func (s *sides) openOurs(doc bson.Raw) (bson.Raw, error) {
	return s.automatic[0].Decrypt(context.Background(), doc)
}

func (s *sides) askOurs(q *question) (bson.Raw, error) {
	ctx := context.Background()
	switch q.kind {
	case encryptValue:
		opts := fieldcrypt.EncryptOptions{Algorithm: q.algorithm.String()}
		if q.byName {
			opts.KeyAltName = draw.AltName(q.key)
		} else {
			id := s.vault.ids[q.key].Binary()
			opts.KeyID = &id
		}
		b, err := s.explicit.Encrypt(ctx, only(q.document), opts)
		return alone(draw.Binary(b.Subtype, b.Data)), err
	case decryptValue:
		v := only(q.document)
		if v.Type != bson.TypeBinary {
			return nil, errors.New("no binary value")
		}
		b, err := s.explicit.Decrypt(ctx, bson.Binary{Subtype: v.Value[4], Data: v.Value[5:]})
		return alone(b), err
	case decryptReply:
		return s.openOurs(q.document)
	case sealMarking:
		return s.seal(q.document)
	}
	rewrite := analyze.Minimal
	if q.exact {
		rewrite = analyze.Exact
	}
	return s.automatic[rewrite].Encrypt(ctx, draw.Database, q.document)
}

// seal encrypts the value of the only field, a marking, as it says.
func (s *sides) seal(doc bson.Raw) (bson.Raw, error) {
	m, err := payload.ParseMarking(only(doc).Value[5:])
	if err != nil {
		return nil, err
	}
	id, key, err := s.vault.find(m)
	if err != nil {
		return nil, err
	}
	b, err := key.AppendEncrypt(nil, m.Algorithm, id, m.Value)
	return alone(draw.Binary(payload.Subtype, b)), err
}

func (s *sides) askTheirs(q *question, marked analyze.Result) (bson.Raw, error) {
	switch q.kind {
	case encryptValue:
		key := libmongocrypt.Key{ID: s.vault.ids[q.key][:]}
		if q.byName {
			key = libmongocrypt.Key{AltName: draw.AltName(q.key)}
		}
		return s.theirs.EncryptValue(q.document, q.algorithm.String(), key)
	case decryptValue:
		return s.theirs.DecryptValue(q.document)
	case decryptReply:
		return s.theirs.Decrypt(q.document)
	case sealMarking: // {v: marking} stands for an insert, whose one document has the value
		insert := draw.Document(draw.E{Key: "insert", Value: draw.String("plain")})
		return s.theirs.Encrypt(libmongocrypt.Command{
			Database: draw.Database, Command: bson.Raw(insert.Value), Analysis: analysis(analyze.Result{Command: q.document, HasPlaceholders: true, RequiresEncryption: true}),
		})
	}
	return s.theirs.Encrypt(libmongocrypt.Command{
		Database: draw.Database, Command: q.document, Collections: s.infos(), Analysis: analysis(marked),
	})
}

// analysis is how query analysis answers.
func analysis(r analyze.Result) bson.Raw {
	return bson.Raw(draw.Document(draw.E{Key: "hasEncryptionPlaceholders", Value: draw.Bool(r.HasPlaceholders)},
		draw.E{Key: "schemaRequiresEncryption", Value: draw.Bool(r.RequiresEncryption)},
		draw.E{Key: "result", Value: bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: r.Command}}, draw.E{Key: "ok", Value: draw.Int(1)}).Value)
}

// marked runs query analysis, which both sides have in common, on a command. plain is the document that the answers decrypt to.
func (s *sides) marked(q *question) (r analyze.Result, plain bson.Raw, err error) {
	switch q.kind {
	case encryptValue:
		return r, q.document, nil
	case encryptCommand:
	default:
		return r, nil, nil
	}
	target, err := analyze.Classify(draw.Database, q.document)
	if err != nil {
		return r, nil, err
	}
	opts := analyze.Options{}
	if q.exact {
		opts.Rewrite = analyze.Exact
	}
	if r, err = analyze.Command(nil, target, q.document, s.schemas, analyze.Markings{}, opts); err != nil {
		return r, nil, err
	}
	plain, err = bsonraw.Rewrite(nil, r.Command, func(dst, content []byte) ([]byte, bsonraw.Replacement, error) {
		m, err := payload.ParseMarking(content)
		if err != nil {
			return dst, bsonraw.Replacement{Keep: true}, nil
		}
		return append(dst, m.Value.Value...), bsonraw.Replacement{Type: m.Value.Type}, nil
	})
	return r, plain, err
}
