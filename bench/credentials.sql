-- Device keys and passkeys of accounts, compared with floor.sql.  The accounts are those of
-- own_account.sql; each has one key on either side.

CREATE TABLE owner_keys AS SELECT i, device_key() AS key FROM generate_series(1, 500) AS i;
ALTER TABLE owner_keys ADD PRIMARY KEY (i);
CREATE TABLE key_requests (i integer PRIMARY KEY, jwt text, kid text);
CREATE TABLE passkey_responses (i integer PRIMARY KEY, response jsonb, credential_id text);

-- ---- our side ----
-- Without a key and with a request to add one, with a key, and with a request to log in.
CREATE FUNCTION make_key_requests(calls integer, the_action text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE key_requests;
	INSERT INTO key_requests SELECT i, jwt, convert_from(decode(rpad(translate(split_part(jwt, '.', 1), '-_', '+/'), (length(split_part(jwt, '.', 1)) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb ->> 'kid'
	FROM owner_keys, LATERAL anon_auth.create_challenge(left('biometric_request', 17 + 0 * i)) AS c, LATERAL device_request(key, c.token, the_action, the_action = 'setup') AS jwt WHERE i <= calls;
END $$;
CREATE FUNCTION prepare_no_device_key(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM prepare_owners(calls);
	DELETE FROM anon_auth.device_keys WHERE of_account;
	DELETE FROM anon_auth.removed_device_keys;
	UPDATE anon_auth.users SET device_key_routes = '{}' WHERE device_key_routes <> '{}';
	PERFORM make_key_requests(calls, 'setup');
END $$;
CREATE FUNCTION prepare_device_key(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM prepare_no_device_key(calls);
	PERFORM anon_auth.add_device_key(r.jwt, access_token => o.access_token) FROM key_requests AS r JOIN owners AS o USING (i);
END $$;
CREATE FUNCTION prepare_device_key_logins(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM prepare_device_key(calls);
	PERFORM make_key_requests(calls, 'authenticate');
END $$;

CREATE FUNCTION prepare_no_passkey(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM prepare_owners(calls);
	DELETE FROM anon_auth.passkeys;
	UPDATE anon_auth.users SET passkey_routes = '{}' WHERE passkey_routes <> '{}';
	TRUNCATE passkey_responses;
	INSERT INTO passkey_responses SELECT i, r, r ->> 'id' FROM owner_keys AS k JOIN owners AS o USING (i),
		LATERAL CAST(passkey_creation(k.key, anon_auth.passkey_creation_options(o.access_token) ->> 'challenge') AS jsonb) AS r WHERE i <= calls;
END $$;
CREATE FUNCTION prepare_passkey(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM prepare_no_passkey(calls);
	PERFORM anon_auth.add_passkey(r.response, NULL, o.access_token) FROM passkey_responses AS r JOIN owners AS o USING (i);
END $$;
CREATE FUNCTION prepare_passkey_logins(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM prepare_passkey(calls);
	TRUNCATE passkey_responses;
	INSERT INTO passkey_responses (i, response) SELECT i, passkey_assertion(k.key, anon_auth.passkey_request_options('app') ->> 'challenge', (anon_auth.verify_jwt(o.access_token) ->> 'sub')::uuid)::jsonb
	FROM owner_keys AS k JOIN owners AS o USING (i) WHERE i <= calls;
END $$;

-- ---- the floor ----
CREATE TABLE floor_removed_device_keys (LIKE anon_auth.removed_device_keys INCLUDING ALL);
CREATE TABLE floor_owner_keys (i integer PRIMARY KEY, route uuid, kid text);
INSERT INTO floor_owner_keys SELECT i, gen_random_uuid(), 'kid-000' || gen_random_uuid() FROM generate_series(1, 500) AS i;

CREATE FUNCTION floor_add_device_key(the_user uuid, the_session uuid, the_route uuid, the_kid text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := clock_timestamp();
BEGIN
	PERFORM floor_caller(the_user, the_session), floor_verify_device(floor_request());
	INSERT INTO floor_device_keys (route, kid, thumbprint, user_id, alg, jwk, of_account, used_challenges, created_at, last_used_at)
		VALUES (the_route, the_kid, 'oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U', the_user, 'ES256', '{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}',
			true, '\x010101010101010101010101010101010101010101010101', at, at) ON CONFLICT (route, kid, thumbprint) DO NOTHING;
	UPDATE floor_users SET device_key_routes = array_append(device_key_routes, the_route), updated_at = at WHERE id = the_user;
	PERFORM floor_event(the_user, 'device_key.added');
END $$;
CREATE FUNCTION floor_log_in_with_device_key(the_route uuid, the_kid text) RETURNS anon_auth.token_response LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := clock_timestamp();
	the_user uuid;
BEGIN
	PERFORM floor_verify_device(floor_request());
	UPDATE floor_device_keys SET last_used_at = at, used_challenges = used_challenges || uuid_send(gen_random_uuid()) || '\x0101010101010101'
		WHERE route = the_route AND kid = the_kid RETURNING user_id INTO the_user;
	DELETE FROM floor_sessions WHERE user_id = the_user AND device_kid = the_kid AND client_id = 'app';
	RETURN floor_log_in_account(the_user);
END $$;
CREATE FUNCTION floor_remove_device_key(the_user uuid, the_session uuid, the_route uuid, the_kid text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	k floor_device_keys;
BEGIN
	PERFORM floor_caller(the_user, the_session);
	DELETE FROM floor_sessions WHERE user_id = the_user AND device_kid = the_kid;
	DELETE FROM floor_device_keys WHERE route = the_route AND kid = the_kid AND user_id = the_user RETURNING * INTO k;
	INSERT INTO floor_removed_device_keys (route, kid, thumbprint, used_challenges, alg, jwk, user_id, removed_at)
		VALUES (k.route, k.kid, k.thumbprint, k.used_challenges, k.alg, k.jwk, k.user_id, clock_timestamp());
	UPDATE floor_users SET device_key_routes = array_remove(device_key_routes, the_route), updated_at = clock_timestamp() WHERE id = the_user;
	PERFORM floor_event(the_user, 'device_key.removed');
END $$;
CREATE FUNCTION floor_add_passkey(the_user uuid, the_session uuid, the_route uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := clock_timestamp();
BEGIN
	PERFORM floor_caller(the_user, the_session);
	INSERT INTO floor_passkeys (route, credential_id, user_id, alg, jwk, sign_count, is_backup_eligible, is_backed_up, transports, used_challenges, created_at, last_used_at)
		VALUES (the_route, sha256(uuid_send(the_route)), the_user, 'ES256', '{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}',
			0, false, false, '{internal}', '', at, at);
	UPDATE floor_users SET passkey_routes = array_append(passkey_routes, the_route), updated_at = at WHERE id = the_user;
	PERFORM floor_event(the_user, 'passkey.added');
END $$;
CREATE FUNCTION floor_log_in_with_passkey(the_route uuid) RETURNS anon_auth.token_response LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := clock_timestamp();
	the_user uuid;
BEGIN
	PERFORM floor_verify_device(floor_request());
	UPDATE floor_passkeys SET last_used_at = at, sign_count = 0, is_backed_up = false, used_challenges = used_challenges || uuid_send(gen_random_uuid()) || '\x0101010101010101'
		WHERE route = the_route AND credential_id = sha256(uuid_send(the_route)) RETURNING user_id INTO the_user;
	RETURN floor_log_in_account(the_user);
END $$;
CREATE FUNCTION floor_remove_passkey(the_user uuid, the_session uuid, the_route uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM floor_caller(the_user, the_session);
	DELETE FROM floor_passkeys WHERE route = the_route AND credential_id = sha256(uuid_send(the_route)) AND user_id = the_user;
	UPDATE floor_users SET passkey_routes = array_remove(passkey_routes, the_route), updated_at = clock_timestamp() WHERE id = the_user;
	DELETE FROM floor_sessions WHERE user_id = the_user AND id <> the_session;
	PERFORM floor_event(the_user, 'passkey.removed');
END $$;

-- One session for each account, and no key or passkey; or with both.
CREATE FUNCTION prepare_floor_keyless(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM prepare_floor_owners(calls);
	DELETE FROM floor_sessions USING floor_owners AS o WHERE floor_sessions.user_id = o.user_id AND id = o.other_session_id;
	DELETE FROM floor_device_keys WHERE of_account;
	DELETE FROM floor_removed_device_keys;
	DELETE FROM floor_passkeys;
	UPDATE floor_users SET device_key_routes = '{}', passkey_routes = '{}' WHERE device_key_routes <> '{}' OR passkey_routes <> '{}';
END $$;
CREATE FUNCTION prepare_floor_keyed(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM prepare_floor_keyless(calls);
	PERFORM floor_add_device_key(o.user_id, o.session_id, k.route, k.kid), floor_add_passkey(o.user_id, o.session_id, k.route)
	FROM floor_owners AS o JOIN floor_owner_keys AS k USING (i);
END $$;

CALL compare('add_device_key', 1.15, 500,
	'SELECT count(anon_auth.add_device_key(r.jwt, access_token => o.access_token)) FROM key_requests AS r JOIN owners AS o USING (i) WHERE i <= $1',
	'SELECT count(floor_add_device_key(o.user_id, o.session_id, k.route, k.kid)) FROM floor_owners AS o JOIN floor_owner_keys AS k USING (i) WHERE i <= $1',
	'SELECT prepare_no_device_key($1)', 'SELECT prepare_floor_keyless($1)', footprint => true);
CALL compare('login with the device key of an account', 1.15, 500,
	'SELECT count(l.sub) FROM key_requests AS r, anon_auth.authenticate_with_device_key(''app'', r.jwt) AS l WHERE r.i <= $1',
	'SELECT count(floor_log_in_with_device_key(route, kid)) FROM floor_owner_keys WHERE i <= $1',
	'SELECT prepare_device_key_logins($1)', 'SELECT prepare_floor_keyed($1)', footprint => true);
CALL compare('remove_device_key', 1.15, 500,
	'SELECT count(anon_auth.remove_device_key(r.kid, o.access_token)) FROM key_requests AS r JOIN owners AS o USING (i) WHERE i <= $1',
	'SELECT count(floor_remove_device_key(o.user_id, o.session_id, k.route, k.kid)) FROM floor_owners AS o JOIN floor_owner_keys AS k USING (i) WHERE i <= $1',
	'SELECT prepare_device_key($1)', 'SELECT prepare_floor_keyed($1)', footprint => true);
CALL compare('add_passkey', 1.15, 500,
	'SELECT count(anon_auth.add_passkey(r.response, NULL, o.access_token)) FROM passkey_responses AS r JOIN owners AS o USING (i) WHERE i <= $1',
	'SELECT count(floor_add_passkey(o.user_id, o.session_id, k.route)) FROM floor_owners AS o JOIN floor_owner_keys AS k USING (i) WHERE i <= $1',
	'SELECT prepare_no_passkey($1)', 'SELECT prepare_floor_keyless($1)', footprint => true);
CALL compare('login with a passkey', 1.15, 500,
	'SELECT count(l.sub) FROM passkey_responses AS r, anon_auth.authenticate_with_passkey(''app'', r.response) AS l WHERE r.i <= $1',
	'SELECT count(floor_log_in_with_passkey(route)) FROM floor_owner_keys WHERE i <= $1',
	'SELECT prepare_passkey_logins($1)', 'SELECT prepare_floor_keyed($1)', footprint => true);
CALL compare('remove_passkey', 1.15, 500,
	'SELECT count(anon_auth.remove_passkey(r.credential_id, o.access_token)) FROM passkey_responses AS r JOIN owners AS o USING (i) WHERE i <= $1',
	'SELECT count(floor_remove_passkey(o.user_id, o.session_id, k.route)) FROM floor_owners AS o JOIN floor_owner_keys AS k USING (i) WHERE i <= $1',
	'SELECT prepare_passkey($1)', 'SELECT prepare_floor_keyed($1)', footprint => true);
