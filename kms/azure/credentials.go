package azure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/internal/kmsconfig"
	"github.com/fieldcrypt/fieldcrypt/kms"
)

// tokenFunc returns an access token for a vault domain. It is a func, of which fmt prints an address only, whatever the verb.
type tokenFunc func(ctx context.Context, domain string) (azcore.AccessToken, error)

// entry is a kmsProviders entry.
type entry struct{ accessToken, tenantID, clientID, clientSecret, identityPlatformEndpoint string }

func openCredentials(id kms.ID, config bson.Raw, options azcore.ClientOptions) (tokenFunc, error) {
	var e entry
	err := kmsconfig.Read(config, "azure kmsProviders entry", []kmsconfig.Field{
		{Name: "accessToken", Text: &e.accessToken},
		{Name: "tenantId", Text: &e.tenantID},
		{Name: "clientId", Text: &e.clientID},
		{Name: "clientSecret", Text: &e.clientSecret},
		{Name: "identityPlatformEndpoint", Text: &e.identityPlatformEndpoint},
	})
	if err == nil {
		err = e.check(id)
	}
	switch {
	case err != nil:
		return nil, err
	case e.accessToken != "":
		return static(e.accessToken), nil
	}
	var credential azcore.TokenCredential
	if e.clientSecret != "" {
		credential, err = e.servicePrincipal(options)
	} else {
		credential, err = fromEnvironment(options)
	}
	if err != nil {
		return nil, err
	}
	return oneAtATime(credential), nil
}

func (e *entry) check(id kms.ID) error {
	switch {
	case *e == entry{} && id.Name != "":
		return errors.New("empty azure kmsProviders entry: a named provider cannot take credentials from the environment; give its fields")
	case *e == entry{}:
		return nil
	case e.accessToken != "" && *e != entry{accessToken: e.accessToken}:
		return errors.New("azure kmsProviders entry: accessToken excludes the other fields")
	case e.accessToken != "":
		return nil
	}
	for _, f := range []struct{ name, value string }{{"tenantId", e.tenantID}, {"clientId", e.clientID}, {"clientSecret", e.clientSecret}} {
		if f.value == "" {
			return fmt.Errorf("azure kmsProviders entry: field %q is required, unless accessToken is given", f.name)
		}
	}
	return nil
}

func (e *entry) servicePrincipal(options azcore.ClientOptions) (azcore.TokenCredential, error) {
	endpoint := e.identityPlatformEndpoint
	if endpoint == "" {
		endpoint = "login.microsoftonline.com"
	}
	url, err := kmsconfig.Endpoint(endpoint, "azure identityPlatformEndpoint")
	if err != nil {
		return nil, err
	}
	options.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: url}
	return azidentity.NewClientSecretCredential(e.tenantID, e.clientID, e.clientSecret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions:            options,
		DisableInstanceDiscovery: true, // no other host is asked whether this one is Azure's
	})
}

// fromEnvironment does not go on to the next credentials when the first that are configured fail: it would hide why.
func fromEnvironment(options azcore.ClientOptions) (azcore.TokenCredential, error) {
	switch {
	case os.Getenv("AZURE_CLIENT_SECRET") != "" || os.Getenv("AZURE_CLIENT_CERTIFICATE_PATH") != "":
		return azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	case os.Getenv("AZURE_FEDERATED_TOKEN_FILE") != "":
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	}
	o := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: options}
	if id := os.Getenv("AZURE_CLIENT_ID"); id != "" {
		o.ID = azidentity.ClientID(id)
	}
	return azidentity.NewManagedIdentityCredential(o)
}

// static gives the same token always, whatever has become of it.
func static(token string) tokenFunc {
	return func(context.Context, string) (azcore.AccessToken, error) {
		return azcore.AccessToken{Token: token, ExpiresOn: time.Now().Add(time.Hour)}, nil
	}
}

// oneAtATime gives the credential's tokens, which it keeps until five minutes before they expire. Its own lock does not know about contexts,
// so nobody may wait there.
func oneAtATime(credential azcore.TokenCredential) tokenFunc {
	busy := make(chan struct{}, 1)
	return func(ctx context.Context, domain string) (azcore.AccessToken, error) {
		select {
		case busy <- struct{}{}:
			defer func() { <-busy }()
		case <-ctx.Done():
			return azcore.AccessToken{}, ctx.Err()
		}
		token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://" + domain + "/.default"}})
		if err == nil && token.Token == "" {
			err = wrongAnswer("the answer has no access token")
		}
		return token, err
	}
}
