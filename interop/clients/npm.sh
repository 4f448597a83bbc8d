# Sourced by the install scripts of clients that come from npm, in their folder.

cannot() { echo "$1"; exit 3; }

npm_packages() { # npm_packages NAME: those of package-lock.json into ../../.cache/NAME, where the addon for encryption is compiled against Debian's libmongocrypt
	local into="$PWD/../../.cache/$1" log
	log="$into/install.log"
	export NODE_PATH="$into/node_modules"
	command -v npm >/dev/null || cannot "no npm"
	cmp -s package-lock.json "$into/complete" && return
	rm -rf "$into"
	mkdir -p "$into"
	libmongocrypt >"$log" 2>&1 || cannot "libmongocrypt-dev: $(tail -n 1 "$log")"
	cp package.json package-lock.json "$into"
	# the packages' own install scripts download prebuilt files: none of them runs
	(cd "$into" && npm ci --ignore-scripts --omit=optional --no-audit --no-fund) >"$log" 2>&1 || cannot "npm: $(grep -m 1 -i error "$log")"
	(cd "$into" && BUILD_TYPE=dynamic npm rebuild mongodb-client-encryption) >"$log" 2>&1 || cannot "npm rebuild: $(grep -m 1 -i error "$log")"
	cp package-lock.json "$into/complete"
}

libmongocrypt() { # with what node-gyp compiles by
	[ -e /usr/include/mongocrypt/mongocrypt.h ] && command -v g++ && command -v make && command -v python3 && return
	command -v apt-get && apt-get update -qq && apt-get install -y -qq libmongocrypt-dev g++ make python3
}
