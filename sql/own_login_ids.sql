--
-- request_login_id_code(), add_login_id(), remove_login_id(): the login IDs of an account,
-- and whose they are.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/}') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, phone_country_code_allowlist = '{852}';
RESET client_min_messages;

CREATE FUNCTION guest() RETURNS text LANGUAGE sql AS $$ SELECT refresh_token FROM anon_auth.authenticate_anonymously('web') $$;
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	detail text;
BEGIN
	EXECUTE statement INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', sqlstate, coalesce(nullif(detail, ''), sqlerrm));
END $$;
CREATE TABLE account (name text PRIMARY KEY, sub uuid, token text, refresh_token text);
CREATE PROCEDURE sign_up(who text, email text DEFAULT NULL, username text DEFAULT NULL) LANGUAGE sql AS $$
	INSERT INTO account SELECT who, p.sub, p.access_token, p.refresh_token
	FROM anon_auth.promote_anonymous_user('web', email => email, username => username, password => 'correct horse', refresh_token => guest()) p $$;
CREATE FUNCTION token(who text) RETURNS text LANGUAGE sql AS $$ SELECT token FROM account WHERE name = who $$;
-- ask for a code, and take it from the outbox in another transaction
CREATE FUNCTION request(who text, type text, value text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.reset_counters();
	RETURN try(format('SELECT CASE WHEN anon_auth.request_login_id_code(%L, %L, %L) > now() THEN %L END', type, value, token(who), 'sent'));
END $$;
CREATE FUNCTION taken() RETURNS text LANGUAGE sql AS $$ SELECT code FROM anon_auth.take_outbox_messages() WHERE code IS NOT NULL ORDER BY created_at DESC LIMIT 1 $$;
CREATE FUNCTION add(who text, type text, value text, code text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT try(format('SELECT anon_auth.add_login_id(%L, %L, %L, %L)', type, value, code, token(who))) $$;
CREATE FUNCTION remove(who text, type text, value text) RETURNS text LANGUAGE sql AS $$
	SELECT try(format('SELECT anon_auth.remove_login_id(%L, %L, %L)', type, value, token(who))) $$;
CREATE FUNCTION wrong(code text) RETURNS text LANGUAGE sql AS $$ SELECT lpad(((code::int + 1) % 1000000)::text, 6, '0') $$;
CREATE FUNCTION login_ids() RETURNS TABLE (name text, type text, value text, original_value text, verified boolean) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT a.name, l.type, l.value, l.original_value, l.verified_at IS NOT NULL
	FROM anon_auth.login_ids l LEFT JOIN account a ON a.sub = l.user_id ORDER BY a.name, l.created_at;
END $$;
CREATE FUNCTION claims() RETURNS TABLE (name text, is_verified boolean, standard_attributes jsonb, routes int) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT a.name, u.is_verified, u.standard_attributes::jsonb, cardinality(u.login_id_routes)
	FROM anon_auth.users u JOIN account a ON a.sub = u.id ORDER BY a.name;
END $$;
CREATE FUNCTION messages() RETURNS TABLE (type text, login_id_type text, recipient text, has_code boolean, client_id text, about text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY SELECT m.type, m.login_id_type, m.recipient, m.code IS NOT NULL, m.client_id, a.name
	FROM anon_auth.take_outbox_messages() m LEFT JOIN account a ON a.sub = m.user_id ORDER BY m.type, m.recipient COLLATE "C";
END $$;

CALL sign_up('ada', email => 'ada@own.example');
CALL sign_up('bob', username => 'bob');
INSERT INTO account SELECT 'guest', sub, access_token FROM anon_auth.authenticate_anonymously('web');

-- ---- what is refused ----
SELECT try(format('SELECT anon_auth.request_login_id_code(%L, %L, %L)', 'email', 'x@own.example', token('guest'))) AS request, add('guest', 'username', 'xavier') AS add, remove('guest', 'username', 'xavier') AS remove;
SELECT try($$SELECT anon_auth.add_login_id('username', 'nobody')$$) AS nobody,
	try($$SELECT anon_auth.remove_login_id('username', 'nobody', 'x.y.z')$$) AS no_token,
	try($$SELECT anon_auth.request_login_id_code('email', 'x@own.example')$$) AS nobody;
SELECT try(format('SELECT anon_auth.request_login_id_code(%L, %L, %L)', 'username', 'xavier', token('ada'))) AS username,
	try(format('SELECT anon_auth.request_login_id_code(%L, %L, %L)', 'fax', '1', token('ada'))) AS unknown_type,
	add('ada', 'username', 'xavier', '123456') AS username_with_code;
SELECT try(format('SELECT anon_auth.request_login_id_code(%L, %L, %L)', 'email', 'own.example', token('ada'))) AS bad_address,
	try(format('SELECT anon_auth.request_login_id_code(%L, %L, %L)', 'phone_number', '+4915112345678', token('ada'))) AS country,
	add('ada', 'email', 'own.example') AS bad_address, add('ada', 'username', 'admin') AS reserved, add('ada', 'username', NULL) AS missing;
UPDATE anon_auth.settings SET login_id_types = '{email,phone_number}';
SELECT add('ada', 'username', 'adalovelace') AS type_not_allowed;
UPDATE anon_auth.settings SET login_id_types = DEFAULT;

-- ---- an address that is proven ----
SELECT request('ada', 'email', 'Ada@New.example');
SELECT * FROM messages();
SELECT request('ada', 'email', 'Ada@New.example'); SELECT taken() AS code \gset
SELECT add('ada', 'email', 'ada@new.example', wrong(:'code')) AS wrong_code;
SELECT type, payload FROM anon_auth.events WHERE type = 'authentication.failed';
-- only its asker can use it, and only for the address
SELECT add('bob', 'email', 'ada@new.example', :'code') AS another_account, add('ada', 'email', 'eve@new.example', :'code') AS another_address;
SELECT count(*) AS log_in FROM anon_auth.authenticate_with_code('web', 'ada@new.example', :'code');
SELECT count(*) AS sign_up FROM anon_auth.sign_up('web', email => 'ada@new.example', code => :'code');
SELECT add('ada', 'email', 'ada@new.example', :'code') AS added;
-- repeated after a lost response: the code is used up, and nothing is counted or written
SELECT add('ada', 'email', 'Ada@new.example', :'code') AS repeated, (SELECT count(*) FROM anon_auth.events WHERE type = 'authentication.failed' AND user_id = (SELECT sub FROM account WHERE name = 'ada')) AS failures;
SELECT add('bob', 'email', 'ada@new.example', :'code') AS another_account, add('bob', 'email', 'ada@new.example') AS without_code;
SELECT * FROM login_ids();
-- the attribute stays until its login ID is removed; the claim names a verified address if there is one
SELECT * FROM claims();
SELECT u ->> 'email' AS email, u ->> 'email_verified' AS email_verified, u ->> 'https://authgear.com/claims/user/is_verified' AS is_verified FROM anon_auth.userinfo(token('ada')) u;
-- a list of all of them for the account screen
SELECT anon_auth.add_login_id('username', 'Ada.L', NULL, token('ada')) AS username;
SELECT i - '{created_at,updated_at}'::text[] AS identity, i ? 'created_at' AS created, i ? 'updated_at' AS updated
FROM jsonb_array_elements(anon_auth.userinfo(token('ada')) -> 'https://authgear.com/claims/user/identities') i;
SELECT remove('ada', 'username', 'ada.l') AS removed;
-- an attribute that the application has written itself stays
UPDATE anon_auth.users SET standard_attributes = standard_attributes || '{"email": "ada@elsewhere.example"}' WHERE id = (SELECT sub FROM account WHERE name = 'ada');
SELECT u ->> 'email' AS email, u ->> 'email_verified' AS email_verified FROM anon_auth.userinfo(token('ada')) u;
UPDATE anon_auth.users SET standard_attributes = standard_attributes || '{"email": "ada@own.example"}' WHERE id = (SELECT sub FROM account WHERE name = 'ada');
-- the address can log in now
SELECT anon_auth.reset_counters();
SELECT anon_auth.request_login_code('web', 'ada@new.example') IS NOT NULL AS sent; SELECT taken() AS code \gset
SELECT sub = (SELECT sub FROM account WHERE name = 'ada') AS logged_in FROM anon_auth.authenticate_with_code('web', 'ada@new.example', :'code');

-- ---- changing the address: add, then remove ----
SELECT count(*) > 1 AS several_sessions FROM anon_auth.sessions s JOIN account a ON a.sub = s.user_id WHERE a.name = 'ada';
SELECT remove('ada', 'email', 'ADA@own.example') AS unverified, remove('ada', 'email', 'ada@own.example') AS again;
SELECT count(*) > 1 AS several_sessions FROM anon_auth.sessions s JOIN account a ON a.sub = s.user_id WHERE a.name = 'ada';
SELECT * FROM claims() WHERE name = 'ada';
SELECT u ->> 'email' AS email, u ->> 'email_verified' AS email_verified FROM anon_auth.userinfo(token('ada')) u;
SELECT * FROM messages();
SELECT remove('ada', 'email', 'ada@new.example') AS last_credential, remove('ada', 'email', 'bob@new.example') AS not_hers, remove('bob', 'email', 'ada@new.example') AS not_his;
SELECT add('ada', 'username', 'Ada.L') AS username, add('ada', 'username', 'ada.l') AS again;
SELECT request('ada', 'phone_number', '+852 2123 4567'); SELECT taken() AS code \gset
SELECT add('ada', 'phone_number', '+85221234567', :'code') AS phone_number;
SELECT * FROM claims() WHERE name = 'ada';
SELECT * FROM messages();
-- a verified address is removed: other sessions end, and the removed address is told, too
SELECT remove('ada', 'email', 'ada@new.example') AS removed;
SELECT count(*) AS sessions FROM anon_auth.sessions s JOIN account a ON a.sub = s.user_id WHERE a.name = 'ada';
SELECT * FROM messages();
SELECT * FROM claims() WHERE name = 'ada';
SELECT remove('ada', 'phone_number', '+85221234567') AS removed;
SELECT * FROM claims() WHERE name = 'ada';
SELECT u ? 'email_verified' AS email, u ? 'phone_number_verified' AS phone_number FROM anon_auth.userinfo(token('ada')) u;
SELECT remove('ada', 'username', 'ada.l') AS last_credential;
SELECT e.type, e.payload, e.client_id FROM anon_auth.events e JOIN account a ON a.sub = e.user_id
WHERE a.name = 'ada' AND e.type ~ 'login_id[.]|signed_out' ORDER BY e.created_at, e.type;

-- ---- addresses of others ----
CALL sign_up('carl', email => 'carl@own.example');
CALL sign_up('dora', username => 'dora');
-- unproven against unproven: the first has it
SELECT add('dora', 'email', 'carl@own.example') AS taken;
-- proven: it is taken from the account that only claims it, which can still log in
SELECT add('carl', 'username', 'carl') AS username;
SELECT request('dora', 'email', 'carl@own.example'); SELECT taken() AS code \gset
SELECT add('dora', 'email', 'carl@own.example', :'code') AS proven;
SELECT * FROM login_ids() WHERE name IN ('carl', 'dora');
SELECT * FROM claims() WHERE name IN ('carl', 'dora');
SELECT e.type, e.payload FROM anon_auth.events e JOIN account a ON a.sub = e.user_id WHERE a.name = 'carl' AND e.type = 'login_id.taken';
-- a verified address stays; its owner's code is not used up
SELECT request('carl', 'email', 'carl@own.example'); SELECT taken() AS code \gset
SELECT add('carl', 'email', 'carl@own.example') AS not_proven, add('carl', 'email', 'carl@own.example', :'code') AS proven, add('carl', 'email', 'carl@own.example', :'code') AS again;
-- a request tells nobody who has an address
SELECT anon_auth.reset_counters();
SELECT try(format('SELECT anon_auth.request_login_id_code(%L, %L, %L) > now()', 'email', value, token('bob'))) AS result
FROM unnest('{carl@own.example,ada@own.example,nobody@own.example}'::text[]) value;
SELECT recipient, type, about, client_id FROM messages();
-- its limits are those of request_login_code()
SELECT try(format('SELECT anon_auth.request_login_id_code(%L, %L, %L)', 'email', 'nobody@own.example', token('bob'))) ~ 'codes_per_minute' AS limited;
SELECT anon_auth.reset_counters();
-- ten messages an hour to an address, whoever asks for them
SELECT anon_auth.request_login_code('web', 'x@own.example') IS NOT NULL AS sent;
DO $$ BEGIN FOR i IN 1..10 LOOP CALL sign_up('u' || i, username => 'user' || i); END LOOP; END $$;
UPDATE anon_auth.settings SET code_requests_per_minute_per_ip = NULL;
SELECT CASE WHEN result ~ 'codes_per_hour' THEN 'codes_per_hour' ELSE result END AS result, count(*)
FROM (SELECT try(format('SELECT anon_auth.request_login_id_code(%L, %L, %L) > now()', 'email', 'x@own.example', token)) AS result
	FROM account WHERE name ~ '^u[0-9]') r GROUP BY 1 ORDER BY 1;
UPDATE anon_auth.settings SET code_requests_per_minute_per_ip = DEFAULT;
SELECT count(*) AS messages FROM messages();

-- ---- settings.login_id_verification = 'required' ----
SELECT anon_auth.reset_counters();
UPDATE anon_auth.settings SET login_id_verification = 'required';
-- known or not, the answer is the same
SELECT add('bob', 'email', 'carl@own.example') AS known, add('bob', 'email', 'nobody@own.example') AS unknown;
SELECT add('bob', 'username', 'bobby') AS username, remove('bob', 'username', 'bob') AS old_username;
UPDATE anon_auth.settings SET login_id_verification = 'optional';

-- ---- several addresses of one type ----
SELECT add('bob', 'email', format('bob%s@own.example', i)) AS added FROM generate_series(1, 6) i;
-- a code verifies the address that it was sent to, and no other
SELECT anon_auth.request_verification('email', token('bob')) IS NOT NULL AS sent; SELECT taken() AS code \gset
SELECT remove('bob', 'email', 'bob1@own.example');
SELECT anon_auth.verify_login_id(:'code', 'email', token('bob')) AS another_address;
SELECT anon_auth.reset_counters();
SELECT anon_auth.request_verification('email', token('bob')) IS NOT NULL AS sent;
SELECT recipient, code AS code FROM anon_auth.take_outbox_messages() WHERE code IS NOT NULL \gset
SELECT :'recipient' AS recipient, anon_auth.verify_login_id(:'code', 'email', token('bob')) AS verified;
SELECT value, verified FROM login_ids() WHERE name = 'bob' AND type = 'email';
-- a code of request_login_id_code() verifies any of them
SELECT request('bob', 'email', 'bob4@own.example'); SELECT taken() AS code \gset
SELECT add('bob', 'email', 'bob4@own.example', :'code');
SELECT value, verified FROM login_ids() WHERE name = 'bob' AND type = 'email';
-- a reset code works for the address that it was sent to
SELECT anon_auth.reset_counters();
SELECT anon_auth.request_password_reset('bob4@own.example'); SELECT taken() AS code \gset
SELECT anon_auth.reset_password('bob2@own.example', :'code', 'battery staple') AS another_address, anon_auth.reset_password('bob3@own.example', :'code', 'battery staple') AS unverified,
	anon_auth.reset_password('bob4@own.example', :'code', 'battery staple') AS this_address;
SELECT value, verified FROM login_ids() WHERE name = 'bob' AND type = 'email';
-- to an unverified one, none is sent
SELECT anon_auth.reset_counters();
SELECT anon_auth.request_password_reset('bob3@own.example');
SELECT count(*) AS messages FROM messages() WHERE has_code;

-- ---- the session ----
CALL sign_up('eve', username => 'eve');
UPDATE anon_auth.sessions SET authenticated_at = now() - interval '16 minutes' WHERE user_id = (SELECT sub FROM account WHERE name = 'eve');
SELECT anon_auth.reset_counters();
SELECT add('eve', 'email', 'eve@own.example') AS add, remove('eve', 'username', 'eve') AS remove,
	try(format('SELECT anon_auth.request_login_id_code(%L, %L, %L)', 'email', 'eve@own.example', token('eve'))) AS request;
UPDATE anon_auth.sessions SET authenticated_at = now() WHERE user_id = (SELECT sub FROM account WHERE name = 'eve');
SELECT anon_auth.revoke(token('eve'));
SELECT add('eve', 'email', 'eve@own.example') AS add, remove('eve', 'username', 'eve') AS remove,
	try(format('SELECT anon_auth.request_login_id_code(%L, %L, %L)', 'email', 'eve@own.example', token('eve'))) AS request;

-- an account that somebody opened with another person's addresses keeps the proven one only
CALL sign_up('mallory', email => 'victim@own.example');
SELECT add('mallory', 'email', 'mallory@own.example') AS own, add('mallory', 'phone_number', '+85221230000') AS phone;
SELECT anon_auth.reset_counters();
SELECT anon_auth.request_password_reset('mallory@own.example'); SELECT taken() AS code \gset
SELECT anon_auth.reset_password('victim@own.example', :'code', 'battery staple') AS not_proven;
SELECT anon_auth.request_login_code('web', 'mallory@own.example') IS NOT NULL AS sent; SELECT taken() AS code \gset
SELECT count(*) AS reclaimed FROM anon_auth.authenticate_with_code('web', 'mallory@own.example', :'code');
SELECT value, verified FROM login_ids() WHERE name = 'mallory';
SELECT * FROM claims() WHERE name = 'mallory';

-- the routes name exactly the rows
CREATE TEMP TABLE row_of_user AS SELECT id, login_id_routes, is_verified FROM anon_auth.users;
CREATE TEMP TABLE row_of_login_id AS SELECT user_id, route, verified_at FROM anon_auth.login_ids;
SELECT count(*) AS differences FROM row_of_user u
WHERE (SELECT coalesce(array_agg(route ORDER BY route), '{}') FROM row_of_login_id l WHERE l.user_id = u.id)
	<> (SELECT coalesce(array_agg(r ORDER BY r), '{}') FROM unnest(u.login_id_routes) r)
	OR u.is_verified <> EXISTS (SELECT FROM row_of_login_id l WHERE l.user_id = u.id AND l.verified_at IS NOT NULL);

DROP TABLE account;
DROP FUNCTION login_ids, claims, messages, guest, try, token, request, taken, add, remove, wrong;
DROP PROCEDURE sign_up;
DROP EXTENSION anon_auth;
