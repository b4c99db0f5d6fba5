--
-- Guests without a device key, their tokens and sessions. (Guests with a device
-- key need a device: see t/.)
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
RESET client_min_messages;

SELECT anon_auth.create_client('native', 'native'), anon_auth.create_client('spa', 'spa', id_token => 'always'),
	   anon_auth.create_client('web', 'traditional_webapp'), anon_auth.create_client('other', 'spa'),
	   anon_auth.create_client('confidential', 'confidential'),
	   anon_auth.create_client('third', 'third_party_app'), anon_auth.create_client('m2m', 'm2m');

-- first-party public clients can sign up guests
SELECT c AS client_id, (t).token_type, (t).expires_in, (t).sub IS NOT NULL AS sub,
	   (t).refresh_token <> '' AS refresh_token, (t).id_token <> '' AS id_token
FROM (VALUES ('native'), ('spa'), ('web')) AS v (c),
	 LATERAL (SELECT t FROM anon_auth.authenticate_anonymously(c) t OFFSET 0) response;
SELECT count(*) AS users, count(*) FILTER (WHERE is_anonymous AND NOT is_verified AND device_kid IS NULL) AS guests
FROM anon_auth.users;

-- other clients cannot, and the hint says what to use instead
SELECT anon_auth.authenticate_anonymously('confidential');
SELECT anon_auth.authenticate_anonymously('third');
SELECT anon_auth.authenticate_anonymously('m2m');
SELECT anon_auth.authenticate_anonymously('nobody');
SELECT anon_auth.authenticate_anonymously(NULL);
SELECT anon_auth.authenticate_anonymously('');
SELECT anon_auth.authenticate_anonymously('spa', device_info => '"phone"');
SELECT anon_auth.authenticate_anonymously('spa', device_info => jsonb_build_object('a', repeat('x', 10000)));
SELECT anon_auth.authenticate_anonymously('spa', jwt => 'a.b.c', refresh_token => 'x');

-- settings that allow guests
UPDATE anon_auth.settings SET anonymous_users_enabled = false;
SELECT anon_auth.authenticate_anonymously('spa');
UPDATE anon_auth.settings SET anonymous_users_enabled = true, public_sign_up_enabled = false;
SELECT anon_auth.authenticate_anonymously('spa');
UPDATE anon_auth.settings SET public_sign_up_enabled = true;
SELECT count(*) AS users FROM anon_auth.users;

-- claims of the tokens
SELECT * FROM anon_auth.authenticate_anonymously('spa', device_info => '{"model": "Pixel"}') \gset guest_
SELECT jsonb_pretty(anon_auth.verify_jwt(:'guest_access_token') - '{sub,sid,jti,iat,exp,auth_time}'::text[]) AS access_token;
SELECT id AS session_id FROM anon_auth.sessions WHERE user_id = :'guest_sub' \gset
SELECT c ->> 'sub' = :'guest_sub' AS sub, (c ->> 'exp')::int - (c ->> 'iat')::int AS lifetime,
	   c ->> 'auth_time' = c ->> 'iat' AS auth_time,
	   c ->> 'sid' = :'session_id' AS sid
FROM anon_auth.verify_jwt(:'guest_access_token') c;
SELECT anon_auth.verify_jwt(:'guest_id_token', 'spa') ->> 'at_hash' =
	   rtrim(translate(encode(substring(sha256(:'guest_access_token') FROM 1 FOR 16), 'base64'), '+/', '-_'), '=') AS at_hash;
SELECT jsonb_pretty(anon_auth.verify_jwt(:'guest_id_token', 'spa') - '{sub,sid,iat,exp,auth_time,at_hash}'::text[]) AS id_token;
SELECT anon_auth.verify_jwt(:'guest_id_token');
SELECT device_info FROM anon_auth.sessions WHERE user_id = :'guest_sub';

