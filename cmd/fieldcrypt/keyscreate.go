package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fieldcrypt/fieldcrypt"
	"github.com/fieldcrypt/fieldcrypt/keyvault"
)

// masterKeyFlags name a master key.
type masterKeyFlags struct{ provider, masterKey, file string }

func (f *masterKeyFlags) register(cmd *cobra.Command, provider string) {
	flags := cmd.Flags()
	flags.StringVar(&f.provider, "provider", "", provider)
	flags.StringVar(&f.masterKey, "master-key", "", "the master key's `FIELDS`, in Extended JSON")
	flags.StringVar(&f.file, "master-key-file", "", "`FILE` with the master key's fields")
	_ = cmd.MarkFlagFilename("master-key-file", "json") // fails for unknown flags only
	noCompletion(cmd, "provider", "master-key")
}

// read gives the master key's fields; nil for none.
func (f *masterKeyFlags) read() (any, error) {
	var doc bson.Raw
	var err error
	switch {
	case f.masterKey != "" && f.file != "":
		return nil, badUsage("", "expected one of --master-key and --master-key-file, got both")
	case f.masterKey != "":
		doc, err = readOneFrom("reading --master-key", strings.NewReader(f.masterKey))
	case f.file != "":
		doc, err = readOne("reading master key "+f.file, f.file)
	}
	if doc == nil || err != nil {
		return nil, err
	}
	return doc, nil
}

const masterKeyHelp = `The master key's fields depend on its provider:
  aws    {"region": S, "key": S}, "endpoint"
  azure  {"keyVaultEndpoint": S, "keyName": S}, "keyVersion"
  gcp    {"projectId": S, "location": S, "keyRing": S, "keyName": S},
         "keyVersion", "endpoint"
  kmip   {}, "keyId", "endpoint", "delegated"
  vault  {"keyName": S}, "mount", "keyVersion"; only fieldcrypt reads such keys
  local  none
They name the key and are no secrets.
`

func newKeysCreate() *cobra.Command {
	var f keysFlags
	var masterKey masterKeyFlags
	var names []string
	cmd := &cobra.Command{
		Use:   "create --key-vault DB.COLL --kms-providers FILE [--provider ID] [flags]",
		Short: "Make a data key",
		Long: `create makes a data key of random bytes, has the KMS wrap it under a master key,
and stores it in the key vault.

` + masterKeyHelp + `
` + vaultHelp + providersHelp + `
` + keysExitCodes,
		Example: `  fieldcrypt keys create --key-vault encryption.__keyVault --kms-providers kms.yaml --provider local --alt-name hr
  id=$(fieldcrypt keys create --quiet --key-vault encryption.__keyVault --kms-providers kms.yaml \
    --provider vault --master-key '{"keyName": "fields"}')`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, err := masterKey.read()
			if err != nil {
				return err
			}
			return f.run(cmd, "creating a data key", func(ctx context.Context, s *keysSession) error {
				return s.create(ctx, masterKey.provider, fieldcrypt.DataKeyOptions{MasterKey: key, KeyAltNames: names})
			})
		},
	}
	f.register(cmd)
	f.registerKMS(cmd)
	masterKey.register(cmd, "`ID` of the KMS provider, such as aws or aws:prod (default: the only one in the file)")
	cmd.Flags().StringArrayVar(&names, "alt-name", nil, "`NAME` of the key besides its id; may be given several times")
	noCompletion(cmd, "alt-name")
	return cmd
}

func (s *keysSession) create(ctx context.Context, provider string, opts fieldcrypt.DataKeyOptions) error {
	if provider == "" {
		if provider = s.providers.one(); provider == "" {
			return badUsage("", "--provider: expected one of the KMS providers in %s", s.flags.providers)
		}
	}
	index, err := s.store.Index(ctx)
	if err != nil && !unauthorized(err) {
		return err
	}
	if index == keyvault.IndexMissing {
		s.note(`the key vault has no unique index on keyAltNames: run "fieldcrypt keys ensure-vault"`)
	}
	id, err := s.CreateDataKey(ctx, provider, opts)
	if err != nil {
		return err
	}
	// The key is there now, whatever becomes of the output.
	key, err := s.GetKey(context.WithoutCancel(ctx), id)
	if err != nil {
		return errors.Join(errors.New("the data key was created, but cannot be shown"), err)
	}
	return s.key(key)
}
