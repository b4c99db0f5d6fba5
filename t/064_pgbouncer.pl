# Test the extension behind PgBouncer in transaction mode. The calls of one
# client run in different backends, and a transaction must never see the claims
# of an earlier one.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge sql_literal);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant CLIENTS => 8;
use constant SERVERS => 3;

$ENV{PATH} .= ':/usr/sbin';
my $version = eval { (run_command([ 'pgbouncer', '--version' ]))[0] } // '';
my ($major, $minor) = $version =~ /^PgBouncer (\d+)\.(\d+)/ or plan skip_all => 'PgBouncer is not installed';
my $keeps_prepared = $major > 1 || $minor >= 21;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', 'fsync = off');
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native', refresh_token_rotation_enabled => true);
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
CREATE ROLE app_user LOGIN;
SELECT anon_auth.grant_client_api('app_user');
CREATE TABLE notes (user_id uuid NOT NULL DEFAULT anon_auth.uid() REFERENCES anon_auth.users (id), client int, pid int DEFAULT pg_backend_pid());
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_notes ON notes USING (user_id = (SELECT anon_auth.uid()));
GRANT SELECT, INSERT ON notes TO app_user;
SQL

sub query { return $node->safe_psql('postgres', $_[0]); }

my $directory = PostgreSQL::Test::Utils::tempdir_short();
append_to_file("$directory/users", "\"app_user\" \"\"\n");
append_to_file("$directory/pgbouncer.ini", <<"INI" . ($keeps_prepared ? "max_prepared_statements = 50\n" : ''));
[databases]
postgres = host=${\ $node->host} port=${\ $node->port} dbname=postgres user=app_user

