# A role with only the client functions merges guests while the application
# inserts rows for them. Every row must end up with the account or fail, and no
# row of the application may be shown to the caller.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge refusal sql_literal);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant GUESTS => 8;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\ndeadlock_timeout = 100ms");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE visitor LOGIN;
CREATE ROLE shop NOLOGIN;
CREATE EXTENSION anon_auth;
SELECT anon_auth.grant_client_api('visitor');
SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, promotion_conflict = 'merge',
	password_attempts_per_minute_per_user = NULL, password_attempts_per_minute_per_user_per_ip = NULL;

CREATE SCHEMA shop AUTHORIZATION shop;
GRANT USAGE ON SCHEMA anon_auth TO shop;
GRANT REFERENCES ON anon_auth.users TO shop;
SET ROLE shop;
-- Five kinds of tables: a single column, two columns, a key of several columns, partitions, row security.
CREATE TABLE shop.notes (author uuid REFERENCES anon_auth.users, text text);
CREATE TABLE shop.messages (sender uuid REFERENCES anon_auth.users ON DELETE CASCADE, receiver uuid REFERENCES anon_auth.users ON DELETE CASCADE);
CREATE TABLE shop.orders (user_id uuid REFERENCES anon_auth.users, id uuid DEFAULT gen_random_uuid(), PRIMARY KEY (user_id, id));
CREATE TABLE shop.lines (user_id uuid REFERENCES anon_auth.users, order_id uuid, FOREIGN KEY (user_id, order_id) REFERENCES shop.orders);
CREATE TABLE shop.visits (user_id uuid REFERENCES anon_auth.users, at timestamptz DEFAULT now()) PARTITION BY HASH (user_id);
CREATE TABLE shop.visits_0 PARTITION OF shop.visits FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE shop.visits_1 PARTITION OF shop.visits FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE shop.favourites (user_id uuid REFERENCES anon_auth.users ON DELETE CASCADE, secret text, UNIQUE (user_id, secret));
ALTER TABLE shop.favourites ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON shop.favourites USING (user_id = anon_auth.uid());
RESET ROLE;
GRANT EXECUTE ON FUNCTION anon_auth.uid() TO shop;

CREATE FUNCTION shop.act(guest uuid) RETURNS void LANGUAGE sql AS $$
	INSERT INTO shop.notes VALUES (guest, 'note');
	INSERT INTO shop.messages VALUES (guest, guest);
	WITH o AS (INSERT INTO shop.orders VALUES (guest) RETURNING *) SELECT id FROM o;
	INSERT INTO shop.lines SELECT user_id, id FROM shop.orders WHERE user_id = guest LIMIT 1;
	INSERT INTO shop.visits VALUES (guest);
	INSERT INTO shop.favourites VALUES (guest, md5(random()::text));
$$;
CREATE VIEW shop.counts AS
	SELECT user_id, count(*) AS rows FROM (
		SELECT author AS user_id FROM shop.notes UNION ALL SELECT sender FROM shop.messages UNION ALL SELECT receiver FROM shop.messages
		UNION ALL SELECT user_id FROM shop.orders UNION ALL SELECT user_id FROM shop.lines UNION ALL SELECT user_id FROM shop.visits
		UNION ALL SELECT user_id FROM shop.favourites) r GROUP BY user_id;
SQL

sub query { return $node->safe_psql('postgres', $_[0]); }

my $account = call($node, 'authenticate_anonymously', client_id => 'app')->{refresh_token};
$account = call($node, 'promote_anonymous_user', client_id => 'app', username => 'ada', password => 'correct horse', refresh_token => $account)->{sub};
my @guests = map { call($node, 'authenticate_anonymously', client_id => 'app') } 1 .. GUESTS;
query("CREATE TABLE guests AS SELECT * FROM unnest(ARRAY["
	  . join(', ', map { "'$_->{sub}'::uuid" } @guests) . ']) WITH ORDINALITY g(id, n)');

# ---------------------------------------------------------------------------
# Guests that act until they are merged, all at once, merged by a role without
# other rights
# ---------------------------------------------------------------------------

# An action either succeeds as a whole and is recorded, or fails because the
# guest was merged.
query(<<'SQL');
CREATE TABLE acted (guest uuid);
CREATE FUNCTION act_until_merged(guest uuid) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	PERFORM shop.act(guest);
	INSERT INTO acted VALUES (guest);
	RETURN 1;
EXCEPTION WHEN foreign_key_violation THEN
	RETURN 0;
