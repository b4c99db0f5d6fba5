# shellcheck shell=bash
# shellcheck disable=SC2034 # scripts that source this file use many of these variables
#
# script/lib.sh: a private copy of PostgreSQL with this checkout's anon_auth.
#
# Source it from a bash script that runs under `set -euo pipefail`:
#
#   prepare               finds PostgreSQL, makes the work directory and the
#                         private copy of PostgreSQL; call it first, once
#   build [MAKE ARGS...]  compiles a snapshot of the checkout and installs it
#                         into that copy
#   as_user COMMAND...    runs a command in $WORK as the user that runs servers
#   server_start NAME [CONF LINES...], server_restart NAME, server_stop NAME
#                         an empty cluster, removed when the script ends
#   server_psql NAME [PSQL ARGS...]
#
# Afterwards these are set:
#
#   ROOT      the checkout
#   WORK      files kept between runs, build/pgMAJOR in the checkout:
#             pg/ (the private copy of PostgreSQL), src/ (the snapshot, built),
#             tests/ (the results of script/test)
#   PGBIN     the programs of the private copy
#   PGXS_SRC  the test programs that come with PostgreSQL (pg_regress and so on)
#   SCRATCH   temporary, with a short path for sockets; removed at exit
#
# Nothing is written outside WORK and SCRATCH, and no TCP port is opened, so
# checkouts do not disturb each other.  Two scripts in one checkout wait for
# each other.
#
# PostgreSQL refuses to run as root.  Root's servers and tests therefore run as
# $TEST_USER (default: nobody), which only gets copies of the files.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
TEST_USER=${TEST_USER:-nobody}
INSTRUMENT=${INSTRUMENT:-} # see script/instrument.sh

say() { printf '%s\n' "$*"; }

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# print_counts PASSED FAILED SKIPPED: print the last line of each script that
# runs tests.
print_counts() {
	local line="$1 passed, $2 failed"
	if (($3 > 0)); then
		line+=", $3 skipped"
	fi
	say "$line"
}

# sum_counts FILE...: print the sum of the files' last lines as "PASSED FAILED
# SKIPPED".  A file with another last line counts as one failure.
sum_counts() {
	local file
	for file in "$@"; do
		tail -n 1 "$file" | grep -xE '[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?' || say "0 passed, 1 failed"
	done | awk '{ passed += $1; failed += $3; skipped += $5 } END { print passed + 0, failed + 0, skipped + 0 }'
}

# ---------------------------------------------------------------------------
# Choice of PostgreSQL
# ---------------------------------------------------------------------------

has_server_headers() {
	command -v "$1" >/dev/null && [[ -f $("$1" --includedir-server)/postgres.h ]]
}

# Set PG_MAJOR and PG_CONFIG, and PG_PACKAGED if Debian's packages are to be
# used.  In this order: the caller's choice, the installed version, Debian's own.
find_postgresql() {
	PG_PACKAGED=
	if [[ -z ${PG_CONFIG:-} && -z ${PG_MAJOR:-} ]] && has_server_headers pg_config; then
		PG_CONFIG=$(pg_config --bindir)/pg_config
		# Debian's packages can complete this installation: it may lack client
		# programs, for example.
		if [[ $PG_CONFIG =~ ^/usr/lib/postgresql/([0-9]+)/bin/ ]]; then
			PG_PACKAGED=1
		fi
	fi
	if [[ -z ${PG_CONFIG:-} ]]; then
		PG_PACKAGED=1
		PG_CONFIG=/usr/lib/postgresql/${PG_MAJOR:-15}/bin/pg_config
		PG_MAJOR=${PG_MAJOR:-15}
	else
		PG_MAJOR=$("$PG_CONFIG" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
	fi
}

# Return the Debian suite that has a major.
debian_suite() {
	case $1 in
		15) echo bookworm ;;
		17) echo trixie ;;
		18) echo sid ;;
		*) die "no suite of Debian is known to have PostgreSQL $1" ;;
	esac
}

# Return the mirror that this machine already uses.
debian_mirror() {
	{
		sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources
		sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]+).*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
	} 2>/dev/null | tr ' ' '\n' | grep -E '/debian/?$' | head -n 1
}

# ---------------------------------------------------------------------------
# Users, directories
# ---------------------------------------------------------------------------

# The lock's descriptor is closed, so that servers do not inherit it.
as_user() (
	cd "$WORK" || exit
	exec 9>&-
	if ((EUID == 0)); then
		exec setpriv --reuid="$TEST_USER" --regid="$(id -g "$TEST_USER")" --clear-groups \
			env HOME="$WORK" USER="$TEST_USER" LOGNAME="$TEST_USER" "$@"
	fi
	exec "$@"
)

