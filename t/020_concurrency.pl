# Pairs of concurrent transactions whose order of locks could deadlock: two
# first logins of one device, and a user beside an administrator. A third
# session holds a lock until both wait, which fixes their order. The file ends
# with a mixed load under pgbench, after which the tables must satisfy a list of
# invariants. t/022_at_once.pl lets twenty clients do the same at once.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Device qw(call challenge sql_literal);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "deadlock_timeout = 100ms\nfsync = off");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION anon_auth');
$node->safe_psql('postgres',
	'UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1');
call(
	$node, 'create_client',
	client_id => 'app',
	application_type => 'native',
	redirect_uris => '{https://app.example/}');
call(
	$node, 'create_client',
	client_id => 'rotating',
	application_type => 'spa',
	refresh_token_rotation_enabled => 'true');

sub query { return $node->safe_psql('postgres', $_[0]); }

# ---------------------------------------------------------------------------
# Sessions that run one statement after the other
# ---------------------------------------------------------------------------

sub connection
{
	my %session = (
		in => '',
		out => '',
		err => '',
		timeout => IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$session{in}, '>', \$session{out}, '2>', \$session{err}, $session{timeout});
	return \%session;
}

# Sends the statements without waiting for their end.
sub begin
{
	my ($session, @statements) = @_;

	$session->{out} = '';
	$session->{in} .= join('', map { "$_;\n" } @statements) . "\\echo ended :SQLSTATE\n";
	$session->{timeout}->start;
	$session->{run}->pump_nb while length $session->{in};
}

# Waits for the end of the statements and returns [output, SQLSTATE of the last
# one].
sub end
{
	my ($session) = @_;

	until ($session->{out} =~ /^ended (\w{5})$/m)
	{
		die 'no answer: ' . $session->{err} if !$session->{run}->pumpable;
		$session->{run}->pump;
	}
	my ($output, $state) = $session->{out} =~ /\A(.*?)\n?^ended (\w{5})$/ms;
	return [ $output, $state ];
}

sub run { my ($session, @statements) = @_; begin(@_); return end($session); }

sub wait_for_waiting
{
	my ($count) = @_;

	$node->poll_query_until('postgres',
		"SELECT count(*) = $count FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND backend_type = 'client backend'")
	  or die "there are not $count sessions that wait";
}

my $holder = connection();
my $first = connection();
my $second = connection();

# Runs two statements that both wait, in this order, for a lock that a third
# transaction holds. Returns their SQLSTATEs.
sub crossing
{
	my ($held, @statements) = @_;

	run($holder, 'BEGIN', $held);
	begin($first, $statements[0]);
	wait_for_waiting(1);
	begin($second, $statements[1]);
	wait_for_waiting(2);
	run($holder, 'COMMIT');
	return [ end($first)->[1], end($second)->[1] ];
}

# ---------------------------------------------------------------------------
# First logins of one key
# ---------------------------------------------------------------------------

sub login
{
	my ($device, %request) = @_;

	return sprintf q{SELECT sub FROM anon_auth.authenticate_anonymously('app', jwt => %s)},
	  sql_literal($device->request(challenge => challenge($node), %request));
}

sub promotion
{
	my ($proof, $email) = @_;

	return sprintf q{SELECT sub FROM anon_auth.promote_anonymous_user('app', email => %s, password => 'correct horse', %s)},
	  sql_literal($email), join ', ', map { "$_ => " . sql_literal($proof->{$_}) } keys %$proof;
}

sub users_of
{
	my ($device) = @_;

	return query(
		sprintf q{SELECT count(*), count(DISTINCT d.user_id), (SELECT count(*) FROM anon_auth.events e WHERE e.type = 'user.created' AND e.user_id = min(u.id::text)::uuid)
			FROM anon_auth.users u LEFT JOIN anon_auth.device_keys d ON d.user_id = u.id WHERE device_kid = %s},
		sql_literal($device->kid));
}

