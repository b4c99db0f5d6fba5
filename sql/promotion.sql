--
-- Promotion keeps the sub, and is all or nothing.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
RESET client_min_messages;

SELECT anon_auth.create_client('app', 'native', '{https://app.example/callback}', id_token => 'always'), anon_auth.create_client('other', 'spa', '{https://other.example/}');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;

-- application data of a guest
CREATE TABLE notes (user_id uuid NOT NULL REFERENCES anon_auth.users (id), note text);
SELECT * FROM anon_auth.authenticate_anonymously('app') \gset guest_
SELECT refresh_token AS second_session FROM anon_auth.authenticate_anonymously('app', refresh_token => :'guest_refresh_token') \gset
INSERT INTO notes VALUES (:'guest_sub', 'mine');

-- missing arguments are reported
SELECT anon_auth.promote_anonymous_user('app', email => 'ada@example.com', password => 'correct horse');
SELECT anon_auth.promote_anonymous_user('app', email => 'ada@example.com', password => 'correct horse', refresh_token => :'guest_refresh_token', promotion_code => 'x');
SELECT anon_auth.promote_anonymous_user('app', email => 'ada@example.com', refresh_token => :'guest_refresh_token');
SELECT anon_auth.promote_anonymous_user('app', password => 'correct horse', refresh_token => :'guest_refresh_token');
SELECT anon_auth.promote_anonymous_user('app', email => 'ada@example.com', password => 'short', refresh_token => :'guest_refresh_token');
SELECT anon_auth.promote_anonymous_user('app', email => 'ada', password => 'correct horse', refresh_token => :'guest_refresh_token');
SELECT anon_auth.promote_anonymous_user('app', email => 'ada@example.com', password => 'correct horse', refresh_token => 'garbage');
SELECT anon_auth.promote_anonymous_user('app', email => 'ada@example.com', password => 'correct horse', promotion_code => 'garbage');
SELECT anon_auth.promote_anonymous_user('app', email => 'ada@example.com', password => 'correct horse', promotion_code => :'guest_refresh_token');
SELECT anon_auth.promote_anonymous_user('app', email => 'ada@example.com', password => 'correct horse', jwt => 'garbage');
SELECT anon_auth.promote_anonymous_user('nobody', email => 'ada@example.com', password => 'correct horse', refresh_token => :'guest_refresh_token');
SELECT anon_auth.promote_anonymous_user('other', email => 'ada@example.com', password => 'correct horse', refresh_token => :'guest_refresh_token');
SELECT promotion_code FROM anon_auth.create_promotion_code(:'guest_refresh_token') \gset
SELECT anon_auth.promote_anonymous_user('other', email => 'ada@example.com', password => 'correct horse', promotion_code => :'promotion_code');

-- the failed calls changed nothing
SELECT is_anonymous, (SELECT count(*) FROM anon_auth.login_ids) AS login_ids, (SELECT count(*) FROM anon_auth.passwords) AS passwords,
	   (SELECT count(*) FROM anon_auth.sessions) AS sessions FROM anon_auth.users;

-- a guest may have several sessions (with a device key, each login creates one)
INSERT INTO anon_auth.sessions (user_id, id, client_id, secret_hash, created_at, authenticated_at, last_used_at, expires_at)
SELECT user_id, gen_random_uuid(), client_id, sha256('another'), created_at, authenticated_at, last_used_at, expires_at FROM anon_auth.sessions;

-- an existing guest can be promoted even if new guests are disabled
UPDATE anon_auth.settings SET anonymous_users_enabled = false, public_sign_up_enabled = false;
SELECT promotion_code FROM anon_auth.create_promotion_code(:'guest_refresh_token') \gset
SELECT * FROM anon_auth.promote_anonymous_user('app', email => 'Ada@Example.com', username => 'ada',
	password => 'correct horse', promotion_code => :'promotion_code') \gset user_
UPDATE anon_auth.settings SET anonymous_users_enabled = true, public_sign_up_enabled = true;
SELECT :'user_sub' = :'guest_sub' AS same_sub;
SELECT is_anonymous, is_verified, device_kid, standard_attributes FROM anon_auth.users;
SELECT note FROM notes WHERE user_id = :'user_sub';
SELECT left(password_hash, 30) FROM anon_auth.passwords;

