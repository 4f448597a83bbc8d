package gcp

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

var _ kms.Versioner = (*provider)(nil)

// UnwrapKeyVersion asks no more than UnwrapKey: Cloud KMS says whether it used the primary version, which is the one that wraps.
func (p *provider) UnwrapKeyVersion(ctx context.Context, doc bson.Raw, keyMaterial []byte) ([]byte, kms.Version, error) {
	dataKey, usedPrimary, err := p.decrypt(ctx, doc, keyMaterial)
	if err != nil {
		return nil, kms.Version{}, err
	}
	if usedPrimary {
		return dataKey, kms.Version{State: kms.VersionCurrent}, nil
	}
	m, err := p.parse(doc, true)
	if err != nil {
		return dataKey, kms.Version{Reason: err}, nil
	}
	return dataKey, kms.Version{State: kms.VersionOld, Reason: fmt.Errorf("wrapped under a version of the key %.200q that is not the primary one", m.keyName)}, nil
}
