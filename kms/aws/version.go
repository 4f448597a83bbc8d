package aws

import (
	"context"
	"errors"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

var _ kms.Versioner = (*provider)(nil)

// UnwrapKeyVersion compares, for a master key that goes by an alias, the key that unwrapped with the one that the alias points at, for which the
// credentials need kms:DescribeKey. What a key wrapped that goes by its ARN or id is never old: what AWS rotates is behind them, and AWS keeps it.
func (p *provider) UnwrapKeyVersion(ctx context.Context, doc bson.Raw, keyMaterial []byte) ([]byte, kms.Version, error) {
	dataKey, used, err := p.decrypt(ctx, doc, keyMaterial)
	if err != nil {
		return nil, kms.Version{}, err
	}
	return dataKey, p.version(ctx, doc, used), nil
}

func (p *provider) version(ctx context.Context, doc bson.Raw, used string) kms.Version {
	m, err := p.parse(doc, true)
	if err != nil {
		return kms.Version{Reason: err}
	}
	if !m.isAlias() {
		return kms.Version{State: kms.VersionCurrent}
	}
	if used == "" {
		return kms.Version{Reason: errors.New("the reply to Decrypt does not say which key was used")}
	}
	target, err := p.target(ctx, m)
	switch {
	case err != nil:
		return kms.Version{Reason: err}
	case target == used:
		return kms.Version{State: kms.VersionCurrent}
	}
	return kms.Version{State: kms.VersionOld, Reason: fmt.Errorf("wrapped by the key %.200q, but %.200q points at the key %.200q by now", used, m.key, target)}
}

// target is the ARN of the key that an alias points at.
func (p *provider) target(ctx context.Context, m masterKey) (arn string, err error) {
	err = p.ask(ctx, m, request{"DescribeKey", nil, func(ctx context.Context, to *awskms.Client, key string, as func(*awskms.Options)) error {
		out, err := to.DescribeKey(ctx, &awskms.DescribeKeyInput{KeyId: &key}, as)
		if err != nil {
			return err
		}
		if out.KeyMetadata == nil || sdk.ToString(out.KeyMetadata.Arn) == "" {
			return errors.New("the reply has no Arn")
		}
		arn = *out.KeyMetadata.Arn
		return nil
	}})
	return arn, err
}
