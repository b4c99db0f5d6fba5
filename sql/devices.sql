--
-- What sessions say about their devices.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
RESET client_min_messages;

SELECT anon_auth.create_client('app', 'native', ARRAY['com.example.app://done']);
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
-- the newest session of a user
CREATE FUNCTION device(sub uuid) RETURNS TABLE (sessions bigint, device_info jsonb, client_address inet, user_agent text) LANGUAGE sql AS $$
	SELECT count(*) OVER (), s.device_info, nullif(s.client_address, inet_client_addr()), s.user_agent
	FROM anon_auth.sessions s WHERE s.user_id = sub ORDER BY s.id DESC LIMIT 1 $$;

-- every login stores the device_info and the whole address
BEGIN;
SELECT anon_auth.use_client_address('2001:db8:1:2:3::4');
SELECT * FROM anon_auth.authenticate_anonymously('app', device_info => '{"model": "Pixel"}') \gset guest_
SELECT * FROM device(:'guest_sub');
COMMIT;
-- a refresh updates the address, and keeps the last one known and the device_info
BEGIN;
SELECT anon_auth.use_client_address('192.0.2.1');
SELECT sub IS NOT NULL AS refreshed FROM anon_auth.refresh_session('app', :'guest_refresh_token');
SELECT * FROM device(:'guest_sub');
COMMIT;
SELECT sub IS NOT NULL AS refreshed FROM anon_auth.refresh_session('app', :'guest_refresh_token');
SELECT client_address = coalesce(inet_client_addr(), '192.0.2.1') AS same FROM anon_auth.sessions WHERE user_id = :'guest_sub';
-- the return of a key-less guest is a refresh, too
BEGIN;
SELECT anon_auth.use_client_address('192.0.2.2');
SELECT sub IS NOT NULL AS resumed FROM anon_auth.authenticate_anonymously('app', refresh_token => :'guest_refresh_token');
SELECT * FROM device(:'guest_sub');
COMMIT;

-- a promotion keeps the device_info of the session that proves it
SELECT sub IS NOT NULL AS other_guest FROM anon_auth.authenticate_anonymously('app', device_info => '{"model": "another guest"}');
BEGIN;
SELECT anon_auth.use_client_address('192.0.2.3');
SELECT * FROM anon_auth.promote_anonymous_user('app', username => 'ada', password => 'correct horse', refresh_token => :'guest_refresh_token') \gset ada_
SELECT * FROM device(:'ada_sub');
COMMIT;
-- a login has its own
BEGIN;
SELECT anon_auth.use_client_address('192.0.2.4');
SELECT sub = :'ada_sub' AS same FROM anon_auth.authenticate('app', 'ada', 'correct horse', '{"model": "iPad"}');
SELECT * FROM device(:'ada_sub');
COMMIT;
SELECT sub = :'ada_sub' AS same FROM anon_auth.authenticate('app', 'ada', 'correct horse');
SELECT * FROM device(:'ada_sub');

-- device_info of the promotion takes precedence
SELECT * FROM anon_auth.authenticate_anonymously('app', device_info => '{"model": "Pixel"}') \gset guest_
SELECT promotion_code FROM anon_auth.create_promotion_code(:'guest_refresh_token') \gset
SELECT * FROM anon_auth.promote_anonymous_user('app', username => 'bob', password => 'correct horse', promotion_code => :'promotion_code', device_info => '{"model": "other"}') \gset bob_
SELECT * FROM device(:'bob_sub');
-- a promotion that logs in or merges does the same
UPDATE anon_auth.settings SET promotion_conflict = 'login';
SELECT * FROM anon_auth.authenticate_anonymously('app', device_info => '{"model": "Pixel 7"}') \gset guest_
SELECT sub = :'bob_sub' AS bob FROM anon_auth.promote_anonymous_user('app', username => 'bob', password => 'correct horse', refresh_token => :'guest_refresh_token');
SELECT * FROM device(:'bob_sub');
UPDATE anon_auth.settings SET promotion_conflict = 'merge';
SELECT * FROM anon_auth.authenticate_anonymously('app', device_info => '{"model": "Pixel 8"}') \gset guest_
SELECT sub = :'bob_sub' AS bob FROM anon_auth.promote_anonymous_user('app', username => 'bob', password => 'correct horse', refresh_token => :'guest_refresh_token');
SELECT * FROM device(:'bob_sub');

