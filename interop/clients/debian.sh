# Sourced by the install scripts of clients that Debian has packages for.

cannot() { echo "$1"; exit 3; }

debian_packages() { # debian_packages WHAT PACKAGE...: apt-get install, with the newest lists where the present ones do not do
	local what="$1" log
	shift
	command -v apt-get >/dev/null || cannot "no $what, and no apt-get"
	log="$(mktemp)"
	if ! { apt "$@" || { apt-get update -qq && apt "$@"; }; } >"$log" 2>&1; then
		echo "no $what; apt-get: $(grep -m 1 '^E:' "$log")"
		rm -f "$log"
		exit 3
	fi
	rm -f "$log"
}

apt() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; }

known() { command -v gcc >/dev/null && command -v pkg-config >/dev/null && pkg-config --exists "$1"; }

need() { # need MODULE PACKAGE: the module as pkg-config names it, and a compiler
	known "$1" || debian_packages "$1" gcc libc6-dev pkg-config "$2"
}