[pgbouncer]
listen_addr =
listen_port = ${\ $node->port}
unix_socket_dir = $directory
auth_type = trust
auth_file = $directory/users
pool_mode = transaction
default_pool_size = ${\ SERVERS}
logfile = $directory/log
INI
my $errors = '';
my $pgbouncer = IPC::Run::start([ 'pgbouncer', "$directory/pgbouncer.ini" ], '>', \my $output, '2>', \$errors,
	IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
my $connection = "host=$directory port=" . $node->port . ' user=app_user dbname=postgres';
my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

until (IPC::Run::run([ 'psql', '-XAtqc', 'SELECT 1', $connection ], '>', \my $one, '2>', \my $not_yet))
{
	die "PgBouncer does not answer: $not_yet $errors" if time > $deadline || !$pgbouncer->pumpable;
}

# One guest's life, with one transaction per statement. A division by zero means
# that a claim is wrong.
my $life = <<'SQL';
SELECT 1 / (anon_auth.uid() IS NULL AND anon_auth.claims() IS NULL)::int;
SELECT sub, access_token, refresh_token FROM anon_auth.authenticate_anonymously('app') \gset guest_
SELECT 1 / (anon_auth.uid() IS NULL)::int;
BEGIN;
SELECT 1 / (anon_auth.use_access_token(':guest_access_token') = ':guest_sub')::int;
INSERT INTO notes (client) VALUES (:client_id);
SELECT 1 / (anon_auth.uid() = ':guest_sub' AND anon_auth.is_anonymous())::int;
COMMIT;
SELECT 1 / (anon_auth.uid() IS NULL)::int;
SELECT access_token, refresh_token FROM anon_auth.refresh_session('app', ':guest_refresh_token') \gset new_
SELECT promotion_code FROM anon_auth.create_promotion_code(':new_refresh_token') \gset
SELECT sub, access_token, refresh_token FROM anon_auth.promote_anonymous_user('app', username => 'u' || replace(':guest_sub', '-', ''), password => 'correct horse', promotion_code => ':promotion_code') \gset account_
SELECT 1 / (':account_sub' = ':guest_sub')::int;
BEGIN;
SELECT 1 / (anon_auth.use_access_token(':account_access_token') = ':guest_sub')::int;
SELECT 1 / (count(*) = 1 AND min(client) = :client_id)::int FROM notes;
ROLLBACK;
SELECT 1 / (anon_auth.userinfo(':account_access_token') ->> 'sub' = ':guest_sub')::int;
SELECT refresh_token FROM anon_auth.authenticate('app', 'u' || replace(':guest_sub', '-', ''), 'correct horse') \gset login_
SELECT anon_auth.revoke(':login_refresh_token');
SELECT 1 / (count(*) = 0 AND anon_auth.uid() IS NULL)::int FROM notes;
SQL
# Use parameters where the protocol has them.
append_to_file("$directory/simple.sql", $life);
append_to_file("$directory/$_.sql", $life =~ s/':(\w+)'/:$1/gr) for qw(extended prepared);

# One thread for each client: pgbench waits while a statement is prepared, and
# meanwhile another client of the same thread would keep its server connection.
sub run_load
{
	my ($mode, $count) = @_;
	my $run = IPC::Run::run(
		[ 'pgbench', '-n', '-M', $mode, '-c', CLIENTS, '-j', CLIENTS, '-t', $count, '-f', "$directory/$mode.sql", $connection ],
		'>', \my $stdout, '2>', \my $stderr, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	$stderr =~ s/^pgbench \(.*\n//mg;
	is($stderr, '', "pgbench -M $mode: no client gets a wrong answer or an error");
	return like($stdout, qr/number of transactions actually processed: (\d+)\/\1$/m,
		'all transactions of pgbench complete');
}

sub check_after
{
	my ($lives) = @_;

	is(query('SELECT count(*) FROM anon_auth.users WHERE NOT is_anonymous'), $lives, 'each guest was promoted');
	is(query('SELECT count(*) FROM anon_auth.sessions'), $lives, 'each account has one session, that of its promotion');
	is(query('SELECT count(*) = count(DISTINCT user_id) FROM notes'), 't', 'each account has one row of its own');
	is(query('SELECT count(DISTINCT pid) > 1 FROM notes GROUP BY client ORDER BY 1 LIMIT 1'), 't', 'several backends served each client');
	return cmp_ok(query('SELECT count(DISTINCT pid) FROM notes'), '<=', SERVERS, 'there were fewer backends than clients');
}

run_load('simple', 20);
check_after(CLIENTS * 20);
run_load('extended', 20);
check_after(CLIENTS * 40);

SKIP:
{
	skip "PgBouncer $major.$minor keeps no prepared statements (1.21 does)", 7 if !$keeps_prepared;
	run_load('prepared', 20);
	check_after(CLIENTS * 60);
}

# A device logs in again and again through PgBouncer, each time in another
# backend.
my $device = AnonAuth::Device->new(alg => 'ES256');
my @subs;
for (1 .. 5)
{
	my $login = sprintf q{SELECT sub FROM anon_auth.authenticate_anonymously('app', jwt => '%s')},
	  $device->request(challenge => challenge($node), with_jwk => 1);

	push @subs, (run_command([ 'psql', '-XAtqc', $login, $connection ]))[0];
	like((run_command([ 'psql', '-XAtqc', $login, $connection ]))[1],
		qr/challenge/, 'a device request is accepted once, whichever backend gets it');
}
is_deeply([ map { $_ eq $subs[0] } @subs ], [ (1) x 5 ], 'the device logs in to the same user in every backend');

# PgBouncer's server_reset_query
my ($reset) = run_command([ 'psql', '-XAtq', '-c', 'BEGIN', '-c', sprintf("SELECT anon_auth.use_access_token(%s) IS NOT NULL", sql_literal(call($node, 'authenticate_anonymously', client_id => 'app')->{access_token})),
	'-c', 'COMMIT', '-c', 'DISCARD ALL', '-c', 'SELECT anon_auth.uid() IS NULL', $connection ]);
is($reset, "t\nt", 'DISCARD ALL is allowed, and not needed');

$pgbouncer->signal('INT');
$pgbouncer->finish;
$node->stop;
done_testing();
