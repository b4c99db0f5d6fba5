--
-- Mistakes of developers and DBAs: each is reported, and changes nothing.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
RESET client_min_messages;
SELECT anon_auth.create_client('app', 'native') IS NOT NULL AS made;
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
SELECT sub, access_token, refresh_token FROM anon_auth.authenticate_anonymously('app') \gset guest_
SELECT sub, refresh_token FROM anon_auth.authenticate_anonymously('app') \gset ada_
SELECT sub FROM anon_auth.promote_anonymous_user('app', username => 'ada', password => 'correct horse', refresh_token => :'ada_refresh_token') \gset ada_

-- ---- NULL for a required argument ----
\set VERBOSITY terse
SELECT anon_auth.merge_anonymous_user(:'guest_sub', :'ada_sub', NULL);
SELECT anon_auth.take_outbox_messages(NULL);
SELECT anon_auth.promote_anonymous_user('app', username => 'bob', refresh_token => :'guest_refresh_token');
SELECT anon_auth.promote_anonymous_user('app', username => 'bob', password => repeat('x', 10000), refresh_token => :'guest_refresh_token');

-- ---- users of the wrong kind ----
SELECT anon_auth.merge_anonymous_user(:'ada_sub', :'ada_sub');
SELECT anon_auth.disable_user(:'guest_sub');
SELECT anon_auth.merge_anonymous_user(:'guest_sub', :'ada_sub');
SELECT anon_auth.enable_user(:'guest_sub');
SELECT count(*) AS users FROM anon_auth.users;

-- ---- expanding a composite result calls the function once per column ----
SELECT (anon_auth.authenticate_anonymously('app')).* \g /dev/null
SELECT count(*) - 2 AS guests_of_six_calls FROM anon_auth.users;
SELECT * FROM anon_auth.authenticate_anonymously('app') \g /dev/null
SELECT count(*) - 8 AS guests_of_one_call FROM anon_auth.users;

-- ---- tokens that our key signed and that are not access tokens ----
\set VERBOSITY default
SELECT anon_auth.userinfo(anon_auth.sign_jwt('{"sub": "x"}', typ => 'at+jwt'));
SELECT anon_auth.userinfo(anon_auth.sign_jwt(jsonb_build_object('sub', 'ada', 'sid', gen_random_uuid(), 'iss', 'http://localhost', 'aud', 'http://localhost',
	'exp', extract(epoch FROM now())::bigint + 60), typ => 'at+jwt'));
SELECT anon_auth.userinfo(anon_auth.sign_jwt(jsonb_build_object('sub', upper(:'ada_sub'), 'sid', gen_random_uuid(), 'iss', 'http://localhost',
	'aud', 'http://localhost', 'exp', extract(epoch FROM now())::bigint + 60), typ => 'at+jwt'));
SELECT anon_auth.userinfo(anon_auth.sign_jwt(jsonb_build_object('sub', translate(:'ada_sub', '-', '+'), 'sid', gen_random_uuid(), 'iss', 'http://localhost',
	'aud', 'http://localhost', 'exp', extract(epoch FROM now())::bigint + 60), typ => 'at+jwt'));
SELECT anon_auth.verify_jwt('!.e30.AA');
SELECT anon_auth.verify_jwt(split_part(:'guest_access_token', '.', 1) || '.!.' || split_part(:'guest_access_token', '.', 3));
SELECT anon_auth.verify_jwt(substring(:'guest_access_token' FROM '.*[.]') || repeat('A', 4000));
SELECT anon_auth.jws_verify('!.e30.AA', '{"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}') AS header_of_nothing;

-- ---- signing keys ----
SELECT anon_auth.import_signing_key(jsonb_build_object('kty', 'oct', 'kid', repeat('k', 256), 'k', repeat('A', 64), 'alg', 'HS256'));
SELECT anon_auth.import_signing_key(jsonb_build_object('kty', 'oct', 'kid', '', 'k', repeat('A', 64), 'alg', 'HS256'));
UPDATE anon_auth.signing_keys SET kid = 'damaged', public_jwk = '{"kty": 1}';
SELECT anon_auth.sign_jwt('{}');
\set VERBOSITY terse
UPDATE anon_auth.signing_keys SET public_jwk = '{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}';
SELECT anon_auth.sign_jwt('{}');
\set VERBOSITY default
-- the error for a damaged key does not say that another key signed the token
SELECT anon_auth.verify_jwt(translate(encode('{"alg":"ES256","kid":"damaged"}', 'base64'), E'+/=\n', '-_') || '.e30.AA');