-- userinfo
SELECT jsonb_pretty(jsonb_set(anon_auth.userinfo(:'guest_access_token') - '{sub,updated_at}'::text[],
	'{https://authgear.com/claims/user/identities,0}',
	(anon_auth.userinfo(:'guest_access_token') #> '{https://authgear.com/claims/user/identities,0}') - '{created_at,updated_at}'::text[]));
SELECT anon_auth.userinfo(:'guest_id_token');
SELECT anon_auth.userinfo('garbage');
SELECT anon_auth.userinfo();

-- sign-up and refresh with the refresh token return the same guest and token
SELECT sub = :'guest_sub' AS same_guest, refresh_token = :'guest_refresh_token' AS same_token
FROM anon_auth.authenticate_anonymously('spa', refresh_token => :'guest_refresh_token');
SELECT sub = :'guest_sub' AS same_guest, refresh_token = :'guest_refresh_token' AS same_token
FROM anon_auth.refresh_session('spa', :'guest_refresh_token');
SELECT anon_auth.refresh_session('other', :'guest_refresh_token');
SELECT anon_auth.authenticate_anonymously('other', refresh_token => :'guest_refresh_token');
SELECT anon_auth.refresh_session('spa', 'garbage');
SELECT anon_auth.refresh_session('spa', overlay(:'guest_refresh_token' PLACING CASE WHEN right(:'guest_refresh_token', 1) = 'A' THEN 'B' ELSE 'A' END FROM length(:'guest_refresh_token')));
SELECT anon_auth.refresh_session('spa', NULL);
SELECT anon_auth.authenticate_anonymously('spa', refresh_token => '');

-- a token with a valid tag opens no session with another secret
BEGIN;
SET LOCAL ROLE anon_auth_owner;
UPDATE anon_auth.sessions SET secret_hash = sha256('another') WHERE user_id = :'guest_sub';
SELECT anon_auth.refresh_session('spa', :'guest_refresh_token');
ROLLBACK;
BEGIN;
SET LOCAL ROLE anon_auth_owner;
UPDATE anon_auth.sessions SET secret_hash = sha256('another') WHERE user_id = :'guest_sub';
SELECT anon_auth.create_promotion_code(:'guest_refresh_token');
ROLLBACK;

-- a challenge is not accepted as another token, and another token not as a
-- challenge
SELECT token FROM anon_auth.create_challenge() \gset
SELECT anon_auth.refresh_session('spa', :'token');
SELECT purpose, length(token) > 40 AS token, expire_at BETWEEN now() + '4 min' AND now() + '6 min' AS expire_at
FROM (VALUES ('anonymous_request'), ('biometric_request'), ('app2app_request')) AS v (purpose), anon_auth.create_challenge(purpose);
SELECT anon_auth.create_challenge('dessert');
SELECT anon_auth.create_challenge(NULL);

-- a session ends by its idle timeout, its lifetime, or revocation
UPDATE anon_auth.sessions SET expires_at = now() - interval '1 second' WHERE user_id = :'guest_sub';
SELECT anon_auth.refresh_session('spa', :'guest_refresh_token');
SELECT anon_auth.userinfo(:'guest_access_token');
SELECT * FROM anon_auth.authenticate_anonymously('spa') \gset guest_
SELECT expires_at - created_at AS idle_timeout FROM anon_auth.sessions WHERE user_id = :'guest_sub';
UPDATE anon_auth.clients SET refresh_token_idle_timeout_enabled = false WHERE client_id = 'spa';
SELECT count(*) FROM anon_auth.refresh_session('spa', :'guest_refresh_token');
SELECT round(extract(epoch FROM expires_at - created_at) / 86400) AS lifetime_days FROM anon_auth.sessions WHERE user_id = :'guest_sub';
SELECT anon_auth.revoke(:'guest_refresh_token');
SELECT anon_auth.refresh_session('spa', :'guest_refresh_token');
SELECT * FROM anon_auth.authenticate_anonymously('spa') \gset guest_
SELECT anon_auth.revoke(:'guest_access_token');
SELECT anon_auth.refresh_session('spa', :'guest_refresh_token');
SELECT anon_auth.userinfo(:'guest_access_token');
SELECT anon_auth.revoke('garbage'), anon_auth.revoke(''), anon_auth.revoke(NULL), anon_auth.revoke(:'guest_refresh_token'), anon_auth.revoke(:'guest_id_token');

-- a client can limit a user to one session at a time
UPDATE anon_auth.clients SET max_concurrent_sessions = 1 WHERE client_id = 'native';
SELECT * FROM anon_auth.authenticate_anonymously('native') \gset guest_
SELECT count(*) FROM anon_auth.promote_anonymous_user('native', username => 'single', password => 'correct horse', refresh_token => :'guest_refresh_token');
SELECT count(*) FROM anon_auth.authenticate('native', 'single', 'correct horse');
SELECT count(*) FROM anon_auth.authenticate('native', 'single', 'correct horse');
SELECT count(*) AS sessions FROM anon_auth.sessions WHERE user_id = :'guest_sub';

-- administration
SELECT * FROM anon_auth.authenticate_anonymously('spa') \gset guest_
SELECT anon_auth.disable_user(:'guest_sub');
SELECT anon_auth.refresh_session('spa', :'guest_refresh_token');
SELECT anon_auth.userinfo(:'guest_access_token');
SELECT anon_auth.disable_user(:'guest_sub'), anon_auth.enable_user(:'guest_sub'), anon_auth.enable_user(:'guest_sub');
SELECT anon_auth.delete_user(:'guest_sub');
SELECT anon_auth.revoke_sessions('00000000-0000-0000-0000-000000000000');
SELECT anon_auth.disable_user(NULL);
SELECT type, payload FROM anon_auth.events WHERE user_id = :'guest_sub' ORDER BY id;
SELECT type, count(*) FROM anon_auth.events GROUP BY type ORDER BY type COLLATE "C";
