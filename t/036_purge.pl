# purge() with a backlog of 200,000 guests while others sign up, three purges at
# once, and the cost of a batch with a hundred times as many users that are not
# purgeable.
#
# Duration: 55 s

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\nmax_wal_size = 4GB\nshared_buffers = 256MB\ndeadlock_timeout = 100ms");
$node->start;

sub query { my ($sql, $database) = @_; return $node->safe_psql($database // 'postgres', $sql); }

sub install
{
	my ($database) = @_;

	query(<<'SQL', $database);
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native');

-- Inserts guests without a key, like those of a year of sign-ups.  until is the
-- end of their only session.
CREATE PROCEDURE guests(how_many integer, until timestamptz) LANGUAGE sql AS $$
	WITH guest AS (
		INSERT INTO anon_auth.users (id, is_anonymous, created_at, updated_at, last_seen_at, purge_from)
		SELECT (lpad(to_hex((extract(epoch FROM until) * 1000)::bigint - 2592000000 + i), 12, '0') || '7' || substr(md5(i::text || until), 1, 3)
				|| '8' || substr(md5('b' || i || until), 1, 15))::uuid, true, until - interval '30 days', until - interval '30 days', until - interval '30 days', until
		FROM generate_series(1, how_many) i
		RETURNING id)
	INSERT INTO anon_auth.sessions (user_id, id, client_id, secret_hash, created_at, authenticated_at, last_used_at, expires_at, purge_from)
	SELECT id, gen_random_uuid(), 'app', sha256(id::text::bytea), until - interval '30 days', until - interval '30 days', until - interval '30 days', until, until FROM guest;
$$;
SQL
}

sub start
{
	my @command = @_;
	my %run = (out => '', err => '');

	$run{run} = IPC::Run::start(\@command, '>', \$run{out}, '2>', \$run{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%run;
}

# Calls purge() until has_more is false, and reports the number of guests
# deleted.
my $drain = <<'SQL';
DO $$
DECLARE
	done record;
	guests bigint := 0;
BEGIN
	LOOP
		SELECT * INTO done FROM anon_auth.purge(2000);
		COMMIT;
		guests := guests + done.guests;
		EXIT WHEN NOT done.has_more OR done.guests = 0 AND NOT EXISTS
			(SELECT FROM anon_auth.users WHERE is_anonymous AND device_kid IS NULL AND purge_from <= now());
	END LOOP;
	RAISE NOTICE 'purged %', guests;
END $$;
SQL

install('postgres');

# ---------------------------------------------------------------------------
# 200,000 purgeable guests, while 4 clients sign up
# ---------------------------------------------------------------------------

query("CALL guests(200000, now() - interval '1 day'); ANALYZE");
my $script = $node->basedir . '/sign_up.sql';
append_to_file($script, "SELECT sub FROM anon_auth.authenticate_anonymously('app');\n");
my $sign_ups = start('pgbench', '-n', '-c', 4, '-R', 500, '-T', 600, '-f', $script, $node->connstr('postgres'));
$node->poll_query_until('postgres', 'SELECT count(*) > 200100 FROM anon_auth.users') or die 'no client signs up';
my $before = query('SELECT count(*) FROM anon_auth.events');
my $begin = time;
my ($status, $stdout, $stderr) = $node->psql('postgres', $drain);
my $seconds = time - $begin;
my $meanwhile = query("SELECT count(*) FROM anon_auth.events WHERE type = 'user.created'");
$sign_ups->{run}->signal('TERM');
$sign_ups->{run}->finish;
my ($purged) = $stderr =~ /purged (\d+)/;
is($purged, 200000, 'purge() deletes all of 200,000 purgeable guests');
note(sprintf '%d guests a second purged, %d a second signing up meanwhile', $purged / $seconds, $meanwhile / $seconds);
is(query("SELECT count(*) FROM anon_auth.users u WHERE created_at < now() - interval '1 day'"), 0, 'no purgeable guest is left');
is(query(q{SELECT count(*) FROM anon_auth.events WHERE type = 'user.deleted' AND payload ->> 'reason' = 'purged'}), 200000, 'each purged guest has a user.deleted event');
is(query("SELECT count(*) FROM anon_auth.events e WHERE type = 'user.created' AND NOT EXISTS (SELECT FROM anon_auth.sessions s WHERE s.user_id = e.user_id)"),
	0, 'purge() deletes no guest that signed up meanwhile');
cmp_ok($meanwhile, '>', 100, 'guests signed up meanwhile');
unlike($sign_ups->{err}, qr/ERROR|deadlock/, 'the sign-ups got no error during the purge');
is(query('SELECT count(*) FROM anon_auth.sessions s WHERE NOT EXISTS (SELECT FROM anon_auth.users u WHERE u.id = s.user_id)'), 0, 'purge() leaves no session without a user');

# ---------------------------------------------------------------------------
# Three purges at once
# ---------------------------------------------------------------------------

query("CALL guests(30000, now() - interval '2 days'); ANALYZE");
my @purges = map { start('psql', '-X', '-d', $node->connstr('postgres'), '-c', $drain) } 1 .. 3;
$_->{run}->finish for @purges;
my $total = 0;
$total += $_->{err} =~ /purged (\d+)/ ? $1 : 0 for @purges;
is($total, 30000, 'three concurrent purges delete each guest once');
is(join('', map { $_->{err} =~ /(ERROR.*)/ } @purges), '', 'concurrent purges cause no error');

# ---------------------------------------------------------------------------
# A hundred times as many users
# ---------------------------------------------------------------------------

my %users = (small => 10_000, large => 1_000_000);
for my $database (sort keys %users)
{
	query("CREATE DATABASE $database TEMPLATE template0");
	install($database);
	query("CALL guests($users{$database}, now() + interval '20 days')", $database);
	query("CALL guests(16000, now() - interval '1 day')", $database);
	query('VACUUM ANALYZE', $database);
}

# [buffers, milliseconds] of a batch. The first batches only warm up the cache.
my %batches = (small => [], large => []);
my %psql = map { $_ => '' } keys %users;
for my $database ((sort keys %users) x 2)
{
	my $plans = query('SELECT guests FROM anon_auth.purge(500); ' x 6 . 'EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) SELECT anon_auth.purge(500); ' x 10, $database);

	while ($plans =~ /Buffers: shared hit=(\d+)(?: read=(\d+))?.*?Execution Time: ([\d.]+)/sg)
	{
		push @{ $batches{$database} }, [ $1 + ($2 // 0), $3 ];
	}
}

sub median { my @sorted = sort { $a <=> $b } @_; return $sorted[ @sorted / 2 ]; }

my %buffers = map { $_ => median(map { $_->[0] } @{ $batches{$_} }) } keys %users;
my %time = map { $_ => median(map { $_->[1] } @{ $batches{$_} }) } keys %users;
note(sprintf 'a batch of 500 with %d users: %d buffers, %.1f ms; with %d: %d buffers, %.1f ms; ratios %.2f and %.2f',
	map({ ($users{$_}, $buffers{$_}, $time{$_}) } qw(small large)),
	$buffers{large} / $buffers{small}, $time{large} / $time{small});
is(scalar @{ $batches{large} }, 20, 'the test measured twenty batches');
is(query("SELECT count(*) FROM anon_auth.users WHERE purge_from < now()", $_), 0, "purge() deleted all purgeable guests of the $_ database") for sort keys %users;
cmp_ok($buffers{large} / $buffers{small}, '<', 1.3, 'a batch touches no more pages with a million users than with ten thousand');

$node->stop;
done_testing();
