# shellcheck shell=bash disable=SC2034
# Shared by the scripts in this directory; to be sourced.
#
# Nothing is written to the system's PostgreSQL or to the checkout: the tree is
# copied to a private directory below TMPDIR, with a copy of PostgreSQL's own
# files beside it that the extension is installed into.  So two checkouts, or
# two runs of one, do not meet.  A PostgreSQL server refuses to run as root:
# for root, all of that happens as the user postgres.

set -euo pipefail

CHECKOUT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PG_MAJOR=${PG_MAJOR:-15}

NO_CLUSTER=/etc/postgresql-common/createcluster.d/anon_auth.conf

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "installing packages needs root or sudo"
	fi
}

# Installs what of the given Debian packages is missing.
install_packages() {
	local missing=() package
	for package in "$@"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
			missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null || die "these packages are needed: ${missing[*]}"
	say "Installing ${missing[*]}"
	as_root apt-get update -qq
	# The server's package would make and start a cluster, which nobody needs.
	as_root mkdir -p /etc/postgresql-common/createcluster.d
	echo 'create_main_cluster = false' | as_root tee "$NO_CLUSTER" >/dev/null
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
		"${missing[@]}" >/dev/null || { as_root rm -f "$NO_CLUSTER"; die "installing failed"; }
	as_root rm -f "$NO_CLUSTER"
}

BUILD_PACKAGES=(gcc make pkg-config libc6-dev libssl-dev libsodium-dev libicu-dev
	"postgresql-$PG_MAJOR" "postgresql-server-dev-$PG_MAJOR")
DEMO_PACKAGES=(openssl jq)
TEST_PACKAGES=(openssl perl libipc-run-perl)

# Where Debian keeps a version's programs; PG_CONFIG names another PostgreSQL.
pg_config_path() {
	if [ -n "${PG_CONFIG:-}" ]; then
		command -v "$PG_CONFIG" || die "PG_CONFIG=$PG_CONFIG is not a program"
	else
		echo "/usr/lib/postgresql/$PG_MAJOR/bin/pg_config"
	fi
}

# Runs a command as the user that may run a server.
as_server_user() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid postgres --regid postgres --init-groups env HOME="$WORK" "$@"
	else
		"$@"
	fi
}

# Makes WORK, a private directory with a copy of the tree in WORK/src, and
# sees to it that nothing of it remains.
make_work_directory() {
	WORK=$(mktemp -d "${TMPDIR:-/tmp}/anon_auth.XXXXXX")
	trap remove_work_directory EXIT
	trap 'exit 130' INT TERM
	mkdir "$WORK/src"
	(cd "$CHECKOUT" && find . -mindepth 1 -maxdepth 1 ! -name .git ! -name build \
		-exec cp -R {} "$WORK/src/" \;)
	find "$WORK/src" \( -name '*.o' -o -name '*.bc' -o -name '*.so' \) -delete
	chmod 755 "$WORK"
	[ "$(id -u)" != 0 ] || chown -R postgres: "$WORK"
}

remove_work_directory() {
	local status=$?
	trap - EXIT
	[ -z "${WORK:-}" ] || rm -rf "$WORK"
	exit "$status"
}

# Copies PostgreSQL to WORK/pg: its programs find their other files relative to
# where they are, so "make install" with the copy's pg_config goes there.
make_private_postgresql() {
	local config bindir sharedir libdir root
	config=$(pg_config_path)
	[ -x "$config" ] || die "there is no $config"
	[ -r "$("$config" --pgxs)" ] || die "the server headers for $config are missing"
	bindir=$("$config" --bindir)
	sharedir=$("$config" --sharedir)
	libdir=$("$config" --pkglibdir)
	root=$(common_parent "$bindir" "$sharedir" "$libdir")
	local directory
	for directory in "$bindir" "$sharedir" "$libdir"; do
		as_server_user mkdir -p "$WORK/pg${directory#"$root"}"
		as_server_user cp -RL "$directory/." "$WORK/pg${directory#"$root"}/"
	done
	[ "$root" != /usr ] || as_server_user ln -sfn /usr/include "$WORK/pg/include"
	[ "$root" = /usr ] || as_server_user cp -R "$("$config" --includedir)" "$WORK/pg/" 2>/dev/null || true
	PRIVATE_BINDIR=$WORK/pg${bindir#"$root"}
	PRIVATE_PG_CONFIG=$PRIVATE_BINDIR/pg_config
}

common_parent() {
	local parent=$1 path
	shift
	for path in "$@"; do
		while [ "${path#"$parent"/}" = "$path" ]; do
			parent=$(dirname "$parent")
		done
	done
	echo "$parent"
}

# Builds the extension into the private PostgreSQL.  Warnings are errors.
build_and_install() {
	(cd "$WORK/src" &&
		as_server_user make -s -j "$(nproc)" PG_CONFIG="$PRIVATE_PG_CONFIG" with_llvm=no \
			COPT="${COPT:--Werror}" >"$WORK/build.log" 2>&1 &&
		as_server_user make -s install PG_CONFIG="$PRIVATE_PG_CONFIG" with_llvm=no \
			>>"$WORK/build.log" 2>&1) || {
		cat "$WORK/build.log" >&2
		die "the extension does not build"
	}
}
