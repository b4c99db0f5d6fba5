# Limits of guest sign-ups and of password attempts, the client address that
# they count, and the lockout after too many wrong passwords. The lockout tests
# move the server's clock.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Browser;
use AnonAuth::Clock;
use AnonAuth::Device qw(call challenge refusal sql_literal);
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nlisten_addresses = '127.0.0.1'");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE anon NOLOGIN;
CREATE ROLE authenticated NOLOGIN;
CREATE ROLE authenticator LOGIN IN ROLE anon, authenticated;
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
SELECT anon_auth.grant_http_api(r::regrole) FROM unnest('{authenticator,anon,authenticated}'::text[]) r;
SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, trusted_proxy_hops = 1;

-- Requests that arrive through a proxy.
CREATE FUNCTION sign_up(forwarded_for text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('request.headers', jsonb_build_object('x-forwarded-for', forwarded_for)::text, true);
	PERFORM anon_auth.authenticate_anonymously('app');
	RETURN 'done';
EXCEPTION WHEN SQLSTATE 'AA018' THEN
	RETURN 'refused';
END $$;
CREATE FUNCTION log_in(login_id text, password text, forwarded_for text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('request.headers', jsonb_build_object('x-forwarded-for', forwarded_for)::text, true);
	PERFORM FROM anon_auth.authenticate('app', login_id, password);
	RETURN CASE WHEN FOUND THEN 'done' ELSE 'wrong' END;
EXCEPTION WHEN SQLSTATE 'AA018' THEN
	RETURN 'limited';
WHEN SQLSTATE 'AA019' THEN
	RETURN 'locked';
END $$;
SQL

sub query { return $node->safe_psql('postgres', $_[0]); }

sub settings
{
	my (%settings) = @_;

	query('SELECT anon_auth.reset_counters()');
	return unless %settings;
	query('UPDATE anon_auth.settings SET '
		  . join(', ', map { "$_ = " . (defined $settings{$_} ? sql_literal($settings{$_}) : 'NULL') } sort keys %settings));
}

# The results of the calls, each in a separate transaction.
sub each_of { return join ' ', map { query("SELECT $_") } @_; }

sub sign_up { return 'sign_up(' . join(', ', map { sql_literal($_) } @_) . ')'; }
sub log_in { return 'log_in(' . join(', ', map { sql_literal($_) } @_) . ')'; }

# ---------------------------------------------------------------------------
# Guest sign-ups: eight clients at once against the documented limit
# ---------------------------------------------------------------------------

is(query('SELECT guest_sign_ups_per_minute_per_ip FROM anon_auth.settings'), 60, 'the default limit is 60 guest sign-ups a minute per address');
my $script = $node->basedir . '/sign_up.sql';
append_to_file($script, "SELECT sign_up('192.0.2.1');\n");
$node->command_ok([ 'pgbench', '-n', '-c', 8, '-j', 2, '-T', 4, '-f', $script, 'postgres' ], 'eight clients can sign up as fast as possible');
my ($count, $seconds) = split /\|/, query('SELECT count(*), extract(epoch FROM max(created_at) - min(created_at)) FROM anon_auth.users');
note("$count guests in $seconds seconds");
cmp_ok($count, '<=', 60 + $seconds + 0.1, 'at most 60 sign-ups at once and then one a second succeed');
cmp_ok($count, '>', 60 + $seconds - 1.1, 'at least 60 sign-ups at once and then one a second succeed');
is(query("SELECT sign_up('192.0.2.2')"), 'done', 'the limit of one address does not affect another address');

# ---------------------------------------------------------------------------
# The client's address
# ---------------------------------------------------------------------------

settings(guest_sign_ups_per_minute_per_ip => 1);
is(each_of(sign_up('6.6.6.1, 192.0.2.1'), sign_up('6.6.6.2, 192.0.2.1'), sign_up('192.0.2.1:4711'), sign_up('::ffff:192.0.2.1'), sign_up(' 192.0.2.1	')),
	'done refused refused refused refused', 'addresses that the client itself put into X-Forwarded-For are ignored');
is(each_of(sign_up('2001:db8:1:1::1'), sign_up('2001:db8:1:1:ffff::2'), sign_up('[2001:DB8:1:1::3]:443'), sign_up('2001:db8:1:2::1')),
	'done refused refused done', 'all addresses of an IPv6 /64 share one limit');
settings(guest_sign_ups_per_minute_per_ip => 1, trusted_proxy_hops => 2);
is(each_of(sign_up('6.6.6.1, 192.0.2.7, 10.0.0.1'), sign_up('6.6.6.2, 192.0.2.7, 10.0.0.2'), sign_up('192.0.2.8, 10.0.0.1')),
	'done refused done', 'with two trusted proxies, the second address from the end counts');
is(each_of(sign_up('192.0.2.9'), sign_up('192.0.2.10')), 'done refused', 'requests with fewer addresses than trusted proxies share one limit');
is(each_of(sign_up('nonsense, 10.0.0.1'), sign_up(', , '), sign_up()), 'refused refused refused', 'requests with an invalid, an empty or no X-Forwarded-For share that limit');
settings(guest_sign_ups_per_minute_per_ip => 1, trusted_proxy_hops => 0);
is(each_of(sign_up('192.0.2.1'), sign_up('192.0.2.1')), 'done done', 'without trusted proxies, X-Forwarded-For is ignored');
my $tcp = sprintf 'host=127.0.0.1 port=%d dbname=postgres', $node->port;
is(join(' ', map { $node->safe_psql('postgres', 'SELECT ' . sign_up("192.0.2.$_"), connstr => $tcp) } 1 .. 2),
	'done refused', 'without trusted proxies, the address of the connection counts');
settings(guest_sign_ups_per_minute_per_ip => 1, trusted_proxy_hops => 2);
is(join(' ', query('SELECT ' . sign_up('192.0.2.9')), map { $node->safe_psql('postgres', 'SELECT ' . sign_up("192.0.2.$_"), connstr => $tcp) } 1 .. 2),
	'done done refused', 'with fewer addresses than trusted proxies, the address of the connection counts');

# ---------------------------------------------------------------------------
# Many users with one address
# ---------------------------------------------------------------------------

# The error of a sign-up through TCP, without psql's prefix.
sub tcp_error
{
	my ($statement) = @_;
	my ($status, $output, $errors) = $node->psql('postgres', "\\set VERBOSITY verbose\n$statement", connstr => $tcp);

	return $errors;
}

my $one_address = q{SELECT severity, what, why, fix FROM anon_auth.doctor() WHERE finding = 'one_address'};
my $sign_up_call = q{SELECT FROM anon_auth.authenticate_anonymously('app')};
my $hint = qr/HINT:  All calls with the address of this connection count together\. .*use_client_address\(\)/;
settings(guest_sign_ups_per_minute_per_ip => 1, trusted_proxy_hops => 0);
is(tcp_error($sign_up_call), '', 'a sign-up through TCP is within the limit');
is(query($one_address), '', 'doctor() does not report one_address before a limit refuses a call');
like(tcp_error($sign_up_call), $hint, 'a refusal by the address of the connection has a hint that names use_client_address()');
like(query($one_address), qr/^warning\|limits per address have refused 1 calls from 127\.0\.0\.1, the address of a connection, since .*grant_client_address/,
	'doctor() reports one_address, the address, and the function that fixes it');
tcp_error($sign_up_call) for 1 .. 2;
like(query($one_address), qr/refused 3 calls from 127\.0\.0\.1,/, 'the finding counts the refused calls');
unlike(tcp_error("BEGIN; SELECT anon_auth.use_client_address('192.0.2.1'); $sign_up_call; $sign_up_call; COMMIT"), qr/HINT/,
	'a refusal by an address that use_client_address() stated has no such hint');
like(query($one_address), qr/refused 3 calls/, 'such a refusal does not count for the finding');
is(tcp_error("BEGIN; SELECT anon_auth.use_client_address('192.0.2.2'); $sign_up_call; COMMIT"), '', 'the fix of the finding makes further users sign up through the same connection');
settings(guest_sign_ups_per_minute_per_ip => undef, password_attempts_per_minute_per_ip => 1);
unlike(query($one_address), qr/./, 'reset_counters() removes the finding');
my $password_call = q{SELECT FROM anon_auth.authenticate('app', 'nobody@example.com', 'wrong password')};
is(tcp_error($password_call), '', 'a password attempt through TCP is within the limit');
like(tcp_error($password_call), $hint, 'the hint is also there for password attempts');
settings(guest_sign_ups_per_minute_per_ip => 1, trusted_proxy_hops => 1, password_attempts_per_minute_per_ip => 60);
query("SELECT sign_up('192.0.2.1')") for 1 .. 2;
is(query($one_address), '', 'a refusal by an address of X-Forwarded-For does not count for the finding');
query('SELECT sign_up()') for 1 .. 2;
like(query($one_address), qr/refused 1 calls from an unknown address,/, 'a refusal of requests without any address counts for the finding');

# ---------------------------------------------------------------------------
# The limit of all guest sign-ups, and sign-ups that do not count
# ---------------------------------------------------------------------------

settings(guest_sign_ups_per_minute_per_ip => undef, guest_sign_ups_per_minute => 3, trusted_proxy_hops => 1);
is(each_of(map { sign_up("192.0.2.$_") } 1 .. 4), 'done done done refused', 'guest_sign_ups_per_minute limits the sign-ups of all addresses together');
my $refused = refusal($node, 'authenticate_anonymously', client_id => 'app');
is($refused->{sqlstate}, 'AA018', 'a refused sign-up fails with SQLSTATE AA018');
my $detail = decode_json($refused->{detail} // '{}');
is($detail->{limit}, 'guest_sign_ups_per_minute', 'the DETAIL of the refusal has the name of the limit');
like($detail->{retry_after}, qr/^(?:19|20)$/, 'it has the seconds to wait');
is($detail->{description}, "The limit for guest sign-ups a minute is 3. Try again in $detail->{retry_after} seconds.", 'it says both in a sentence');
ok($refused->{unchanged}, 'a refused sign-up writes nothing');
settings(guest_sign_ups_per_minute => 60);
query(q{CREATE FUNCTION first_refusal() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	FOR n IN 1 .. 1000 LOOP
		PERFORM anon_auth.authenticate_anonymously('app');
	END LOOP;
	RETURN 'not refused';
EXCEPTION WHEN SQLSTATE 'AA018' THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN detail;
END$$});
is(query(q{SELECT first_refusal()::jsonb ->> 'description'}), 'The limit for guest sign-ups a minute is 60. Try again in 1 second.', 'the DETAIL says "1 second" in the singular');
settings(guest_sign_ups_per_minute => 2);
query('BEGIN; SELECT ' . sign_up() . '; ROLLBACK');
is(each_of(sign_up(), sign_up()), 'done refused', 'a sign-up that rolls back counts');
query(q{CREATE FUNCTION refuse(uuid, text, jsonb) RETURNS void LANGUAGE plpgsql AS $$BEGIN IF $3 IS NOT NULL THEN RAISE 'not you'; END IF; END$$; CREATE ROLE hook_owner; ALTER FUNCTION refuse OWNER TO hook_owner});
settings(guest_sign_ups_per_minute => 1, before_sign_up => 'public.refuse');
is(refusal($node, 'authenticate_anonymously', client_id => 'app', device_info => '{}')->{sqlstate}, 'AA020', 'a hook can refuse a sign-up');
is(each_of(sign_up(), sign_up()), 'done refused', 'a sign-up that a hook refused does not count');
settings(guest_sign_ups_per_minute => 1, before_sign_up => undef);
my $device = AnonAuth::Device->new(alg => 'ES256');
call($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node), with_jwk => 1));
is(refusal($node, 'authenticate_anonymously', client_id => 'app',
		jwt => AnonAuth::Device->new(alg => 'ES256')->request(challenge => challenge($node), with_jwk => 1))->{sqlstate},
	'AA018', 'sign-ups with a device key count');
my $again = call($node, 'authenticate_anonymously', client_id => 'app', jwt => $device->request(challenge => challenge($node)));
ok($again->{sub}, 'logins with a device key do not count');
settings(guest_sign_ups_per_minute => undef);

# ---------------------------------------------------------------------------
# Passwords
# ---------------------------------------------------------------------------

my $guest = call($node, 'authenticate_anonymously', client_id => 'app');
call($node, 'promote_anonymous_user', client_id => 'app', email => 'ada@example.com', username => 'ada', password => 'correct horse', refresh_token => $guest->{refresh_token});

settings(password_attempts_per_minute_per_user => 2);
for my $who ([ 'ada@example.com', 'ADA@Example.com ', 'a user' ], [ 'nobody@example.com', 'NOBODY@Example.com ', 'a login ID that no user has' ])
{
	my ($spelling, $other, $name) = @$who;

	is(each_of(log_in($spelling, 'wrong', '192.0.2.1'), log_in($other, 'wrong', '192.0.2.2'), log_in($spelling, 'correct horse', '192.0.2.3')),
		'wrong wrong limited', "$name has one limit for all addresses and spellings");
}
is(each_of(log_in('ada', 'correct horse')), 'limited', 'all login IDs of a user share one limit');
settings(password_attempts_per_minute_per_user => undef, password_attempts_per_minute_per_user_per_ip => 1);
is(each_of(log_in('ada', 'wrong', '192.0.2.1'), log_in('ada', 'correct horse', '192.0.2.1'), log_in('ada', 'correct horse', '192.0.2.2')),
	'wrong limited done', 'password_attempts_per_minute_per_user_per_ip does not limit the user at another address');
settings(password_attempts_per_minute_per_user_per_ip => undef, password_attempts_per_minute_per_ip => 3);
is(each_of(log_in('a', 'x', '192.0.2.1'), log_in('b', 'x', '192.0.2.1'), log_in('ada', 'correct horse', '192.0.2.1'), log_in('c', 'x', '192.0.2.1'), log_in('c', 'x', '192.0.2.2')),
	'wrong wrong done limited wrong', 'password_attempts_per_minute_per_ip limits the attempts of one address on all users');
settings(password_attempts_per_minute_per_ip => undef);
is(each_of(map { log_in('ada', 'wrong', '192.0.2.1') } 1 .. 12), join(' ', ('wrong') x 12), 'NULL disables a limit');

# ---------------------------------------------------------------------------
# Login IDs of other users
# ---------------------------------------------------------------------------

query(q{CREATE FUNCTION promote(email text, password text, forwarded_for text DEFAULT NULL, phone_number text DEFAULT NULL, username text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	guest text := (anon_auth.authenticate_anonymously('app')).refresh_token;
BEGIN
	PERFORM set_config('request.headers', jsonb_build_object('x-forwarded-for', forwarded_for)::text, true);
	PERFORM FROM anon_auth.promote_anonymous_user('app', email => email, phone_number => phone_number, username => username, password => password, refresh_token => guest);
	IF NOT FOUND THEN
		RETURN 'wrong';
	END IF;
	RETURN 'done';
EXCEPTION WHEN SQLSTATE 'AA018' THEN
	RETURN 'limited';
WHEN SQLSTATE 'AA009' THEN
	RETURN 'taken';
WHEN SQLSTATE 'AA011' THEN
	RETURN 'weak';
END $$});
sub promote { return 'promote(' . join(', ', map { sql_literal($_) } @_) . ')'; }

is(query('SELECT login_id_conflicts_per_minute_per_ip FROM anon_auth.settings'), 10, 'by default, an address learns ten times a minute that a login ID belongs to another user');
settings(login_id_conflicts_per_minute_per_ip => 3);
is(each_of((promote('ada@example.com', 'x', '192.0.2.1')) x 2, promote('ADA@example.com ', 'long enough', '192.0.2.1'), (promote('ada@example.com', 'x', '192.0.2.1')) x 2),
	'taken taken taken limited limited', 'login_id_conflicts_per_minute_per_ip limits the refusals with AA009, although they roll back');
is(each_of(promote('free@example.com', 'x', '192.0.2.1'), promote('free@example.com', 'x', '192.0.2.2')), 'limited weak', 'beyond the limit, an address cannot tell a free login ID from a taken one');
$refused = refusal($node, 'promote_anonymous_user', client_id => 'app', email => 'free@example.com', password => 'x',
	refresh_token => call($node, 'authenticate_anonymously', client_id => 'app')->{refresh_token});
is($refused->{sqlstate}, 'AA011', 'requests without an address are counted separately');
settings();
is(each_of((map { promote("free$_\@example.com", 'x', '192.0.2.1') } 1 .. 5), promote('new@example.com', 'long enough', '192.0.2.1'), promote('ada@example.com', 'x', '192.0.2.1')),
	'weak weak weak weak weak done taken', 'promotions with free login IDs do not count');
settings(promotion_conflict => 'login');
is(each_of((promote('ada@example.com', 'correct horse', '192.0.2.1')) x 4, (promote('ada@example.com', 'wrong', '192.0.2.1')) x 4),
	'done done done done wrong wrong wrong limited', 'with promotion_conflict login, wrong passwords count and right ones do not');
settings(login_id_conflicts_per_minute_per_ip => undef);
is(each_of((promote('ada@example.com', 'wrong', '192.0.2.1')) x 5), 'wrong wrong wrong wrong wrong', 'NULL disables the limit');
settings(login_id_conflicts_per_minute_per_ip => 10, promotion_conflict => 'error');

# Look-ups of login IDs

settings(password_attempts_per_minute_per_ip => 4);
is(each_of((map { promote("free$_\@example.com", 'x', '192.0.2.1') } 1 .. 5), promote('ada@example.com', 'x', '192.0.2.1'), promote('free@example.com', 'x', '192.0.2.2')),
	'weak weak weak weak limited limited weak', 'an address can find out only password_attempts_per_minute_per_ip times a minute that a login ID is free');
is(each_of(log_in('ada', 'correct horse', '192.0.2.1')), 'done', 'look-ups do not take from the attempts at passwords');
settings();
is(each_of(map { promote("three$_\@example.com", 'x', '192.0.2.1', "+4930123456$_", "three$_") } 1 .. 2), 'weak limited', 'each login ID of a promotion counts');
settings(password_attempts_per_minute_per_ip => undef);
is(each_of(map { promote("free$_\@example.com", 'x', '192.0.2.1') } 1 .. 70), join(' ', ('weak') x 70), 'NULL disables the limit of look-ups');

# ---------------------------------------------------------------------------
# Lockout
# ---------------------------------------------------------------------------

sub events { return query("SELECT count(*) FROM anon_auth.events WHERE type = 'authentication.lockout'"); }

my $clock = AnonAuth::Clock->new or BAIL_OUT('no C compiler is available to build the library that moves the clock');
my $ahead = 0;
$clock->restart($node);

sub let_pass
{
	my ($seconds) = @_;

	$clock->set_ahead($ahead += $seconds);
}

# The remaining seconds of the lock, rounded up to tens, since some may have
# passed.
sub lock_seconds
{
	my $locked = refusal($node, 'authenticate', client_id => 'app', login_id => 'ada', password => 'correct horse');
	my $seconds = $locked->{sqlstate} eq 'AA019' ? decode_json($locked->{detail})->{retry_after} : undef;

	return defined $seconds ? 10 * int(($seconds + 9) / 10) : "not locked: $locked->{sqlstate}";
}

is(events(), 0, 'by default, no user is locked out');
settings(lockout_max_attempts => 3, lockout_minimum_seconds => 60, lockout_maximum_seconds => 200, lockout_backoff_factor => 2);
is(each_of(log_in('ada', 'wrong'), log_in('ada', 'wrong'), log_in('ada', 'correct horse'), log_in('ada', 'wrong'), log_in('ada', 'wrong')),
	'wrong wrong done wrong wrong', 'the right password resets the count of wrong passwords');
is(each_of(log_in('ada', 'wrong'), log_in('ada', 'correct horse', '192.0.2.9')), 'wrong locked', 'after too many wrong passwords, even the right password is refused');
is(events(), 1, 'a lockout writes an event');
is(lock_seconds(), 60, 'the first lockout lasts lockout_minimum_seconds');
my $locked = refusal($node, 'authenticate', client_id => 'app', login_id => 'ada', password => 'correct horse');
is($locked->{sqlstate}, 'AA019', 'a login during a lockout fails with SQLSTATE AA019');
let_pass(60);
is(each_of(log_in('ada', 'wrong'), log_in('ada', 'correct horse')), 'wrong locked', 'the first wrong password after a lockout locks the user again');
is(lock_seconds(), 120, 'the second lockout lasts twice as long');
let_pass(120);
query('SELECT ' . log_in('ada', 'wrong'));
is(lock_seconds(), 200, 'a lockout never lasts longer than lockout_maximum_seconds');
let_pass(200);
is(each_of(log_in('ada', 'correct horse')), 'done', 'after the lockout, the right password logs in');
is(each_of(log_in('ada', 'wrong'), log_in('ada', 'wrong'), log_in('ada', 'correct horse')), 'wrong wrong done', 'the right password after a lockout resets the count of wrong passwords');
is(each_of((log_in('nobody', 'wrong')) x 4), 'wrong wrong wrong locked', 'a login ID that no user has is locked out after the same number of wrong passwords');
settings();
query('SELECT ' . log_in('ada', 'wrong')) for 1 .. 2;
let_pass(2 * 86400);
is(each_of(log_in('ada', 'wrong'), log_in('ada', 'correct horse')), 'wrong done', 'wrong passwords of two days ago do not count');
query("BEGIN; SELECT " . log_in('ada', 'wrong') . '; ROLLBACK') for 1 .. 3;
is(each_of(log_in('ada', 'correct horse')), 'locked', 'wrong passwords count even when the transaction rolls back');
let_pass(60);
query('UPDATE anon_auth.users SET is_disabled = true WHERE NOT is_anonymous');
settings();
is(each_of((log_in('ada', 'correct horse')) x 4), 'wrong wrong wrong locked', 'the right password of a disabled user counts as a wrong one');
query('SELECT anon_auth.enable_user(id) FROM anon_auth.users WHERE is_disabled');
is(each_of(log_in('ada', 'wrong'), log_in('ada', 'wrong'), log_in('ada', 'wrong'), log_in('ada', 'correct horse')), 'wrong wrong wrong locked', 'enable_user() of a disabled user resets the count of wrong passwords');
query('SELECT anon_auth.enable_user(id) FROM anon_auth.users WHERE NOT is_anonymous');
is(each_of(log_in('ada', 'correct horse')), 'done', 'enable_user() ends the lockout of a user that is not disabled');
settings(lockout_type => 'per_user_per_ip');
is(each_of(((log_in('ada', 'wrong', '192.0.2.1')) x 3), log_in('ada', 'correct horse', '192.0.2.1'), log_in('ada', 'correct horse', '192.0.2.2')),
	'wrong wrong wrong locked done', 'with lockout_type per_user_per_ip, a user is locked out for one address only');
settings(lockout_max_attempts => 0);
let_pass(-$ahead);

# ---------------------------------------------------------------------------
# The HTTP interface
# ---------------------------------------------------------------------------

settings(guest_sign_ups_per_minute_per_ip => 1, password_attempts_per_minute_per_user => 1);
sub browser { return AnonAuth::Browser->new($node, headers => { 'x-forwarded-for' => $_[0] }); }

my $browser = browser('192.0.2.1');
is($browser->post_json('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'app' })->{status}, 200, 'the first sign-up over HTTP succeeds');
my $answer = $browser->post_json('/api/anonymous_user/signup', { session_type => 'refresh_token', client_id => 'app' });
is($answer->{status}, 429, 'a sign-up above the limit is answered with status 429');
like($answer->{headers}{'retry-after'}[0], qr/^(?:59|60)$/, 'the answer has a Retry-After header');
is_deeply($answer->{json}, { error => { name => 'TooManyRequest', reason => 'RateLimited', message => 'request rate limited', code => 429 } },
	"the answer has Authgear's error body");
$answer = $browser->post_json('/api/anonymous_user/signup', { session_type => 'cookie' });
is("$answer->{status} " . scalar keys %{ $browser->cookies }, '429 0', 'a sign-up with a cookie session is limited, too');
$answer = $browser->post_form('/oauth2/token', grant_type => 'urn:authgear:params:oauth:grant-type:anonymous-request', client_id => 'app',
	jwt => AnonAuth::Device->new(alg => 'ES256')->request(challenge => challenge($node), with_jwk => 1));
is($answer->{status}, 429, 'a sign-up with a device key is limited, too');
is($answer->{json}{error}, 'x_rate_limited', 'the token endpoint answers with x_rate_limited');
like($answer->{headers}{'retry-after'}[0], qr/^\d+$/, 'the answer of the token endpoint has a Retry-After header');
is(browser('192.0.2.2')->post_json('/api/anonymous_user/signup', { session_type => 'cookie' })->{status}, 200, 'the limit of one address does not affect another client');

$node->stop;
done_testing();