my $device = AnonAuth::Device->new(alg => 'ES256');
my $won = run($first, 'BEGIN', login($device, with_jwk => 1));
is(end_state($won), 'done', 'the first login of a device succeeds');
is(run($second, login($device))->[1],
	'AA004', 'before the first login commits, a login without the public key is refused as unknown');
begin($second, login($device, with_jwk => 1));
wait_for_waiting(1);
run($first, 'COMMIT');
my $lost = end($second);
is($lost->[0], $won->[0], 'a first login that waits for another one of the same key returns the same user');
is(users_of($device), '1|1|1', 'two concurrent first logins of one key create one user');

$device = AnonAuth::Device->new(alg => 'ES256');
$won = run($first, 'BEGIN', login($device, with_jwk => 1));
begin($second, login($device, with_jwk => 1));
wait_for_waiting(1);
run($first, 'ROLLBACK');
$lost = end($second);
is($lost->[1], '00000', 'after the faster first login rolls back, the waiting one succeeds');
isnt($lost->[0], $won->[0], 'the waiting first login creates another user than the one rolled back');
is(users_of($device), '1|1|1', 'a first login that rolls back leaves no user');

$device = AnonAuth::Device->new(alg => 'ES256');
run($first, 'BEGIN', login($device, with_jwk => 1));
run($second, 'BEGIN ISOLATION LEVEL REPEATABLE READ', 'SELECT 1');
begin($second, login($device, with_jwk => 1));
wait_for_waiting(1);
run($first, 'COMMIT');
is(end($second)->[1],
	'40001', 'under REPEATABLE READ, the slower first login fails with SQLSTATE 40001');
run($second, 'ROLLBACK');
is(users_of($device), '1|1|1', 'a first login that fails with SQLSTATE 40001 leaves nothing behind');

$device = AnonAuth::Device->new(alg => 'ES256');
my $impostor = AnonAuth::Device->new(alg => 'ES256', kid => $device->kid);
$won = run($first, 'BEGIN', login($device, with_jwk => 1));
$lost = run($second, login($impostor, with_jwk => 1));
run($first, 'COMMIT');
is($lost->[1], '00000', 'a first login with another key under the same kid does not wait');
isnt($lost->[0], $won->[0], 'a first login with another key under the same kid creates another user');
is(run($first, login($device))->[0], $won->[0], "a login with the shared kid alone returns the user of the device's key");
is(query('SELECT count(*) FROM anon_auth.users u WHERE NOT EXISTS (SELECT FROM anon_auth.sessions s WHERE s.user_id = u.id)'),
	0, 'no first login leaves a user without a session');

# ---------------------------------------------------------------------------
# Administrators
# ---------------------------------------------------------------------------

my $lock_users = 'SELECT count(*) FROM (SELECT FROM anon_auth.users FOR NO KEY UPDATE) u';
my $lock_sessions = 'SELECT count(*) FROM (SELECT FROM anon_auth.sessions FOR UPDATE) s';
my $accounts = 0;

sub end_state { return $_[0][1] eq '00000' ? 'done' : $_[0][1]; }

