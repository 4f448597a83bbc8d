// Command go is automatic encryption with the official Go driver, built with -tags cse; ../../README.md says what it prints.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

type employee struct {
	Name    string  `bson:"name"`
	SSN     string  `bson:"ssn"`
	Salary  int32   `bson:"salary"`
	Address address `bson:"address"`
	Visits  bson.A  `bson:"visits"`
}

type address struct {
	Zip  string `bson:"zip"`
	City string `bson:"city"`
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	// docs: begin
	var schema bson.M
	if err := bson.UnmarshalExtJSON([]byte(`{"bsonType": "object", "encryptMetadata": {"keyId": [{"$uuid": "`+os.Getenv("DATA_KEY")+`"}]}, "properties": {
		"ssn": {"encrypt": {"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"}},
		"salary": {"encrypt": {"bsonType": "int", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}},
		"address": {"bsonType": "object", "properties": {
			"zip": {"encrypt": {"bsonType": "string", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Deterministic"}}}},
		"visits": {"encrypt": {"bsonType": "array", "algorithm": "AEAD_AES_256_CBC_HMAC_SHA_512-Random"}}}}`), false, &schema); err != nil {
		return err
	}
	encryption := options.AutoEncryption().
		SetKeyVaultNamespace(os.Getenv("KEY_VAULT")). // such as encryption.__keyVault
		SetKmsProviders(kmsProviders()).              // such as {"local": {"key": masterKey}}, 96 bytes
		SetSchemaMap(map[string]any{"hr.employees": schema}).
		SetTLSConfig(kmsTLS()).
		SetExtraOptions(analyzer()) // such as {"mongocryptdPath": "/usr/local/bin/mongocryptd"}
	client, err := mongo.Connect(options.Client().ApplyURI(os.Getenv("MONGODB_URI")).SetAutoEncryptionOptions(encryption))
	if err != nil {
		return err
	}
	defer client.Disconnect(ctx)

	employees := client.Database("hr").Collection("employees")
	_, err = employees.InsertOne(ctx, employee{
		Name: "from go", SSN: "457-55-5462", Salary: 5200,
		Address: address{Zip: "10115", City: "Berlin"},
		Visits:  bson.A{"2026-01-02", bson.M{"ward": "B"}},
	})
	// docs: end
	if err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	fmt.Println(`{"step":"inserted"}`)
	if err := show("found", employees.FindOne(ctx, bson.M{"ssn": "457-55-5462", "name": "from go"})); err != nil {
		return err
	}
	if err := show("read", employees.FindOne(ctx, bson.M{"name": "from fieldcrypt"})); err != nil {
		return err
	}
	if err := updateAndCount(ctx, employees); err != nil {
		return err
	}
	return refused(employees.FindOne(ctx, bson.M{"ssn": bson.M{"$gt": "4"}}).Err())
}

func updateAndCount(ctx context.Context, employees *mongo.Collection) error {
	if _, err := employees.UpdateOne(ctx, bson.M{"name": "from go"}, bson.M{"$set": bson.M{"address.zip": "20095"}}); err != nil {
		return fmt.Errorf("update: %w", err)
	}
	n, err := employees.CountDocuments(ctx, bson.M{"address.zip": "20095"})
	if err != nil {
		return fmt.Errorf("count: %w", err)
	}
	fmt.Printf("{\"step\":\"counted\",\"n\":%d}\n", n)
	return nil
}

func refused(err error) error {
	var encryption mongo.MongocryptdError
	var library mongo.MongocryptError
	if !errors.As(err, &encryption) && !errors.As(err, &library) {
		return fmt.Errorf("find {ssn: {$gt: …}} was not refused: %w", err)
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]string{"step": "refused", "message": err.Error()})
}

func show(step string, result *mongo.SingleResult) error {
	document, err := result.Raw()
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	text, err := bson.MarshalExtJSON(document, true, false)
	if err != nil {
		return err
	}
	fmt.Printf("{\"step\":%q,\"document\":%s}\n", step, text)
	return nil
}

func kmsProviders() map[string]map[string]any {
	if os.Getenv("KMS") == "aws" {
		return map[string]map[string]any{"aws": {
			"accessKeyId": os.Getenv("AWS_ACCESS_KEY_ID"), "secretAccessKey": os.Getenv("AWS_SECRET_ACCESS_KEY"),
		}}
	}
	masterKey, err := os.ReadFile(os.Getenv("MASTER_KEY"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return map[string]map[string]any{"local": {"key": masterKey}}
}

// kmsTLS trusts the authority that AWS_CA names.
func kmsTLS() map[string]*tls.Config {
	ca, err := os.ReadFile(os.Getenv("AWS_CA"))
	if err != nil {
		return nil
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(ca)
	return map[string]*tls.Config{"aws": {RootCAs: authorities}}
}

// analyzer says where the driver gets its commands analysed: a daemon that it starts, one that runs already, or the library.
func analyzer() map[string]any {
	if path := os.Getenv("MONGOCRYPTD_SPAWN"); path != "" {
		port := os.Getenv("MONGOCRYPTD_PORT")
		return map[string]any{
			"mongocryptdPath":      path,
			"mongocryptdSpawnArgs": []string{"--port=" + port, "--idleShutdownTimeoutSecs=60"},
			"mongocryptdURI":       "mongodb://localhost:" + port,
		}
	}
	if uri := os.Getenv("MONGOCRYPTD_URI"); uri != "" {
		return map[string]any{"mongocryptdURI": uri, "mongocryptdBypassSpawn": true}
	}
	return map[string]any{"cryptSharedLibPath": os.Getenv("CRYPT_SHARED_LIB"), "cryptSharedLibRequired": true}
}