DELETE FROM anon_auth.signing_keys;

-- ---- the settings row is missing ----
DELETE FROM anon_auth.settings;
\set VERBOSITY terse
SELECT anon_auth.authenticate_anonymously('app');
SELECT anon_auth.authenticate('app', 'ada', 'correct horse');
SELECT anon_auth.refresh_session('app', :'guest_refresh_token');
SELECT anon_auth.promote_anonymous_user('app', username => 'bob', password => 'correct horse', refresh_token => :'guest_refresh_token');
SELECT anon_auth.request_password_reset('ada@example.com');
SELECT anon_auth.reset_password('ada@example.com', 'x', 'correct horse');
SELECT anon_auth.openid_configuration();
SELECT anon_auth.purge();
INSERT INTO anon_auth.settings DEFAULT VALUES;
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
SELECT count(*) AS logins FROM anon_auth.users WHERE NOT is_anonymous;

-- ---- domains ----
UPDATE anon_auth.settings SET email_domain_blocklist = '{xn--a,*.,example..org,*.example.org}';
SELECT sub IS NOT NULL AS promoted FROM anon_auth.promote_anonymous_user('app', email => 'ada@example.com', password => 'correct horse',
	refresh_token => (anon_auth.authenticate_anonymously('app')).refresh_token);
SELECT anon_auth.promote_anonymous_user('app', email => 'ada@mail.example.org', password => 'correct horse', refresh_token => (anon_auth.authenticate_anonymously('app')).refresh_token);
SELECT anon_auth.promote_anonymous_user('app', email => 'ada@' || repeat('a.', 130) || 'org', password => 'correct horse', refresh_token => (anon_auth.authenticate_anonymously('app')).refresh_token);
\set VERBOSITY default

-- ---- authorize_promotion() with a wrong password of the account ----
UPDATE anon_auth.settings SET promotion_conflict = 'merge';
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/}') IS NOT NULL AS made;
SELECT refresh_token FROM anon_auth.authenticate_anonymously('web') \gset bob_
SELECT count(*) AS rows, count(code) AS codes FROM anon_auth.authorize_promotion('web', 'https://app.example/', repeat('x', 43), 'S256', username => 'ada', password => 'wrong horse', refresh_token => :'bob_refresh_token');
-- with the right password, and no table of the application
SELECT count(*) AS rows, count(code) AS codes FROM anon_auth.authorize_promotion('web', 'https://app.example/', repeat('x', 43), 'S256', username => 'ada', password => 'correct horse', refresh_token => :'bob_refresh_token');

-- ---- two foreign keys of one column to users ----
CREATE TABLE twice (id integer, user_id uuid,
	FOREIGN KEY (user_id) REFERENCES anon_auth.users (id) ON DELETE SET NULL,
	FOREIGN KEY (user_id) REFERENCES anon_auth.users (id) ON DELETE SET NULL);
UPDATE anon_auth.settings SET promotion_conflict = 'merge';
SELECT sub, refresh_token FROM anon_auth.authenticate_anonymously('app') \gset bob_
INSERT INTO twice VALUES (1, :'bob_sub');
SELECT sub = :'ada_sub' AS merged FROM anon_auth.promote_anonymous_user('app', username => 'ada', password => 'correct horse', refresh_token => :'bob_refresh_token');
SELECT id, user_id = :'ada_sub' AS is_hers FROM twice;
SELECT anon_auth.delete_user(:'ada_sub');
TABLE twice;
DROP TABLE twice;
-- a foreign key to another column of users
ALTER TABLE anon_auth.users ADD UNIQUE (device_kid);
CREATE TABLE devices (kid text REFERENCES anon_auth.users (device_kid));
-- the same, created while event triggers were disabled
CREATE TABLE devices (kid text, user_id uuid CONSTRAINT devices_kid_fkey REFERENCES anon_auth.users);
UPDATE pg_constraint SET conkey = '{1}', confkey = ARRAY[(SELECT attnum FROM pg_attribute WHERE attrelid = 'anon_auth.users'::regclass AND attname = 'device_kid')]
WHERE conname = 'devices_kid_fkey';
SELECT anon_auth.delete_user(:'guest_sub');
DROP TABLE devices;

SET client_min_messages = warning;
DROP EXTENSION anon_auth CASCADE;
