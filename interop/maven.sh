# Sourced by the install scripts of what comes from Maven Central, in their folder.

cache="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/.cache"

cannot() { echo "$1"; exit 3; }

maven_packages() { # maven_packages NAME SOURCE...: those of pom.xml into .cache/NAME/lib, with which the sources are compiled into .cache/NAME/classes
	local key
	built="$cache/$1"
	shift
	command -v javac >/dev/null || cannot "no javac"
	command -v mvn >/dev/null || cannot "no mvn"
	key="$( (javac -version 2>&1; cat pom.xml "$@") | sha256sum)"
	[ "$(cat "$built/complete" 2>/dev/null)" != "$key" ] || return 0
	rm -rf "$built"
	mkdir -p "$built"
	mvn -B -q -C -f pom.xml dependency:copy-dependencies -DoutputDirectory="$built/lib" >"$built/mvn.log" 2>&1 ||
		cannot "mvn: $(grep -m 1 ERROR "$built/mvn.log")"
	javac -Werror -Xlint:all -cp "$built/lib/*" -d "$built/classes" "$@" >&2
	echo "$key" >"$built/complete"
}
