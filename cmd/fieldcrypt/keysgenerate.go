package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fieldcrypt/fieldcrypt/payload"
)

func newKeysGenerateLocal() *cobra.Command {
	var raw, show, passphrase, quiet bool
	cmd := &cobra.Command{
		Use:   "generate-local (FILE | -) [flags]",
		Short: "Make a master key for the local provider",
		Long: `generate-local makes a master key for the provider "local": 96 random bytes. It
writes them to a new FILE that only its owner may read, in base64 or as they are
(--raw), and never over a file that exists. With - they go to standard output,
such as into another program, but not to a terminal unless --show is given.

Whoever has this file and the key vault reads everything, and without the file
nobody reads anything: keep a copy elsewhere. A KMS is the better place for a
master key.

With --passphrase it is encrypted in the format of age (age-encryption.org), and
{$file: …} in the providers file asks for the passphrase at the terminal.

` + keysExitCodes,
		Example: `  fieldcrypt keys generate-local master.key
  fieldcrypt keys generate-local --passphrase master.key.age
  echo 'local: {key: {$file: master.key}}' > kms.yaml && chmod 600 kms.yaml`,
		Args: exactArgs("a new file, or - for standard output"),
		RunE: func(cmd *cobra.Command, args []string) error {
			key := make([]byte, payload.KeySize)
			_, _ = rand.Read(key) // never fails
			if !raw {
				key = append(base64.StdEncoding.AppendEncode(nil, key), '\n')
			}
			defer clear(key)
			if passphrase {
				ctx, stop := interruptible(cmd.Context())
				defer stop()
				var err error
				if key, err = sealAge(ctx, key); err != nil {
					return keysFailure(ctx, "putting the master key under a passphrase", nil, err)
				}
			}
			if args[0] != "-" {
				return writeMasterKey(cmd, args[0], key, quiet)
			}
			if isTerminal(cmd.OutOrStdout()) && !show && !passphrase {
				return badUsage("give a file, or --show", "a master key is not shown on a terminal")
			}
			return write(cmd.OutOrStdout(), key)
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "write the 96 bytes as they are, not in base64")
	cmd.Flags().BoolVar(&passphrase, "passphrase", false, "ask for a passphrase and encrypt the key with it, in the format of age")
	cmd.Flags().BoolVar(&show, "show", false, "write to standard output also when it is a terminal")
	cmd.Flags().BoolVar(&quiet, "quiet", false, "no notes")
	return cmd
}

// writeMasterKey writes a new file that only its owner can read, and takes it away again if not all of it could be written.
func writeMasterKey(cmd *cobra.Command, name string, key []byte, quiet bool) error {
	doing := "writing master key " + name
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &failure{code: exitFailure, doing: doing, wrong: "the file exists", hint: "a master key is never overwritten: what it protects would be lost"}
	}
	if err != nil {
		return ioFailure(doing, err)
	}
	_, err = f.Write(key)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(name)
		return ioFailure(doing, err)
	}
	if path, err := filepath.Abs(name); err == nil && !quiet {
		s := screen{errs: cmd.ErrOrStderr(), notes: true}
		s.note(`wrote %s; keep a copy elsewhere. In the providers file: local: {key: {$file: %s}}`, name, path)
	}
	return nil
}
