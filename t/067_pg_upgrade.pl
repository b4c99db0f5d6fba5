# Test pg_upgrade to a later major version. Sessions, devices, passwords,
# policies and keys must survive.
#
# Set PG_TEST_UPGRADE_TO to the pg_config of the later version.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge refusal sql_literal);
use Cwd;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $new_config = $ENV{PG_TEST_UPGRADE_TO} // '';

plan skip_all => 'PG_TEST_UPGRADE_TO names no pg_config of a later PostgreSQL' if $new_config eq '';

sub output_of
{
	my ($output, $errors) = run_command([@_]);

	die "@_: $errors" if $output eq '' && $errors ne '';
	return $output;
}

sub major_of { return output_of($_[0], '--version') =~ /(\d+)/ ? $1 : die "$_[0] prints no version"; }

cmp_ok(major_of($new_config), '>', major_of('pg_config'), 'PG_TEST_UPGRADE_TO is a later major version');

# Make a copy of the later PostgreSQL and install anon_auth there, so that
# nothing is installed in the system.
my $directory = PostgreSQL::Test::Utils::tempdir();
my %place = map { $_ => output_of($new_config, "--$_") } qw(bindir pkglibdir sharedir);

for my $path (sort values %place)
{
	PostgreSQL::Test::Utils::run_log([ 'mkdir', '-p', "$directory$path" ]);
	PostgreSQL::Test::Utils::run_log([ 'cp', '-a', "$path/.", "$directory$path" ]) or die "cannot copy $path";
}
my $include = output_of($new_config, '--includedir');
PostgreSQL::Test::Utils::run_log([ 'mkdir', '-p', "$directory$include" =~ s{/[^/]*$}{}r ]);
symlink $include, "$directory$include" or die "cannot link $include: $!";
my $bin = "$directory$place{bindir}";
my $source = "$directory/source";

mkdir $source;
PostgreSQL::Test::Utils::run_log([ 'cp', '-r', glob("$FindBin::Bin/../*.control"), map({ "$FindBin::Bin/../$_" } qw(Makefile exports.txt install src sql specs t)), $source ]) or die;
PostgreSQL::Test::Utils::run_log([ 'find', "$source/src", '(', '-name', '*.o', '-o', '-name', '*.bc', ')', '-delete' ]);
PostgreSQL::Test::Utils::run_log([ 'make', '-s', '-C', $source, "PG_CONFIG=$bin/pg_config", 'with_llvm=no', 'install' ]) or die 'anon_auth cannot be built for it';

# ---------------------------------------------------------------------------
# Before the upgrade
# ---------------------------------------------------------------------------

my @initdb = ('--no-locale', '--encoding=UTF8');
my $old = PostgreSQL::Test::Cluster->new('old');
$old->init(extra => [@initdb]);
$old->start;
$old->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
CREATE EXTENSION anon_auth_citus;
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, issuer = 'https://kept.example';
SELECT anon_auth.create_client('app', 'native', refresh_token_rotation_enabled => true);
CREATE ROLE app_user;
SELECT anon_auth.grant_client_api('app_user');
CREATE TABLE notes (user_id uuid NOT NULL DEFAULT anon_auth.uid() REFERENCES anon_auth.users (id), note text);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_notes ON notes USING (user_id = (SELECT anon_auth.uid()));
GRANT SELECT, INSERT ON notes TO app_user;
SQL
my $device = AnonAuth::Device->new(alg => 'ES256');
my $request = $device->request(challenge => challenge($old), with_jwk => 1);
my $keyed = call($old, 'authenticate_anonymously', client_id => 'app', jwt => $request);
my $guest = call($old, 'authenticate_anonymously', client_id => 'app');
my $account = call($old, 'promote_anonymous_user', client_id => 'app', username => 'ada', password => 'correct horse',
	refresh_token => call($old, 'authenticate_anonymously', client_id => 'app')->{refresh_token});
$old->safe_psql('postgres', "INSERT INTO notes (user_id, note) VALUES ('$guest->{sub}', 'kept')");
$old->safe_psql('postgres', 'SELECT anon_auth.rotate_signing_key()');
my $later = call($old, 'refresh_session', client_id => 'app', refresh_token => $guest->{refresh_token});
my $tables = $old->safe_psql('postgres', q{
	SELECT string_agg(format('SELECT %L, count(*), md5(string_agg(t::text, %L ORDER BY t::text)) FROM %s t', c.relname, ',', c.oid::regclass), ' UNION ALL ' ORDER BY c.relname)
	FROM pg_class c WHERE relnamespace = 'anon_auth'::regnamespace AND relkind = 'r' AND relpersistence = 'p'});