-- the authorization code of a promotion carries it to the session
\set verifier 0123456789012345678901234567890123456789012
SELECT replace(rtrim(encode(sha256(:'verifier'), 'base64'), '='), '+', '-') AS challenge \gset
SELECT replace(:'challenge', '/', '_') AS challenge \gset
SELECT * FROM anon_auth.authenticate_anonymously('app', device_info => '{"model": "Pixel 9"}') \gset guest_
SELECT code FROM anon_auth.authorize_promotion('app', 'com.example.app://done', :'challenge', username => 'cyd', password => 'correct horse', refresh_token => :'guest_refresh_token') \gset
SELECT count(*) AS sessions FROM device(:'guest_sub');
SELECT sub = :'guest_sub' AS same FROM anon_auth.exchange_authorization_code('app', :'code', 'com.example.app://done', :'verifier');
SELECT * FROM device(:'guest_sub');
-- device_info of the promotion, and of the exchange
SELECT * FROM anon_auth.authenticate_anonymously('app', device_info => '{"model": "Pixel 9"}') \gset guest_
SELECT code FROM anon_auth.authorize_promotion('app', 'com.example.app://done', :'challenge', username => 'dan', password => 'correct horse', refresh_token => :'guest_refresh_token', device_info => '{"model": "of the promotion"}') \gset
SELECT sub = :'guest_sub' AS same FROM anon_auth.exchange_authorization_code('app', :'code', 'com.example.app://done', :'verifier');
SELECT * FROM device(:'guest_sub');
SELECT * FROM anon_auth.authenticate_anonymously('app') \gset guest_
SELECT code FROM anon_auth.authorize_promotion('app', 'com.example.app://done', :'challenge', username => 'eve', password => 'correct horse', refresh_token => :'guest_refresh_token') \gset
SELECT sub = :'guest_sub' AS same FROM anon_auth.exchange_authorization_code('app', :'code', 'com.example.app://done', :'verifier', '{"model": "of the exchange"}');
SELECT * FROM device(:'guest_sub');

-- device_info that is no object, or too large, is refused and uses nothing up
SELECT * FROM anon_auth.authenticate_anonymously('app') \gset guest_
SELECT * FROM anon_auth.promote_anonymous_user('app', username => 'fay', password => 'correct horse', refresh_token => :'guest_refresh_token', device_info => '[]');
SELECT code FROM anon_auth.authorize_promotion('app', 'com.example.app://done', :'challenge', username => 'fay', password => 'correct horse', refresh_token => :'guest_refresh_token', device_info => '"x"');
SELECT code FROM anon_auth.authorize_promotion('app', 'com.example.app://done', :'challenge', username => 'fay', password => 'correct horse', refresh_token => :'guest_refresh_token') \gset
SELECT * FROM anon_auth.exchange_authorization_code('app', :'code', 'com.example.app://done', :'verifier', jsonb_build_object('a', repeat('x', 10000)));
SELECT sub = :'guest_sub' AS same FROM anon_auth.exchange_authorization_code('app', :'code', 'com.example.app://done', :'verifier');
SELECT * FROM anon_auth.authenticate('app', 'fay', 'correct horse', '1');
SELECT count(*) FROM anon_auth.events WHERE user_id = :'guest_sub' AND type = 'authentication.failed';

-- a header User-Agent counts over the HTTP interface only
BEGIN;
SELECT set_config('request.headers', '{"user-agent": "Firefox"}', true) <> '' AS set;
SELECT sub = :'guest_sub' AS same FROM anon_auth.authenticate('app', 'fay', 'correct horse');
SELECT * FROM device(:'guest_sub');
COMMIT;

