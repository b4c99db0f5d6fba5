# Test the counters of attempts, which no rollback undoes. They must be exact
# and bounded, work on standbys, survive a restart and a crash, and cope with a
# clock that was wrong.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Clock;
use AnonAuth::Connection;
use AnonAuth::Device qw(call challenge refusal sql_literal);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $clock = AnonAuth::Clock->new or BAIL_OUT('there is no C compiler');
my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ], allows_streaming => 1);
$node->append_conf('postgresql.conf', "fsync = off");
$node->start;
$clock->restart($node);
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
SELECT anon_auth.create_client('app', 'native');
SELECT anon_auth.create_client('rotating', 'native', refresh_token_rotation_enabled => true, refresh_token_rotation_grace_seconds => 10);
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
SQL

my $ahead = 0;

sub query { return $node->safe_psql('postgres', $_[0]); }
sub set_clock { $clock->set_ahead($ahead = $_[0]); return; }
sub let_pass { return set_clock($ahead + $_[0]); }

sub account
{
	my ($name) = @_;
	my $guest = call($node, 'authenticate_anonymously', client_id => 'app');

	return call($node, 'promote_anonymous_user', client_id => 'app', email => "$name\@example.com", password => 'correct horse', refresh_token => $guest->{refresh_token});
}

# Return how many of the calls were answered, each rolled back after its answer,
# and how many were refused with AA018. All calls are in one statement.
sub rolled_back_calls
{
	my ($count, $call) = @_;

	$node->psql('postgres', <<"SQL", stderr => \my $stderr);
DO \$do\$
DECLARE
	answered integer := 0;
	refused integer := 0;
BEGIN
	FOR i IN 1 .. $count LOOP
		BEGIN
			PERFORM $call;
			answered := answered + 1;
			RAISE division_by_zero;
		EXCEPTION
			WHEN division_by_zero THEN NULL;
			WHEN SQLSTATE 'AA018' THEN refused := refused + 1;
		END;
	END LOOP;
	RAISE NOTICE 'answered % refused %', answered, refused;
END \$do\$
SQL
	return $stderr =~ /answered (\d+) refused (\d+)/ ? "$1 $2" : $stderr;
}

# ---------------------------------------------------------------------------
# A rollback gives no further attempt
# ---------------------------------------------------------------------------

my $ada = account('ada');
query('UPDATE anon_auth.settings SET password_attempts_per_minute_per_user = 5');
like(rolled_back_calls(300, q{anon_auth.authenticate('app', 'ada@example.com', 'wrong ' || i)}), qr/^[56] 29[45]$/, 'of 300 passwords tried in savepoints, only as many are compared as the limit allows');
is(refusal($node, 'authenticate', client_id => 'app', login_id => 'ada@example.com', password => 'correct horse')->{sqlstate}, 'AA018', 'the limit still applies after the savepoints');
let_pass(60);
query(q{BEGIN; SELECT anon_auth.authenticate('app', 'ada@example.com', 'wrong'); ROLLBACK}) for 1 .. 5;
is(refusal($node, 'authenticate', client_id => 'app', login_id => 'ada@example.com', password => 'correct horse')->{sqlstate}, 'AA018', 'attempts in transactions that roll back are counted');
query('UPDATE anon_auth.settings SET password_attempts_per_minute_per_user = 1000');

query('UPDATE anon_auth.settings SET guest_sign_ups_per_minute = 7');
like(rolled_back_calls(50, q{anon_auth.authenticate_anonymously('app')}), qr/^[78] 4[23]$/,
	'sign-ups that are rolled back are counted');
query('UPDATE anon_auth.settings SET guest_sign_ups_per_minute = NULL');

my $device = AnonAuth::Device->new(alg => 'ES256');
call($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node), with_jwk => 1));
query('UPDATE anon_auth.settings SET device_key_logins_per_minute = 3');
my $request = $device->request(challenge => challenge($node));
like(rolled_back_calls(20, "anon_auth.authenticate_anonymously('app', jwt => '$request')"), qr/^[34] 1[67]$/, 'logins with a device key that are rolled back are counted');
is(refusal($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node)))->{sqlstate}, 'AA018', 'logins with a device key have their own limit');
let_pass(60);
is(call($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node)))->{token_type}, 'Bearer', 'the limit of a device key ends after a while');
query('UPDATE anon_auth.settings SET device_key_logins_per_minute = DEFAULT');

