package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"
)

// maxValue is the length of the longest text of a value that is read: more than a document of 16 MiB takes in hexadecimal.
const maxValue = 64 << 20

// inspectFlags are the flags of inspect.
type inspectFlags struct {
	file, format      string
	showValue, asJSON bool
}

func newInspect() *cobra.Command {
	var f inspectFlags
	cmd := &cobra.Command{
		Use:   "inspect (VALUE | - | --file FILE) [flags]",
		Short: "Name the parts of an encrypted value; needs no key",
		Long: `inspect takes one encrypted value, the content of a BSON binary of subtype 6, and
says what it is: its kind, algorithm, data key, BSON type and sizes. It decrypts
nothing and needs no key.

The value stands on the command line, in a FILE, or on standard input (-), as
  base64         standard or URL alphabet, padded or not
  hexadecimal    with or without 0x
  Extended JSON  {"$binary": {"base64": "…", "subType": "06"}}
  raw bytes      from a file or standard input
White space in text does not matter. --format auto, the default, finds out which
one it is.

A marking (first byte 0) is not encrypted: it holds the plaintext. inspect shows
its type and size, and the value itself only with --show-value. The command line
ends up in the shell's history, so give markings by --file or -.

Values of Queryable Encryption are named, not read.

With --json the output is one JSON object. Always there: "kind" (number),
"kindName", "payloadBytes", "decryptable" (by fieldcrypt, with the data key). Of
ciphertexts and markings: "algorithm", "keyId" or "keyAltName", "bsonType". Of
ciphertexts: "ciphertextBytes" (AES blocks without IV and tag),
"plaintextMaxBytes" (the most the BSON value can have). Of markings:
"plaintextBytes", and "value" with --show-value.

` + exitCodes,
		Example: `  fieldcrypt inspect AQAAAAAAAAAAAAAAAAAAAAACz0ZOLuuhEYi807ZXTdhbqhLaS2/t9wLi...
  fieldcrypt inspect --json '{"$binary": {"base64": "AgAAAA...", "subType": "06"}}'
  mongosh --quiet --eval 'EJSON.stringify(db.people.findOne().ssn)' | fieldcrypt inspect -
  fieldcrypt inspect --file value.bin --format raw`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.file, "file", "", "read the value from `FILE`")
	flags.StringVar(&f.format, "format", "auto", "how the value is written: `auto|base64|hex|raw`")
	flags.BoolVar(&f.showValue, "show-value", false, "show the plaintext in a marking")
	flags.BoolVar(&f.asJSON, "json", false, "print one JSON object")
	_ = cmd.MarkFlagFilename("file") // fails for unknown flags only
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"auto", "base64", "hex", "raw"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	return cmd
}

func (f *inspectFlags) run(cmd *cobra.Command, args []string) error {
	switch f.format {
	case "auto", "base64", "hex", "raw":
	default:
		return badUsage("", "--format: expected auto, base64, hex or raw")
	}
	text, err := f.read(cmd, args)
	if err != nil {
		return err
	}
	b, err := decode(text, f.format)
	if err != nil {
		return badInput("reading value", `"fieldcrypt help inspect" lists how a value may be written`, "%v", err)
	}
	d, err := describe(b, f.showValue)
	if err != nil {
		return badInput("inspecting value", "give the whole content of one BSON binary of subtype 6", "%v", err)
	}
	if f.asJSON {
		return write(cmd.OutOrStdout(), d.json())
	}
	return write(cmd.OutOrStdout(), d.text())
}

// read gives the value as written.
func (f *inspectFlags) read(cmd *cobra.Command, args []string) ([]byte, error) {
	fromFile := cmd.Flags().Changed("file")
	switch {
	case len(args) > 1:
		return nil, badUsage("quote a value with spaces in it", "expected one value, got %d", len(args))
	case fromFile && len(args) == 1:
		return nil, badUsage("", "expected a value or --file, got both")
	case fromFile:
		return readFile("reading "+f.file, f.file, maxValue)
	case len(args) == 0:
		return nil, badUsage("", "expected a value, - for standard input, or --file")
	case args[0] == "-":
		return readAll("reading standard input", cmd.InOrStdin(), maxValue)
	case f.format == "raw":
		return nil, badUsage("", "--format raw needs --file or -")
	}
	return []byte(args[0]), nil
}

// readFile reads a file of at most most bytes.
func readFile(doing, name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, ioFailure(doing, err)
	}
	defer f.Close()
	return readAll(doing, f, most)
}

func readAll(doing string, r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, ioFailure(doing, err)
	}
	if int64(len(b)) > most {
		return nil, badInput(doing, "", "longer than %d bytes, the most that is read", most)
	}
	return b, nil
}