-- the new tokens name a regular user, and the old session has ended
SELECT c ->> 'is_anonymous' AS is_anonymous, c ->> 'https://authgear.com/claims/user/can_reauthenticate' AS can_reauthenticate
FROM anon_auth.verify_jwt(:'user_access_token') c;
SELECT jsonb_object_agg(key, CASE jsonb_typeof(value) WHEN 'array' THEN
		(SELECT jsonb_agg(CASE jsonb_typeof(e) WHEN 'object' THEN e - '{created_at,updated_at}'::text[] ELSE e END) FROM jsonb_array_elements(value) e)
		ELSE value END) AS userinfo
FROM jsonb_each(anon_auth.userinfo(:'user_access_token')) WHERE key NOT IN ('sub', 'updated_at');
SELECT anon_auth.refresh_session('app', :'guest_refresh_token');
SELECT anon_auth.userinfo(:'guest_access_token');
SELECT anon_auth.verify_jwt(:'user_access_token') ->> 'sid' AS session_id \gset
SELECT count(*) AS sessions, count(*) FILTER (WHERE id = :'session_id') AS new_ones FROM anon_auth.sessions;

-- a user can be promoted only once
SELECT anon_auth.promote_anonymous_user('app', email => 'x@example.com', password => 'correct horse', promotion_code => :'promotion_code');
SELECT anon_auth.promote_anonymous_user('app', email => 'x@example.com', password => 'correct horse', refresh_token => :'user_refresh_token');
SELECT anon_auth.create_promotion_code(:'user_refresh_token');
SELECT anon_auth.authenticate_anonymously('app', refresh_token => :'user_refresh_token');

-- login: wrong credentials return no row, and write an event
SELECT sub = :'user_sub' AS logged_in FROM anon_auth.authenticate('app', 'ADA@EXAMPLE.COM', 'correct horse');
SELECT sub = :'user_sub' AS logged_in FROM anon_auth.authenticate('app', 'Ada', 'correct horse');
SELECT * FROM anon_auth.authenticate('app', 'ada', 'wrong horse');
SELECT * FROM anon_auth.authenticate('app', 'nobody', 'correct horse');
SELECT * FROM anon_auth.authenticate('app', 'not @ login id', 'correct horse');
SELECT * FROM anon_auth.authenticate('app', 'ada', repeat('x', 10000));
SELECT anon_auth.authenticate('app', 'ada', NULL);
SELECT anon_auth.authenticate('app', NULL, 'correct horse');
SELECT type, user_id = :'user_sub' AS of_ada, client_id, payload FROM anon_auth.events ORDER BY id;

-- a raised cost is applied to the hash at the next login
UPDATE anon_auth.settings SET password_hash_passes = 2;
SELECT count(*) FROM anon_auth.authenticate('app', 'ada', 'correct horse');
SELECT left(password_hash, 30) FROM anon_auth.passwords;
SELECT count(*) FROM anon_auth.authenticate('app', 'ada', 'correct horse');

-- promotion_conflict = 'error' leaves the guest unchanged
SELECT * FROM anon_auth.authenticate_anonymously('app') \gset second_
SELECT anon_auth.promote_anonymous_user('app', email => 'ada@example.com', password => 'correct horse', refresh_token => :'second_refresh_token');
SELECT sub = :'second_sub' AS untouched FROM anon_auth.refresh_session('app', :'second_refresh_token');

-- promotion_conflict = 'login' requires the account's password, and also leaves
-- the guest unchanged
UPDATE anon_auth.settings SET promotion_conflict = 'login';
SELECT count(*) AS rows FROM anon_auth.promote_anonymous_user('app', email => 'ada@example.com', password => 'wrong horse', refresh_token => :'second_refresh_token');
SELECT sub = :'user_sub' AS logged_in_as_ada
FROM anon_auth.promote_anonymous_user('app', email => 'ada@example.com', password => 'correct horse', refresh_token => :'second_refresh_token');
SELECT sub = :'second_sub' AS untouched FROM anon_auth.refresh_session('app', :'second_refresh_token');
SELECT type FROM anon_auth.events WHERE user_id = :'user_sub' ORDER BY id DESC LIMIT 2;

