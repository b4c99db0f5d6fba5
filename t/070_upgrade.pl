# ALTER EXTENSION UPDATE from 1.0: what an upgraded database has is what a new one
# has, the rows and rights are kept, and until then the new library serves the old
# functions.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge sql_literal);
use Digest::SHA qw(sha256_hex);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::Bin/..";
my $frozen = slurp_file("$top/upgrade/anon_auth--1.0.sql");

# What 1.0 installs; it never changes again.
is(sha256_hex($frozen), slurp_file("$top/upgrade/SHA256SUMS") =~ /^(\w+)  anon_auth--1\.0\.sql$/m ? $1 : '', 'the script of 1.0 is what it was');

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->start;

sub query { return $node->safe_psql($_[1] // 'postgres', $_[0]); }

my $current = query("SELECT default_version FROM pg_available_extensions WHERE name = 'anon_auth'");

# Everything of a database's catalog, members of the extension included, as SQL
# without OIDs.
sub catalog
{
	my ($database) = @_;
	my ($sql, $errors) = run_command([ 'pg_dump', '--schema-only', '--binary-upgrade', '-d', $node->connstr($database) ]);

	die $errors if $sql eq '';
	$sql =~ s/^SELECT pg_catalog\.binary_upgrade_\w+\(.*?\);\n//msg;
	$sql =~ s/(frozenxid|oid) = '\d+'/$1 = ''/g;
	$sql =~ s/^\\(?:un)?restrict .*\n//mg;
	return $sql . query(<<'SQL', $database);
SELECT extversion, extnamespace::regnamespace, (SELECT string_agg(c::regclass::text, ' ') FROM unnest(extconfig) c), extcondition FROM pg_extension WHERE extname = 'anon_auth';
SELECT pg_describe_object(classoid, objoid, objsubid), privtype, initprivs FROM pg_init_privs
WHERE pg_describe_object(classoid, objoid, objsubid) LIKE '%anon_auth%' ORDER BY 1;
SELECT pg_describe_object(classid, objid, objsubid) FROM pg_depend
WHERE refobjid = (SELECT oid FROM pg_extension WHERE extname = 'anon_auth') AND deptype = 'e' ORDER BY 1
SQL
}

# ---------------------------------------------------------------------------
# The catalog
# ---------------------------------------------------------------------------

query('CREATE DATABASE fresh');
query('CREATE DATABASE updated');
query('CREATE EXTENSION anon_auth', 'fresh');
query("CREATE EXTENSION anon_auth VERSION '1.0'", 'updated');
my $fresh = catalog('fresh');
isnt(catalog('updated'), $fresh, '1.0 is not the current version');
query('ALTER EXTENSION anon_auth UPDATE', 'updated');
my $updated = catalog('updated');
like($updated, qr/CREATE FUNCTION anon_auth\.authenticate_anonymously/, 'a dump has what the extension brings');
ok($updated eq $fresh, "an update from 1.0 to $current gives the catalog of a new installation")
	or diag(first_difference($updated, $fresh));

sub first_difference
{
	my @lines = map { [ split /\n/ ] } @_;

	for my $i (0 .. $#{ $lines[0] })
	{
		return "updated: $lines[0][$i]\nfresh:   " . ($lines[1][$i] // '') if $lines[0][$i] ne ($lines[1][$i] // '');
	}
	return 'the one is longer';
}

# ---------------------------------------------------------------------------
# With data
# ---------------------------------------------------------------------------

query("CREATE EXTENSION anon_auth VERSION '1.0'");
query(<<'SQL');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, issuer = 'https://from.before.example', guest_retention = '1 year';
CREATE ROLE web;
CREATE ROLE monitor;
GRANT USAGE ON SCHEMA anon_auth TO web, monitor;
GRANT EXECUTE ON FUNCTION anon_auth.uid(), anon_auth.create_challenge(text) TO web;
GRANT EXECUTE ON FUNCTION anon_auth.doctor() TO monitor;
CREATE TABLE notes (user_id uuid NOT NULL DEFAULT anon_auth.uid() REFERENCES anon_auth.users ON DELETE CASCADE, note text);
CREATE INDEX ON notes (user_id);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (user_id = (SELECT anon_auth.uid()));
GRANT ALL ON notes TO web;
SQL
call($node, 'create_client', client_id => 'app', application_type => 'native', refresh_token_rotation_enabled => 'true');

sub guest { return call($node, 'authenticate_anonymously', client_id => 'app'); }
sub refreshed { return call($node, 'refresh_session', client_id => 'app', refresh_token => $_[0]{refresh_token}); }
sub logged_in { return call($node, 'authenticate', client_id => 'app', login_id => $_[0], password => 'correct horse'); }

sub promoted
{
	my ($session, $name) = @_;

	return call($node, 'promote_anonymous_user', client_id => 'app', username => $name, password => 'correct horse',
		refresh_token => $session->{refresh_token});
}

sub on_device
{
	my ($device) = @_;

	return call($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node), with_jwk => 1));
}

# The main flow; what it did, to be gone on with.
sub flow
{
	my ($name) = @_;
	my $device = AnonAuth::Device->new(alg => 'ES256');
	my $story = { device => $device, keyed => on_device($device), guest => guest() };

	$story->{guest} = refreshed($story->{guest});
	query("INSERT INTO notes VALUES ('$story->{keyed}{sub}', '$name')");
	$story->{account} = promoted(guest(), $name);
	is(on_device($device)->{sub}, $story->{keyed}{sub}, "$name: a device comes back");
	is(logged_in($name)->{sub}, $story->{account}{sub}, "$name: an account logs in");
	is(query(sprintf "SELECT anon_auth.verify_jwt(%s) ->> 'sub'", sql_literal($story->{guest}{access_token})), $story->{guest}{sub}, "$name: a token is verified");
	return $story;
}

my $before = flow('ada');
is(query("SELECT finding, fix FROM anon_auth.doctor() WHERE finding = 'old_version'"), 'old_version|ALTER EXTENSION anon_auth UPDATE;',
	'doctor() says that the library is newer than the functions');
like(query('SELECT guests FROM anon_auth.purge()'), qr/^0$/, 'the administration of 1.0 works, too');

my @tables = split /\n/, query("SELECT oid::regclass FROM pg_class WHERE relnamespace = 'anon_auth'::regnamespace AND relkind = 'r' ORDER BY 1");
sub contents
{
	return join "\n", map { my $table = $_; map { "$table $_" } sort split /\n/, query("SELECT * FROM $table") } @tables;
}
sub rights { return query("SELECT oid::regprocedure, proacl FROM pg_proc WHERE pronamespace = 'anon_auth'::regnamespace AND proacl::text ~ 'web|monitor' ORDER BY 1"); }
my ($contained, $granted) = (contents(), rights());

# a dump of 1.0, as it is restored below
my $dump = $node->basedir . '/1.0.sql';
$node->command_ok([ 'pg_dump', '--no-sync', '-f', $dump, '-d', $node->connstr('postgres') ], 'a database with 1.0 is dumped');

query('BEGIN; ALTER EXTENSION anon_auth UPDATE; ROLLBACK');
is(query("SELECT extversion FROM pg_extension WHERE extname = 'anon_auth'"), '1.0', 'an update can be rolled back');
$before->{guest} = refreshed($before->{guest});
is($before->{guest}{sub} ne '', 1, '... and 1.0 goes on');

# A session with plans of 1.0.
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $guests = "SELECT count(sub) FROM anon_auth.authenticate_anonymously('app');";
is($session->query($guests), 1, 'a session has called a function of 1.0');
$contained = contents();
query('ALTER EXTENSION anon_auth UPDATE');
is(query("SELECT extversion FROM pg_extension WHERE extname = 'anon_auth'"), $current, 'the extension is updated');
is(contents(), $contained, '... with every row as it was');
is(rights(), $granted, '... and every right that was granted');
is(query("SELECT count(*) FROM anon_auth.doctor() WHERE finding = 'old_version'"), 0, '... and doctor() is content');
is($session->query($guests), 1, 'a session that was open goes on');
is($session->query('SELECT users IS NULL OR users >= 0 FROM anon_auth.stats;'), 't', '... and sees what is new');
$session->quit;

is(refreshed($before->{guest})->{sub}, $before->{guest}{sub}, 'a refresh token from before works');
is(on_device($before->{device})->{sub}, $before->{keyed}{sub}, 'a device from before comes back');
is(logged_in('ada')->{sub}, $before->{account}{sub}, 'a password from before works');
is(query(sprintf "SELECT anon_auth.verify_jwt(%s) ->> 'sub'", sql_literal($before->{guest}{access_token})), $before->{guest}{sub}, 'an access token from before is verified');
is(promoted(on_device($before->{device}), 'grown')->{sub}, $before->{keyed}{sub}, 'a guest from before is promoted');
is(query("SELECT note FROM notes WHERE user_id = '$before->{keyed}{sub}'"), 'ada', '... with its rows');
flow('bob');

# ---------------------------------------------------------------------------
# A dump of 1.0 where the current version is
# ---------------------------------------------------------------------------

query('CREATE DATABASE restored');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ], 'the dump of 1.0 is restored');
is(query("SELECT extversion FROM pg_extension WHERE extname = 'anon_auth'", 'restored'), $current, '... to the current version');
is(query('SELECT count(*) FROM anon_auth.users u JOIN notes n ON n.user_id = u.id', 'restored'), 1, '... with its users');
is(query('SELECT issuer FROM anon_auth.settings', 'restored'), 'https://from.before.example', '... and settings');
is(query("SELECT has_function_privilege('monitor', 'anon_auth.doctor()', 'EXECUTE')", 'restored'), 't', '... and rights');

# ... and of the updated database: nothing granted before was taken for the extension's own.
my $second = $node->basedir . '/updated.sql';
$node->command_ok([ 'pg_dump', '--no-sync', '-f', $second, '-d', $node->connstr('postgres') ], 'the updated database is dumped');
query('CREATE DATABASE again');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('again'), '-f', $second ], '... and restored');
is(query("SELECT has_function_privilege('monitor', 'anon_auth.doctor()', 'EXECUTE')", 'again'), 't', '... with the rights that were granted before the update');

done_testing();
