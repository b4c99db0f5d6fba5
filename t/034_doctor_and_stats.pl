# doctor() and stats: findings about the master key and how each is fixed, the
# behaviour on a standby, and the cost with many users, which must not grow with
# their number.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use IPC::Run ();
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

is(findings($node), 'default_issuer master_key_in_data_directory', 'on a new server, doctor() reports only the default issuer and the place of the master key file');
$node->safe_psql('postgres', q{UPDATE anon_auth.settings SET issuer = 'https://app.example'});

# Root runs the commands that doctor() and the documents give. Here the server's user does, below another directory than /etc.
my $etc = PostgreSQL::Test::Utils::tempdir() . '/etc';
my $other = PostgreSQL::Test::Cluster->new('other');
$other->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$other->append_conf('postgresql.conf', 'log_statement = none');
$other->start;
$other->safe_psql('postgres', 'CREATE EXTENSION anon_auth; SELECT anon_auth.create_signing_key()');

sub shell
{
	my ($commands) = @_;
	my $output = '';

	$commands =~ s{/etc/anon_auth}{$etc}g;
	IPC::Run::run([ 'sh', '-c', $commands ], '>', \$output);
	chomp $output;
	return $output;
}

# Run the fix of master_key_in_data_directory, and return the path of the new file.
sub move_key
{
	my ($server) = @_;
	my $old = $server->data_dir . '/anon_auth.master_key';
	my ($commands, $sql) = $server->safe_psql('postgres', "SELECT fix FROM anon_auth.doctor() WHERE finding = 'master_key_in_data_directory'") =~ m{^/\* First, as root: (.*) \*/ (.*;)  -- };

	is(shell($commands), 'copied', 'the commands of doctor() copy the master key file of ' . $server->name);
	is(shell($commands), '', 'the commands of doctor() do not overwrite a file of ' . $server->name);
	$sql =~ s{/etc/anon_auth}{$etc};
	$server->safe_psql('postgres', $sql =~ s/; /;\n/gr);
	my ($new) = $sql =~ /'($etc\S+)'/;
	$server->poll_query_until('postgres', "SELECT current_setting('anon_auth.master_key_file', true) = '$new'");
	is(slurp_file($new), slurp_file($old), 'the new file of ' . $server->name . ' has its master key');
	unlink $old;
	return $new;
}

my $key = move_key($node);
my $other_key = move_key($other);
isnt($key, $other_key, 'the master key files of two servers of one machine have different paths');
is(findings($_), '', 'doctor() reports nothing after its fix has moved the master key file of ' . $_->name) for $node, $other;

# The commands of docs/operations.md, with the port of each server
my ($documented) = slurp_file("$FindBin::Bin/../docs/operations.md") =~ /### Moving the master key.*?```sh\n(.*?)```/s;
my $programs = PostgreSQL::Test::Utils::tempdir();
append_to_file("$programs/runuser", qq{#!/bin/sh\nshift 3\nexec "\$@"\n});
chmod 0755, "$programs/runuser";
for my $server ($node, $other)
{
	my $path = $server == $node ? $key : $other_key;
	my $commands = $documented =~ s/^ *port=5432$/port=@{[ $server->port ]}/mr =~ s/-o postgres -g postgres//gr;

	rename $path, $server->data_dir . '/anon_auth.master_key';
	is(shell("PATH=$programs:\$PATH PGHOST=" . $server->host . " PGDATABASE=postgres; export PATH PGHOST PGDATABASE\n$commands"),
		$path, 'the documented commands copy the master key file of ' . $server->name . ' to the path of doctor()');
	is(shell("PATH=$programs:\$PATH PGHOST=" . $server->host . " PGDATABASE=postgres; export PATH PGHOST PGDATABASE\n$commands"),
		'', 'the documented commands do not overwrite a file of ' . $server->name);
	is(findings($server), '', 'doctor() reports nothing after the documented commands for ' . $server->name);
	unlink $server->data_dir . '/anon_auth.master_key';
}
$other->stop;

chmod 0644, $key;
is(findings($node), 'master_key_unusable', 'doctor() reports a master key file that others can read');
is($node->safe_psql('postgres', "SELECT what ~ 'readable by others' AND fix ~ 'chmod 600' FROM anon_auth.doctor() WHERE finding = 'master_key_unusable'"),
	't', 'the finding names the problem and the fix');
chmod 0600, $key;
is(findings($node), '', 'doctor() reports nothing after the fix');

# Other unusable files

sub unusable
{
	return $node->safe_psql('postgres', "SELECT what || '|' || fix FROM anon_auth.doctor() WHERE finding = 'master_key_unusable'");
}

my $content = slurp_file($key);
my $line_end = qr/\. Line \d+ is not a key id and a key: /;
for my $case (
	[ $content =~ s/^([0-9a-f].*)/$1\r/mr, qr/${line_end}it ends with a carriage return\|Restore/, 'a carriage return' ],
	[ $content =~ s/^([0-9a-f]{16}) /$1  /mr, qr/${line_end}it has 61 bytes, not 60\|Restore/, 'two spaces' ],
	[ $content =~ s/^([0-9a-f])(?=[0-9a-f]{15} )/$1 eq 'a' ? 'b' : 'a'/mer, qr/${line_end}the id is not that of the key\|Restore/, 'a changed id' ],
	[ "# empty\n", qr/\. It has no line with a key\|Restore/, 'no key' ])
{
	my ($damaged, $expected, $name) = @$case;

	unlink $key;
	append_to_file($key, $damaged);
	chmod 0600, $key;
	like(unusable(), $expected, "doctor() says what is wrong with a master key file with $name");
}
chmod 0000, $key;
like(unusable(), qr/^could not open master key file .*Permission denied.*may not read the file.*\|.*chmod 600/, 'doctor() says that the server may not read a master key file of mode 0000');
unlink $key;
mkdir $key;
like(unusable(), qr/is not a regular file\|Restore the file/, 'doctor() says what to do about a directory in place of the master key file');
rmdir $key;
append_to_file($key, $content);
chmod 0600, $key;
mkdir $node->data_dir . '/relative';
append_to_file($node->data_dir . '/relative/key', $content);
chmod 0600, $node->data_dir . '/relative/key';
$node->append_conf('postgresql.conf', "anon_auth.master_key_file = 'relative/key'");
$node->safe_psql('postgres', "LOAD 'anon_auth'; ALTER SYSTEM RESET anon_auth.master_key_file");
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('anon_auth.master_key_file', true) = 'relative/key'");
like(unusable(), qr/^master key file "relative\/key" has a relative path.*\|anon_auth\.master_key_file must be an absolute path/, 'doctor() says that the path of the master key file must be absolute');
$node->append_conf('postgresql.conf', "anon_auth.master_key_file = '$key'");
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('anon_auth.master_key_file', true) = '$key'");
is(findings($node), '', 'doctor() reports nothing after the master key file was restored');
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
