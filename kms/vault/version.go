package vault

import (
	"context"
	"fmt"
	"net/http"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt/kms"
)

var _ kms.Versioner = (*provider)(nil)

// UnwrapKeyVersion compares the version in the wrapped key with the key's latest_version, for which the token needs read on <mount>/keys/<key>.
func (p *provider) UnwrapKeyVersion(ctx context.Context, doc bson.Raw, keyMaterial []byte) ([]byte, kms.Version, error) {
	dataKey, err := p.UnwrapKey(ctx, doc, keyMaterial)
	if err != nil {
		return nil, kms.Version{}, err
	}
	return dataKey, p.version(ctx, doc, keyMaterial), nil
}

func (p *provider) version(ctx context.Context, doc bson.Raw, keyMaterial []byte) kms.Version {
	m, err := parseMasterKey(doc, true)
	if err != nil {
		return kms.Version{Reason: err}
	}
	used, err := keyVersion(keyMaterial)
	if err != nil {
		return kms.Version{Reason: err}
	}
	latest, err := p.latestVersion(ctx, m, used)
	switch {
	case err != nil:
		return kms.Version{Reason: err}
	case used == latest:
		return kms.Version{State: kms.VersionCurrent}
	}
	return kms.Version{State: kms.VersionOld,
		Reason: fmt.Errorf("wrapped under version %d of the key %.200q, of which %d is the latest", used, m.keyName, latest)}
}

// latestVersion is at least the one that is known to exist.
func (p *provider) latestVersion(ctx context.Context, m masterKey, known int32) (int32, error) {
	var answer struct {
		Data struct {
			LatestVersion int32 `json:"latest_version"`
		} `json:"data"`
	}
	err := p.call(ctx, "keys", m, request{method: http.MethodGet}, &answer, func() error {
		if answer.Data.LatestVersion < known {
			return fmt.Errorf("the reply says that version %d of the key is the latest, but version %d wrapped a data key", answer.Data.LatestVersion, known)
		}
		return nil
	})
	return answer.Data.LatestVersion, err
}
