# Test recovery after crashes under load.
#
# Clients sign up, log in, refresh, promote, claim guests, prove addresses with codes,
# use ID tokens, device keys and passkeys, change their accounts, copy and delete them while the server is killed again and again. After each recovery, every answer that a client
# received must still hold, and no operation may be half done.
#
# ANON_AUTH_CRASH_ROUNDS is the number of crashes. The default is 30.
#
# Duration: 80 s

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;

use AnonAuth::Authenticator;
use AnonAuth::Device qw(challenge sql_literal);
use AnonAuth::Invariants qw(damage invariants tokens_refused tries);
use IPC::Run;
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant CLIENTS => 4;
use constant REQUESTS => 3;    # requests of a device key, for each client and round

my $rounds = $ENV{ANON_AUTH_CRASH_ROUNDS} // 30;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(extra => [ '--no-locale', '--encoding=UTF8', '--data-checksums' ]);
# When a backend is killed, all others end, and the server restarts.
$node->append_conf('postgresql.conf', "restart_after_crash = on\nautovacuum = off");
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native', refresh_token_rotation_enabled => true);
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
UPDATE anon_auth.clients SET refresh_token_rotation_grace_seconds = 3600;
UPDATE anon_auth.settings SET guest_sign_ups_per_minute_per_ip = NULL, device_key_logins_per_minute = NULL, code_requests_per_minute_per_ip = NULL,
	password_attempts_per_minute_per_ip = NULL, password_attempts_per_minute_per_user = NULL, password_attempts_per_minute_per_user_per_ip = NULL;

-- The provider of ID tokens has a key of this database.
CREATE TABLE provider_key AS SELECT anon_auth.create_signing_key('EdDSA') AS kid;
SELECT anon_auth.create_identity_provider('https://accounts.example', '{app.example}', anon_auth.jwks(), '{EdDSA}');
SELECT anon_auth.create_signing_key();
CREATE FUNCTION make_id_token(subject text) RETURNS text LANGUAGE sql AS $$
	SELECT anon_auth.sign_jwt(jsonb_build_object('iss', 'https://accounts.example', 'aud', 'app.example', 'sub', subject, 'nonce', c.token,
		'iat', extract(epoch FROM now())::bigint, 'exp', extract(epoch FROM now())::bigint + 3600), k.kid)
	FROM provider_key k, anon_auth.create_challenge('id_token') c
$$;