# ---------------------------------------------------------------------------
# Codes
# ---------------------------------------------------------------------------

sub new_code
{
	let_pass(360);
	log_in_again();
	query(q{SELECT anon_auth.request_verification('email', } . sql_literal($ada->{access_token}) . ')');
	return query('SELECT code FROM anon_auth.take_outbox_messages() WHERE code IS NOT NULL');
}

sub verify { return "anon_auth.verify_login_id('$_[0]', 'email', " . sql_literal($ada->{access_token}) . ')'; }

sub log_in_again
{
	$ada = call($node, 'authenticate', client_id => 'app', login_id => 'ada@example.com', password => 'correct horse');
	return;
}

my $code = new_code();
rolled_back_calls(5, verify('not it'));
is(query('SELECT ' . verify($code)), 'f', 'five wrong codes that are rolled back invalidate the code');
$code = new_code();
rolled_back_calls(4, verify('not it'));
is(query('BEGIN; SELECT ' . verify($code) . '; ROLLBACK'), 't', 'the right code is accepted at the fifth attempt');
is(query('SELECT ' . verify($code)), 'f', 'a code is used although its use was rolled back');

# Five attempts at each of many codes.
for my $round (1 .. 30)
{
	$code = new_code();
	last unless rolled_back_calls(5, verify('not it')) eq '5 0';
}
cmp_ok(query('SELECT count(*) FROM anon_auth.events WHERE type = \'verification.requested\''), '<', 30, 'about a hundred wrong codes a day reach the limit, however many codes are requested');
is(refusal($node, 'verify_login_id', code => $code, access_token => $ada->{access_token})->{sqlstate}, 'AA018', 'the right code is refused after too many wrong codes');
let_pass(86400);
$code = new_code();
is(query('SELECT ' . verify($code)), 't', 'the right code is accepted on the next day');

# Any user may claim an address, and withdraw the claim.
my $in_one = query(<<'SQL');
BEGIN;
SELECT p.access_token FROM anon_auth.authenticate_anonymously('app') g, anon_auth.promote_anonymous_user('app', email => 'claimed@example.com', password => 'correct horse', refresh_token => g.refresh_token) p \gset
SELECT FROM anon_auth.request_verification('email', :'access_token');
SELECT anon_auth.verify_login_id(code, 'email', :'access_token') FROM anon_auth.take_outbox_messages();
ROLLBACK;
SQL
is($in_one =~ s/\s+//gr, 'f', 'a code is refused in the transaction that created it');
my $chief = account('chief');
like(rolled_back_calls(120, 'anon_auth.verify_login_id(\'1\', \'email\', ' . sql_literal($chief->{access_token}) . ')'), qr/^100 20$/, 'an address has a hundred attempts a day');
query("SELECT anon_auth.delete_user('$chief->{sub}')");
$chief = account('chief');
is(refusal($node, 'verify_login_id', code => '1', access_token => $chief->{access_token})->{sqlstate}, 'AA018', 'the attempts at an address are shared by all users that claim it');

# Password reset: an error after the right code would leave the code unused.
query(q{SELECT anon_auth.request_password_reset('ada@example.com')});
$code = query('SELECT code FROM anon_auth.take_outbox_messages() WHERE code IS NOT NULL');
my @weak = map { refusal($node, 'reset_password', login_id => 'ada@example.com', code => $_, new_password => 'x')->{sqlstate} } $code, 'WRONGCODE0';
is("@weak", 'AA011 AA011', 'the refusal of a weak password does not reveal whether the code was right');
query("SELECT anon_auth.reset_password('ada\@example.com', '$code', 'correct horse')");

# ---------------------------------------------------------------------------
# A call that waited does not restore an old state
# ---------------------------------------------------------------------------

set_clock(0);
query("SELECT anon_auth.reset_counters(); UPDATE anon_auth.settings SET promotion_conflict = 'login', password_attempts_per_minute_per_user = 10, password_attempts_per_minute_per_user_per_ip = NULL");
my $attacker = AnonAuth::Device->new(alg => 'ES256');
call($node, 'authenticate_anonymously', client_id => 'app', jwt => $attacker->request(challenge => challenge($node), with_jwk => 1));
my ($holder, $waiter) = map { AnonAuth::Connection->new($node) } 1, 2;
$holder->query("BEGIN; SELECT FROM anon_auth.authenticate_anonymously('app', '" . $attacker->request(challenge => challenge($node)) . "')");
$waiter->begin("SELECT FROM anon_auth.promote_anonymous_user('app', email => 'ada\@example.com', password => 'wrong', jwt => '" . $attacker->request(challenge => challenge($node), action => 'promote') . "');");
$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%promote_anonymous_user%'}) or die 'nothing waits';
let_pass(57);
my $guesses = q{anon_auth.authenticate('app', 'ada@example.com', 'wrong ' || i)};
like(rolled_back_calls(20, $guesses), qr/^10 10$/, 'calls use up a limit while another call waits');
$holder->query('ROLLBACK');
$waiter->end;
like(rolled_back_calls(20, $guesses), qr/^[01] (?:20|19)$/, 'the call that waited does not restore the limit');
$_->close for $holder, $waiter;
query("UPDATE anon_auth.settings SET promotion_conflict = 'error', password_attempts_per_minute_per_user = 1000; SELECT anon_auth.reset_counters()");

# ---------------------------------------------------------------------------
# Refresh tokens
# ---------------------------------------------------------------------------

sub rotating_guest { return call($node, 'authenticate_anonymously', client_id => 'rotating'); }
sub refresh { return "SELECT sub, refresh_token FROM anon_auth.refresh_session('rotating', '$_[0]')"; }
sub statistic { return query("SELECT $_[0] FROM anon_auth.stats"); }
sub session_rows { return query("SELECT count(*) FROM anon_auth.sessions WHERE user_id = '$_[0]'"); }

my $victim = rotating_guest();
my $before = statistic('rolled_back_refreshes');
my ($first, $second) = map { query('BEGIN; ' . refresh($victim->{refresh_token}) . '; ROLLBACK') } 1, 2;
like($first, qr/^\Q$victim->{sub}\E\|\S+$/, 'a refresh that is rolled back returned tokens');
is($second, $first, 'the same refresh token gives the same successor within the grace period');
is(statistic('rolled_back_refreshes') - $before, 2, 'stats counts refreshes that were rolled back');
is(refusal($node, 'refresh_session', client_id => 'rotating', refresh_token => (split /\|/, $first)[1])->{sqlstate}, 'AA006', 'the refresh token of a refresh that was rolled back is refused');
let_pass(11);
is(query('BEGIN; ' . refresh($victim->{refresh_token}) . '; ROLLBACK'), '', 'a token that is used again after the grace period is taken as stolen');
is(session_rows($victim->{sub}), 1, 'the rollback keeps the row of the session');
is(query("SELECT anon_auth.use_access_token('$victim->{access_token}') IS NOT NULL AND NOT anon_auth.session_alive()"), 't', 'the session has ended although the reuse was rolled back');
is(refusal($node, 'create_promotion_code', refresh_token => $victim->{refresh_token})->{sqlstate}, 'AA006', 'every function refuses the session');
query('SELECT anon_auth.reset_counters()');
is(query("SELECT anon_auth.use_access_token('$victim->{access_token}') IS NOT NULL AND NOT anon_auth.session_alive()"), 't', 'the session stays ended when the counters are reset');
is(query(refresh($victim->{refresh_token})), '', 'the next use of the token is refused');
is(session_rows($victim->{sub}), 0, 'the next use of the token deletes the session');
is(query("SELECT count(*) FROM anon_auth.events WHERE type = 'refresh_token.reused' AND user_id = '$victim->{sub}'"), 1, 'the next use of the token writes an event');

$victim = rotating_guest();
my $successor = (split /\|/, query(refresh($victim->{refresh_token})))[1];
let_pass(11);
is(query('BEGIN; ' . refresh($victim->{refresh_token}) . '; ROLLBACK'), '', 'a token whose successor was used long ago is refused in a transaction that rolls back');
is(query(refresh($successor)), '', 'the session of that token has ended although the reuse was rolled back');

$victim = rotating_guest();
query('BEGIN; SAVEPOINT s; ' . refresh($victim->{refresh_token}) . '; ROLLBACK TO s; COMMIT');
let_pass(11);
is(query(refresh($victim->{refresh_token})), '', 'a rollback to a savepoint counts as a rollback');

$victim = rotating_guest();
for my $round (1 .. 5)
{
	my ($sub, $next) = split /\|/, query('BEGIN; SAVEPOINT s; ' . refresh($victim->{refresh_token}) . '; RELEASE s; COMMIT');

	is($sub, $victim->{sub}, "refresh $round of an honest client succeeds");
	$victim->{refresh_token} = $next;
	let_pass(3600);
}

$victim = rotating_guest();
$before = statistic('counters');
query(<<"SQL");
DO \$\$
DECLARE
	token text := '$victim->{refresh_token}';
BEGIN
	FOR i IN 1 .. 200 LOOP
		SELECT refresh_token INTO token FROM anon_auth.refresh_session('rotating', token);
	END LOOP;
	RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN NULL;
END \$\$
SQL
cmp_ok(statistic('counters') - $before, '<=', 1, 'a session takes at most one counter, however often it is refreshed');
let_pass(11);
is(query(refresh($victim->{refresh_token})), '', 'the first token of the session counts as presented');

# The clock was two hours ahead and is corrected.
$victim = rotating_guest();
let_pass(7200);
$successor = (split /\|/, query(refresh($victim->{refresh_token})))[1];
let_pass(-7200 + 20);
is(refusal($node, 'refresh_session', client_id => 'rotating', refresh_token => $victim->{refresh_token})->{sqlstate}, 'AA006', 'a clock that is set back does not prolong the grace period');
like(query(refresh($successor)), qr/^\Q$victim->{sub}\E\|/, 'a clock that is set back ends no session');

# ---------------------------------------------------------------------------
# A login that is rolled back
# ---------------------------------------------------------------------------

$before = statistic('rolled_back_logins');
my $token = query(q{BEGIN; SELECT access_token FROM anon_auth.authenticate('app', 'ada@example.com', 'correct horse'); ROLLBACK});
like($token, qr/^ey/, 'a login that is rolled back returned tokens');
is(statistic('rolled_back_logins') - $before, 1, 'stats counts logins that were rolled back');
my $pre_request = <<"SQL";
BEGIN;
SET LOCAL request.method = 'GET';
SET LOCAL request.headers = '{"authorization": "Bearer %1\$s"}';
SELECT set_config('request.jwt.claims', anon_auth.verify_jwt('%1\$s')::text, true) IS NULL;
SELECT anon_auth.postgrest_pre_request();
ROLLBACK
SQL
$node->psql('postgres', sprintf($pre_request, $token), stderr => \my $stderr, on_error_stop => 1);
like($stderr, qr/invalid session/, 'PostgREST refuses the access token of a login that was rolled back');
log_in_again();
$node->psql('postgres', sprintf($pre_request, $ada->{access_token}), stderr => \$stderr, on_error_stop => 1);
is($stderr, '', 'PostgREST accepts the access token of a login');

# ---------------------------------------------------------------------------
# The store of the counters is exact and durable, and works on standbys
# ---------------------------------------------------------------------------

sub take { return "anon_auth.take_rate_limit('$_[0]', $_[1], '1 day')"; }

set_clock(0);
query('SELECT anon_auth.reset_counters(); CREATE TABLE granted (at timestamptz)');
my $script = $node->basedir . '/take.sql';
append_to_file($script, 'INSERT INTO granted SELECT now() WHERE ' . take('shared', 100) . ";\n");
$node->command_ok([ 'pgbench', '-n', '-c', 8, '-j', 2, '-t', 200, '-f', $script, 'postgres' ], 'eight clients take from one limit as fast as they can');
is(query('SELECT count(*) FROM granted'), 100, 'eight concurrent clients get exactly what the limit allows');
is(query('BEGIN READ ONLY; SELECT ' . take('read only', 1) . '; ROLLBACK'), 't',
	'a read-only transaction can take from a limit');
is(query('BEGIN READ ONLY; SELECT ' . take('read only', 1) . '; ROLLBACK'), 'f',
	'what a read-only transaction took is counted');
$node->restart;
is(query('SELECT ' . take('shared', 100)), 'f', 'a restart keeps the counters');
$node->stop('immediate');
$node->start;
is(query('SELECT ' . take('shared', 100)), 'f', 'a crash keeps the counters');

$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
is(join(' ', map { $standby->safe_psql('postgres', 'SELECT ' . take('shared', 2)) } 1 .. 3), 't t f', 'a standby has its own counters');
$standby->stop;

query('CREATE DATABASE other; SELECT ' . take('mine', 1));
$node->safe_psql('other', 'CREATE EXTENSION anon_auth');
is($node->safe_psql('other', 'SELECT ' . take('mine', 1)), 't', 'another database has its own counters');
my @files = map { (split m{/})[-1] } glob($node->data_dir . '/pg_stat_tmp/anon_auth.*');
is(scalar @files, 2, 'each database has a counter file');
query('DROP DATABASE other');
query('CREATE DATABASE third');
$node->safe_psql('third', 'CREATE EXTENSION anon_auth; SELECT ' . take('mine', 1));
is(scalar(() = glob($node->data_dir . '/pg_stat_tmp/anon_auth.*')), 2,
	'the counter file of a dropped database is deleted when another one is created');
query('DROP DATABASE third');

# ---------------------------------------------------------------------------
# The clock
# ---------------------------------------------------------------------------

$clock->restart($node);
query('SELECT anon_auth.reset_counters()');
set_clock(7200);
query("SELECT anon_auth.take_rate_limit('clock', 2, '1 minute') FROM generate_series(1, 3)");
set_clock(0);
is(query("SELECT anon_auth.take_rate_limit('clock', 2, '1 minute')"), 'f', 'a clock that is set back does not raise a limit');
set_clock(30);
is(query("SELECT anon_auth.take_rate_limit('clock', 2, '1 minute')"), 't', "after the clock was set back, nobody waits longer than the limit's period");
query('UPDATE anon_auth.settings SET lockout_max_attempts = 1, lockout_minimum_seconds = 60, lockout_maximum_seconds = 60,
	password_attempts_per_minute_per_user = NULL, password_attempts_per_minute_per_user_per_ip = NULL');
set_clock(7200);
call($node, 'authenticate', client_id => 'app', login_id => 'ada@example.com', password => 'wrong');
set_clock(0);
is(refusal($node, 'authenticate', client_id => 'app', login_id => 'ada@example.com', password => 'correct horse')->{sqlstate}, 'AA019', 'a clock that is set back does not end a lockout');
set_clock(61);
is(call($node, 'authenticate', client_id => 'app', login_id => 'ada@example.com', password => 'correct horse')->{sub}, $ada->{sub}, 'a clock that is set back does not prolong a lockout');
query('UPDATE anon_auth.settings SET lockout_max_attempts = 0');

# ---------------------------------------------------------------------------
# A counter file that is damaged, or was left in the middle of a change
# ---------------------------------------------------------------------------

query('SELECT anon_auth.reset_counters(); SELECT ' . take('torn', 1));
my ($file) = glob($node->data_dir . '/pg_stat_tmp/anon_auth.' . query("SELECT oid FROM pg_database WHERE datname = 'postgres'") . '.*');

# Restart the server on a file in which the change of the only counter is half
# done. Returns how many counters were changed. See counter_file.h for the
# format: a header, then buckets of 256 keys and cells.
sub tear
{
	my ($header, $bucket) = (1080, 32 + 256 * 8 + 256 * 16);
	my $changed = 0;

	$node->stop;
	my $content = slurp_file($file);
	for my $begin (map { $header + $_ * $bucket } 0 .. (length($content) - $header) / $bucket - 1)
	{
		for my $slot (0 .. 255)
		{
			my $cell_at = $begin + 32 + 256 * 8 + $slot * 16;
			my $cell = substr $content, $cell_at, 16;

			next if $cell eq "\0" x 16;
			substr($content, $begin, 32) = pack('Q', $slot + 1) . substr($content, $begin + 32 + $slot * 8, 8) . $cell;
			substr($content, $cell_at, 16) = "\0" x 16;
			$changed++;
		}
		last if $changed;
	}
	open my $handle, '+<', $file or die "cannot write $file: $!";
	binmode $handle;
	print $handle $content;
	close $handle;
	$node->start;
	return $changed;
}

is(tear(), 1, 'the file has one change that is half done');
is(query('SELECT ' . take('torn', 1)), 'f', 'a change that a killed backend left half done is undone');
is(tear(), 1, 'the file again has one change that is half done');
is(query('SELECT anon_auth.reset_counters(); SELECT ' . take('torn', 1)), "\nt", 'undoing a half-done change does not restore a counter that was reset');
$node->stop;
truncate $file, 1000 or die "cannot truncate $file: $!";
$node->start;
is(query('SELECT ' . take('torn', 1)), 't', 'a file of the wrong size is replaced');
is(query('SELECT ' . take('torn', 1)), 'f', 'the file that replaced it counts');
unlink $file or die;
is(join(' ', map { query('SELECT ' . take('torn', 1)) } 1, 2), 't f', 'a missing file is replaced by one that counts');

# The processes of a parallel query share their locks.
query(<<'SQL');
CREATE TABLE many AS SELECT n FROM generate_series(1, 200000) n;
ALTER TABLE many SET (parallel_workers = 4);
ANALYZE many;
SQL
my $guest_token = call($node, 'authenticate_anonymously', client_id => 'app')->{access_token};
for my $round (1 .. 3)
{
	unlink $file or die "cannot unlink $file: $!";
	is(query(<<"SQL"), "t\n200000", "the processes of a parallel query make the missing file together (round $round)");
SELECT anon_auth.use_access_token('$guest_token', false) IS NOT NULL;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SELECT count(*) FROM many WHERE anon_auth.session_alive();
SQL
}

# ---------------------------------------------------------------------------
# A full store
# ---------------------------------------------------------------------------

$node->append_conf('postgresql.conf', 'anon_auth.counter_cells = 4096');
$node->reload;
$node->poll_query_until('postgres', "SELECT counters_max = 4096 FROM anon_auth.stats") or die 'the setting is not read';

# Copied refresh tokens, presented in transactions that roll back.
query(<<'SQL');
CREATE TABLE copied (n integer, user_id uuid, token text, alive text);
CREATE FUNCTION copy_token(n integer, login_id text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	first anon_auth.token_response;
	next text;
BEGIN
	IF login_id IS NULL THEN
		first := anon_auth.authenticate_anonymously('rotating');
	ELSE
		first := anon_auth.authenticate('rotating', login_id, 'correct horse');
	END IF;
	next := first.refresh_token;
	FOR i IN 1 .. 2 LOOP
		SELECT refresh_token INTO next FROM anon_auth.refresh_session('rotating', next);
	END LOOP;
	INSERT INTO copied VALUES (n, first.sub, first.refresh_token, next);
END $$;
CREATE FUNCTION present(n integer) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found bigint;
BEGIN
	BEGIN
		SELECT count(r.sub) INTO found FROM copied c, anon_auth.refresh_session('rotating', c.token) r WHERE c.n = present.n;
		RAISE division_by_zero;
	EXCEPTION
		WHEN division_by_zero THEN RETURN found;
		WHEN SQLSTATE 'AA018' THEN RETURN 'AA018';
	END;
END $$;
UPDATE anon_auth.settings SET guest_sign_ups_per_minute_per_ip = NULL, password_attempts_per_minute_per_ip = NULL;
SQL
sub session_is_alive { return query("SELECT count(r.sub) FROM copied c, anon_auth.refresh_session('rotating', c.alive) r WHERE n = $_[0]"); }
query(q{SELECT copy_token(n, 'ada@example.com') FROM generate_series(1, 42) n});
is(query('SELECT present(1)'), 0, 'a copied token that is presented in a transaction that rolls back is refused');
is(join(' ', map { session_is_alive($_) } 1, 2), '0 1', 'its session has ended, and no other session of the user');
query(q{SELECT copy_token(43, 'ada@example.com')});
$before = statistic('counters');
is(query('SELECT string_agg(DISTINCT present(n), \' \') FROM generate_series(3, 42) n'), 0, 'forty copied tokens of one user are refused');
cmp_ok(statistic('counters') - $before, '<=', 2, 'revocations use no room of the counters');
is(join(' ', map { session_is_alive($_) } 3, 42), '0 0', 'the sessions of these tokens have ended');
is(session_is_alive(43), 0, 'after the second revocation, all sessions that the user had then have ended');
query(q{SELECT copy_token(44, 'ada@example.com')});
is(session_is_alive(44), 1, 'a session that starts later is alive');
query('SELECT FROM anon_auth.purge()');
is(query('SELECT count(*) FROM anon_auth.sessions s JOIN copied c USING (user_id) WHERE n = 44 AND client_id = \'rotating\''), 1, 'purge() deletes the revoked sessions, and no other');

query('SELECT copy_token(n, NULL) FROM generate_series(101, 300) n');
is(query('SELECT count(*) FILTER (WHERE present(n) = \'0\') FROM generate_series(101, 300) n'), 64, 'revocations of guests are bounded');
is(query('SELECT present(300)'), 'AA018', 'a revocation for which there is no room is refused');
is(session_is_alive(300), 1, 'the session of a refused revocation goes on');
is(query("SELECT count(sub) FROM anon_auth.authenticate_anonymously('rotating')"), 1, 'guests can sign up when there is no room for revocations');
is(query("SELECT count(sub) FROM anon_auth.authenticate('rotating', 'ada\@example.com', 'correct horse')"), 1, 'users can log in when there is no room for revocations');
query('SELECT FROM anon_auth.purge()');
is(query('SELECT present(299)'), 0, 'purge() makes room for revocations');
query('BEGIN; ' . refresh(query('SELECT token FROM copied WHERE n = 298')) . '; COMMIT');
is(query('SELECT count(*) FROM anon_auth.sessions s JOIN copied c USING (user_id) WHERE n = 298'), 0, 'a committed revocation ends a session');
query('DROP FUNCTION present, copy_token; DROP TABLE copied; SELECT anon_auth.reset_counters()');

query('SELECT ' . take('before', 1));
my $refused_before = statistic('counters_refused');
my $refused = query(<<'SQL');
CREATE FUNCTION flood(n integer, period interval) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	refused integer := 0;
BEGIN
	FOR i IN 1 .. n LOOP
		BEGIN
			PERFORM anon_auth.take_rate_limit('flood ' || period || i, 1, period);
		EXCEPTION WHEN SQLSTATE 'AA018' THEN
			refused := refused + 1;
		END;
	END LOOP;
	RETURN refused;
END $$;
SELECT flood(20000, '1 day');
SQL
cmp_ok($refused, '>=', 20000 - 2048, 'when the store is full, new counters are refused');
is(query('SELECT ' . take('before', 1)), 'f', 'no counter is evicted while it limits somebody');
is(statistic('counters_refused') - $refused_before, $refused, 'stats shows the number of refused counters');
is(query("SELECT count(*) FILTER (WHERE anon_auth.take_rate_limit('short ' || n, 100, '1 minute')) FROM generate_series(1, 500) n"), 500, 'long-lived counters leave room for short-lived ones');
is(query("SELECT counters <= 2048 + 500 FROM anon_auth.stats"), 't', 'the number of counters is bounded');

# A sign-up counts for everybody and for its address. The first counter is live, there
# is no room for the second.
query('UPDATE anon_auth.settings SET guest_sign_ups_per_minute = 2, guest_sign_ups_per_minute_per_ip = 1');
query("SELECT anon_auth.authenticate_anonymously('app')");
query('UPDATE anon_auth.settings SET trusted_proxy_hops = 1');
# Short-lived counters expire meanwhile: fill their room directly before.
$node->psql('postgres', <<'SQL', stderr => \my $no_room);
SELECT flood(20000, '9 minutes');
SET request.headers = '{"x-forwarded-for": "192.0.2.7"}';
SELECT anon_auth.authenticate_anonymously('app');
SQL
like($no_room, qr/There is no room for another counter/, 'a sign-up is refused if there is no room for the counter of its address');
query('UPDATE anon_auth.settings SET trusted_proxy_hops = 0');
is(query("SELECT count(sub) FROM anon_auth.authenticate_anonymously('app')"), 1, 'the refused sign-up does not count for everybody');

$node->stop;
done_testing();
