package enforce

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// ErrNoTransactions says that a server has no transactions.
var ErrNoTransactions = errors.New("the server has no transactions: it is neither of a replica set nor of a sharded cluster")

// inTransactions probes the collection itself.
func (p *probe) inTransactions(ctx context.Context) error {
	p.report.Method = "transaction"
	if err := p.hasTransactions(ctx); err != nil {
		return err
	}
	switch err := p.aborted(ctx, p.docs.document(nil)); {
	case refused(err):
		p.undecided("the server refuses a document of ciphertexts too: give a document that meets the validator's other conditions, or use a scratch collection")
		return nil
	case err != nil:
		return fmt.Errorf("writing a document of ciphertexts to %s in a transaction: %w", p.report.Collection.Namespace, err)
	}
	return p.each(ctx, p.aborted, p.moderate())
}

// hasTransactions asks before anything is written: a server that does not know transactions might take the document and keep it.
func (p *probe) hasTransactions(ctx context.Context) error {
	hello, err := p.client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Raw()
	if err != nil {
		return fmt.Errorf("asking the server what it is: %w", err)
	}
	set, _ := hello.Lookup("setName").StringValueOK()
	router, _ := hello.Lookup("msg").StringValueOK()
	if set == "" && router != "isdbgrid" {
		return ErrNoTransactions
	}
	return nil
}

// aborted writes a document in a transaction that is aborted, and looks that it is not there.
func (p *probe) aborted(ctx context.Context, doc bson.D) (err error) {
	session, err := p.client.StartSession()
	if err != nil {
		return err
	}
	defer session.EndSession(context.WithoutCancel(ctx))
	if err := session.StartTransaction(); err != nil {
		return err
	}
	db, name := database(p.client, p.report.Collection.Namespace)
	coll := db.Collection(name)
	_, err = coll.InsertOne(mongo.NewSessionContext(ctx, session), doc)
	clean, cancel := cleanContext(ctx)
	defer cancel()
	_ = session.AbortTransaction(clean) // a refused write has ended it; what counts is what is there
	if left := p.remove(clean, coll, doc); left != nil {
		return left
	}
	return err
}

// remove deletes the canary in case the server has not aborted.
func (p *probe) remove(ctx context.Context, coll *mongo.Collection, doc bson.D) error {
	var id any
	for _, e := range doc {
		if e.Key == "_id" {
			id = e.Value
		}
	}
	filter := bson.D{{Key: "_id", Value: id}}
	n, err := coll.CountDocuments(ctx, filter)
	if err == nil && n > 0 {
		if _, err = coll.DeleteOne(ctx, filter); err == nil {
			if n, err = coll.CountDocuments(ctx, filter); err == nil && n > 0 {
				err = errors.New("the server did not delete it")
			}
		}
		if err == nil {
			return errors.New("the server did not abort the transaction; the canary was deleted")
		}
	}
	if err != nil {
		what := "a canary"
		if oid, ok := id.(bson.ObjectID); ok {
			what = "the document with _id " + oid.Hex()
		}
		return &LeftError{What: what + " in " + p.report.Collection.Namespace, Err: err}
	}
	return nil
}