-- The response of an authenticator for the passkey of a user: in place of another challenge, or
-- for another user. What a new passkey has signed covers neither.
CREATE FUNCTION with_challenge(response jsonb, options jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_set(response, '{response,clientDataJSON}', to_jsonb(rtrim(translate(encode(convert_to(
		jsonb_build_object('type', 'webauthn.create', 'challenge', options -> 'challenge', 'origin', 'http://localhost', 'crossOrigin', false)::text, 'UTF8'), 'base64'), E'+/\n', '-_'), '=')))
$$;
CREATE FUNCTION with_user(response jsonb, user_id uuid) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_set(response, '{response,userHandle}', to_jsonb(rtrim(translate(encode(uuid_send(user_id), 'base64'), '+/', '-_'), '=')))
$$;

-- A client takes the messages of all clients from the outbox.
CREATE TABLE inbox (recipient text, code text);
CREATE PROCEDURE wait_for_code(address text) LANGUAGE plpgsql AS $$
BEGIN
	LOOP
		INSERT INTO inbox SELECT m.recipient, m.code FROM anon_auth.take_outbox_messages() m;
		COMMIT;
		EXIT WHEN EXISTS (SELECT FROM inbox WHERE recipient = address);
	END LOOP;
END
$$;
-- What has changed in the accounts whose users change them, by their rows and by their events.
CREATE VIEW own_account AS SELECT u.id, u.delete_at IS NOT NULL AS is_scheduled, u.standard_attributes ? 'name' AS has_name,
	EXISTS (SELECT FROM anon_auth.login_ids l WHERE l.user_id = u.id AND l.type = 'email' AND l.verified_at IS NOT NULL) AS has_address,
	EXISTS (SELECT FROM anon_auth.login_ids l WHERE l.user_id = u.id AND l.type = 'username') AS has_username,
	e.* FROM anon_auth.users u, LATERAL (SELECT count(*) FILTER (WHERE type = 'login_id.added') AS added, count(*) FILTER (WHERE type = 'login_id.removed') AS removed,
		count(*) FILTER (WHERE type = 'profile.updated') AS renamed, count(*) FILTER (WHERE type = 'password.changed') AS new_passwords,
		count(*) FILTER (WHERE type = 'user.deletion_scheduled') AS scheduled, count(*) FILTER (WHERE type = 'user.deletion_unscheduled') AS unscheduled
		FROM anon_auth.events e WHERE e.user_id = u.id) e
	WHERE EXISTS (SELECT FROM anon_auth.login_ids l WHERE l.user_id = u.id AND l.value ~ '^o[0-9a-f]{32}');
-- What accounts with keys have.
CREATE VIEW keyed_account AS SELECT u.id, EXISTS (SELECT FROM anon_auth.device_keys d WHERE d.user_id = u.id) AS has_key, EXISTS (SELECT FROM anon_auth.passkeys p WHERE p.user_id = u.id) AS has_passkey,
	roles = '{editor}' AS has_role, EXISTS (SELECT FROM anon_auth.events e WHERE e.user_id = u.id AND e.type = 'user.roles_set') AS got_role,
	EXISTS (SELECT FROM anon_auth.events e WHERE e.user_id = u.id AND e.type = 'device_key.removed') AS lost_key, EXISTS (SELECT FROM anon_auth.events e WHERE e.user_id = u.id AND e.type = 'passkey.removed') AS lost_passkey
	FROM anon_auth.users u WHERE EXISTS (SELECT FROM anon_auth.login_ids l WHERE l.user_id = u.id AND l.value ~ '^d[0-9a-f]{32}');
CREATE TABLE notes (user_id uuid REFERENCES anon_auth.users ON DELETE CASCADE, writer uuid);
CREATE INDEX ON notes (user_id);
CREATE INDEX ON notes (writer);
SQL

sub query { return $node->safe_psql('postgres', $_[0]); }

# ---------------------------------------------------------------------------
# The clients, and the answers they received
# ---------------------------------------------------------------------------

# One guest's life. The client prints a line only after it has the answer. The
# name identifies the guest's rows.
my $life = <<'SQL';
SELECT sub, refresh_token AS token FROM anon_auth.authenticate_anonymously('app') \gset
\echo guest :sub :token
SELECT refresh_token AS token FROM anon_auth.refresh_session('app', :'token') \gset
\echo guest :sub :token
SELECT promotion_code AS code FROM anon_auth.create_promotion_code(:'token') \gset
\echo promoting :sub :code
SELECT refresh_token AS token, access_token AS access FROM anon_auth.promote_anonymous_user('app', username => 'u' || replace(:'sub', '-', ''), password => 'correct horse', promotion_code => :'code') \gset
\echo account :sub :token
SELECT refresh_token AS token FROM anon_auth.refresh_session('app', :'token') \gset
\echo account :sub :token
SELECT sub AS guest, refresh_token AS guest_token FROM anon_auth.authenticate_anonymously('app') \gset
INSERT INTO notes VALUES (:'guest', :'guest');
\echo claiming :guest :guest_token|:access|:sub
SELECT count(*) AS tables FROM anon_auth.claim_anonymous_user('app', access_token => :'access', refresh_token => :'guest_token') \gset
\echo claimed :guest :sub
SQL

# Accounts that are made by codes and ID tokens: sign-ups, the login of the owner of an
# address that somebody has claimed, and a promotion. A line "proof" is printed before a
# code or ID token is used, and "proven" afterwards.
my $proofs = <<'SQL';
SELECT 'p' || replace(gen_random_uuid()::text, '-', '') || '@example.com' AS address \gset
SELECT anon_auth.request_login_code('app', :'address') \g /dev/null
CALL wait_for_code(:'address');
SELECT code FROM inbox WHERE recipient = :'address' \gset
\echo proof code :address|:code
SELECT sub, refresh_token AS token, access_token AS access FROM anon_auth.sign_up('app', email => :'address', code => :'code') \gset
\echo proven code :address|:code
\echo prover :sub :token
SELECT make_id_token(:'sub') AS id_token, make_id_token(:'sub') AS id_token_2, make_id_token('j' || :'sub') AS id_token_3 \gset
\echo proof token :id_token
SELECT anon_auth.add_identity(:'id_token', access_token => :'access') AS added \gset
\echo proven token :id_token
\echo proof token :id_token_2
SELECT sub, refresh_token AS token FROM anon_auth.authenticate_with_id_token('app', :'id_token_2') \gset
\echo proven token :id_token_2
\echo prover :sub :token
\echo proof token :id_token_3
SELECT sub, refresh_token AS token FROM anon_auth.sign_up('app', id_token => :'id_token_3') \gset
\echo proven token :id_token_3
\echo prover :sub :token
SELECT 'q' || replace(gen_random_uuid()::text, '-', '') || '@example.com' AS address \gset
SELECT sub, refresh_token AS token FROM anon_auth.sign_up('app', email => :'address', password => 'correct horse') \gset
\echo reclaiming :sub :token
SELECT anon_auth.request_login_code('app', :'address') \g /dev/null
CALL wait_for_code(:'address');
SELECT code FROM inbox WHERE recipient = :'address' \gset
\echo proof code :address|:code
SELECT sub, refresh_token AS token FROM anon_auth.authenticate_with_code('app', :'address', :'code') \gset
\echo proven code :address|:code
\echo prover :sub :token
SELECT 'r' || replace(gen_random_uuid()::text, '-', '') || '@example.com' AS address \gset
SELECT sub, refresh_token AS token FROM anon_auth.authenticate_anonymously('app') \gset
\echo guest :sub :token
SELECT anon_auth.request_login_code('app', :'address', refresh_token => :'token') \g /dev/null
CALL wait_for_code(:'address');
SELECT code FROM inbox WHERE recipient = :'address' \gset
\echo proving :sub :token
SELECT sub, refresh_token AS token FROM anon_auth.promote_anonymous_user('app', email => :'address', code => :'code', refresh_token => :'token') \gset
\echo prover :sub :token
SQL

# What users do with their own account, and an import. A line "owner" is printed with the
# token that must be valid then. "changing" comes before a change that has the result named by
# "changed", with the account's name, its old and its new password, and what changes.
my $own = <<'SQL';
SELECT 'o' || replace(gen_random_uuid()::text, '-', '') AS name \gset
SELECT sub, refresh_token AS token, access_token AS access FROM anon_auth.sign_up('app', username => :'name', password => 'correct horse') \gset
\echo owner :sub :token
SELECT anon_auth.request_login_id_code('email', :'name' || '@example.com', :'access') \g /dev/null
CALL wait_for_code(:'name' || '@example.com');
SELECT code FROM inbox WHERE recipient = :'name' || '@example.com' \gset
\echo changing :sub address
SELECT anon_auth.add_login_id('email', :'name' || '@example.com', :'code', :'access') AS done \gset
\echo changed :sub address
\echo changing :sub profile
SELECT anon_auth.update_profile(jsonb_build_object('name', :'name'), :'access') IS NOT NULL AS done \gset
\echo changed :sub profile
SELECT access_token AS other FROM anon_auth.authenticate('app', :'name', 'correct horse') \gset
\echo changing :sub password
SELECT anon_auth.change_password('battery staple', 'correct horse', :'access') AS done \gset
\echo changed :sub password
SELECT access_token AS other FROM anon_auth.authenticate('app', :'name', 'battery staple') \gset
SELECT anon_auth.verify_jwt(:'other') ->> 'sid' AS other_session \gset
\echo ending :sub :other_session
SELECT anon_auth.end_session(:'other_session', :'access') AS done \gset
\echo ended :sub :other_session
SELECT access_token AS other FROM anon_auth.authenticate('app', :'name', 'battery staple') \gset
SELECT anon_auth.verify_jwt(:'other') ->> 'sid' AS other_session \gset
\echo ending :sub :other_session
SELECT anon_auth.end_other_sessions(:'access') AS done \gset
\echo ended :sub :other_session
\echo changing :sub username
SELECT anon_auth.remove_login_id('username', :'name', :'access') AS done \gset
\echo changed :sub username
\echo changing :sub schedule
SELECT anon_auth.delete_account(:'access') IS NOT NULL AS done \gset
\echo changed :sub schedule
\echo changing :sub cancellation
SELECT anon_auth.cancel_account_deletion(:'access') AS done \gset
\echo changed :sub cancellation
SELECT sub AS leaver, access_token AS access FROM anon_auth.authenticate_anonymously('app') \gset
\echo leaving :leaver
SELECT anon_auth.delete_account(:'access') IS NOT NULL AS done \gset
\echo left :leaver
SELECT gen_random_uuid() AS imported \gset
\echo importing :imported
SELECT anon_auth.import_user(:'imported', username => 'i' || replace(:'imported', '-', ''), email => :'imported' || '@example.com', verified => true,
	password_hash => '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW') \g /dev/null
\echo imported :imported
SQL

# An account that gets a device key and a passkey, uses and removes them: with the requests and
# responses that its device has made before. Lines "keyed", "changing" and "changed" are as
# "owner" and so on above; "using" comes before a login, and "used" after it. An administrator
# gives the account a role, and makes another one.
my $keyed = <<'SQL';
SELECT 'd' || replace(gen_random_uuid()::text, '-', '') AS name \gset
SELECT sub, refresh_token AS token, access_token AS access FROM anon_auth.sign_up('app', username => :'name', password => 'correct horse') \gset
\echo keyed :sub :token
\echo changing :sub key_added
SELECT anon_auth.add_device_key(:'setup', access_token => :'access') AS kid \gset
\echo changed :sub key_added
\echo changing :sub passkey_added
SELECT anon_auth.add_passkey(with_challenge(:'registration', anon_auth.passkey_creation_options(:'access')), access_token => :'access') AS credential \gset
\echo changed :sub passkey_added
\echo using key :login
SELECT anon_auth.verify_jwt(access_token) ->> 'sid' AS of_key FROM anon_auth.authenticate_with_device_key('app', :'login') \gset
\echo used key :login
SELECT with_user(:'assertion', :'sub') AS response \gset
\echo using passkey :response
SELECT access_token AS of_passkey FROM anon_auth.authenticate_with_passkey('app', :'response') \gset
\echo used passkey :response
SELECT anon_auth.export_account(:'access') IS NOT NULL AS done \gset
\echo changing :sub role
SELECT anon_auth.set_roles(:'sub', '{editor}') AS done \gset
\echo changed :sub role
SELECT 'm' || replace(:'sub', '-', '') AS made \gset
\echo making :made
SELECT anon_auth.create_user(username => :'made', password => 'correct horse') AS made_id \gset
\echo made :made
\echo changing :sub key_removed
SELECT anon_auth.remove_device_key(:'kid', :'access') AS done \gset
\echo changed :sub key_removed
\echo ended :sub :of_key
\echo changing :sub passkey_removed
SELECT anon_auth.remove_passkey(:'credential', :'access') AS done \gset
\echo changed :sub passkey_removed
SQL

my $json = JSON::PP->new->canonical->utf8;

# The variables of that script for a new device. It has signed its response for a passkey without
# the user, who is not part of what is signed.
sub new_keyed_script
{
	my $device = AnonAuth::Device->new(alg => 'EdDSA');
	my $passkey = AnonAuth::Authenticator->new(alg => 'EdDSA', key => $device, id => $device->kid);
	my ($first, $second, $options) = split /\n/, query("SELECT token FROM generate_series(1, 2) i, LATERAL anon_auth.create_challenge(left('biometric_request', 17 + 0 * i));
		SELECT anon_auth.passkey_request_options('app')");
	my %request = (header => { typ => 'vnd.authgear.biometric-request' }, payload => { exp => time + 300 });
	my %values = (
		setup => $device->request(challenge => $first, action => 'setup', with_jwk => 1, %request),
		login => $device->request(challenge => $second, action => 'authenticate', %request),
		registration => $json->encode($passkey->create({ rp => { id => 'localhost' }, user => { id => '' }, challenge => '' })),
		assertion => $json->encode($passkey->get($json->decode($options))));

	return join '', (map { "\\set $_ " . sql_literal($values{$_}) . "\n" } sort keys %values), $keyed;
}

# The second of the two accounts is deleted, the first is kept.
my $lives = $life . $proofs . $own . $life . <<'SQL';
\echo deleting :sub :token
SELECT anon_auth.delete_user(:'sub');
\echo deleted :sub gone
SQL

sub script
{
	my (@requests) = @_;
	my $script = "\\set ON_ERROR_STOP 1\n";

	for my $request (@requests)
	{
		$script .= "\\echo asked $request\n"
		  . "SELECT sub, refresh_token AS token FROM anon_auth.authenticate_anonymously('app', jwt => '$request') \\gset\n"
		  . "\\echo answered $request\n\\echo guest :sub :token\n" . new_keyed_script() . $lives;
	}
	return $script . $lives x 300;
}

sub start_client
{
	my ($name, $script) = @_;
	my %client = (out => '', err => '');
	my $file = $node->basedir . "/$name.sql";

	unlink $file;
	append_to_file($file, $script);
	$client{run} = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', $file ],
		'>', \$client{out}, '2>', \$client{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return \%client;
}

# ---------------------------------------------------------------------------
# Ways to crash the server
# ---------------------------------------------------------------------------

sub killed
{
	kill 'KILL', $_[0];
	return;
}

# The processes of a killed postmaster may live for a moment and prevent a
# restart.
sub start_again
{
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

	until ($node->start(fail_ok => 1))
	{
		die 'the server does not start' if time > $deadline;
		$node->stop('fast', fail_ok => 1);
	}
	return;
}

my %ways = (
	'SIGKILL of the postmaster' => sub { $node->kill9; start_again(); },
	'an immediate shutdown' => sub { $node->stop('immediate'); start_again(); },
	'SIGKILL of a backend' => sub {
		my $started = query('SELECT pg_postmaster_start_time()');
		my $crash = 'all server processes terminated; reinitializing';
		my $before = () = slurp_file($node->logfile) =~ /$crash/g;
		my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;

		killed(query(
			q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'
				AND pid <> pg_backend_pid() AND query ~ 'anon_auth' ORDER BY state = 'active' DESC, random() LIMIT 1}));
		until ((() = slurp_file($node->logfile) =~ /$crash/g) > $before)
		{
			die 'the server has not noticed' if time > $deadline;
		}
		$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
		die 'the postmaster has ended' if query('SELECT pg_postmaster_start_time()') ne $started;
	});

# ---------------------------------------------------------------------------
# Invariants
# ---------------------------------------------------------------------------

my %broken = (
	invariants(),
	'has more sessions than logins' => q{
		SELECT count(*) FROM anon_auth.users u
		WHERE has_password AND 1 <> (SELECT count(*) FROM anon_auth.sessions s WHERE s.user_id = u.id)
			AND NOT EXISTS (SELECT FROM anon_auth.login_ids l WHERE l.user_id = u.id AND (l.value ~ '^[imod][0-9a-f]{32}'))},
	'is a change of an account without its event, or the reverse' => q{
		SELECT count(*) FROM own_account WHERE has_address <> (added > 0) OR has_name <> (renamed > 0) OR has_username = (removed > 0)
			OR is_scheduled <> (scheduled > unscheduled)},
	'is a session that a change of the password should have ended' => q{
		SELECT count(*) FROM anon_auth.sessions s JOIN anon_auth.events e USING (user_id)
		WHERE e.type = 'password.changed' AND s.created_at < e.created_at AND s.id <> (SELECT min(o.id::text)::uuid FROM anon_auth.sessions o WHERE o.user_id = s.user_id)},
	'is a role without its event, or the reverse' => q{SELECT count(*) FROM keyed_account WHERE has_role <> got_role},
	'is half of an imported user' => q{
		SELECT count(*) FROM anon_auth.events e LEFT JOIN anon_auth.users u ON u.id = e.user_id WHERE e.type = 'user.imported'
			AND (u.id IS NULL OR NOT u.has_password OR NOT u.is_verified OR 2 <> (SELECT count(*) FROM anon_auth.login_ids l WHERE l.user_id = u.id))});

# Codes and ID tokens that clients have used, by whether they got an answer:
# { code => { address|code => 1 }, token => ... }.
sub proofs_told
{
	my (@lines) = @_;
	my %proofs = (code => {}, token => {});

	/^(proof|proven) (code|token) (.*)/ and $proofs{$2}{$3} = $1 eq 'proven' for @lines;
	return \%proofs;
}

# The last answer that a client received about each user, by sub: its state, its
# token, and its promotion code. If a promotion or deletion was in progress, it
# may or may not have been committed.
sub last_told
{
	my (@lines) = @_;
	my %told;

	for (@lines)
	{
		my ($what, $sub, $secret) = split / /;

		next if $what =~ /^(asked|answered|proof|proven|chang\w+|using|used|making|made|end\w+|leaving|left|import\w+)$/;
		if ($what eq 'promoting') { $told{$sub}{code} = $secret; }
		elsif ($what eq 'deleting') { $told{$sub}{what} = $what; }
		else { $told{$sub} = { what => $what, token => $secret, code => $told{$sub}{code} }; }
	}
	return %told;
}

my @devices = map { AnonAuth::Device->new(alg => 'ES256') } 1 .. CLIENTS;
my %total;

for my $round (1 .. $rounds)
{
	my $way = (sort keys %ways)[ $round % 3 ];
	my @clients = map {
		my $device = $_;
		start_client($device->kid, script(map { $device->request(challenge => challenge($node), with_jwk => 1, payload => { exp => time + 300 }) } 1 .. REQUESTS))
	} @devices;
	my $key = query('SELECT anon_auth.sign_jwt(\'{"round": 1}\')');
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	my $answers = 8 + int rand 60;

	# All clients have work to do, so the kill can hit any part of it.
	until (!grep { (() = $_->{out} =~ /^account/mg) < $answers / 4 } @clients)
	{
		$_->{run}->pump_nb for @clients;
		die "the clients do not get on: $_->{err}" for grep { $_->{err} ne '' } @clients;
		die 'the clients do not get on' if time > $deadline;
	}
	# The provider's key stays in use.
	query(q{
		BEGIN;
		SELECT anon_auth.rotate_signing_key();
		UPDATE anon_auth.signing_keys s SET state = 'active', retiring_since = NULL, verify_until = NULL FROM provider_key p WHERE s.kid = p.kid;
		COMMIT}) if $round % 5 == 0;
	query('SELECT anon_auth.rotate_master_key(), anon_auth.reseal_signing_keys()') if $round % 10 == 0;
	$ways{$way}->();
	$_->{run}->finish for @clients;

	my @lines = grep { $_ ne '' } map { split /\n/ } map { $_->{out} } @clients;
	my %told = last_told(@lines);
	my %users = map { my $what = $_; $what => [ grep { $told{$_}{what} eq $what } sort keys %told ] } qw(guest account claiming claimed deleting deleted prover reclaiming proving owner keyed);
	my @undecided = grep { defined $told{$_}{code} } @{ $users{guest} };
	my @guests = grep { !defined $told{$_}{code} } @{ $users{guest} };
	my $name = "round $round, $way";

	$total{$_} += @{ $users{$_} } for keys %users;
	$total{lines} += @lines;
	is(tokens_refused($node, 'app', map { [ $_, $told{$_}{token} ] } @guests, @{ $users{account} }, @{ $users{prover} }, @{ $users{owner} }, @{ $users{keyed} }), '', "$name: the tokens that clients received are valid");

	# Each request without an answer is completely done, or not at all.
	my $list = join ', ', map { "'$_'" } @undecided;
	my %accounts = map { $_ => 1 } @undecided ? split /\n/, query("SELECT id FROM anon_auth.users WHERE NOT is_anonymous AND id IN ($list)") : ();
	is(tokens_refused($node, 'app', map { [ $_, $told{$_}{token} ] } grep { !$accounts{$_} } @undecided), '', 'tokens of guests whose promotion did not commit are valid');
	$total{'promoted unheard'} += keys %accounts;
	is(tries($node, "SELECT sub FROM anon_auth.authenticate('app', %s, 'correct horse')", map { 'u' . s/-//gr } keys %accounts)->{done},
		scalar keys %accounts, 'users whose promotion committed without an answer can log in with their password');
	is(query('SELECT count(*) FROM anon_auth.users WHERE id IN (' . join(', ', map { "'$_'" } @{ $users{deleted} }, '00000000-0000-0000-0000-000000000000') . ')'),
		0, 'no deleted user exists again');

	my $leaving = join ', ', map { "'$_'" } @{ $users{deleting} }, '00000000-0000-0000-0000-000000000000';
	my @stayed = split /\n/, query("SELECT id FROM anon_auth.users WHERE id IN ($leaving)");
	$total{'deleted unheard'} += @{ $users{deleting} } - @stayed;
	is(tokens_refused($node, 'app', map { [ $_, $told{$_}{token} ] } @stayed), '', 'users whose deletion had no answer exist completely, or not at all');

	# A claim is completely done, or can be repeated.
	my $claimed = join ', ', '(NULL::uuid, NULL::uuid)', map { "('$_', '$told{$_}{token}')" } @{ $users{claimed} };
	is(query("SELECT count(*) FROM (VALUES $claimed) c (guest, account) WHERE EXISTS (SELECT FROM anon_auth.users u WHERE u.id = guest)"), 0, 'no claimed guest exists again');
	is(query("SELECT count(*) FROM (VALUES $claimed) c (guest, account) JOIN anon_auth.users u ON u.id = account
		WHERE NOT EXISTS (SELECT FROM notes WHERE user_id = account AND writer = guest) OR NOT EXISTS (SELECT FROM anon_auth.merged_guests m WHERE m.user_id = account AND m.guest_id = guest)"),
		0, 'the rows of claimed guests belong to their accounts');
	my @claims = map { $told{$_}{token} } @{ $users{claiming} };
	my $claiming = join ', ', map { "'$_'" } @{ $users{claiming} }, '00000000-0000-0000-0000-000000000000';
	$total{'claimed unheard'} += query("SELECT count(*) FROM anon_auth.merged_guests WHERE guest_id IN ($claiming)");
	is(tries($node, q{SELECT 'done' FROM (SELECT string_to_array(%s, '|') AS t OFFSET 0) s,
		LATERAL (SELECT count(*) FROM anon_auth.claim_anonymous_user('app', access_token => t[2], refresh_token => t[1])) c}, @claims)->{done},
		scalar @claims, 'a claim without an answer can be repeated');
	is(query("SELECT count(*) FROM anon_auth.merged_guests m JOIN notes n ON n.user_id = m.user_id AND n.writer = m.guest_id WHERE m.guest_id IN ($claiming)"),
		scalar @claims, 'afterwards, it is done once');

	# A change of an account that had an answer is there; one without is there or not, which
	# the invariants below check.
	my %state_of = (address => 'has_address', profile => 'has_name', password => 'new_passwords = 1', username => 'NOT has_username',
		schedule => 'scheduled = 1', cancellation => 'NOT is_scheduled');
	my %changed = map { /^changed (\S+) (\S+)/ ? ("$1 $2" => 1) : () } @lines;
	for my $change (sort keys %state_of)
	{
		my @subs = map { / $change$/ ? (split / /)[0] : () } sort keys %changed;
		my $these = join ', ', map { "'$_'" } @subs, '00000000-0000-0000-0000-000000000000';

		$total{"changed $change"} += @subs;
		is(query("SELECT count(*) FROM own_account WHERE $state_of{$change} AND id IN ($these)"), scalar @subs, "no change with an answer is lost: $change");
	}
	my %state_of_keyed = (key_added => 'has_key OR lost_key', passkey_added => 'has_passkey OR lost_passkey', key_removed => 'NOT has_key', passkey_removed => 'NOT has_passkey', role => 'has_role');
	for my $change (sort keys %state_of_keyed)
	{
		my @subs = map { / $change$/ ? (split / /)[0] : () } sort keys %changed;
		my $these = join ', ', map { "'$_'" } @subs, '00000000-0000-0000-0000-000000000000';

		$total{"changed $change"} += @subs;
		is(query("SELECT count(*) FROM keyed_account WHERE ($state_of_keyed{$change}) AND id IN ($these)"), scalar @subs, "no change with an answer is lost: $change");
	}
	$total{'changing'} += (grep { /^changing/ } @lines) - keys %changed;
	my @owners = map { "'$_'" } @{ $users{owner} }, '00000000-0000-0000-0000-000000000000';
	my $owners = join ', ', @owners;
	is(tries($node, q{SELECT 'done' FROM (SELECT string_to_array(%s, '|') AS t OFFSET 0) s, LATERAL anon_auth.authenticate('app', t[1], t[2]) r},
			split /\n/, query("SELECT l.value || '|' || CASE WHEN a.new_passwords = 1 THEN 'battery staple' ELSE 'correct horse' END
				FROM own_account a JOIN anon_auth.login_ids l ON l.user_id = a.id WHERE a.id IN ($owners) AND l.value ~ '^o[0-9a-f]{32}' AND (l.type = 'username') = a.has_username"))->{done},
		scalar @{ $users{owner} }, 'the password of each account is the old one or, with its event, the new one');
	my $ended = join ', ', map { /^ended \S+ (\S+)/ ? "'$1'" : () } @lines, 'ended x 00000000-0000-0000-0000-000000000000';
	is(query("SELECT count(*) FROM anon_auth.sessions WHERE id IN ($ended)"), 0, 'no session that was ended is alive');
	my ($left_ones, $leaving_ones) = map { my $what = $_; join ', ', map { /^$what (\S+)/ ? "'$1'" : () } @lines, "$what 00000000-0000-0000-0000-000000000000" } qw(left leaving);
	is(query("SELECT count(*) FROM anon_auth.users WHERE id IN ($left_ones)"), 0, 'no guest that has deleted itself exists again');
	is(query("SELECT count(*) FROM anon_auth.events e WHERE e.user_id IN ($leaving_ones) AND e.type = 'user.deleted' AND EXISTS (SELECT FROM anon_auth.users u WHERE u.id = e.user_id)
			OR e.user_id IN ($leaving_ones) AND e.type = 'user.created' AND NOT EXISTS (SELECT FROM anon_auth.users u WHERE u.id = e.user_id)
				AND NOT EXISTS (SELECT FROM anon_auth.events d WHERE d.user_id = e.user_id AND d.type = 'user.deleted')"), 0, 'a guest is deleted with its event, or not at all');
	my @imported = map { /^imported (\S+)/ ? $1 : () } @lines;
	$total{imported} += @imported;
	is(tries($node, q{SELECT sub FROM anon_auth.authenticate('app', %s, 'U*U')}, map { "$_\@example.com" } @imported)->{done}, scalar @imported, 'imported users log in');

	my @made = map { /^made (\S+)/ ? $1 : () } @lines;
	is(tries($node, q{SELECT sub FROM anon_auth.authenticate('app', %s, 'correct horse')}, @made)->{done}, scalar @made, 'accounts that an administrator made log in');

	# Nothing can be used twice.
	my @used = map { $told{$_}{code} } grep { defined $told{$_}{code} } @{ $users{account} }, keys %accounts;
	my $tried = tries($node, "SELECT sub FROM anon_auth.promote_anonymous_user('app', username => 'again', password => 'correct horse', promotion_code => %s)", @used);
	is($tried->{done}, 0, 'no used promotion code is accepted again');
	my %answered = map { /^answered (.*)/ ? ($1 => 1) : () } @lines;
	my @open = grep { !$answered{$_} } map { /^asked (.*)/ ? $1 : () } @lines;
	is_deeply(tries($node, "SELECT sub FROM anon_auth.authenticate_anonymously('app', jwt => %s)", keys %answered), { done => 0, AA005 => scalar keys %answered }, 'no used device request is accepted again');
	tries($node, "SELECT sub FROM anon_auth.authenticate_anonymously('app', jwt => %s)", @open);
	is_deeply(tries($node, "SELECT sub FROM anon_auth.authenticate_anonymously('app', jwt => %s)", @open), { done => 0, @open ? (AA005 => scalar @open) : () }, 'a device request without an answer is accepted at most once');

	# A request of a device key and a response for a passkey work once at most, with or without
	# an answer, also while the key is there.
	for my $kind ([ key => q{SELECT sub FROM anon_auth.authenticate_with_device_key('app', %s)} ], [ passkey => q{SELECT sub FROM anon_auth.authenticate_with_passkey('app', %s)} ])
	{
		my ($credential, $statement) = @$kind;
		my %used = map { /^used $credential (.*)/ ? ($1 => 1) : () } @lines;
		my @unheard = grep { !$used{$_} } map { /^using $credential (.*)/ ? $1 : () } @lines;

		$total{"used $credential"} += keys %used;
		is(tries($node, $statement, sort keys %used)->{done}, 0, "no login with a $credential that was answered is accepted again");
		tries($node, $statement, @unheard);
		is(tries($node, $statement, @unheard)->{done}, 0, "a login with a $credential without an answer is accepted at most once");
	}

	# A proof that was answered never works again. One without an answer works once at
	# most, and not at all if its request has committed.
	my $nobody = '00000000-0000-0000-0000-000000000000';
	my $reclaiming = join ', ', map { "'$_'" } @{ $users{reclaiming} }, $nobody;
	my $proving = join ', ', map { "'$_'" } @{ $users{proving} }, $nobody;
	is(query("SELECT count(*) FROM anon_auth.users WHERE id IN ($reclaiming) AND has_password = is_verified"), 0, 'an account is reclaimed completely or not at all');
	is(query("SELECT count(*) FROM anon_auth.users WHERE id IN ($proving) AND is_anonymous = is_verified"), 0, 'a promotion with a code is complete, or did not happen');
	my %still = map { $_ => 1 } split /\n/, query("SELECT id FROM anon_auth.users WHERE id IN ($reclaiming) AND has_password OR id IN ($proving) AND is_anonymous");
	is(tokens_refused($node, 'app', map { [ $_, $told{$_}{token} ] } sort keys %still), '', 'tokens of users who have not proven their address yet are valid');
	my $proofs = proofs_told(@lines);
	my %try = (
		code => q{SELECT 'done' FROM (SELECT string_to_array(%s, '|') AS t OFFSET 0) s, LATERAL anon_auth.authenticate_with_code('app', t[1], t[2]) r},
		token => q{SELECT sub FROM anon_auth.authenticate_with_id_token('app', %s)});
	my %sign_up = (
		code => q{SELECT 'done' FROM (SELECT string_to_array(%s, '|') AS t OFFSET 0) s, LATERAL anon_auth.sign_up('app', email => t[1], code => t[2]) r},
		token => q{SELECT sub FROM anon_auth.sign_up('app', id_token => %s)});
	for my $kind (qw(code token))
	{
		my @proven = grep { $proofs->{$kind}{$_} } sort keys %{ $proofs->{$kind} };
		my @unheard = grep { !$proofs->{$kind}{$_} } sort keys %{ $proofs->{$kind} };
		my $used = $kind eq 'code' ? 'split_part(a, $$|$$, 1) IN (SELECT original_value FROM anon_auth.login_ids WHERE verified_at IS NOT NULL)' : 'false';
		my $committed = @unheard ? query("SELECT count(*) FROM unnest(ARRAY[" . join(', ', map { "'$_'" } @unheard) . "]) a WHERE $used") : 0;

		$total{"$kind proven"} += @proven;
		$total{"$kind unheard"} += @unheard;
		is_deeply([ map { tries($node, $_->{$kind}, @proven) } \%try, \%sign_up ], [ { done => 0 }, { done => 0 } ], "no $kind that was answered is accepted again");
		my @done = map { tries($node, $_->{$kind}, @unheard)->{done} } \%try, \%sign_up, \%sign_up, \%try;
		cmp_ok($done[0] + $done[1] + $done[2] + $done[3], '<=', @unheard - $committed, "a $kind without an answer is accepted at most once, and not if its request committed");
	}

	# The logins above created further sessions.
	query("DELETE FROM anon_auth.sessions s USING anon_auth.sessions n WHERE s.user_id = n.user_id AND s.created_at < n.created_at AND s.user_id IN ($list)") if keys %accounts;
	is(query($broken{$_}), 0, "after the recovery, nothing $_") for sort keys %broken;
	is(query("SELECT anon_auth.verify_jwt('$key') ->> 'round'"), 1, 'keys that signed before the crash still verify');
	is(query(q{SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"round": 2}')) ->> 'round'}), 2,
		'keys that signed before the crash still sign');
	my @errors = grep { !/^(connection to server was lost|server closed|This probably|before or while|WARNING:|DETAIL:|HINT:|psql:|\s*The connection|SSL|FATAL:  (the database system|terminating)|could not receive)/ } map { split /\n/ } map { $_->{err} =~ s/^\t//mgr } @clients;
	is_deeply(\@errors, [], 'clients saw no errors except that the server was gone');
}

diag(join ', ', map { "$_: $total{$_}" } sort keys %total);
cmp_ok($total{$_}, '>', $rounds, "the rounds completed enough operations: $_") for qw(guest account claimed deleted prover owner imported), 'code proven', 'token proven', 'changed cancellation', 'changed passkey_removed', 'used key', 'used passkey';

is_deeply([ damage($node) ], [], 'indexes match their tables, and no page is damaged');

$node->stop;
done_testing();
