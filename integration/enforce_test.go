package integration

import (
	"context"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fieldcrypt/fieldcrypt/integration/testserver"
	"github.com/fieldcrypt/fieldcrypt/schema"
	"github.com/fieldcrypt/fieldcrypt/schema/enforce"
)

// On any server, a probe says what becomes of plaintext that is written by the way an application would.
func TestProbeTellsTheTruth(t *testing.T) {
	client, err := mongo.Connect(options.Client().ApplyURI(testserver.Start(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	db := testserver.Database(t)
	type employee struct {
		SSN string `bson:"ssn" fieldcrypt:"deterministic"`
	}
	doc, err := schema.For[employee](schema.ForOptions{KeyID: bson.Binary{Subtype: bson.TypeBinaryUUID, Data: make([]byte, 16)}})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := enforce.MakePlan(t.Context(), client, db+".employees", doc, enforce.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	switch err := plan.Apply(t.Context(), client); {
	case errors.Is(err, enforce.ErrNoEncrypt), errors.Is(err, enforce.ErrNoValidators), errors.Is(err, enforce.ErrNotKept):
		t.Logf("the server cannot enforce: %v", err)
		if err := client.Database(db).CreateCollection(t.Context(), "employees"); err != nil {
			t.Fatal(err)
		}
	case err != nil:
		t.Fatal(err)
	}
	_, err = client.Database(db).Collection("employees").InsertOne(t.Context(), bson.D{{Key: "ssn", Value: "457-55-5462"}})
	want := enforce.NotEnforced
	if err != nil {
		want = enforce.Enforced
	}
	report, err := enforce.Probe(t.Context(), client, db+".employees", enforce.ProbeOptions{Schema: doc})
	if err != nil || len(report.Fields) != 1 || report.Fields[0].Verdict != want {
		t.Errorf("got %+v %v, want %s", report, err, want)
	}
	names, err := client.Database(db).ListCollectionNames(t.Context(), bson.D{})
	if err != nil || len(names) != 1 {
		t.Errorf("left behind: %v %v", names, err)
	}
}
