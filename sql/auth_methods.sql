--
-- The claim amr (RFC 8176) says how the user of a session authenticated.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/}', id_token => 'always') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
RESET client_min_messages;

CREATE FUNCTION methods(t anon_auth.token_response, OUT access_token jsonb, OUT id_token jsonb) LANGUAGE sql AS
	$$ SELECT anon_auth.verify_jwt(t.access_token) -> 'amr', anon_auth.verify_jwt(t.id_token, 'web') -> 'amr' $$;

-- a guest without a key has authenticated with nothing
SELECT * FROM anon_auth.authenticate_anonymously('web') \gset guest_
SELECT anon_auth.verify_jwt(:'guest_access_token') ? 'amr' AS access_token, anon_auth.verify_jwt(:'guest_id_token', 'web') ? 'amr' AS id_token;
SELECT user_id = :'guest_sub' AS guest, amr FROM anon_auth.sessions;

-- a password
SELECT methods(p) FROM anon_auth.promote_anonymous_user('web', email => 'ada@auth-methods.example', password => 'correct horse',
	refresh_token => :'guest_refresh_token') p;
SELECT a.* FROM anon_auth.authenticate('web', 'ada@auth-methods.example', 'correct horse') a \gset ada_
SELECT anon_auth.verify_jwt(:'ada_access_token') -> 'amr' AS amr;

-- a refresh keeps the methods of the login
SELECT methods(r) FROM anon_auth.refresh_session('web', :'ada_refresh_token') r;

-- an authorization code carries them
SELECT refresh_token FROM anon_auth.authenticate_anonymously('web') \gset bob_
SELECT code FROM anon_auth.authorize_promotion('web', 'https://app.example/', 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', 'S256',
	email => 'bob@auth-methods.example', password => 'correct horse', refresh_token => :'bob_refresh_token') \gset
SELECT amr FROM anon_auth.authorization_codes;
SELECT methods(e) FROM anon_auth.exchange_authorization_code('web', :'code', 'https://app.example/', 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk') e;

-- can_reauthenticate is true for whoever has a password or a verified address
CREATE FUNCTION can_reauthenticate(user_id uuid) RETURNS jsonb LANGUAGE sql AS
	$$ SELECT anon_auth.verify_jwt(access_token) -> 'https://authgear.com/claims/user/can_reauthenticate'
	   FROM anon_auth.authenticate('web', 'ada@auth-methods.example', 'correct horse') WHERE sub = user_id $$;
SELECT can_reauthenticate(:'ada_sub');
SELECT has_password FROM anon_auth.users;
UPDATE anon_auth.users SET has_password = false WHERE id = :'ada_sub';
SELECT can_reauthenticate(:'ada_sub');
UPDATE anon_auth.users SET is_verified = true WHERE id = :'ada_sub';
SELECT can_reauthenticate(:'ada_sub');

-- a guest has no password
\set VERBOSITY terse
INSERT INTO anon_auth.users (id, is_anonymous, has_password, created_at, updated_at, last_seen_at) VALUES (gen_random_uuid(), true, true, now(), now(), now());
\set VERBOSITY default
-- set_password() gives one
SELECT anon_auth.set_password(:'ada_sub', 'another horse');
SELECT has_password FROM anon_auth.users WHERE id = :'ada_sub';
SET client_min_messages = warning;
DROP FUNCTION methods, can_reauthenticate;
DROP EXTENSION anon_auth CASCADE;