-- each setting switches one off, also for sessions that exist
BEGIN;
SELECT anon_auth.use_client_address('192.0.2.5');
SELECT * FROM anon_auth.authenticate('app', 'fay', 'correct horse') \gset fay_
UPDATE anon_auth.sessions SET user_agent = 'Firefox' WHERE user_id = :'fay_sub';
UPDATE anon_auth.settings SET session_client_address = false;
SELECT sub IS NOT NULL AS refreshed FROM anon_auth.refresh_session('app', :'fay_refresh_token');
SELECT * FROM device(:'fay_sub');
UPDATE anon_auth.settings SET session_client_address = true, session_user_agent = false;
SELECT sub IS NOT NULL AS refreshed FROM anon_auth.refresh_session('app', :'fay_refresh_token');
SELECT * FROM device(:'fay_sub');
UPDATE anon_auth.settings SET session_client_address = false;
SELECT sub IS NOT NULL AS logged_in FROM anon_auth.authenticate('app', 'fay', 'correct horse');
SELECT * FROM device(:'fay_sub');
COMMIT;

-- a role with the client API can see its own devices in a view
CREATE ROLE regress_anon_auth_app;
SELECT anon_auth.grant_client_api('regress_anon_auth_app');
CREATE SCHEMA app;
CREATE VIEW app.my_devices WITH (security_barrier) AS
	SELECT id, client_id, device_info, client_address, user_agent, created_at, last_used_at,
		   id = (SELECT anon_auth.session_id()) AS is_current
	FROM anon_auth.sessions
	WHERE user_id = (SELECT anon_auth.uid()) AND expires_at > now();
ALTER VIEW app.my_devices OWNER TO anon_auth_owner;
GRANT USAGE ON SCHEMA app TO anon_auth_owner, regress_anon_auth_app;
GRANT SELECT ON app.my_devices TO regress_anon_auth_app;
SELECT access_token FROM anon_auth.authenticate('app', 'fay', 'correct horse', '{"model": "Fay''s"}') \gset
SET ROLE regress_anon_auth_app;
SELECT count(*) FROM app.my_devices;
BEGIN;
SELECT anon_auth.use_access_token(:'access_token') = :'fay_sub' AS fay;
SELECT count(*), count(*) FILTER (WHERE is_current) AS current, max(device_info::text) FILTER (WHERE is_current) AS device FROM app.my_devices;
COMMIT;
RESET ROLE;
SELECT severity, finding, what FROM anon_auth.doctor() WHERE severity = 'error';
SET client_min_messages = warning;
DROP SCHEMA app CASCADE;
DROP OWNED BY regress_anon_auth_app;
DROP ROLE regress_anon_auth_app;
RESET client_min_messages;

-- deleting the user deletes all of it
SELECT anon_auth.delete_user(:'fay_sub');
SELECT count(*) FROM anon_auth.sessions WHERE user_id = :'fay_sub';

-- device_info is bounded by its text, not by its stored form
\set VERBOSITY terse
SELECT pg_column_size(('{"n": [' || repeat('1e131071,', 100) || '1]}')::jsonb) < 8192 AS stored_is_short;
SELECT sub IS NOT NULL AS signed_up FROM anon_auth.authenticate_anonymously('app', device_info => ('{"n": [' || repeat('1e131071,', 100) || '1]}')::jsonb);
SELECT sub IS NOT NULL AS signed_up FROM anon_auth.authenticate_anonymously('app', device_info => jsonb_build_object('n', repeat('x', 8192 - 9)));
SELECT sub IS NOT NULL AS signed_up FROM anon_auth.authenticate_anonymously('app', device_info => jsonb_build_object('n', repeat('x', 8192 - 8)));
SELECT sub IS NOT NULL AS signed_up FROM anon_auth.authenticate_anonymously('app', device_info => '["x"]');
\set VERBOSITY default

-- JSON null is no device_info
SELECT sub IS NOT NULL AS accepted FROM anon_auth.authenticate_anonymously('app', device_info => 'null');

SET client_min_messages = warning;
DROP FUNCTION device;
DROP EXTENSION anon_auth CASCADE;
