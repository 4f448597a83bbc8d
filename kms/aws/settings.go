package aws

import (
	"context"
	"sync"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
)

// settings are what the SDK finds around the program, at the first use: finding it may wait for the network. The endpoint is not among them: it is the
// masterKey's to name, not the environment's.
type settings struct {
	fips      sdk.FIPSEndpointState
	dualStack sdk.DualStackEndpointState

	mu    sync.Mutex
	found *sdk.Config
}

// defaultCredentials are those of the SDK's default chain, which caches them and renews them before they expire.
func (s *settings) defaultCredentials(ctx context.Context) (sdk.Credentials, error) {
	found, err := s.find(ctx)
	if err != nil {
		return sdk.Credentials{}, err
	}
	got, err := found.Credentials.Retrieve(ctx)
	if err != nil {
		return sdk.Credentials{}, err
	}
	return got, checkSecret(got)
}

// endpoints returns the choice among the public endpoints.
func (s *settings) endpoints(ctx context.Context) (awskms.EndpointResolverOptions, error) {
	chosen := awskms.EndpointResolverOptions{UseFIPSEndpoint: s.fips, UseDualStackEndpoint: s.dualStack}
	if s.fips != sdk.FIPSEndpointStateUnset && s.dualStack != sdk.DualStackEndpointStateUnset {
		return chosen, nil
	}
	found, err := s.find(ctx)
	if err != nil {
		return chosen, err
	}
	outside := awskms.NewFromConfig(*found).Options().EndpointOptions
	if s.fips == sdk.FIPSEndpointStateUnset {
		chosen.UseFIPSEndpoint = outside.UseFIPSEndpoint
	}
	if s.dualStack == sdk.DualStackEndpointStateUnset {
		chosen.UseDualStackEndpoint = outside.UseDualStackEndpoint
	}
	return chosen, nil
}

// find does not hold the lock while it looks: callers who come at the same time look too, and the first one's find is kept.
func (s *settings) find(ctx context.Context) (*sdk.Config, error) {
	if found := s.keep(nil); found != nil {
		return found, nil
	}
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	return s.keep(&loaded), nil
}

func (s *settings) keep(found *sdk.Config) *sdk.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found == nil {
		s.found = found
	}
	return s.found
}