sub guest { return call($node, 'authenticate_anonymously', client_id => $_[0] // 'app'); }

# A regular user with a session and with an authorization code that was not
# exchanged yet.
sub account
{
	my $email = sprintf 'account%d@example.com', ++$accounts;
	my $guest = guest();
	my $code = call(
		$node, 'authorize_promotion',
		client_id => 'app',
		redirect_uri => 'https://app.example/',
		code_challenge => 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
		email => $email,
		password => 'correct horse',
		refresh_token => $guest->{refresh_token});
	my $session = call($node, 'authenticate', client_id => 'app', login_id => $email, password => 'correct horse');

	return {
		sub => $guest->{sub},
		exchange => sprintf(q{SELECT sub FROM anon_auth.exchange_authorization_code('app', %s, 'https://app.example/',
			'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk')}, sql_literal($code->{code})),
		login => sprintf(q{SELECT sub FROM anon_auth.authenticate('app', %s, 'correct horse')}, sql_literal($email)),
		refresh => sprintf(q{SELECT sub FROM anon_auth.refresh_session('app', %s)}, sql_literal($session->{refresh_token}))
	};
}

sub sessions_of
{
	return query(sprintf q{SELECT count(*) FROM anon_auth.sessions WHERE user_id = %s}, sql_literal($_[0]{sub}));
}

sub admin { return sprintf 'SELECT anon_auth.%s(%s)', $_[0], sql_literal($_[1]{sub}); }

for my $what (qw(exchange login refresh))
{
	for my $function (qw(disable_user delete_user))
	{
		# A refresh waits for the row of its session, not for the row of the
		# user.
		my $held = $what eq 'refresh' ? $lock_sessions : $lock_users;
		my $account = account();
		my $states = crossing($held, admin($function, $account), $account->{$what});

		is(scalar(grep { $_ eq '40P01' } @$states), 0, "$function() and then $what do not deadlock");
		is($states->[0], '00000', "$function() succeeds when $what waits behind it");
		is(sessions_of($account), 0, "no session is left after $function() and then $what");

		$account = account();
		$states = crossing($held, $account->{$what}, admin($function, $account));
		is_deeply($states, [ '00000', '00000' ], "$what and then $function() both succeed");
		is(sessions_of($account), 0, "no session is left after $what and then $function()");
	}
}

# A login that rehashes the password also updates the row of the password.
for my $function (qw(disable_user delete_user))
{
	my $account = account();

	query('UPDATE anon_auth.settings SET password_hash_passes = 2');
	my $states = crossing($lock_users, admin($function, $account), $account->{login});
	query('UPDATE anon_auth.settings SET password_hash_passes = 1');
	is_deeply($states, [ '00000', '00000' ], "$function() and a login that rehashes the password do not deadlock");
	is(sessions_of($account), 0, "no session is left after $function() and a login that rehashes the password");
}

query(q{UPDATE anon_auth.clients SET max_concurrent_sessions = 1 WHERE client_id = 'app'});
my $account = account();
is_deeply(
	crossing($lock_sessions, admin('revoke_sessions', $account), $account->{exchange}),
	[ '00000', 'AA012' ],
	'revoke_sessions() and an exchange that ends other sessions do not deadlock, and the code is refused');
query(q{UPDATE anon_auth.clients SET max_concurrent_sessions = 0 WHERE client_id = 'app'});

my $deleted = guest();
run($first, 'BEGIN', admin('delete_user', $deleted));
begin($second, promotion({ refresh_token => $deleted->{refresh_token} }, 'deleted@example.com'));
wait_for_waiting(1);
run($first, 'COMMIT');
my $refused = end($second)->[1];
like($refused, qr/^AA/, 'a guest that another transaction deletes cannot be promoted');
is($refused, 'AA006', 'the promotion of a deleted guest is refused because its session has ended');
is(query(q{SELECT count(*) FROM anon_auth.login_ids WHERE value = 'deleted@example.com'}),
	0, 'the promotion of a deleted guest does not keep the login ID');

for my $session ($holder, $first, $second)
{
	$session->{in} .= "\\q\n";
	$session->{run}->finish;
}

# ---------------------------------------------------------------------------
# A mixed load
# ---------------------------------------------------------------------------

query('SELECT anon_auth.delete_user(id) FROM anon_auth.users');
query('DELETE FROM anon_auth.events');

# Guests that all clients work on. Half of them have a device key. It is a
# signing key of the database, so that the load can sign requests in SQL.
query(q{
CREATE TABLE hot (n integer PRIMARY KEY, kid text, sub uuid, refresh_token text);
CREATE TABLE outcome (action text, sub uuid, sqlstate text);

CREATE FUNCTION request(device text, action text) RETURNS text LANGUAGE sql AS $$
	SELECT anon_auth.sign_jwt(jsonb_build_object('action', action, 'challenge', (anon_auth.create_challenge()).token),
		device, 'vnd.authgear.anonymous-request')
$$;

INSERT INTO hot (n, kid) SELECT n, CASE WHEN n % 2 = 0 THEN anon_auth.create_signing_key('EdDSA') END FROM generate_series(1, 24) n;
INSERT INTO anon_auth.users (id, is_anonymous, created_at, updated_at, last_seen_at, device_kid)
	SELECT gen_random_uuid(), true, now(), now(), now(), kid FROM hot WHERE kid IS NOT NULL;
INSERT INTO anon_auth.events (user_id, id, type, created_at)
	SELECT id, gen_random_uuid(), 'user.created', now() FROM anon_auth.users;
INSERT INTO anon_auth.device_keys (route, kid, thumbprint, user_id, alg, jwk, used_challenges, created_at, last_used_at)
	SELECT encode(substr(sha256(kid::bytea), 1, 16), 'hex')::uuid, kid, anon_auth.jwk_thumbprint(k.public_jwk), u.id, 'EdDSA', k.public_jwk, '', now(), now()
	FROM hot JOIN anon_auth.signing_keys k USING (kid) JOIN anon_auth.users u ON u.device_kid = kid;
SELECT anon_auth.create_signing_key('ES256');
});
query(q{
DO $$
DECLARE
	guest record;
	response anon_auth.token_response;
BEGIN
	FOR guest IN SELECT * FROM hot LOOP
		response := anon_auth.authenticate_anonymously('app', jwt => CASE WHEN guest.kid IS NOT NULL THEN request(guest.kid, 'auth') END);
		UPDATE hot SET sub = response.sub, refresh_token = response.refresh_token WHERE n = guest.n;
	END LOOP;
END
$$});

# Does something with a hot guest. A refusal is recorded as an outcome. An error
# that a client would have to retry is raised.
query(q{
CREATE FUNCTION act(action text, guest hot) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	response anon_auth.token_response;
	state text := '00000';
	-- few addresses, so that guests compete for them
	address text := 'hot' || (random() * 30)::integer || '@example.com';
BEGIN
	BEGIN
		CASE action
			WHEN 'login' THEN
				response := anon_auth.authenticate_anonymously('app', jwt => request(guest.kid, 'auth'));
			WHEN 'refresh' THEN
				response := anon_auth.refresh_session('app', guest.refresh_token);
			WHEN 'resume' THEN
				response := anon_auth.authenticate_anonymously('app', refresh_token => guest.refresh_token);
			WHEN 'promote by token' THEN
				response := anon_auth.promote_anonymous_user('app', email => address, password => 'correct horse',
					refresh_token => guest.refresh_token);
			WHEN 'promote by code' THEN
				response := anon_auth.promote_anonymous_user('app', email => address, password => 'correct horse',
					promotion_code => (anon_auth.create_promotion_code(guest.refresh_token)).promotion_code);
			WHEN 'promote by key' THEN
				response := anon_auth.promote_anonymous_user('app', email => address, password => 'correct horse',
					jwt => request(guest.kid, 'promote'));
			WHEN 'revoke' THEN
				PERFORM anon_auth.revoke(guest.refresh_token);
			WHEN 'disable' THEN
				PERFORM anon_auth.disable_user(guest.sub);
			WHEN 'enable' THEN
				PERFORM anon_auth.enable_user(guest.sub);
			WHEN 'delete' THEN
				PERFORM anon_auth.delete_user(guest.sub);
			WHEN 'idle' THEN
				UPDATE anon_auth.users SET last_seen_at = last_seen_at - interval '2 hours' WHERE id = guest.sub;
		END CASE;
		IF response.sub <> guest.sub THEN
			state := 'other';
		END IF;
	EXCEPTION WHEN OTHERS THEN
		IF SQLSTATE IN ('40001', '40P01') THEN
			RAISE;
		END IF;
		state := SQLSTATE;
	END;
	INSERT INTO outcome VALUES (action, guest.sub, state);
END
$$});

my %load = (
	# The whole life of a user that only one client knows.
	life => q{
SELECT sub AS user, refresh_token AS token FROM anon_auth.authenticate_anonymously('rotating') \gset
SELECT refresh_token AS token, access_token AS access FROM anon_auth.refresh_session('rotating', :token) \gset
BEGIN;
SELECT 1 / (anon_auth.use_access_token(:access) = :user::uuid)::integer;
SELECT 1 / (anon_auth.uid() = :user::uuid AND anon_auth.is_anonymous() AND anon_auth.session_alive())::integer;
COMMIT;
SELECT refresh_token AS token FROM anon_auth.refresh_session('rotating', :token) \gset
SELECT promotion_code AS code FROM anon_auth.create_promotion_code(:token) \gset
SELECT refresh_token AS token, 1 / (sub = :user::uuid)::integer AS same FROM anon_auth.promote_anonymous_user('rotating',
	email => :user || '@example.com', password => 'correct horse', promotion_code => :code) \gset
SELECT refresh_token AS token, 1 / (sub = :user::uuid)::integer AS same FROM anon_auth.authenticate('rotating',
	:user || '@example.com', 'correct horse') \gset
SELECT refresh_token AS token, 1 / (sub = :user::uuid)::integer AS same FROM anon_auth.refresh_session('rotating', :token) \gset
SELECT anon_auth.revoke(:token);
},
	guest => q{
SELECT sub AS user, refresh_token AS token FROM anon_auth.authenticate_anonymously('rotating') \gset
SELECT 1 / (sub = :user::uuid)::integer FROM anon_auth.refresh_session('rotating', :token);
},
	hot => q{
\set guest random(1, 24)
SELECT act((ARRAY['login', 'login', 'login', 'refresh', 'refresh', 'refresh', 'resume', 'resume', 'idle', 'idle', 'enable', 'enable'])
	[1 + floor(random() * 12)::integer], hot) FROM hot WHERE n = :guest AND kid IS NOT NULL;
SELECT act((ARRAY['refresh', 'refresh', 'resume', 'idle'])[1 + floor(random() * 4)::integer], hot) FROM hot WHERE n = :guest AND kid IS NULL;
},
	hotter => q{
\set guest random(1, 24)
SELECT act((ARRAY['promote by token', 'promote by code', 'promote by key', 'promote by key', 'disable', 'enable', 'revoke', 'delete'])
	[1 + floor(random() * 8)::integer], hot) FROM hot WHERE n = :guest AND kid IS NOT NULL;
SELECT act((ARRAY['promote by token', 'promote by code'])[1 + floor(random() * 2)::integer], hot) FROM hot WHERE n = :guest AND kid IS NULL;
});

# Violations of the invariants of the tables, one per line.
my $invariants = q{
	SELECT 'guest with a password or a login ID: ' || id FROM anon_auth.users u WHERE is_anonymous
		AND (EXISTS (SELECT FROM anon_auth.passwords p WHERE p.user_id = u.id) OR EXISTS (SELECT FROM anon_auth.login_ids l WHERE l.user_id = u.id))
	UNION ALL SELECT 'regular user without a password or a login ID: ' || id FROM anon_auth.users u WHERE NOT is_anonymous
		AND (NOT EXISTS (SELECT FROM anon_auth.passwords p WHERE p.user_id = u.id) OR NOT EXISTS (SELECT FROM anon_auth.login_ids l WHERE l.user_id = u.id))
	UNION ALL SELECT 'regular user with a device key: ' || id FROM anon_auth.users u WHERE NOT is_anonymous
		AND (device_kid IS NOT NULL OR EXISTS (SELECT FROM anon_auth.device_keys d WHERE d.user_id = u.id))
	UNION ALL SELECT 'device_kid and device key differ: ' || u.id FROM anon_auth.users u
		FULL JOIN anon_auth.device_keys d ON d.user_id = u.id AND d.kid = u.device_kid WHERE (u.device_kid IS NULL) <> (d.kid IS NULL)
	UNION ALL SELECT 'session of a disabled user: ' || u.id FROM anon_auth.users u JOIN anon_auth.sessions s ON s.user_id = u.id WHERE is_disabled
	UNION ALL SELECT 'session without a user: ' || s.id FROM anon_auth.sessions s WHERE NOT EXISTS (SELECT FROM anon_auth.users u WHERE u.id = s.user_id)
	UNION ALL SELECT 'login ID of two users: ' || value FROM anon_auth.login_ids GROUP BY type, value HAVING count(*) > 1
	UNION ALL SELECT 'login ID that its user does not know of: ' || value FROM anon_auth.login_ids l LEFT JOIN anon_auth.users u ON u.id = l.user_id
		WHERE u.id IS NULL OR NOT l.route = ANY (u.login_id_routes)
	UNION ALL SELECT 'user that was created or promoted not once: ' || u.id FROM anon_auth.users u
		WHERE (SELECT count(*) FROM anon_auth.events e WHERE e.user_id = u.id AND e.type = 'user.created') <> 1
		   OR (SELECT count(*) FROM anon_auth.events e WHERE e.user_id = u.id AND e.type = 'user.anonymous.promoted') <> (NOT u.is_anonymous)::integer
	UNION ALL SELECT 'guest that was promoted twice: ' || sub FROM outcome WHERE action ~ '^promote' AND sqlstate = '00000' GROUP BY sub HAVING count(*) > 1
	UNION ALL SELECT 'promotion that was answered and is not there: ' || sub FROM outcome WHERE action ~ '^promote' AND sqlstate = '00000'
		AND NOT EXISTS (SELECT FROM anon_auth.events e WHERE e.user_id = sub AND e.type = 'user.anonymous.promoted')};

my $unexpected = q{SELECT DISTINCT action || ': ' || sqlstate FROM outcome WHERE sqlstate <> '00000' AND NOT CASE
	WHEN action = 'login' THEN sqlstate IN ('AA004', 'AA007', 'AA031')
	WHEN action = 'refresh' THEN sqlstate IN ('AA006', 'AA007')
	WHEN action = 'resume' THEN sqlstate IN ('AA006', 'AA007', 'AA008')
	WHEN action IN ('disable', 'enable', 'delete') THEN sqlstate = '42704'
	-- the guest is deleted, disabled or promoted, or the address is taken
	WHEN action = 'promote by token' THEN sqlstate IN ('AA006', 'AA007', 'AA008', 'AA009')
	WHEN action = 'promote by code' THEN sqlstate IN ('AA006', 'AA007', 'AA008', 'AA009', 'AA013')
	WHEN action = 'promote by key' THEN sqlstate IN ('AA004', 'AA007', 'AA008', 'AA009', 'AA031')
	ELSE false END};

my $loads = 0;

sub load
{
	my ($options, $name, %weights) = @_;

	$loads++;
	$node->pgbench(
		"-n -c 8 -j 2 $options",
		0,
		[ qr/number of transactions actually processed: (\d+)\/\1\b/, qr/number of failed transactions: 0 / ],
		[qr/^(?!.*ERROR)/s],
		$name,
		{ map { +"${loads}_$_\@$weights{$_}" => $load{$_} } keys %weights });
	is(query($invariants), '', 'all invariants of the tables hold after the load');
	note(query('SELECT action, sqlstate, count(*) FROM outcome GROUP BY 1, 2 ORDER BY 1, 2'));
	is(query($unexpected), '', 'the load got no unexpected refusal');
}

load('-t 25 -M prepared', 'no transaction of a mixed load fails', life => 2, guest => 3, hot => 8);
load('-t 40 -M prepared', 'no transaction of a mixed load that also promotes, disables and deletes guests fails', life => 1, hot => 10, hotter => 3);
cmp_ok(query(q{SELECT count(DISTINCT action) FROM outcome WHERE sqlstate = '00000'}), '>=', 8, 'the load had at least eight kinds of successful actions');
{
	local $ENV{PGOPTIONS} = '-c default_transaction_isolation=repeatable\ read';
	load('-t 25 -M prepared --max-tries=1000', 'no transaction of a mixed load under REPEATABLE READ fails after retries', life => 1, hot => 10, hotter => 3);
}
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|TRAP:/, 'no backend crashed');

$node->stop;

done_testing();
