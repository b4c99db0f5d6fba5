-- Guests that return with their key or their refresh token, among :others other
-- guests; and rows that a round uses up.

CREATE TABLE devices AS SELECT i, device_key() AS key FROM generate_series(1, 2000) AS i;
CREATE TABLE guests (i integer PRIMARY KEY, refresh_token text);

CREATE FUNCTION add_others(others integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := now() - interval '1 day';
BEGIN
	CREATE TEMPORARY TABLE other ON COMMIT DROP AS
	SELECT floor_uuid_v7() AS id, gen_random_uuid() AS route, device FROM generate_series(1, others) AS device;
	INSERT INTO anon_auth.users (id, is_anonymous, created_at, updated_at, last_seen_at, device_kid, purge_from)
		SELECT id, true, at, at, at, 'kid-000' || id, at FROM other;
	INSERT INTO anon_auth.device_keys (route, kid, thumbprint, user_id, alg, jwk, used_challenges, created_at, last_used_at)
		SELECT route, 'kid-000' || id, 'oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U', id, 'ES256', '{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}',
			'\x010101010101010101010101010101010101010101010101', at, at FROM other;
	INSERT INTO anon_auth.sessions (user_id, id, client_id, secret_hash, created_at, authenticated_at, last_used_at, expires_at, purge_from)
		SELECT id, floor_uuid_v7(), 'app', '\x0101010101010101010101010101010101010101010101010101010101010101', at, at, at, at + interval '30 days', at + interval '30 days' FROM other;
	INSERT INTO anon_auth.events (user_id, id, type, client_id, created_at, payload)
		SELECT id, floor_uuid_v7(), 'user.created', 'app', at, '{"device_key": true}' FROM other;
END $$;

-- Spread the guests among the others.  Guests of one hour would be on the same
-- pages.
CREATE PROCEDURE add_guests(others integer) LANGUAGE plpgsql AS $$
BEGIN
	FOR part IN 0 .. 9 LOOP
		INSERT INTO guests
		SELECT i, (anon_auth.authenticate_anonymously('app', device_request(key, token, 'auth', true))).refresh_token
		FROM devices, LATERAL anon_auth.create_challenge() WHERE i % 10 = part;
		-- Skip the checks of foreign keys, which take most of the time.
		SET LOCAL session_replication_role = replica;
		PERFORM add_others(others / 10);
		COMMIT;
	END LOOP;
END $$;
CALL add_guests(:others);

CREATE TABLE requests (i integer PRIMARY KEY, jwt text);
CREATE TABLE leavers (i integer PRIMARY KEY, refresh_token text);

CREATE FUNCTION prepare_sign_ups(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE requests;
	INSERT INTO requests SELECT i, device_request(device_key(), token, 'auth', true)
	FROM generate_series(1, calls) AS i, LATERAL anon_auth.create_challenge();
END $$;

CREATE FUNCTION prepare_logins(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE requests;
	INSERT INTO requests SELECT i, device_request(key, token, 'auth', false)
	FROM devices, LATERAL anon_auth.create_challenge() WHERE i <= calls;
END $$;

CREATE FUNCTION prepare_leavers(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE leavers;
	INSERT INTO leavers SELECT i, (anon_auth.authenticate_anonymously('app')).refresh_token FROM generate_series(1, calls) AS i;
END $$;
