package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// analysis looks for what drivers of other languages ask: mongocryptd, the program or the running one, and crypt_shared, the library.
func (p *patient) analysis(ctx context.Context) []diagnosis {
	var all []diagnosis
	if path, err := exec.LookPath(mongocryptdName); err == nil {
		all = one(passed, "", "%s is on the PATH: %s", path, whose(path, "cmd/fieldcrypt"))
	} else {
		all = one(noted, `if programs in other languages encrypt: a link of that name to fieldcrypt, "fieldcrypt help mongocryptd"`,
			"no mongocryptd on the PATH; Go programs with fieldcrypt need none")
	}
	all[0].about = mongocryptdName
	all = append(all, about("running", running(ctx))...)
	return append(all, about("crypt_shared", shared())...)
}

// shared looks for the library where drivers and this program do: beside this program, on the library path, and where the system keeps libraries.
func shared() []diagnosis {
	var folders []string
	if program, err := os.Executable(); err == nil {
		folders = libraryFolders(filepath.Dir(program))
	}
	for _, variable := range []string{"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH"} {
		folders = append(folders, filepath.SplitList(os.Getenv(variable))...)
	}
	if path, found := findSharedLibrary(folders); found {
		return one(passed, "", "%s: %s", path, whose(path, "cmd/mongo_crypt_v1"))
	}
	return one(noted, `if programs in other languages are to have no mongocryptd: "fieldcrypt help shared-library"`, "no %s found; drivers can do with mongocryptd", libraryName())
}

// whose says who made a program or library, as far as it says so itself.
func whose(path, command string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil || !strings.HasSuffix(info.Path, "fieldcrypt/"+command) {
		return "not fieldcrypt's"
	}
	return "fieldcrypt's, version " + info.Main.Version
}

// running asks the place where drivers look for a running one.
func running(ctx context.Context) []diagnosis {
	there := address{network: "tcp", at: "localhost:27020"}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	answer, err := there.hello(ctx)
	switch is, _ := answer.Lookup("iscryptd").BooleanOK(); {
	case is:
		return one(passed, "", "a mongocryptd runs at %s", there.at)
	case errors.Is(err, syscall.ECONNREFUSED):
		return one(skipped, "", "none runs at %s; drivers start the one on the PATH", there.at)
	}
	return one(noted, "stop it, or give drivers another place with mongocryptdURI", "something that is no mongocryptd listens at %s, where drivers look for one", there.at)
}
