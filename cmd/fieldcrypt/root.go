package main

import (
	"io"

	"github.com/spf13/cobra"
)

// newRoot makes the tree of commands.
func newRoot(stdin io.Reader, stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "fieldcrypt",
		Short: "Client-side field level encryption: its keys, and a look into it",
		Long: `fieldcrypt is for client-side field level encryption (CSFLE) of MongoDB and
compatible databases. It shows what happens to a command on its way, for which it
needs no key and no server; it manages data keys and schemas; it encrypts data
that is in a collection already; it shows whether what a database stores is
encrypted; it encrypts and decrypts files; and it is the mongocryptd that drivers
of other languages ask.

` + exitCodes,
		Example: `  fieldcrypt inspect AQAAAAAAAAAAAAAAAAAAAAACz0ZOLuuhEYi807ZXTdhbqhLaS2/t9wLi...
  fieldcrypt explain --schema schema.json --db hr < commands.json`,
		Version:       buildVersion().Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(*cobra.Command, []string) error {
			return badUsage("", "no command given")
		},
	}
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(
		newInspect(), newAnalyze(), newExplain(),
		newKeys(), newSchema(),
		newMigrate(), newAudit(), newEncrypt(), newDecrypt(), newDoctor(),
		newMongocryptd(), newSharedLibrary(),
		newVersion(),
	)
	root.SetHelpCommand(newHelp(root))
	addCompletion(root)
	return root
}

// newHelp is cobra's help command, except that an unknown name is an error.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show everything there is to know about a command",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, c := range root.Commands() {
				names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(root, args)
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}

// addCompletion adds cobra's completion command, except that a shell it does not know is an error.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Args = cobra.ArbitraryArgs
		c.RunE = func(cmd *cobra.Command, _ []string) error {
			return badUsage("", "expected bash, zsh, fish or powershell")
		}
		for _, shell := range c.Commands() {
			shell.Args = noArgs
		}
	}
}
