package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"
)

func newSharedLibrary() *cobra.Command {
	return &cobra.Command{
		Use:   "shared-library",
		Short: "Print where mongo_crypt_v1 is, the analysis as a library for drivers",
		Long: `shared-library prints the path of the shared library that drivers load in the
place of MongoDB's crypt_shared, so that it can be given to them. It looks beside
this program, in ../lib from there, and where the system keeps libraries.

Give drivers the path as cryptSharedLibPath (Python: crypt_shared_lib_path), and
cryptSharedLibRequired: true, so that they look for nothing else. A process that
forks must load it in the child; "mongocryptd" is the other way, without that.

Exit codes:
  0    found
  1    not found; the message says how to build it`,
		Example: `  export CRYPT_SHARED="$(fieldcrypt shared-library)"`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			program, err := os.Executable()
			if err == nil {
				program, err = filepath.EvalSymlinks(program)
			}
			if err != nil {
				return &failure{code: exitFailure, doing: "looking for the shared library", wrong: "where this program is cannot be told: " + err.Error()}
			}
			path, found := findSharedLibrary(libraryFolders(filepath.Dir(program)))
			if !found {
				return &failure{code: exitFailure, doing: "looking for the shared library",
					wrong: libraryName() + " is neither beside this program, nor in ../lib, nor where the system keeps libraries",
					hint:  "with Go and a C compiler: go build -buildmode=c-shared -o " + libraryName() + " github.com/fieldcrypt/fieldcrypt/cmd/mongo_crypt_v1"}
			}
			if isTerminal(cmd.OutOrStdout()) {
				_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "give drivers this path as cryptSharedLibPath, with cryptSharedLibRequired: true")
			}
			return write(cmd.OutOrStdout(), []byte(path+"\n"))
		},
	}
}

// libraryName is what the library is called where this program runs.
func libraryName() string {
	extension := map[string]string{"windows": ".dll", "darwin": ".dylib"}[runtime.GOOS]
	if extension == "" {
		extension = ".so"
	}
	return "mongo_crypt_v1" + extension
}

// libraryFolders are where the library may be, the likeliest first.
func libraryFolders(program string) []string {
	folders := []string{program, filepath.Join(program, "..", "lib")}
	if runtime.GOOS != "windows" {
		folders = append(folders, "/usr/local/lib", "/usr/lib", "/opt/lib")
	}
	return folders
}

func findSharedLibrary(folders []string) (path string, found bool) {
	for _, folder := range folders {
		path := filepath.Join(folder, libraryName())
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, true
		}
	}
	return "", false
}
