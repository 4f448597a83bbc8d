package azure

import (
	"context"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

var _ kms.Versioner = (*provider)(nil)

// UnwrapKeyVersion compares the masterKey's keyVersion with the key's latest one, for which the credentials need get on the key. Without keyVersion it is
// the latest that has unwrapped the data key.
func (p *provider) UnwrapKeyVersion(ctx context.Context, doc bson.Raw, keyMaterial []byte) ([]byte, kms.Version, error) {
	dataKey, err := p.UnwrapKey(ctx, doc, keyMaterial)
	if err != nil {
		return nil, kms.Version{}, err
	}
	return dataKey, p.version(ctx, doc), nil
}

func (p *provider) version(ctx context.Context, doc bson.Raw) kms.Version {
	m, err := p.parse(doc, true)
	if err != nil {
		return kms.Version{Reason: err}
	}
	if m.version == "" {
		return kms.Version{State: kms.VersionCurrent}
	}
	latest, err := p.latestVersion(ctx, m)
	switch {
	case err != nil:
		return kms.Version{Reason: err}
	case strings.EqualFold(latest, m.version):
		return kms.Version{State: kms.VersionCurrent}
	}
	return kms.Version{State: kms.VersionOld,
		Reason: fmt.Errorf("wrapped under version %s of the key %s, of which %s is the latest", m.version, m.name, latest)}
}

func (p *provider) latestVersion(ctx context.Context, m masterKey) (version string, err error) {
	m.version = ""
	err = p.ask(ctx, "GetKey", m, nil, func(ctx context.Context, c *azkeys.Client) error {
		out, err := c.GetKey(ctx, m.name, m.version, nil)
		if err != nil {
			return err
		}
		if out.Key == nil {
			return wrongAnswer("the answer has no key")
		}
		version, err = m.usedVersion(out.Key.KID)
		return err
	})
	return version, err
}
