package fieldcrypt

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/fieldcrypt/fieldcrypt/schema"
)

// migrate brings the schemas of collections that are migrated into their step.
func migrate(sets map[string]schemaSet, opts AutoEncryptionOptions) error {
	if len(opts.Migrating) > 0 && (opts.BypassAutoEncryption || opts.BypassQueryAnalysis) {
		return errors.New("the option Migrating has no effect with BypassAutoEncryption or BypassQueryAnalysis: leave one of them out")
	}
	for ns, step := range opts.Migrating {
		s := sets[ns][ns]
		switch {
		case !step.Valid():
			return fmt.Errorf("migrating %s: %d is not one of the steps EncryptedOnly, ReadBothWritePlain and ReadBothWriteEncrypted", ns, step)
		case !s.Encrypts():
			return fmt.Errorf("migrating %s: the schema map has no schema for it that encrypts", ns)
		}
		if id, err := s.Root().Child("_id"); step.ReadsBoth() && (err != nil || id.Encrypts()) {
			return fmt.Errorf("migrating %s: its schema encrypts _id, or something in it, which no update can change", ns)
		}
		sets[ns] = schemaSet{ns: s.During(step)}
	}
	return nil
}

// warnOfPlaintext says which collections values are written to in clear.
func warnOfPlaintext(logger *slog.Logger, migrating map[string]schema.Migration) {
	var plain []string
	for ns, step := range migrating {
		if step == schema.ReadBothWritePlain {
			plain = append(plain, ns)
		}
	}
	if len(plain) > 0 {
		slices.Sort(plain)
		logger.Warn("values of encrypted fields are WRITTEN IN CLEAR, as the option Migrating asks for (ReadBothWritePlain)", "namespaces", plain)
	}
}
