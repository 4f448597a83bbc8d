package cryptd

import (
	"slices"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/analyze"
	"github.com/fieldcrypt/fieldcrypt/schema"
)

// Analyzer answers analysis requests. The zero value is ready for use; it is safe for concurrent use once its fields are set, and
// must not be copied after that. It remembers compiled schemas (see [schema.Cache]), and nothing of the commands.
type Analyzer struct {
	Rewrite analyze.Rewrite    // how much of a command changes; default analyze.Minimal
	Allow   analyze.Relaxation // what is not refused; default none
	OK      bool               // end each answer with ok: 1, as a server's replies do; default false, as crypt_shared answers

	schemas schema.Cache
	rooms   sync.Pool // of empty map[string]*schema.Schema: most requests bring one schema, for which a map would have to be made
}

// Analyze appends the answer to a request to dst, and returns the answer alone:
//
//	{hasEncryptionPlaceholders: bool, schemaRequiresEncryption: bool, result: <command>}
//
// The result is the command as the server shall get it: all that the driver sent, in its order, without the fields that carry
// schemas and without $db, which libmongocrypt puts back. A value of an encrypted field has become a marking (binary, subtype 6).
// With schemaRequiresEncryption false no schema encrypts, and nothing but the name and the collections of the command was read.
//
// The schemas come with the request: jsonSchema and isRemoteSchema for the command's own collection, or csfleEncryptionSchemas for
// several ({"db.coll": {jsonSchema, isRemoteSchema}}). Without either the request is refused, and so is one whose command reads or
// writes a collection without a schema here: it might be encrypted. db is the database of a request without $db; a request that
// names another database is refused. Requests and answers have at most 48,000,000 bytes.
//
// The error is a *[analyze.RefusedError], has a *[schema.Error] in it, or says that the BSON is malformed or that the
// answer grew too long; [Describe] puts it into a number and a text. It never holds a value. The request is not changed; it must not
// overlap the spare capacity of dst, all of which may be written to.
func (a *Analyzer) Analyze(dst []byte, db string, request bson.Raw) (bson.Raw, error) {
	out, err := a.appendAnswer(dst, db, request)
	if err != nil {
		return nil, err
	}
	return out[len(dst):], nil
}

// appendAnswer is Analyze that returns all of dst.
func (a *Analyzer) appendAnswer(dst []byte, db string, request bson.Raw) ([]byte, error) {
	r, err := read(db, request)
	if err != nil {
		return nil, err
	}
	given, err := a.given(&r)
	if err != nil {
		return nil, err
	}
	start := len(dst)
	dst, flags := beginAnswer(slices.Grow(dst, room(&r, given.encrypt)))
	command := len(dst)
	if dst, err = r.appendCommand(dst); err != nil {
		return nil, err
	}
	res, err := a.analyze(dst, dst[command:], &r, &given)
	if err != nil {
		return nil, err
	}
	if res.HasPlaceholders { // written behind the command, most of the time in the same buffer: move it over the command
		dst = append(dst[:command], res.Command...)
	}
	return a.endAnswer(dst, start, flags, res)
}

// analyze appends the rewritten command to dst if something had to be sealed.
func (a *Analyzer) analyze(dst []byte, command bson.Raw, r *request, given *schemas) (analyze.Result, error) {
	target, err := analyze.Classify(r.db, command)
	if err != nil || target.Disposition == analyze.Bypassed { // which libmongocrypt never asks about
		return analyze.Result{}, err
	}
	room, _ := a.rooms.Get().(map[string]*schema.Schema)
	if room == nil {
		room = make(map[string]*schema.Schema, 1)
	}
	defer func() {
		clear(room)
		a.rooms.Put(room)
	}()
	of, err := given.of(target, room)
	if err != nil {
		return analyze.Result{}, err
	}
	res, err := analyze.Command(dst, target, command, of, bounded{}, analyze.Options{Rewrite: a.Rewrite, Allow: a.Allow})
	res.RequiresEncryption = given.encrypt // also when the collection that encrypts is one that the command does not touch
	return res, err
}
