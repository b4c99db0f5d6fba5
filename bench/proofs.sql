-- Codes, ID tokens, and accounts that were never guests, compared with floor.sql.  A
-- code is asked for with the limits of this database reset: each address could
-- otherwise have ten codes an hour.

UPDATE anon_auth.settings SET code_requests_per_minute_per_ip = NULL, sms_requests_per_hour = NULL;
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY '{address_codes,outbox,user_identities}'::text[] LOOP
		EXECUTE format('CREATE TABLE floor_%1$s (LIKE anon_auth.%1$s INCLUDING ALL) WITH (fillfactor = %2$s)', name,
			(SELECT coalesce((SELECT option_value FROM pg_options_to_table(reloptions) WHERE option_name = 'fillfactor'), '100')
			 FROM pg_class WHERE oid = ('anon_auth.' || name)::regclass));
	END LOOP;
END $$;

-- ---- accounts ----
-- Account i has proven the address holderI@bench.example, and has the identity "I".
SELECT anon_auth.create_identity_provider('https://accounts.bench.example', '{bench}', anon_auth.jwks(), '{ES256}') \g /dev/null
CREATE TABLE id_tokens (i integer PRIMARY KEY, id_token text);
CREATE FUNCTION prepare_id_tokens(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE id_tokens;
	INSERT INTO id_tokens SELECT i, anon_auth.sign_jwt(jsonb_build_object('iss', 'https://accounts.bench.example', 'aud', 'bench', 'sub', i::text,
		'nonce', token, 'iat', extract(epoch FROM now())::bigint, 'exp', extract(epoch FROM now())::bigint + 3600))
	FROM generate_series(1, calls) AS i, LATERAL anon_auth.create_challenge('id_token');
END $$;
SELECT prepare_id_tokens(500) \g /dev/null
SELECT count(s.sub) FROM id_tokens AS t, anon_auth.sign_up('app', id_token => t.id_token) AS s \g /dev/null
SELECT count(anon_auth.import_user(floor_uuid_v7(), email => format('holder%s@bench.example', i), verified => true)) FROM generate_series(1, 500) AS i \g /dev/null

CREATE TABLE floor_holders (i integer PRIMARY KEY, user_id uuid, route uuid);
INSERT INTO floor_holders SELECT i, floor_uuid_v7(), gen_random_uuid() FROM generate_series(1, 500) AS i;
INSERT INTO floor_users (id, is_anonymous, is_verified, created_at, updated_at, last_seen_at, login_id_routes, standard_attributes)
	SELECT user_id, false, true, now(), now(), now(), ARRAY[route], jsonb_build_object('email', format('holder%s@bench.example', i)) FROM floor_holders;
INSERT INTO floor_login_ids (route, type, value, user_id, original_value, verified_at, created_at, updated_at)
	SELECT route, 'email', format('holder%s@bench.example', i), user_id, format('holder%s@bench.example', i), now(), now(), now() FROM floor_holders;
INSERT INTO floor_user_identities (route, issuer, subject, user_id, claims, used_challenges, created_at, last_used_at)
	SELECT route, 'https://accounts.bench.example', i::text, user_id, '{}', '\x010101010101010101010101010101010101010101010101', now(), now() FROM floor_holders;

-- ---- codes ----
-- prefix: holder for accounts; another one for addresses that nobody has.
CREATE TABLE codes (i integer PRIMARY KEY, address text, code text);
CREATE FUNCTION prepare_codes(calls integer, prefix text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.reset_counters();
	TRUNCATE codes, anon_auth.address_codes, anon_auth.outbox;
	PERFORM anon_auth.request_login_code('app', format('%s%s@bench.example', prefix, i)) FROM generate_series(1, calls) AS i;
	INSERT INTO codes SELECT row_number() OVER (), recipient, code FROM anon_auth.take_outbox_messages(calls);
END $$;

CREATE TABLE floor_codes (i integer PRIMARY KEY, route uuid, id uuid);
CREATE FUNCTION floor_request_code(address text) RETURNS timestamptz LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := clock_timestamp();
	the_route uuid := gen_random_uuid();
	the_id uuid := floor_uuid_v7();
BEGIN
	PERFORM FROM floor_login_ids WHERE route = the_route AND type = 'email' AND value = address;
	INSERT INTO floor_address_codes (route, id, login_id_type, recipient, client_id, code_hash, created_at, expires_at)
		VALUES (the_route, the_id, 'email', address, 'app', '\x0101010101010101010101010101010101010101010101010101010101010101', at, at + interval '20 minutes');
	INSERT INTO floor_outbox (route, id, type, login_id_type, recipient, sealed_code, created_at, expires_at, client_id)
		VALUES (the_route, the_id, 'login_code', 'email', address, decode(repeat('01', 80), 'hex'), at, at + interval '20 minutes', 'app');
	INSERT INTO floor_events (user_id, id, type, client_id, created_at, payload)
		VALUES ('00000000-0000-0000-0000-000000000000', floor_uuid_v7(), 'login_code.requested', 'app', at, '{"login_id_type": "email"}');
	RETURN at + interval '20 minutes';
END $$;

CREATE FUNCTION prepare_floor_codes(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE floor_codes, floor_address_codes, floor_outbox;
	PERFORM floor_request_code(format('holder%s@bench.example', i)) FROM generate_series(1, calls) AS i;
	INSERT INTO floor_codes SELECT row_number() OVER (), route, id FROM floor_address_codes;
END $$;

CREATE FUNCTION floor_use_code(the_route uuid, the_id uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM floor_address_codes WHERE route = the_route AND expires_at > clock_timestamp();
	DELETE FROM floor_address_codes WHERE route = the_route AND id = the_id;
END $$;

CREATE FUNCTION floor_log_in_account(the_user uuid) RETURNS anon_auth.token_response LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := clock_timestamp();
BEGIN
	UPDATE floor_users SET last_seen_at = at WHERE id = the_user AND NOT is_disabled;
	INSERT INTO floor_events (user_id, id, type, client_id, created_at, payload)
		VALUES (the_user, floor_uuid_v7(), 'user.authenticated', 'app', at, '{}');
	RETURN floor_session(the_user, at);
END $$;

CREATE FUNCTION floor_log_in_with_code(holder integer, the_route uuid, the_id uuid) RETURNS anon_auth.token_response LANGUAGE plpgsql AS $$
DECLARE
	the_user uuid;
BEGIN
	PERFORM floor_use_code(the_route, the_id);
	SELECT l.user_id INTO the_user FROM floor_holders h JOIN floor_login_ids l USING (route)
		WHERE h.i = holder AND l.type = 'email' AND l.value = format('holder%s@bench.example', holder);
	RETURN floor_log_in_account(the_user);
END $$;

CREATE FUNCTION floor_log_in_with_identity(the_route uuid, the_subject text) RETURNS anon_auth.token_response LANGUAGE plpgsql AS $$
DECLARE
	the_user uuid;
BEGIN
	PERFORM floor_verify_device(floor_request());
	UPDATE floor_user_identities SET last_used_at = clock_timestamp(), used_challenges =
		substring(used_challenges FROM greatest(1, length(used_challenges) - 263)) || uuid_send(gen_random_uuid()) || '\x0101010101010101'
		WHERE route = the_route AND issuer = 'https://accounts.bench.example' AND subject = the_subject RETURNING user_id INTO the_user;
	RETURN floor_log_in_account(the_user);
END $$;

-- The address is proven, or there is a password.
CREATE FUNCTION floor_sign_up_account(email text, is_proven boolean) RETURNS anon_auth.token_response LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := clock_timestamp();
	the_user uuid := floor_uuid_v7();
	the_route uuid := gen_random_uuid();
BEGIN
	INSERT INTO floor_users (id, is_anonymous, is_verified, has_password, created_at, updated_at, last_seen_at, login_id_routes, standard_attributes)
		VALUES (the_user, false, is_proven, NOT is_proven, at, at, at, ARRAY[the_route], jsonb_build_object('email', email));
	INSERT INTO floor_login_ids (route, type, value, user_id, original_value, verified_at, created_at, updated_at)
		VALUES (the_route, 'email', email, the_user, email, CASE WHEN is_proven THEN at END, at, at);
	IF NOT is_proven THEN
		INSERT INTO floor_passwords (user_id, password_hash, created_at, updated_at) VALUES (the_user, floor_password_hash(8, 1), at, at);
	END IF;
	INSERT INTO floor_events (user_id, id, type, client_id, created_at, payload)
		VALUES (the_user, floor_uuid_v7(), 'user.created', 'app', at, '{"login_id_types": ["email"]}');
	RETURN floor_session(the_user, at);
END $$;

-- A request takes at least 10 ms, whether or not somebody has the address: its time has no goal.
CALL compare('request of a code', NULL, 500,
	'SELECT count(anon_auth.request_login_code(''app'', format(''holder%s@bench.example'', i))) FROM generate_series(1, $1) AS i',
	'SELECT count(floor_request_code(format(''holder%s@bench.example'', i))) FROM generate_series(1, $1) AS i',
	'SELECT anon_auth.reset_counters() FROM (SELECT $1) AS c',
	footprint => true);
CALL compare('login with a code', 1.15, 500,
	'SELECT count(a.sub) FROM codes AS c, anon_auth.authenticate_with_code(''app'', c.address, c.code) AS a WHERE c.i <= $1',
	'SELECT count(floor_log_in_with_code(i, route, id)) FROM floor_codes WHERE i <= $1',
	'SELECT prepare_codes($1, ''holder'')', 'SELECT prepare_floor_codes($1)',
	footprint => true);
CALL compare('sign-up with a code', 1.15, 500,
	'SELECT count(s.sub) FROM codes AS c, anon_auth.sign_up(''app'', email => c.address, code => c.code) AS s WHERE c.i <= $1',
	'SELECT count(floor_sign_up_account(gen_random_uuid() || ''@bench.example'', true)) FROM floor_codes, floor_use_code(route, id) WHERE i <= $1',
	'SELECT prepare_codes($1, ''new'' || floor_uuid_v7())', 'SELECT prepare_floor_codes($1)',
	footprint => true);
CALL compare('sign-up with a password, cheapest hash', 1.15, 500,
	'SELECT count(s.sub) FROM generate_series(1, $1) AS i, anon_auth.sign_up(''app'', email => i || gen_random_uuid()::text || ''@bench.example'', password => ''correct horse'') AS s',
	'SELECT count(floor_sign_up_account(gen_random_uuid() || ''@bench.example'', false)) FROM generate_series(1, $1)',
	'SELECT password_hash_cost(8, 1) FROM (SELECT $1) AS c',
	footprint => true);
CALL compare('login with an ID token', 1.15, 500,
	'SELECT count(a.sub) FROM id_tokens AS t, anon_auth.authenticate_with_id_token(''app'', t.id_token) AS a WHERE t.i <= $1',
	'SELECT count(floor_log_in_with_identity(route, i::text)) FROM floor_holders WHERE i <= $1',
	'SELECT prepare_id_tokens($1)',
	footprint => true);

-- ---- claims ----
-- A hundred accounts claim the guests: each may claim ten a minute.  The guests have no rows in an application's tables: those would
-- cost the same on both sides.
CREATE TABLE claimers (i integer PRIMARY KEY, access_token text);
CREATE FUNCTION prepare_claims(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM prepare_leavers(calls), password_hash_cost(8, 1);
	TRUNCATE claimers;
	INSERT INTO claimers SELECT i, access_token FROM generate_series(0, 99) AS i,
		LATERAL anon_auth.sign_up('app', email => i || gen_random_uuid()::text || '@bench.example', password => 'correct horse');
END $$;

CREATE TABLE floor_merged_guests (LIKE anon_auth.merged_guests INCLUDING ALL);
-- The rows of a guest in all other tables are deleted by their foreign keys.
CREATE FUNCTION floor_claim(account uuid, guest uuid, session_id uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := clock_timestamp();
BEGIN
	PERFORM floor_verify('ES256', floor_message(), 1);
	PERFORM FROM floor_users WHERE id = account AND NOT is_anonymous FOR NO KEY UPDATE;
	PERFORM FROM floor_users WHERE id = guest AND is_anonymous FOR UPDATE;
	DELETE FROM floor_sessions WHERE user_id = guest AND id = session_id;
	DELETE FROM floor_users WHERE id = guest;
	INSERT INTO floor_merged_guests (user_id, guest_id, merged_at) VALUES (account, guest, at) ON CONFLICT (user_id, guest_id) DO NOTHING;
	INSERT INTO floor_events (user_id, id, type, client_id, created_at, payload)
		VALUES (account, floor_uuid_v7(), 'user.anonymous.merged', 'app', at, jsonb_build_object('guest_id', guest)),
			(guest, floor_uuid_v7(), 'user.deleted', 'app', at, '{}');
END $$;
CALL compare('claim of a guest', 1.15, 500,
	'SELECT count((SELECT count(*) FROM anon_auth.claim_anonymous_user(''app'', c.access_token, refresh_token => l.refresh_token))) FROM leavers AS l JOIN claimers AS c ON c.i = l.i % 100 WHERE l.i <= $1',
	'SELECT count(floor_claim(h.user_id, l.user_id, l.session_id)) FROM floor_leavers AS l JOIN floor_holders AS h ON h.i = l.i % 100 + 1 WHERE l.i <= $1',
	'SELECT prepare_claims($1)', 'SELECT prepare_floor_leavers($1)',
	footprint => true);