END $$;
SQL
my $script = $node->basedir . '/act.sql';
append_to_file($script, "\\set n :client_id + 1\nSELECT act_until_merged(id) FROM guests WHERE n = :n;\n");
my $actions = IPC::Run::start([ 'pgbench', '-n', '-c', GUESTS, '-j', 2, '-R', 400, '-T', 600, '-f', $script, $node->connstr('postgres') ],
	'>', \my $out, '2>', \my $err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
$node->poll_query_until('postgres', 'SELECT count(*) = ' . GUESTS . ' FROM (SELECT guest FROM acted GROUP BY guest HAVING count(*) >= 5) g')
  or die 'the guests insert no rows';

my @merges = map {
	my $token = $_->{refresh_token};
	my $merge = { out => '' };

	$merge->{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') . ' user=visitor', '-c',
			"SELECT sub FROM anon_auth.promote_anonymous_user('app', username => 'ada', password => 'correct horse', refresh_token => '$token')" ],
		'>', \$merge->{out}, '2>&1', IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	$merge;
} @guests;
$_->{run}->finish for @merges;
my @merged = grep { $_->{out} eq "$account\n" } @merges;
my @deadlocked = grep { $_->{out} =~ /deadlock detected/ } @merges;
is(@merged + @deadlocked, GUESTS, 'each merge succeeds or is the victim of a deadlock with the application');
note(sprintf '%d of %d merges were victims of a deadlock', scalar @deadlocked, GUESTS);
for my $i (grep { $merges[$_]{out} ne "$account\n" } 0 .. GUESTS - 1)
{
	my $again = call($node, 'promote_anonymous_user', client_id => 'app', username => 'ada', password => 'correct horse',
		refresh_token => $guests[$i]{refresh_token});
	is($again->{sub}, $account, 'a merge that was the victim of a deadlock succeeds when retried');
}
$actions->signal('TERM');
$actions->finish;
is(query('SELECT count(*) FROM anon_auth.users WHERE is_anonymous'), 0, 'no merged guest is left');
is(query("SELECT string_agg(DISTINCT user_id::text, ',') FROM shop.counts"), $account, 'all rows of the guests belong to the account');
is(query('SELECT rows FROM shop.counts'), query('SELECT 7 * count(*) FROM acted'), 'no row of the guests is lost');
is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'user.anonymous.merged' AND user_id = '$account'"), GUESTS, 'each merge writes an event');
unlike($err, qr/ERROR/, 'the application gets no error except for guests that were merged');

# ---------------------------------------------------------------------------
# A table that prevents the merge, and the information that the caller gets
# ---------------------------------------------------------------------------

my $late = call($node, 'authenticate_anonymously', client_id => 'app');
query("SELECT shop.act('$late->{sub}')");
query("INSERT INTO shop.favourites VALUES ('$account', 'hunter2'), ('$late->{sub}', 'hunter2')");
my $before = query('SELECT * FROM shop.counts ORDER BY 1') . query('TABLE anon_auth.users');
my ($status, $stdout, $stderr) = $node->psql('postgres',
	"\\set VERBOSITY verbose\nSELECT anon_auth.promote_anonymous_user('app', username => 'ada', password => 'correct horse', refresh_token => '$late->{refresh_token}')",
	connstr => $node->connstr('postgres') . ' user=visitor');
like($stderr, qr/AA021: the guest cannot be merged: table shop\.favourites, constraint "favourites_user_id_secret_key"/,
	'the error of a merge that violates a constraint names the table and the constraint');
unlike($stderr, qr/hunter2/, 'the error of the merge does not contain the row');
is(query('SELECT * FROM shop.counts ORDER BY 1') . query('TABLE anon_auth.users'), $before, 'the failed merge moves no row and changes no user');
$stderr = '';
$node->psql('postgres', "SELECT * FROM anon_auth.merge_anonymous_user('$late->{sub}', '$account', true)",
	stderr => \$stderr, connstr => $node->connstr('postgres') . ' user=visitor');
like($stderr, qr/permission denied for function/, 'a client role cannot call merge_anonymous_user()');
query("DELETE FROM shop.favourites WHERE secret = 'hunter2' AND user_id = '$account'");
is(query("SELECT sum(rows) FROM anon_auth.merge_anonymous_user('$late->{sub}', '$account', dry_run => true)"), 7, 'a dry run returns the number of rows that would move');
is(call($node, 'promote_anonymous_user', client_id => 'app', username => 'ada', password => 'correct horse', refresh_token => $late->{refresh_token})->{sub},
	$account, 'the merge succeeds after the conflicting row was deleted');

# A device whose guest was merged starts as a new guest.
my $device = AnonAuth::Device->new(alg => 'ES256');
my $with_device = call($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node), with_jwk => 1));
my $request = $device->request(challenge => challenge($node), action => 'promote');
is(call($node, 'promote_anonymous_user', client_id => 'app', username => 'ada', password => 'correct horse', jwt => $request)->{sub},
	$account, 'a signed request of a device can merge its guest');
is(refusal($node, 'promote_anonymous_user', client_id => 'app', username => 'ada', password => 'correct horse', jwt => $request)->{sqlstate},
	'AA031', 'the signed request cannot be used again');
is(refusal($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node)))->{sqlstate},
	'AA031', 'after the merge, a request with only the key ID is refused as removed');
isnt(call($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node), with_jwk => 1))->{sub},
	$account, 'after the merge, the device signs up a new guest');

$node->stop;
done_testing();
