package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

const keysExitCodes = `Exit codes:
  0    done
  1    the server, a KMS or a file failed; no such key; not confirmed
  2    bad usage, a bad providers file or connection string
  3    check found a problem
  130  interrupted; what was done until then is said
  141  the reader of the output went away
`

// vaultHelp is the part of the help that all commands with a key vault share.
const vaultHelp = `The key vault is the collection --key-vault DB.COLL on the server of --uri or,
better, of the environment variable FIELDCRYPT_URI: a connection string holds a
password, and arguments are visible to other users and stay in the shell's
history.

Output is a table on a terminal, and Extended JSON (relaxed) otherwise or with
--json: one document per line. --quiet prints ids only and no notes. Key
material is never shown, wrapped or not.
`

// providersHelp is the part of the help that all commands with a KMS share.
const providersHelp = `"fieldcrypt help keys" tells how the file of --kms-providers is written.
`

func newKeys() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list, rewrap, check and destroy data keys",
		Long: `keys manages the data keys of a key vault: an ordinary collection in which each
data key is wrapped by a master key of a KMS.

` + vaultHelp + `
--kms-providers FILE holds what is needed to reach the KMSs, as Extended JSON or
YAML, in the shape of kmsProviders of MongoDB's drivers:

  aws:                                  # or aws:prod, when there are several
    accessKeyId: AKIAIOSFODNN7EXAMPLE
    secretAccessKey: {$env: PROD_SECRET_KEY}
  azure: {}                             # credentials from the environment
  local:
    key: {$file: master.key}            # from fieldcrypt keys generate-local
  kmip:
    endpoint: kmip.example.org
    tls: {ca: ca.pem, certificate: client.pem, key: client-key.pem}
  vault:
    endpoint: vault.example.org:8200
    token: {$command: [pass, show, vault/token]}

Instead of any value in it may stand
  {$env: NAME}              the environment variable, which must not be empty
  {$file: PATH}             the file's content
  {$command: [PROG, ARG…]}  what the program prints; it runs without a shell
Text from a file or program loses one line end; bytes that are not UTF-8 are
taken as they are. "tls" has the paths of PEM files: certificate authorities,
and the client's certificate with its key. Paths begin at the file's directory.

Nobody but its owner may be able to read a file that holds secrets, nor to
change the file at all, or it is refused. For a {$file: …} that age has encrypted
with a passphrase, such as one from generate-local --passphrase, the passphrase
is asked for at the terminal.

A data key says where its master key is. Requests go to the KMS's own hosts
only, to this machine and, for KMIP, to the endpoint in the file: who can write
to the key vault could otherwise have them sent to a host of theirs. Name other
hosts that are yours with --kms-endpoint HOST, *.DOMAIN for all below a domain.

` + keysExitCodes,
		Example: `  export FIELDCRYPT_URI='mongodb://admin:…@db.example.org/?tls=true'
  fieldcrypt keys ensure-vault --key-vault encryption.__keyVault
  fieldcrypt keys create --key-vault encryption.__keyVault --kms-providers kms.yaml \
    --provider aws --master-key '{"region": "eu-west-1", "key": "alias/fields"}' --alt-name hr
  fieldcrypt keys list --key-vault encryption.__keyVault`,
		SuggestionsMinimumDistance: 2,
		RunE:                       runSubcommand,
	}
	cmd.AddCommand(newKeysCreate(), newKeysList(), newKeysShow(), newKeysGetByName(), newKeysAltName(), newKeysRewrap(),
		newKeysDelete(), newKeysShred(), newKeysCheck(), newKeysEnsureVault(), newKeysGenerateLocal())
	return cmd
}

// runSubcommand is what a command does that only has subcommands: without one, or with an unknown one, it is bad usage.
func runSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return badUsage("", "no command of %s given", cmd.CommandPath())
	}
	if !commandName.MatchString(args[0]) {
		return badUsage("", "the first argument of %s (%d bytes) is not a command", cmd.CommandPath(), len(args[0]))
	}
	f := unknownCommand(cmd, args[:1])
	if len(cmd.SuggestionsFor(args[0])) == 0 {
		f.hint = fmt.Sprintf(`"%s --help" lists the commands`, cmd.CommandPath())
	}
	return f
}

// keysFlags are the flags that the commands of keys share.
type keysFlags struct {
	uri, keyVault, providers string
	endpoints                []string
	asJSON, quiet, yes       bool
}

// register adds the flags of every command with a key vault.
func (f *keysFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.uri, "uri", "", "connection string, `URI`, of the server (default: $FIELDCRYPT_URI)")
	flags.StringVar(&f.keyVault, "key-vault", "", "the key vault's collection, `DB.COLL`")
	flags.BoolVar(&f.asJSON, "json", false, "print Extended JSON, also on a terminal")
	flags.BoolVar(&f.quiet, "quiet", false, "print ids only, no notes and no progress")
	noCompletion(cmd, "uri", "key-vault")
}

// registerKMS adds the flags of commands that ask a KMS.
func (f *keysFlags) registerKMS(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.providers, "kms-providers", "", "`FILE` that tells how the KMSs are reached")
	_ = cmd.MarkFlagFilename("kms-providers", "json", "yaml", "yml") // fails for unknown flags only
	cmd.Flags().StringArrayVar(&f.endpoints, "kms-endpoint", nil,
		"`HOST[:PORT]` or *.DOMAIN that master keys may name besides the KMSs' own hosts; may be given several times")
	noCompletion(cmd, "kms-endpoint")
}

// registerYes adds the flag of commands that ask before they destroy or change something.
func (f *keysFlags) registerYes(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
}

func noCompletion(cmd *cobra.Command, flags ...string) {
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	for _, name := range flags {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
}
