
=pod

=head1 NAME

AnonAuth::PairWorld - the users that two operations work on, and the results in the database

=head1 SYNOPSIS

  use AnonAuth::PairWorld;

  my $worlds = AnonAuth::PairWorld->new($node, $database, \%devices);
  my $world = $worlds->begin(@operations);

  $world->statement($operation, 'A');
  $world->answer($operation, 'A', $connection->end);
  $world->describe;

=head1 DESCRIPTION

Creates the users of L<AnonAuth::PairModel> in a database, writes operations
as SQL, and translates answers and tables to the terms of the model.

=cut

package AnonAuth::PairWorld;

use strict;
use warnings;

use AnonAuth::Authenticator;
use AnonAuth::Connection;
use AnonAuth::Device qw(sql_literal);
use JSON::PP ();
use MIME::Base64 qw(decode_base64url encode_base64url);

# Reuse the signed requests of a device for this long. They are valid for five
# minutes.
use constant REQUEST_SECONDS => 120;

use constant PROVIDER => 'https://accounts.example';

# The id of the user that import_user() makes.
use constant IMPORTED => '01900000-0000-7000-8000-000000000001';

# The client of each session.
my %client_of = (s => 'app', r => 'rotating', z => 'strict', h => 'app', x => 'app', y => 'rotating');

# The user of each session.
my %user_of = (s => 'G', r => 'G', z => 'G', h => 'H', x => 'R', y => 'R', w => 'T', v => 'S');

my $schema = <<'SQL';
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native');
SELECT anon_auth.create_client('rotating', 'native', refresh_token_rotation_enabled => true);
SELECT anon_auth.create_client('strict', 'native', refresh_token_rotation_enabled => true, refresh_token_rotation_grace_seconds => 0);
UPDATE anon_auth.settings SET guest_sign_ups_per_minute_per_ip = NULL, password_attempts_per_minute_per_ip = NULL,
	password_attempts_per_minute_per_user = NULL, password_attempts_per_minute_per_user_per_ip = NULL,
	device_key_logins_per_minute = NULL, unknown_login_ids_per_minute = NULL, code_requests_per_minute_per_ip = NULL,
	login_id_conflicts_per_minute_per_ip = NULL, password_hash_memory_kib = 8192, password_hash_passes = 1, guest_retention = '30 days';
CREATE TABLE app_rows (user_id uuid REFERENCES anon_auth.users ON DELETE CASCADE);
CREATE INDEX ON app_rows (user_id);
CREATE TABLE password AS SELECT ''::text AS hash;

-- A session of a new guest, as the model calls it: user, id and tokens.
CREATE FUNCTION member(name text, answer anon_auth.token_response) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', name, answer.sub, anon_auth.verify_jwt(answer.access_token) ->> 'sid', answer.refresh_token, answer.access_token) || E'\n'
$$;

CREATE FUNCTION route(login_id text) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT encode(substr(sha256(login_id::bytea), 1, 16), 'hex')::uuid $$;

-- An account with the password of the operations and an address.
CREATE FUNCTION make_account(address text, is_proven boolean) RETURNS anon_auth.token_response LANGUAGE plpgsql AS $$
DECLARE
	account anon_auth.token_response := anon_auth.authenticate_anonymously('app');
BEGIN
	UPDATE anon_auth.users SET is_anonymous = false, has_password = true, is_verified = is_proven, login_id_routes = ARRAY[route('email:' || address)]
		WHERE id = account.sub;
	INSERT INTO anon_auth.login_ids (route, type, value, user_id, original_value, created_at, updated_at, verified_at)
		VALUES (route('email:' || address), 'email', address, account.sub, address, now(), now(), CASE WHEN is_proven THEN now() END);
	INSERT INTO anon_auth.passwords (user_id, password_hash, created_at, updated_at) SELECT account.sub, hash, now(), now() FROM password;
	RETURN account;
END
$$;