-- two login IDs of two accounts are an error with any setting
SELECT count(*) FROM anon_auth.promote_anonymous_user('app', email => 'bob@example.com', password => 'battery staple', refresh_token => :'second_refresh_token');
SELECT refresh_token AS third FROM anon_auth.authenticate_anonymously('app') \gset
SELECT anon_auth.promote_anonymous_user('app', email => 'bob@example.com', username => 'ada', password => 'battery staple', refresh_token => :'third');
UPDATE anon_auth.settings SET promotion_conflict = DEFAULT;

-- the promotion code of a session that has ended is refused
SELECT promotion_code FROM anon_auth.create_promotion_code(:'third') \gset
SELECT anon_auth.revoke(:'third');
SELECT anon_auth.promote_anonymous_user('app', email => 'carol@example.com', password => 'correct horse', promotion_code => :'promotion_code');

-- promotion on the web: an authorization code is exchanged once, with PKCE (RFC
-- 7636, appendix B)
\set verifier 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
\set challenge 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
SELECT * FROM anon_auth.authenticate_anonymously('app') \gset web_
SELECT anon_auth.authorize_promotion('app', 'https://evil.example/', :'challenge', email => 'web@example.com', password => 'correct horse', refresh_token => :'web_refresh_token');
SELECT anon_auth.authorize_promotion('app', 'https://app.example/callback', :'challenge', 'plain', email => 'web@example.com', password => 'correct horse', refresh_token => :'web_refresh_token');
SELECT anon_auth.authorize_promotion('app', 'https://app.example/callback', 'short', email => 'web@example.com', password => 'correct horse', refresh_token => :'web_refresh_token');
SELECT anon_auth.authorize_promotion('app', 'https://app.example/callback', :'challenge', email => 'web@example.com', password => 'correct horse', refresh_token => :'web_refresh_token', nonce => repeat('n', 256));
SELECT code FROM anon_auth.authorize_promotion('app', 'https://app.example/callback', :'challenge', email => 'web@example.com',
	password => 'correct horse', refresh_token => :'web_refresh_token', nonce => 'n-0S6') \gset
SELECT anon_auth.exchange_authorization_code('app', :'code', 'https://app.example/callback', repeat('x', 43));
SELECT anon_auth.exchange_authorization_code('app', :'code', 'https://app.example/callback', 'short');
SELECT anon_auth.exchange_authorization_code('app', :'code', 'https://app.example/', :'verifier');
SELECT anon_auth.exchange_authorization_code('other', :'code', 'https://app.example/callback', :'verifier');
SELECT anon_auth.exchange_authorization_code('app', 'garbage', 'https://app.example/callback', :'verifier');
SELECT sub = :'web_sub' AS same_sub, anon_auth.verify_jwt(id_token, 'app') ->> 'nonce' AS nonce
FROM anon_auth.exchange_authorization_code('app', :'code', 'https://app.example/callback', :'verifier') OFFSET 0;
SELECT anon_auth.exchange_authorization_code('app', :'code', 'https://app.example/callback', :'verifier');

-- an expired code is refused like an unknown one
SELECT refresh_token FROM anon_auth.authenticate_anonymously('app') \gset
SELECT code FROM anon_auth.authorize_promotion('app', 'https://app.example/callback', :'challenge', email => 'late@example.com', password => 'correct horse', refresh_token => :'refresh_token') \gset
UPDATE anon_auth.authorization_codes SET expires_at = now();
SELECT anon_auth.exchange_authorization_code('app', :'code', 'https://app.example/callback', :'verifier');

-- deleting a user deletes its login IDs, but fails if an application's foreign
-- key forbids it
\set VERBOSITY terse
SELECT anon_auth.delete_user(:'user_sub');
DELETE FROM notes;
SELECT anon_auth.delete_user(:'user_sub');
SELECT value FROM anon_auth.login_ids ORDER BY value;
DROP TABLE notes;

-- client functions that return a set return at most one row, and the planner knows it;
-- claim_anonymous_user() returns one for each of the application's tables
SELECT oid::regprocedure AS other_estimate FROM pg_proc
WHERE oid = ANY (anon_auth.client_api()::oid[]) AND proretset AND prorows <> 1
	AND proname NOT IN ('claim_anonymous_user', 'list_sessions', 'list_device_keys', 'list_passkeys');