my $contents = $old->safe_psql('postgres', $tables);
my $access = q{SELECT p.oid::regprocedure, p.proacl FROM pg_proc p WHERE pronamespace IN ('anon_auth'::regnamespace, 'anon_auth_internal'::regnamespace) ORDER BY p.oid::regprocedure::text};
my $acls = $old->safe_psql('postgres', $access);
$old->stop;

# ---------------------------------------------------------------------------
# After the upgrade
# ---------------------------------------------------------------------------

# Disable checksums in both: later major versions enable them by default.
my $new = PostgreSQL::Test::Cluster->new('new', install_path => $bin =~ s{/[^/]+$}{}r);
{
	local $ENV{PATH} = "$bin:$ENV{PATH}";
	my @checksums = major_of($new_config) >= 18 ? ('--no-data-checksums') : ();

	PostgreSQL::Test::Utils::run_log([ "$bin/initdb", '-D', $new->data_dir, '-A', 'trust', '-N', @initdb, @checksums ]) or die;
	append_to_file($new->data_dir . '/postgresql.conf',
		sprintf "unix_socket_directories = '%s'\nlisten_addresses = ''\nport = %d\n", $new->host, $new->port);

	my $before = getcwd();
	chdir $directory or die;
	ok(PostgreSQL::Test::Utils::run_log(
			[ "$bin/pg_upgrade", '-b', output_of('pg_config', '--bindir'), '-B', $bin, '-d', $old->data_dir, '-D', $new->data_dir,
				'-p', $old->port, '-P', $new->port, '-s', $new->host ]), 'pg_upgrade');
	chdir $before;
}
$new->start;
is($new->safe_psql('postgres', $tables) eq $contents ? '' : $new->safe_psql('postgres', $tables), '', 'all rows are unchanged');
is($new->safe_psql('postgres', $access), $acls, 'the privileges of all functions are unchanged');
my $refused = refusal($new, 'refresh_session', client_id => 'app', refresh_token => $later->{refresh_token});
like("$refused->{sqlstate} $refused->{hint}", qr/^F0000 .*(backup|data directory)/s, 'without the master key, which pg_upgrade does not copy, the error says what to do');
PostgreSQL::Test::Utils::run_log([ 'cp', '-p', $old->data_dir . '/anon_auth.master_key', $new->data_dir ]) or die;
my $next = call($new, 'refresh_session', client_id => 'app', refresh_token => $later->{refresh_token});
is($next->{sub}, $guest->{sub}, 'sessions continue after the master key file was copied');
is(call($new, 'refresh_session', client_id => 'app', refresh_token => $later->{refresh_token})->{refresh_token}, $next->{refresh_token}, 'a refresh token from before gets the same successor again, for a lost response');
is(refusal($new, 'authenticate_anonymously', client_id => 'app', jwt => $request)->{sqlstate}, 'AA005', 'a device request that was used before the upgrade is refused');
is(call($new, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($new)))->{sub}, $keyed->{sub}, 'the device can log in');
is(call($new, 'authenticate', client_id => 'app', login_id => 'ada', password => 'correct horse')->{sub}, $account->{sub}, 'the account can log in');
for my $token ($guest->{access_token}, $later->{access_token}, $next->{access_token})
{
	is($new->safe_psql('postgres', 'SELECT anon_auth.verify_jwt(' . sql_literal($token) . q{) ->> 'sub'}), $guest->{sub}, 'tokens of each signing key verify');
}
is($new->safe_psql('postgres', sprintf q{SET ROLE app_user; BEGIN; SELECT anon_auth.use_access_token(%s); SELECT note FROM notes; COMMIT}, sql_literal($next->{access_token})),
	"$guest->{sub}\nkept", 'row-level security policies still apply');
is(call($new, 'promote_anonymous_user', client_id => 'app', username => 'bob', password => 'correct horse', refresh_token => $next->{refresh_token})->{sub},
	$guest->{sub}, 'a guest can be promoted');
is($new->safe_psql('postgres', q{SELECT string_agg(finding, ' ') FROM anon_auth.doctor() WHERE severity = 'error'}), '', 'doctor() finds no error');
$new->stop;
done_testing();
