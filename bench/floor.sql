-- The floor: a hand-written implementation.  It inserts the same rows into
-- tables of the same shape with statements that PL/pgSQL prepares once, does
-- the necessary cryptography, and returns an answer of the same length.

-- As long as the signed part of a token or of a device request.
CREATE FUNCTION floor_message() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT repeat('eyJhbGciOiJFUzI1NiJ9', 30) $$;
CREATE FUNCTION floor_request() RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT repeat('eyJhbGciOiJFUzI1NiJ9', 22) $$;

DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY '{users,device_keys,login_ids,passwords,sessions,events}'::text[] LOOP
		EXECUTE format('CREATE TABLE floor_%1$s (LIKE anon_auth.%1$s INCLUDING ALL) WITH (fillfactor = %2$s)', name,
			(SELECT coalesce((SELECT option_value FROM pg_options_to_table(reloptions) WHERE option_name = 'fillfactor'), '100')
			 FROM pg_class WHERE oid = ('anon_auth.' || name)::regclass));
	END LOOP;
	FOREACH name IN ARRAY '{device_keys,login_ids,passwords,sessions}'::text[] LOOP
		EXECUTE format('ALTER TABLE floor_%s ADD FOREIGN KEY (user_id) REFERENCES floor_users (id) ON DELETE CASCADE', name);
	END LOOP;
END $$;

CREATE FUNCTION floor_tokens(user_id uuid) RETURNS anon_auth.token_response LANGUAGE plpgsql AS $$
BEGIN
	PERFORM floor_sign('ES256', floor_message(), 1);
	RETURN ROW(user_id, 'Bearer', floor_message(), 1800, left(floor_message(), 90), NULL)::anon_auth.token_response;
END $$;

CREATE FUNCTION floor_session(user_id uuid, at timestamptz) RETURNS anon_auth.token_response LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO floor_sessions (user_id, id, client_id, secret_hash, created_at, authenticated_at, last_used_at, expires_at, purge_from)
	VALUES (user_id, floor_uuid_v7(), 'app', '\x0101010101010101010101010101010101010101010101010101010101010101',
		at, at, at, at + interval '30 days', at + interval '30 days');
	RETURN floor_tokens(user_id);
END $$;

CREATE FUNCTION floor_sign_up() RETURNS anon_auth.token_response LANGUAGE plpgsql AS $$
DECLARE
	user_id uuid := floor_uuid_v7();
	at timestamptz := clock_timestamp();
BEGIN
	INSERT INTO floor_users (id, is_anonymous, created_at, updated_at, last_seen_at, purge_from) VALUES (user_id, true, at, at, at, at + interval '30 days');
	INSERT INTO floor_events (user_id, id, type, client_id, created_at, payload)
		VALUES (user_id, floor_uuid_v7(), 'user.created', 'app', at, '{"device_key": false}');
	RETURN floor_session(user_id, at);
END $$;

-- A kid is 43 characters of base64url, in random order.
CREATE FUNCTION floor_sign_up_with_key() RETURNS anon_auth.token_response LANGUAGE plpgsql AS $$
DECLARE
	user_id uuid := floor_uuid_v7();
	at timestamptz := clock_timestamp();
	key_id text := 'kid-000' || user_id;
BEGIN
	PERFORM floor_verify_device(floor_request());
	INSERT INTO floor_users (id, is_anonymous, created_at, updated_at, last_seen_at, device_kid, purge_from) VALUES (user_id, true, at, at, at, key_id, at);
	INSERT INTO floor_device_keys (route, kid, thumbprint, user_id, alg, jwk, used_challenges, created_at, last_used_at)
		VALUES (gen_random_uuid(), key_id, 'oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U', user_id, 'ES256', '{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}',
			'\x010101010101010101010101010101010101010101010101', at, at) ON CONFLICT (route, kid, thumbprint) DO NOTHING;
	INSERT INTO floor_events (user_id, id, type, client_id, created_at, payload)
		VALUES (user_id, floor_uuid_v7(), 'user.created', 'app', at, '{"device_key": true}');
	RETURN floor_session(user_id, at);
END $$;

CREATE FUNCTION floor_log_in(the_route uuid, the_kid text) RETURNS anon_auth.token_response LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := clock_timestamp();
	guest uuid;
BEGIN
	PERFORM floor_verify_device(floor_request());
	-- Keep twelve challenges, about as many as a device uses in five minutes
	-- here.
	UPDATE floor_device_keys SET last_used_at = at, used_challenges =
		substring(used_challenges FROM greatest(1, length(used_challenges) - 263)) || uuid_send(gen_random_uuid()) || '\x0101010101010101'
		WHERE route = the_route AND kid = the_kid RETURNING user_id INTO guest;
	UPDATE floor_users SET last_seen_at = at WHERE id = guest AND NOT is_disabled;
	INSERT INTO floor_events (user_id, id, type, client_id, created_at, payload)
		VALUES (guest, floor_uuid_v7(), 'user.authenticated', 'app', at, '{}');
	RETURN floor_session(guest, at);
END $$;

CREATE FUNCTION floor_refresh(the_user uuid, the_session uuid) RETURNS anon_auth.token_response LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := clock_timestamp();
BEGIN
	UPDATE floor_sessions SET last_used_at = at, expires_at = at + interval '30 days'
		WHERE user_id = the_user AND id = the_session AND expires_at > at;
	RETURN floor_tokens(the_user);
END $$;

CREATE FUNCTION floor_revoke(the_user uuid, the_session uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := clock_timestamp();
BEGIN
	DELETE FROM floor_sessions WHERE user_id = the_user AND id = the_session;
	UPDATE floor_users SET purge_from = at WHERE id = the_user;
	INSERT INTO floor_events (user_id, id, type, client_id, created_at, payload)
		VALUES (the_user, floor_uuid_v7(), 'user.signed_out', 'app', at, '{}');
END $$;

CREATE FUNCTION floor_promote(the_user uuid, email text) RETURNS anon_auth.token_response LANGUAGE plpgsql AS $$
DECLARE
	at timestamptz := clock_timestamp();
	route uuid := gen_random_uuid();
	hash text := floor_password_hash(8, 1);
BEGIN
	UPDATE floor_users SET is_anonymous = false, device_kid = NULL, login_id_routes = ARRAY[route],
		standard_attributes = jsonb_build_object('email', email), updated_at = at, last_seen_at = at
		WHERE id = the_user AND is_anonymous AND NOT is_disabled;
	DELETE FROM floor_sessions WHERE user_id = the_user;
	INSERT INTO floor_login_ids (route, type, value, user_id, original_value, created_at, updated_at)
		VALUES (route, 'email', email, the_user, email, at, at);
	INSERT INTO floor_passwords (user_id, password_hash, created_at, updated_at) VALUES (the_user, hash, at, at);
	INSERT INTO floor_events (user_id, id, type, client_id, created_at, payload)
		VALUES (the_user, floor_uuid_v7(), 'user.anonymous.promoted', 'app', at, '{"login_id_types": ["email"]}');
	RETURN floor_session(the_user, at);
END $$;