-- A code for an address, asked for with the refresh token of a guest, with the access token
-- of an account, or without.
CREATE FUNCTION make_code(address text, refresh_token text, access_token text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF access_token IS NOT NULL THEN
		PERFORM anon_auth.request_login_id_code('email', address, make_code.access_token);
	ELSE
		PERFORM anon_auth.request_login_code('app', address, refresh_token => make_code.refresh_token);
	END IF;
	RETURN (SELECT m.code FROM anon_auth.take_outbox_messages() m);
END
$$;

-- Gives an account the device key L and the passkey p, if they are among the parts.
CREATE FUNCTION give_credentials(account uuid, parts text[], credentials jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	key_route uuid := route(credentials #>> '{L,kid}');
	passkey_route uuid := route('p');
BEGIN
	IF 'L' = ANY (parts) THEN
		INSERT INTO anon_auth.device_keys (route, kid, thumbprint, user_id, alg, jwk, of_account, used_challenges, created_at, last_used_at)
			VALUES (key_route, credentials #>> '{L,kid}', anon_auth.jwk_thumbprint(credentials #> '{L,jwk}'), account, 'EdDSA', credentials #> '{L,jwk}', true, '', now(), now());
		UPDATE anon_auth.users SET device_key_routes = ARRAY[key_route] WHERE id = account;
	END IF;
	IF 'p' = ANY (parts) THEN
		INSERT INTO anon_auth.passkeys (route, credential_id, user_id, alg, jwk, sign_count, is_backup_eligible, is_backed_up, used_challenges, created_at, last_used_at)
			VALUES (passkey_route, 'p', account, 'EdDSA', credentials #> '{p,jwk}', 0, false, false, '', now(), now());
		UPDATE anon_auth.users SET passkey_routes = ARRAY[passkey_route] WHERE id = account;
	END IF;
END
$$;

CREATE FUNCTION begin_world(parts text[], kid text, jwk jsonb, request text, tag text, credentials jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	guest anon_auth.token_response := anon_auth.authenticate_anonymously('app');
	world text := member('s', guest);
	other anon_auth.token_response;
	account anon_auth.token_response;
	eve uuid := route('username:eve');
	identity uuid := encode(substr(sha256('https://accounts.example' || '\000i'::bytea), 1, 16), 'hex')::uuid;
	part text[];
	long_ago timestamptz := now() - interval '60 days';
BEGIN
	UPDATE anon_auth.users SET device_kid = kid WHERE id = guest.sub;
	INSERT INTO anon_auth.device_keys (route, kid, thumbprint, user_id, alg, jwk, used_challenges, created_at, last_used_at)
		VALUES (encode(substr(sha256(kid::bytea), 1, 16), 'hex')::uuid, kid, anon_auth.jwk_thumbprint(jwk), guest.sub, 'EdDSA', jwk, '', now(), now());
	IF 'r' = ANY (parts) THEN
		world := world || member('r', anon_auth.authenticate_anonymously('rotating', jwt => request));
	ELSIF 'z' = ANY (parts) THEN
		world := world || member('z', anon_auth.authenticate_anonymously('strict', jwt => request));
	END IF;
	IF 'h' = ANY (parts) THEN
		other := anon_auth.authenticate_anonymously('app');
		world := world || member('h', other);
	END IF;
	IF 'account' = ANY (parts) THEN
		account := anon_auth.authenticate_anonymously('app');
		world := world || member('x', account);
		UPDATE anon_auth.users SET is_anonymous = false, has_password = true, login_id_routes = ARRAY[eve] WHERE id = account.sub;
		INSERT INTO anon_auth.login_ids (route, type, value, user_id, original_value, created_at, updated_at)
			VALUES (eve, 'username', 'eve', account.sub, 'eve', now(), now());
		INSERT INTO anon_auth.passwords (user_id, password_hash, created_at, updated_at)
			SELECT account.sub, hash, now(), now() FROM password;
	END IF;
	IF 'y' = ANY (parts) THEN
		world := world || member('y', anon_auth.authenticate('rotating', 'eve', 'correct horse'));
	END IF;
	IF 'claimant' = ANY (parts) THEN
		world := world || member('w', make_account(format('claimed%s@example.com', tag), false));
	END IF;
	IF 'holder' = ANY (parts) THEN
		account := make_account(format('mail%s@example.com', tag), true);
		world := world || member('v', account);
		INSERT INTO anon_auth.user_identities (route, issuer, subject, user_id, claims, used_challenges, created_at, last_used_at)
			VALUES (identity, 'https://accounts.example', 'i', account.sub, '{}', '', now(), now());
		UPDATE anon_auth.users SET identity_routes = ARRAY[identity] WHERE id = account.sub;
		PERFORM give_credentials(account.sub, parts, credentials);
		UPDATE anon_auth.users SET delete_at = long_ago, purge_from = long_ago WHERE id = account.sub AND 'due' = ANY (parts);
	END IF;
	FOR part IN SELECT DISTINCT string_to_array(p, ':') FROM unnest(parts) p WHERE p LIKE 'code:%' LOOP
		world := world || format(E'code %s:%s %s\n', part[2], part[3], make_code(format('%s%s@example.com', part[2], tag),
			CASE part[3] WHEN 'G' THEN guest.refresh_token WHEN 'H' THEN other.refresh_token END, CASE part[3] WHEN 'S' THEN account.access_token END));
	END LOOP;
	IF 'idle' = ANY (parts) THEN
		UPDATE anon_auth.users SET last_seen_at = long_ago, purge_from = long_ago WHERE id = guest.sub;
		UPDATE anon_auth.sessions SET last_used_at = long_ago WHERE user_id = guest.sub;
	ELSE
		INSERT INTO app_rows VALUES (guest.sub);
	END IF;
	DELETE FROM anon_auth.events;
	RETURN world || 'signer ' || (SELECT string_agg(k.kid, ' ') FROM anon_auth.signing_keys k WHERE state = 'active');
END
$$;

CREATE VIEW broken AS
	SELECT 'a guest with a password or a login ID' AS what FROM anon_auth.users u WHERE is_anonymous
		AND (EXISTS (SELECT FROM anon_auth.passwords p WHERE p.user_id = u.id) OR EXISTS (SELECT FROM anon_auth.login_ids l WHERE l.user_id = u.id))
	UNION ALL SELECT 'a regular user whom nothing logs in' FROM anon_auth.users u WHERE NOT is_anonymous
		AND NOT EXISTS (SELECT FROM anon_auth.device_keys d WHERE d.user_id = u.id) AND NOT EXISTS (SELECT FROM anon_auth.passkeys p WHERE p.user_id = u.id)
		AND NOT EXISTS (SELECT FROM anon_auth.passwords p WHERE p.user_id = u.id) AND NOT EXISTS (SELECT FROM anon_auth.user_identities i WHERE i.user_id = u.id)
		AND NOT EXISTS (SELECT FROM anon_auth.login_ids l WHERE l.user_id = u.id AND l.verified_at IS NOT NULL)
	UNION ALL SELECT 'a user with a wrong is_verified' FROM anon_auth.users u
		WHERE is_verified <> EXISTS (SELECT FROM anon_auth.login_ids l WHERE l.user_id = u.id AND l.verified_at IS NOT NULL)
	UNION ALL SELECT 'an identity that its user does not know of' FROM anon_auth.user_identities i LEFT JOIN anon_auth.users u ON u.id = i.user_id
		WHERE u.id IS NULL OR NOT i.route = ANY (u.identity_routes)
	UNION ALL SELECT 'a user that knows of an identity of others' FROM anon_auth.users u WHERE cardinality(identity_routes)
		<> (SELECT count(*) FROM anon_auth.user_identities i WHERE i.user_id = u.id)
	UNION ALL SELECT 'a user with a wrong has_password' FROM anon_auth.users u
		WHERE has_password <> EXISTS (SELECT FROM anon_auth.passwords p WHERE p.user_id = u.id)
	UNION ALL SELECT 'a device key that its user does not name, or that is not there' FROM anon_auth.users u
		FULL JOIN (SELECT * FROM anon_auth.device_keys WHERE NOT of_account) d ON d.user_id = u.id AND d.kid = u.device_kid WHERE (u.device_kid IS NULL) <> (d.kid IS NULL)
	UNION ALL SELECT 'a device key or passkey that its account does not know of' FROM (
		SELECT user_id, route, true FROM anon_auth.device_keys WHERE of_account UNION ALL SELECT user_id, route, false FROM anon_auth.passkeys)
		AS c (user_id, route, is_key) LEFT JOIN anon_auth.users u ON u.id = c.user_id
		WHERE u.id IS NULL OR c.is_key AND u.is_anonymous OR NOT c.route = ANY (CASE WHEN c.is_key THEN u.device_key_routes ELSE u.passkey_routes END)
	UNION ALL SELECT 'a user that knows of device keys or passkeys of others' FROM anon_auth.users u
		WHERE cardinality(device_key_routes) <> (SELECT count(*) FROM anon_auth.device_keys d WHERE d.user_id = u.id AND of_account)
			OR cardinality(passkey_routes) <> (SELECT count(*) FROM anon_auth.passkeys p WHERE p.user_id = u.id)
	UNION ALL SELECT 'a session of a device key that its account has not' FROM anon_auth.sessions s JOIN anon_auth.users u ON u.id = s.user_id
		WHERE NOT u.is_anonymous AND s.device_kid IS NOT NULL AND NOT EXISTS (SELECT FROM anon_auth.device_keys d WHERE d.user_id = s.user_id AND d.kid = s.device_kid)
	UNION ALL SELECT 'a session of a disabled user' FROM anon_auth.users u JOIN anon_auth.sessions s ON s.user_id = u.id WHERE is_disabled
	UNION ALL SELECT 'a row of no user in ' || what FROM (
		SELECT 'sessions', user_id FROM anon_auth.sessions UNION ALL SELECT 'device_keys', user_id FROM anon_auth.device_keys
		UNION ALL SELECT 'removed_device_keys', user_id FROM anon_auth.removed_device_keys WHERE num_nonnulls(user_id, alg, jwk) > 0
		UNION ALL SELECT 'login_ids', user_id FROM anon_auth.login_ids UNION ALL SELECT 'passwords', user_id FROM anon_auth.passwords
		UNION ALL SELECT 'merged_guests', user_id FROM anon_auth.merged_guests
		UNION ALL SELECT 'authorization_codes', user_id FROM anon_auth.authorization_codes UNION ALL SELECT 'app_rows', user_id FROM app_rows)
		AS o (what, user_id) WHERE NOT EXISTS (SELECT FROM anon_auth.users u WHERE u.id = o.user_id)
	UNION ALL SELECT 'a login ID of two users' FROM anon_auth.login_ids GROUP BY type, value HAVING count(*) > 1
	UNION ALL SELECT 'a login ID that its user does not know of' FROM anon_auth.login_ids l LEFT JOIN anon_auth.users u ON u.id = l.user_id
		WHERE u.id IS NULL OR NOT l.route = ANY (u.login_id_routes)
	UNION ALL SELECT 'a user that knows of a login ID of others' FROM anon_auth.users u WHERE cardinality(login_id_routes)
		<> (SELECT count(*) FROM anon_auth.login_ids l WHERE l.user_id = u.id);

-- Tables for DDL beside an operation, each with a row of the guest.
CREATE FUNCTION begin_tables(guest uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	DROP TABLE IF EXISTS ddl_plain, ddl_keyed, ddl_parts, ddl_parts_1, ddl_parts_2, ddl_new;
	CREATE TABLE ddl_plain (user_id uuid);
	CREATE TABLE ddl_keyed (user_id uuid CONSTRAINT ddl_key REFERENCES anon_auth.users ON DELETE CASCADE);
	CREATE TABLE ddl_parts (n integer, user_id uuid REFERENCES anon_auth.users ON DELETE CASCADE) PARTITION BY LIST (n);
	CREATE TABLE ddl_parts_1 PARTITION OF ddl_parts FOR VALUES IN (1);
	CREATE TABLE ddl_parts_2 (n integer, user_id uuid);
	INSERT INTO ddl_plain VALUES (guest);
	INSERT INTO ddl_keyed VALUES (guest);
	INSERT INTO ddl_parts VALUES (1, guest);
	INSERT INTO ddl_parts_2 VALUES (2, guest);
END
$$;

-- Returns rows without a user under a validated foreign key, and missing rows
-- although the guest was not deleted.
CREATE FUNCTION table_problems() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	key record;
	n bigint;
BEGIN
	IF to_regclass('ddl_plain') IS NULL THEN
		RETURN;
	END IF;
	FOR key IN SELECT c.conrelid::regclass AS table_name, a.attname AS column_name FROM pg_constraint c
		JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
		WHERE c.contype = 'f' AND c.confrelid = 'anon_auth.users'::regclass AND c.convalidated AND c.conrelid::regclass::text LIKE 'ddl_%' LOOP
		EXECUTE format('SELECT count(*) FROM %s t WHERE t.%I IS NOT NULL AND NOT EXISTS (SELECT FROM anon_auth.users u WHERE u.id = t.%2$I)', key.table_name, key.column_name) INTO n;
		IF n > 0 THEN
			RETURN NEXT format('%s rows of no user in %s', n, key.table_name);
		END IF;
	END LOOP;
	SELECT sum(t.n) INTO n FROM (SELECT count(*) AS n FROM ddl_plain UNION ALL SELECT count(*) FROM ddl_keyed
		UNION ALL SELECT count(*) FROM ddl_parts_1 UNION ALL SELECT count(*) FROM ddl_parts_2) t;
	IF n <> 4 AND NOT EXISTS (SELECT FROM anon_auth.events WHERE type = 'user.deleted' AND NOT payload ? 'merged_into') THEN
		RETURN NEXT format('%s rows of 4 are left', n);
	END IF;
END
$$;

-- Returns the contents of the tables, and their contradictions as "broken".
CREATE FUNCTION look() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT concat_ws(' ', 'user', id, CASE WHEN is_anonymous THEN 'guest' ELSE 'account' END, CASE WHEN is_disabled THEN 'disabled' END,
		CASE WHEN NOT is_anonymous AND NOT has_password THEN 'passwordless' END, CASE WHEN delete_at IS NOT NULL THEN 'leaving' END,
		CASE WHEN standard_attributes ? 'name' THEN 'named' END, CASE WHEN 'editor' = ANY (roles) THEN 'editor' END)
		FROM anon_auth.users
	UNION ALL SELECT concat_ws(' ', 'key', user_id, kid) FROM anon_auth.device_keys
	UNION ALL SELECT concat_ws(' ', 'passkey', user_id, encode(credential_id, 'escape')) FROM anon_auth.passkeys
	UNION ALL SELECT concat_ws(' ', 'removed', user_id, kid) FROM anon_auth.removed_device_keys WHERE user_id IS NOT NULL
	UNION ALL SELECT concat_ws(' ', 'merged', user_id, guest_id) FROM anon_auth.merged_guests
	UNION ALL SELECT concat_ws(' ', 'login', user_id, substring(value FROM '^[a-z]+'), CASE WHEN verified_at IS NOT NULL THEN 'verified' END) FROM anon_auth.login_ids
	UNION ALL SELECT concat_ws(' ', 'identity', user_id, subject) FROM anon_auth.user_identities
	UNION ALL SELECT concat_ws(' ', 'code', substring(recipient FROM '^[a-z]+'), asker) FROM anon_auth.address_codes
	UNION ALL SELECT concat_ws(' ', 'session', user_id, id, generation) FROM anon_auth.sessions
	UNION ALL SELECT concat_ws(' ', 'rows', user_id) FROM app_rows
	UNION ALL SELECT concat_ws(' ', 'signer', kid) FROM anon_auth.signing_keys WHERE state = 'active'
	UNION ALL SELECT concat_ws(' ', 'event', user_id, type) FROM anon_auth.events
	UNION ALL SELECT 'broken ' || what FROM broken
	UNION ALL SELECT 'broken ' || what FROM table_problems() AS what
$$;

-- Uses both tokens of an answer. Returns the failures as text, '' if both work.
CREATE FUNCTION try_tokens(client text, sub uuid, access text, refresh text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	problem text := '';
	answer anon_auth.token_response;
BEGIN
	IF anon_auth.verify_jwt(access) ->> 'sub' IS DISTINCT FROM sub::text THEN
		problem := 'verify_jwt ';
	END IF;
	BEGIN
		IF anon_auth.userinfo(access) ->> 'sub' IS DISTINCT FROM sub::text THEN
			problem := problem || 'userinfo ';
		END IF;
	EXCEPTION WHEN SQLSTATE 'AA014' THEN
		problem := problem || 'userinfo AA014 ';
	END;
	BEGIN
		answer := anon_auth.refresh_session(client, refresh);
		IF answer.sub IS DISTINCT FROM sub THEN
			problem := problem || 'refresh ';
		END IF;
	EXCEPTION WHEN SQLSTATE 'AA006' THEN
		problem := problem || 'refresh AA006 ';
	END;
	RETURN problem;
END
$$;

CREATE FUNCTION clean() RETURNS void LANGUAGE sql SET session_replication_role = replica AS $$
	DELETE FROM anon_auth.users;
	DELETE FROM anon_auth.device_keys;
	DELETE FROM anon_auth.login_ids;
	DELETE FROM anon_auth.passwords;
	DELETE FROM anon_auth.sessions;
	DELETE FROM anon_auth.authorization_codes;
	DELETE FROM anon_auth.one_time_codes;
	DELETE FROM anon_auth.address_codes;
	DELETE FROM anon_auth.user_identities;
	DELETE FROM anon_auth.removed_identities;
	DELETE FROM anon_auth.passkeys;
	DELETE FROM anon_auth.outbox;
	DELETE FROM app_rows;
	DELETE FROM anon_auth.removed_device_keys;
	DELETE FROM anon_auth.merged_guests;
	DELETE FROM anon_auth.events;
$$;
SQL

=pod

=over

=item AnonAuth::PairWorld->prepare($node, $database, $policy, $purge_policy)

Creates the database, with the given settings promotion_conflict and
purge_policy.

=cut

sub prepare
{
	my ($class, $node, $database, $policy, $purge_policy) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, $schema);
	$node->safe_psql(
		$database,
		sprintf q{
			UPDATE anon_auth.settings SET promotion_conflict = %s, purge_policy = %s;
			SELECT FROM (SELECT refresh_token AS t FROM anon_auth.authenticate_anonymously('app') OFFSET 0) g,
				anon_auth.promote_anonymous_user('app', username => 'eve', password => 'correct horse', refresh_token => g.t);
			UPDATE password SET hash = password_hash FROM anon_auth.passwords;
			SELECT clean()}, map { sql_literal($_) } $policy, $purge_policy);
	return;
}

=pod

=item AnonAuth::PairWorld->new($connection, $keys)

Creates the users of one worker. Takes a connection to a prepared database,
and the device keys K, N, L and M, and the keys of the passkeys p and q and of the
provider of ID tokens.

=cut

sub new
{
	my ($class, $connection, $keys) = @_;
	my $jwks = JSON::PP->new->encode({ keys => [ $keys->{provider}->jwk ] });

	$connection->query(sprintf 'SELECT anon_auth.create_identity_provider(%s)', join ', ', map { sql_literal($_) } PROVIDER, '{app.example}', $jwks, '{EdDSA}');
	return bless {
		connection => $connection,
		keys => $keys,
		kid => { map { $keys->{$_}->kid => $_ } keys %$keys },
		jwk => JSON::PP->new->encode($keys->{K}->jwk),
		authenticators => { map { $_ => AnonAuth::Authenticator->new(alg => 'EdDSA', id => $_, key => $keys->{$_}) } qw(p q) },
		made => 0,
		signed_at => 0 }, $class;
}

# Each test starts without identities, so it can use the same ID tokens again.
sub _id_token
{
	my ($self, $name) = @_;

	$self->_forget_old_requests;
	return $self->{requests}{"id_token $name"} //= $self->{keys}{provider}->sign(
		{ alg => 'EdDSA', kid => $self->{keys}{provider}->kid },
		{
			iss => PROVIDER, aud => 'app.example', sub => substr($name, 0, 1),
			nonce => $self->{connection}->query(q{SELECT token FROM anon_auth.create_challenge('id_token')}),
			iat => time, exp => time + 3600
		});
}

sub _forget_old_requests
{
	my ($self) = @_;

	return if time - $self->{signed_at} <= REQUEST_SECONDS;
	$self->{requests} = {};
	$self->{signed_at} = time;
	return;
}

# Each test starts without device keys, so it can use the same requests again.
sub _request
{
	my ($self, $key, $action, $jwk, $session) = @_;
	my $kind = $action =~ /^(?:setup|authenticate)$/ ? 'biometric' : 'anonymous';

	$self->_forget_old_requests;
	return $self->{requests}{"$key $action $jwk $session"} //= $self->{keys}{$key}->request(
		challenge => $self->{connection}->query("SELECT token FROM anon_auth.create_challenge('${kind}_request')"),
		action => $action,
		with_jwk => $jwk,
		header => { typ => "vnd.authgear.$kind-request" },
		payload => { exp => time + 4 * 60 });
}

=pod

=item $worlds->begin(@operations)

Deletes all users and creates new ones.

=cut

sub begin
{
	my ($self, @operations) = @_;
	my $connection = $self->{connection};
	my $key = $self->{keys}{K};
	my @parts = map { @{ $_->{needs} } } @operations;

	# Each world has its own addresses, since the requests for an address are limited.
	$self->{tag}++;
	# Dead rows would make the tests slower and slower.
	$connection->query('SET session_replication_role = replica; TRUNCATE anon_auth.users CASCADE; RESET session_replication_role;
		TRUNCATE anon_auth.events') if $self->{made}++ % 100 == 0;
	my $made = $connection->query(
		sprintf 'SELECT clean() \g /dev/null
			SELECT begin_world(%s, %s, %s, %s, %s, %s)',
		map { sql_literal($_) } '{' . join(',', @parts) . '}',
		$key->kid, $self->{jwk}, $self->_request('K', 'auth', 0, 'setup'), $self->{tag},
		JSON::PP->new->encode({ L => { kid => $self->{keys}{L}->kid, jwk => $self->{keys}{L}->jwk }, p => { jwk => $self->{authenticators}{p}{key}->jwk } }));
	$self->{user} = { '00000000-0000-0000-0000-000000000000' => 'nobody' };
	$self->{$_} = {} for qw(signer token access session code);
	for my $line (split /\n/, $made)
	{
		my ($name, $user, $id, $token, $access) = split / /, $line;

		if ($name eq 'signer')
		{
			$self->{signer}{$user} = 'old';
			next;
		}
		if ($name eq 'code')
		{
			$self->{code}{ $user =~ tr/:/ /r =~ s/ $//r } = $id;
			next;
		}
		$self->{token}{$name} = $token;
		$self->{access}{$name} = $access;
		$self->{session}{$id} = $name;
		$self->{user}{$user} = $user_of{$name};
	}
	$self->{user}{ +IMPORTED } = 'I';
	$self->{id} = { reverse %{ $self->{user} } };
	$connection->query("SELECT begin_tables('$self->{id}{G}')") if grep { $_->{ddl} } @operations;
	$self->{answers} = [];
	return;
}

=pod

=item $worlds->statement($operation, $session)

Returns the operation as SQL.

=cut

sub statement
{
	my ($self, $operation, $session) = @_;
	my $name = $operation->{name};

	return $operation->{ddl} =~ s/\bGUEST\b/'$self->{id}{G}'/r if $operation->{ddl};
	return $self->_statement_with_credential($operation, $session) if $operation->{credential};
	my $client = sql_literal($operation->{client});
	my $token = sql_literal($operation->{session} && $self->{token}{ $operation->{session} });
	my $user = sql_literal($operation->{user} && $self->{id}{ $operation->{user} });
	my $login = sql_literal($operation->{login});
	my $request = sql_literal($operation->{key}
		&& $self->_request($operation->{key}, $name =~ /^(?:promote|claim)_with_key$/ ? 'promote' : 'auth', $operation->{jwk} // 0, $session));
	my $answer = 'SELECT sub, access_token, refresh_token FROM anon_auth.';

	return "SELECT CASE WHEN count(*) > 0 THEN 'moved' ELSE 'nothing' END FROM anon_auth.claim_anonymous_user($client, access_token => "
	  . sql_literal($self->{access}{x}) . ', ' . ($operation->{key} ? "jwt => $request)" : "refresh_token => $token)")
	  if $name =~ /^claim/;
	return $self->_statement_of_user($operation) if ($operation->{session} // '') eq 'v' && !$operation->{id_token} && $name ne 'remove_identity' || $name =~ /^(?:delete_self|import_user|create_user|purge_due)$/;
	return $self->_statement_with_proof($operation) if $operation->{code} || $operation->{id_token} || $operation->{makes};
	return "SELECT anon_auth.remove_identity('" . PROVIDER . "', access_token => " . sql_literal($self->{access}{v}) . ')'
	  if $name eq 'remove_identity';
	$login = sql_literal($self->_address($operation->{login})) if $operation->{login} && $operation->{login} =~ /^(?:claimed|mail)$/;
	return $answer . "authenticate_anonymously($client, jwt => $request)" if $name =~ /^sign_up|with_key$/ && $name !~ /^promote/;
	return $answer . "authenticate($client, $login, 'correct horse')" if $name =~ /^log_in/;
	return $answer . "refresh_session($client, $token)" if $name =~ /^refresh/;
	return $answer . "promote_anonymous_user($client, username => $login, password => 'correct horse', "
	  . ($operation->{key} ? "jwt => $request)" : "refresh_token => $token)")
	  if $name =~ /^(?:promote|merge)/;
	return "SELECT 'done', anon_auth.revoke_sessions($user) IS NULL" if $name =~ /^revoke_all/;
	return "SELECT 'done', anon_auth.revoke($token)" if $name =~ /^revoke/;
	return "SELECT 'done', anon_auth.set_roles($user, '{editor}')" if $name eq 'set_roles';
	return "SELECT 'done', anon_auth.set_password($user, 'battery staple')" if $name =~ /^set_password/;
	return "SELECT 'done', anon_auth.$1_user($user)" if $name =~ /^(disable|delete)/;
	return q{SELECT 'purged ' || guests FROM anon_auth.purge()} if $name eq 'purge';
	return q{SELECT 'done', anon_auth.rotate_signing_key()} if $name eq 'rotate_key';
	die "no statement for $name";
}

sub _address { my ($self, $name) = @_; return "$name$self->{tag}\@example.com"; }

# What users do with their own account, a purge of such accounts, and an import.
sub _statement_of_user
{
	my ($self, $operation) = @_;
	my $name = $operation->{name};
	my $token = $operation->{session} && sql_literal($self->{access}{ $operation->{session} });
	my $address = $operation->{login} && sql_literal($self->_address($operation->{login}));
	my %statements = (
		change_password => sub { return "SELECT anon_auth.change_password('battery staple', 'correct horse', $token)"; },
		add_username => sub { return "SELECT anon_auth.add_login_id('username', 'ada', NULL, $token)"; },
		add_address => sub { return "SELECT anon_auth.add_login_id('email', $address, " . sql_literal($self->{code}{ $operation->{code} }) . ", $token)"; },
		remove_address => sub { return "SELECT anon_auth.remove_login_id('email', $address, $token)"; },
		end_own_session => sub { return "SELECT anon_auth.end_session((anon_auth.verify_jwt($token) ->> 'sid')::uuid, $token)"; },
		end_others => sub { return "SELECT anon_auth.end_other_sessions($token)"; },
		update_profile => sub { return qq{SELECT 'done', anon_auth.update_profile('{"name": "S"}', $token) IS NULL}; },
		export => sub { return "SELECT 'done', anon_auth.export_account($token) IS NULL"; },
		schedule_deletion => sub { return "SELECT 'done', anon_auth.delete_account($token) IS NULL"; },
		delete_self => sub { return "SELECT 'done', anon_auth.delete_account($token) IS NULL"; },
		cancel_deletion => sub { return "SELECT anon_auth.cancel_account_deletion($token)"; },
		purge_due => sub { return q{SELECT 'purged ' || accounts FROM anon_auth.purge()}; },
		create_user => sub { return "SELECT 'done', anon_auth.create_user(username => 'ada', password => 'correct horse')"; },
		import_user => sub { return "SELECT 'done', anon_auth.import_user(" . sql_literal(IMPORTED) . ", username => 'ada', password_hash => (SELECT hash FROM password))"; });

	return $statements{$name}->();
}

# An operation with a device key or a passkey of S. A response for a passkey is for a
# challenge that works once, also if the transaction is rolled back.
sub _statement_with_credential
{
	my ($self, $operation, $session) = @_;
	my $name = $operation->{name};
	my $credential = $operation->{credential};
	my $key = $self->{keys}{$credential};
	my $authenticator = $self->{authenticators}{$credential};
	my $token = sql_literal($self->{access}{v});
	my $json = JSON::PP->new->utf8;
	my $options = sub { return $json->decode($self->{connection}->query("SELECT anon_auth.$_[0]")); };
	my $answer = 'SELECT sub, access_token, refresh_token FROM anon_auth.';
	my %statements = (
		add_device_key => sub { return "SELECT 'done', anon_auth.add_device_key(" . sql_literal($self->_request($credential, 'setup', 1, $session)) . ", access_token => $token) IS NULL"; },
		log_in_device_key => sub { return $answer . "authenticate_with_device_key('app', " . sql_literal($self->_request($credential, 'authenticate', 0, $session)) . ')'; },
		remove_device_key => sub { return 'SELECT anon_auth.remove_device_key(' . sql_literal($key->kid) . ", access_token => $token)"; },
		add_passkey => sub { return "SELECT 'done', anon_auth.add_passkey(" . sql_literal($json->encode($authenticator->create($options->("passkey_creation_options($token)")))) . ", access_token => $token) IS NULL"; },
		log_in_passkey => sub {
			my $response = $authenticator->get($options->("passkey_request_options('app')"), user_handle => pack('H*', $self->{id}{S} =~ s/-//gr));

			return $answer . "authenticate_with_passkey('app', " . sql_literal($json->encode($response)) . ')';
		},
		remove_passkey => sub { return 'SELECT anon_auth.remove_passkey(' . sql_literal(encode_base64url($credential)) . ", access_token => $token)"; });

	return $statements{$name}->();
}

# An operation with a code or an ID token, or sign_up().
sub _statement_with_proof
{
	my ($self, $operation) = @_;
	my $name = $operation->{name};
	my $address = $operation->{login} && $self->_address($operation->{login});
	my $code = $operation->{code} && $self->{code}{ $operation->{code} };
	my $id_token = $operation->{id_token} && $self->_id_token($operation->{id_token});
	my %arguments = (email => $address, code => $code, id_token => $id_token);

	return 'SELECT anon_auth.add_identity(' . sql_literal($id_token) . ', access_token => ' . sql_literal($self->{access}{v}) . ')' if $name eq 'add_identity';
	if ($operation->{makes}) { $arguments{password} = 'correct horse' if !$code && !$id_token; }
	elsif ($operation->{session}) { $arguments{refresh_token} = $self->{token}{ $operation->{session} }; }
	elsif ($code) { $arguments{login_id} = delete $arguments{email}; }
	my $function = $operation->{makes} ? 'sign_up' : $operation->{session} ? 'promote_anonymous_user' : $code ? 'authenticate_with_code' : 'authenticate_with_id_token';

	return "SELECT sub, access_token, refresh_token FROM anon_auth.$function('app', "
	  . join(', ', map { defined $arguments{$_} ? "$_ => " . sql_literal($arguments{$_}) : () } sort keys %arguments) . ')';
}

=pod

=item $worlds->answer($operation, $session, [$output, $errors])

Returns the result of the operation in the terms of the model.

=cut

sub answer
{
	my ($self, $operation, $session, $end) = @_;
	my ($output, $errors) = @$end;

	return $1 if $errors =~ /ERROR:  (\w{5}):/;
	return "says: $errors" if $errors ne '';
	return 'nothing' if $output eq '';
	if ($output =~ /^done\|?(.*)$/)
	{
		$self->{signer}{$1} = $session if $operation->{name} eq 'rotate_key';
		$self->{user}{$1} = 'C' if $operation->{name} eq 'create_user';
		return 'done';
	}
	my ($sub, $access, $refresh) = split /\|/, $output;

	return $output if !defined $refresh;
	return 'nothing' if $sub eq '';
	my ($sid) = decode_base64url((split /\./, $access)[1]) =~ /"sid":"([^"]*)"/ or die 'there is no sid';

	# A new user has the name of its key, or of sign_up()'s proof.
	$self->{user}{$sub} //= $operation->{key} // $operation->{makes};
	$self->{session}{$sid} //= $session;
	push @{ $self->{answers} },
	  { session => $session, client => $operation->{client}, sub => $sub, sid => $sid, access => $access, refresh => $refresh };
	return "$self->{user}{$sub} $self->{session}{$sid}";
}

=pod

=item $worlds->forget($session)

Forgets an answer: the client of a transaction that could not commit did not
receive it.

=cut

sub forget
{
	my ($self, $session) = @_;

	$self->{answers} = [ grep { $_->{session} ne $session } @{ $self->{answers} } ];
	return;
}

=pod

=item $worlds->describe

Returns the tables in the format in which the model describes its state, and a
list of violated invariants.

=cut

sub describe
{
	my ($self) = @_;
	my (%lines, %owned, @lines, @broken);

	for my $line (split /\n/, $self->{connection}->query('SELECT look()'))
	{
		my ($kind, $rest) = split / /, $line, 2;

		push @{ $lines{$kind} }, $rest;
	}
	my $name = sub { return $self->{user}{ $_[0] } // "unknown $_[0]"; };
	$self->{alive} = {};
	for (@{ $lines{key} })
	{
		my ($user, $kid) = split / /;
		push @{ $owned{$user} }, 'key ' . ($self->{kid}{$kid} // $kid);
	}
	for (@{ $lines{passkey} })
	{
		my ($user, $id) = split / /;
		push @{ $owned{$user} }, "passkey $id";
	}
	for (@{ $lines{removed} })
	{
		my ($user, $kid) = split / /;
		push @{ $owned{$user} }, 'removed ' . ($self->{kid}{$kid} // $kid);
	}
	for (@{ $lines{merged} })
	{
		my ($user, $guest) = split / /;
		push @{ $owned{$user} }, 'merged ' . $name->($guest);
	}
	for (@{ $lines{login} })
	{
		my ($user, $value) = split / /, $_, 2;
		push @{ $owned{$user} }, "login $value";
	}
	for (@{ $lines{identity} })
	{
		my ($user, $subject) = split / /;
		push @{ $owned{$user} }, "identity $subject";
	}
	for (@{ $lines{session} })
	{
		my ($user, $id, $generation) = split / /;
		push @{ $owned{$user} }, 'session ' . ($self->{session}{$id} // "unknown $id") . ($generation ? "+$generation" : '');
		$self->{alive}{$id} = 1;
	}
	for (@{ $lines{user} })
	{
		my ($id, @is) = split / /;
		push @lines, join ' ', $name->($id), @is, sort @{ $owned{$id} // [] };
	}
	return (
		join("\n",
			sort(@lines),
			(sort map { my ($address, $asker) = split / /; join ' ', 'code', $address, $asker ? $name->($asker) : () } @{ $lines{code} }),
			join(' ', 'rows', map { $name->($_) } @{ $lines{rows} }),
			join(' ', 'signer', map { $self->{signer}{$_} // $_ } @{ $lines{signer} }),
			sort map { my ($user, $type) = split / /; "event $type " . $name->($user) } @{ $lines{event} }),
		@{ $lines{broken} // [] });
}

=pod

=item $worlds->wrong_tokens

Call it after describe(). Returns the errors about the tokens that the clients
have: tokens of existing sessions must work, and others must not.

=back

=cut

sub wrong_tokens
{
	my ($self) = @_;
	my @answers = @{ $self->{answers} };
	my @wrong;

	return if !@answers;
	my @tried = split /\n/, $self->{connection}->query(
		join ' UNION ALL ',
		map { sprintf q{SELECT 'tried ' || try_tokens(%s, %s, %s, %s)}, map { sql_literal($_) } @$_{qw(client sub access refresh)} } @answers);
	for my $answer (@answers)
	{
		my $expected = $self->{alive}{ $answer->{sid} } ? 'tried ' : 'tried userinfo AA014 refresh AA006 ';
		my $tried = shift @tried;

		push @wrong, "the tokens of $answer->{session}: $tried" if $tried ne $expected;
	}
	# Two refreshes of one token return the same successor.
	push @wrong, 'two successors of one refresh token'
	  if @answers == 2 && $answers[0]{sid} eq $answers[1]{sid} && $answers[0]{refresh} ne $answers[1]{refresh};
	return @wrong;
}

1;
