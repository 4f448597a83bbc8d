package aws_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"go.mongodb.org/mongo-driver/v2/bson"

	mock "github.com/fieldcrypt/fieldcrypt/internal/mockkms/aws"
	"github.com/fieldcrypt/fieldcrypt/kms"
	"github.com/fieldcrypt/fieldcrypt/kms/aws"
)

func Example() {
	// A mock stands in for AWS here. A program passes aws.Type{}.
	ctx := context.Background()
	server, err := mock.Run(ctx, mock.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	providers, err := kms.Open(map[string]map[string]any{
		"aws": {"accessKeyId": "AKIAMOCKMOCKMOCKMOCK", "secretAccessKey": "mock/secret/access/key/of/forty/bytes+++"},
	}, aws.Type{HTTPClient: server.HTTPClient()})
	if err != nil {
		fmt.Println(err)
		return
	}
	provider, err := providers.Provider("aws")
	if err != nil {
		fmt.Println(err)
		return
	}
	masterKey, err := bson.Marshal(bson.D{
		{Key: "region", Value: "us-east-1"},
		{Key: "key", Value: "arn:aws:kms:us-east-1:579766882180:key/89fcc2c4-08b0-4bd9-9f25-e30687b580d0"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	dataKey := make([]byte, 96)
	rand.Read(dataKey)
	wrapped, err := provider.WrapKey(ctx, masterKey, dataKey)
	if err != nil {
		fmt.Println(err)
		return
	}
	unwrapped, err := provider.UnwrapKey(ctx, wrapped.MasterKey, wrapped.KeyMaterial)
	fmt.Println(len(unwrapped), err)
	// Output: 96 <nil>
}

// Credentials of one's own source, renewed before they expire, and replicas of a multi-Region key for when its region is down. A role's come from
// the SDK's stscreds.NewAssumeRoleProvider.
func ExampleType() {
	broker := sdk.CredentialsProviderFunc(func(context.Context) (sdk.Credentials, error) {
		return sdk.Credentials{
			AccessKeyID: "ASIA…", SecretAccessKey: "…", SessionToken: "…",
			CanExpire: true, Expires: time.Now().Add(time.Hour),
		}, nil
	})
	providers, err := kms.Open(map[string]map[string]any{"aws": {}}, kms.Limit(aws.Type{
		Credentials:     map[string]sdk.CredentialsProvider{"aws": broker},
		FailoverRegions: []string{"us-west-2", "eu-west-1"},
		FIPS:            sdk.FIPSEndpointStateEnabled,
		DualStack:       sdk.DualStackEndpointStateDisabled,
	}, 20))
	fmt.Println(providers != nil, err)
	// Output: true <nil>
}