# write_file PATH LINES...: write a file as the test user, who owns WORK and
# SCRATCH.
write_file() {
	local path=$1
	shift
	printf '%s\n' "$@" | as_user tee "$path" >/dev/null
}

# Make a directory that the test user can use, or return 1.
give_directory() {
	mkdir -p "$1" 2>/dev/null || return 1
	if ((EUID == 0)) && [[ $(stat -c %U "$1") != "$TEST_USER" ]]; then
		chown -hR "$TEST_USER:" "$1"
	fi
	# Check the full path: the user must be able to enter the directories above
	# it, too.
	WORK=/ as_user test -w "$1" && return
	rmdir "$1" 2>/dev/null || true
	return 1
}

make_scratch() {
	local parent
	# A socket's path has at most 107 bytes, of which the tests need up to 40.
	for parent in "${TMPDIR:-/tmp}" /tmp; do
		((${#parent} <= 40)) || continue
		SCRATCH=$(mktemp -d "$parent/anon_auth.XXXXXX") || continue
		give_directory "$SCRATCH" && return
	done
	die "found no temporary directory that user $(id -un) can hand to $TEST_USER"
}

# WORK is in the checkout, so that builds are incremental.  Exceptions: the test
# user cannot enter the checkout (/root), it is read-only, or its name would
# break make.
make_work() {
	WORK=$ROOT/build/pg$PG_MAJOR${INSTRUMENT:+-$INSTRUMENT}
	if [[ $WORK =~ [^[:alnum:]_./+@-] ]] || ! give_directory "$WORK"; then
		WORK=$SCRATCH/work
		give_directory "$WORK"
	fi
}

take_lock() {
	exec 9<"$WORK"
	if ! flock -n 9; then
		say "Waiting for another script that runs in this checkout"
		flock 9
	fi
	LOCKED=1
}

# Stop the servers in a directory, including those of a killed run.  No other
# script uses these directories while we hold the lock.
stop_servers() {
	local pidfile
	while IFS= read -r pidfile; do
		as_user "$PGBIN/pg_ctl" stop -s -m immediate -D "${pidfile%/*}" >/dev/null 2>&1 || true
	done < <(find "$1" -name postmaster.pid 2>/dev/null)
}

clean_up() {
	stop_servers "$SCRATCH"
	if [[ -n ${LOCKED:-} ]]; then
		stop_servers "$WORK/tests"
	fi
	rm -rf "$SCRATCH"
}

# ---------------------------------------------------------------------------
# The private copy of PostgreSQL
# ---------------------------------------------------------------------------

# PostgreSQL's programs find their files relative to themselves.  A copy works
# anywhere if the directories keep their relative positions.
copy_postgresql() {
	local bin lib share include identity
	bin=$("$PG_CONFIG" --bindir)
	lib=$("$PG_CONFIG" --pkglibdir)
	share=$("$PG_CONFIG" --sharedir)
	include=$("$PG_CONFIG" --includedir)
	[[ -x $bin/postgres ]] || die "there is no PostgreSQL server in $bin"
	[[ -x $lib/pgxs/src/test/regress/pg_regress ]] || die "there is no pg_regress in $lib/pgxs"

	PGBIN=$WORK/pg$bin
	PGXS_SRC=$WORK/pg$lib/pgxs/src
	# pg_cron may be installed later; one of the tests needs it.
	identity="$("$PG_CONFIG" --version) $(stat -c '%n %s %Y' "$bin/postgres" "$lib/pg_cron.so" 2>/dev/null || true)"
	if [[ $(cat "$WORK/pg.identity" 2>/dev/null) == "$identity" ]]; then
		return
	fi

	say "Copying $("$PG_CONFIG" --version) to $WORK/pg"
	rm -rf "$WORK"/{pg.identity,pg,src,tests}
	as_user mkdir -p "pg${include%/*}"
	as_user ln -s "$include" "pg$include"
	# Remove an anon_auth that is installed in the system, so that the tests do
	# not use it.
	tar -C / -cf - --exclude='anon_auth*' "${bin#/}" "${lib#/}" "${share#/}" |
		as_user tar -C pg -xf -
	write_file pg.identity "$identity"
}

prepare() {
	local variable
	find_postgresql
	"$PG_CONFIG" --version >/dev/null || die "cannot run $PG_CONFIG"

	# The caller's PGHOST, PGOPTIONS, MAKEFLAGS, LC_ALL and so on must not
	# affect our servers.
	for variable in ${!PG@} ${!LC_@} MAKEFLAGS MAKELEVEL LANGUAGE; do
		case $variable in
			PG_CONFIG | PG_MAJOR | PG_PACKAGED | PG_TEST_*) ;;
			*) unset "$variable" ;;
		esac
	done
	export LANG=C.UTF-8 # the default encoding of clusters is UTF-8
	umask 022

	make_scratch
	trap clean_up EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	export TMPDIR=$SCRATCH
	make_work
	take_lock
	copy_postgresql
	stop_servers "$WORK/tests"
}

# ---------------------------------------------------------------------------
# Building
# ---------------------------------------------------------------------------

# List the files of a source directory, except those that a build creates.
list_sources() {
	(
		cd "$1" || exit
		find . \( -path ./.git -o -path ./build -o -path ./generated -o -path ./results -o -path ./output_iso \
			-o -path ./log -o -name 'tmp_check*' -o -name node_modules \) -prune \
			-o \( -type f -o -type l \) ! -name '*.o' ! -name '*.bc' ! -name '*.so' ! -name '*.gcno' \
			! -name 'regression.*' ! -path ./unit/jose_test ! -path ./unit/uri_test ! -path ./unit/dpop_test ! -path ./unit/webauthn_test \
			! -path './anon_auth*--*.sql' -print
	) | LC_ALL=C sort
}

# Update $WORK/src to the state of the checkout.  File times are kept, so make
# compiles only changed files.
take_snapshot() {
	as_user mkdir -p src
	list_sources "$ROOT" >"$SCRATCH/sources"
	list_sources "$WORK/src" | LC_ALL=C comm -13 "$SCRATCH/sources" - |
		as_user sh -c 'cd src && xargs -r -d "\n" rm -f'
	tar -C "$ROOT" -cf - --no-recursion -T "$SCRATCH/sources" | as_user tar -C src -xf -
}

# Run make in the snapshot, with the private PostgreSQL. Omit bitcode: it takes
# as long to compile as the library, and only serves the JIT compilation of
# queries that inline functions of the library.
make_in_snapshot() {
	as_user make -C src --no-print-directory PG_CONFIG="$PGBIN/pg_config" with_llvm=no "$@"
}

build_quietly() {
	local flags
	take_snapshot || return 1
	# make does not notice changes of its arguments or of the Makefile.
	flags="$(cksum <"$ROOT/Makefile") $*"
	if [[ $(cat "$WORK/src.flags" 2>/dev/null) != "$flags" ]]; then
		make_in_snapshot clean || return 1
		write_file src.flags "$flags"
	fi
	make_in_snapshot -j"$(nproc)" "$@" all || return 1
	make_in_snapshot "$@" install
}

# Build and install.  Prints the output and returns 1 on failure.
build() {
	say "Building with $("$PG_CONFIG" --version)"
	if ! build_quietly "$@" >"$SCRATCH/build.log" 2>&1; then
		cat "$SCRATCH/build.log"
		return 1
	fi
}

# ---------------------------------------------------------------------------
# Servers
# ---------------------------------------------------------------------------

# Start an empty UTF-8 cluster with the superuser "postgres".  It listens only on
# the socket in $SCRATCH/NAME.socket, unless the lines for postgresql.conf
# change that.
server_start() {
	local name=$1 data=$SCRATCH/$1.data log=$SCRATCH/$1.log
	shift
	as_user mkdir -m 700 "$SCRATCH/$name.socket"
	as_user "$PGBIN/initdb" -D "$data" -U postgres -A trust --no-locale -E UTF8 --no-sync >/dev/null
	printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$SCRATCH/$name.socket'" "$@" |
		as_user tee -a "$data/postgresql.conf" >/dev/null
	if ! as_user "$PGBIN/pg_ctl" start -s -w -D "$data" -l "$log"; then
		cat "$log" >&2
		return 1
	fi
}

server_restart() {
	as_user "$PGBIN/pg_ctl" restart -s -w -m fast -D "$SCRATCH/$1.data" -l "$SCRATCH/$1.log"
}

server_stop() {
	as_user "$PGBIN/pg_ctl" stop -s -m fast -D "$SCRATCH/$1.data"
}

server_psql() {
	local name=$1
	shift
	as_user env PGHOST="$SCRATCH/$name.socket" PGUSER=postgres "$PGBIN/psql" -X "$@"
}
