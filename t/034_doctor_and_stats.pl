# doctor() and stats: findings about the master key and how each is fixed, the
# behaviour on a standby, and the cost with many users, which must not grow with
# their number.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use File::Copy;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ], allows_streaming => 1);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\nlog_statement = none");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native');
SQL

sub findings
{
	my ($server) = @_;

	return $server->safe_psql('postgres', "SELECT string_agg(finding, ' ' ORDER BY finding) FROM anon_auth.doctor() WHERE finding <> 'autovacuum_off'");
}

sub buffers
{
	my ($what) = @_;
	my $plan = $node->safe_psql('postgres', "$what; EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) $what");
	my ($hit, $read) = $plan =~ /Buffers: shared hit=(\d+)(?: read=(\d+))?/;

	return $hit + ($read // 0);
}

# The master key

is(findings($node), 'master_key_in_data_directory', 'on a new server, doctor() reports only the place of the master key file');
my $directory = PostgreSQL::Test::Utils::tempdir() . '/keys';
my $key = "$directory/master_key";
mkdir $directory;
copy($node->data_dir . '/anon_auth.master_key', $key);
chmod 0600, $key;
$node->safe_psql('postgres', "LOAD 'anon_auth'; ALTER SYSTEM SET anon_auth.master_key_file = '$key'; SELECT pg_reload_conf()");
$node->poll_query_until('postgres', "SELECT current_setting('anon_auth.master_key_file', true) = '$key'");
unlink $node->data_dir . '/anon_auth.master_key';
is(findings($node), '', 'doctor() reports nothing after the master key file was moved as docs/operations.md describes');
chmod 0644, $key;
is(findings($node), 'master_key_unusable', 'doctor() reports a master key file that others can read');
is($node->safe_psql('postgres', "SELECT what ~ 'readable by others' AND fix ~ 'chmod 600' FROM anon_auth.doctor() WHERE finding = 'master_key_unusable'"),
	't', 'the finding names the problem and the fix');
chmod 0600, $key;
is(findings($node), '', 'doctor() reports nothing after the fix');
rename $key, "$key.away";
is(findings($node), 'master_key_unusable', 'doctor() reports a missing master key file');
ok(!-e $key, 'doctor() does not create a missing master key file');
rename "$key.away", $key;
$node->safe_psql('postgres', 'SELECT anon_auth.rotate_master_key()');
is(findings($node), '', 'doctor() reports nothing in the database that rotated the master key');

# A second database of the cluster
$node->safe_psql('postgres', 'CREATE DATABASE second');
$node->safe_psql('second', 'CREATE EXTENSION anon_auth; SELECT anon_auth.create_signing_key()');
$node->safe_psql('postgres', 'SELECT anon_auth.rotate_master_key()');
is($node->safe_psql('second', "SELECT finding, fix FROM anon_auth.doctor() WHERE finding = 'old_master_key'"), 'old_master_key|SELECT anon_auth.reseal_signing_keys();',
	'doctor() reports a former master key in another database');
$node->safe_psql('second', 'SELECT anon_auth.reseal_signing_keys()');
is($node->safe_psql('second', "SELECT count(*) FROM anon_auth.doctor() WHERE finding = 'old_master_key'"), 0, 'doctor() reports no former master key after reseal_signing_keys()');

# A standby

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is(findings($standby), '', 'doctor() works on a standby');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM anon_auth.stats'), 1, 'stats works on a standby');
$standby->stop;

# The cost

sub grow
{
	my ($users) = @_;

	$node->safe_psql('postgres', <<"SQL");
INSERT INTO anon_auth.users (id, is_anonymous, created_at, updated_at, last_seen_at, purge_from, device_kid)
	SELECT gen_random_uuid(), true, now(), now(), now(), now() + interval '1 day', CASE WHEN i % 2 = 0 THEN 'device' || i END FROM generate_series(1, $users) i;
INSERT INTO anon_auth.sessions (user_id, id, client_id, secret_hash, created_at, authenticated_at, last_used_at, expires_at, purge_from)
	SELECT id, gen_random_uuid(), 'app', sha256(''), now(), now(), now(), now() + interval '1 day', now() + interval '1 day' FROM anon_auth.users;
TRUNCATE anon_auth.events;
INSERT INTO anon_auth.events (user_id, id, type, created_at)
	SELECT id, gen_random_uuid(), 'user.created', now() - interval '1 year' FROM anon_auth.users;
INSERT INTO anon_auth.events (user_id, id, type, created_at)
	SELECT gen_random_uuid(), gen_random_uuid(), 'user.created', now() FROM generate_series(1, 1000);
VACUUM ANALYZE;
SQL
}

my %cost;
for my $users (20_000, 200_000)
{
	grow($users);
	$cost{$users} = { doctor => buffers('SELECT count(*) FROM anon_auth.doctor()'), stats => buffers('SELECT * FROM anon_auth.stats') };
	note(sprintf '%d more users: doctor %d buffers, stats %d', $users, $cost{$users}{doctor}, $cost{$users}{stats});
}
is($node->safe_psql('postgres', 'SELECT users > 200000 AND guests_with_key > 100000 AND sign_ups_24h = 1000 FROM anon_auth.stats'), 't', 'stats estimates the number of users');
cmp_ok($cost{200_000}{$_}, '<', 1.5 * $cost{20_000}{$_} + 50, "$_ reads no more pages with ten times as many users") for qw(doctor stats);

# The count of purgeable guests has a limit, so that its cost is bounded
$node->safe_psql('postgres', "UPDATE anon_auth.users SET purge_from = now() - interval '1 hour' WHERE device_kid IS NULL");
$node->safe_psql('postgres', 'VACUUM ANALYZE');
is($node->safe_psql('postgres', 'SELECT purgeable_guests FROM anon_auth.stats'), 100000, 'stats counts at most 100,000 purgeable guests');

$node->stop;
done_testing();
