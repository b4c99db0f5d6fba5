--
-- An example of each function, which this test runs and docs/reference.md
-- shows.
--
-- An example begins with "-- example: FUNCTION, ..." and ends with an empty
-- line. Values that differ from run to run are stored in variables or compared,
-- so that the output is always the same.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
CREATE EXTENSION anon_auth_citus;
CREATE ROLE regress_anon_auth_app;
CREATE ROLE regress_anon_auth_server;
CREATE ROLE regress_anon_auth_monitor;
CREATE ROLE regress_anon_auth_worker;
UPDATE anon_auth.settings SET issuer = 'https://app.example', password_hash_memory_kib = 8192, password_hash_passes = 1;
RESET client_min_messages;
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') AS has_citus \gset

-- A device: makes a request as an app on it would, signed with the RSA key of RFC 7515, appendix A.2.
CREATE SCHEMA regress_device;
CREATE FUNCTION regress_device.base64url(bytes bytea) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT translate(encode(bytes, 'base64'), E'+/=\n', '-_') $$;
CREATE FUNCTION regress_device.request(action text, challenge text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n text := 'ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ';
	d bytea := decode('Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7/GQ5sLKMgvfTeXZx9SE+7YwVol2NXOoAJe46sui395IW/GO+pWJ1O0BkTGoVEn2bKVRUCgu+GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M/V51gfpRLI9JYanrC4D4qAdGcopV/0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl/x/jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR/RQyGWSeWjnczT0QU91p1DhOVRuOopznQ==', 'base64');
	header jsonb := jsonb_build_object('alg', 'RS256', 'typ', 'vnd.authgear.biometric-request', 'kid', 'key-of-device', 'jwk', jsonb_build_object('kty', 'RSA', 'n', n, 'e', 'AQAB'));
	payload jsonb := jsonb_build_object('action', action, 'challenge', challenge, 'device_info', jsonb_build_object('model', 'Pixel 9'));
	input text := regress_device.base64url(convert_to(header::text, 'UTF8')) || '.' || regress_device.base64url(convert_to(payload::text, 'UTF8'));
	padded bytea := '\x0001'::bytea || decode(repeat('ff', 202), 'hex') || '\x003031300d060960864801650304020105000420'::bytea || sha256(input::bytea);
	bytes bytea := decode(translate(n, '-_', '+/') || '==', 'base64');
	modulus numeric := 0;
	base numeric := 0;
	result numeric := 1;
	signature bytea := '';
BEGIN
	FOR i IN 0..255 LOOP
		modulus := modulus * 256 + get_byte(bytes, i);
		base := base * 256 + get_byte(padded, i);
	END LOOP;
	FOR i IN REVERSE 2047..0 LOOP
		result := mod(result * result, modulus);
		IF get_bit(d, (255 - i / 8) * 8 + i % 8) = 1 THEN
			result := mod(result * base, modulus);
		END IF;
	END LOOP;
	FOR i IN 1..256 LOOP
		signature := set_byte('\x00', 0, mod(result, 256)::int) || signature;
		result := div(result, 256);
	END LOOP;
	RETURN input || '.' || regress_device.base64url(signature);
END $$;

-- ---- for the owner, at first ----

-- example: create_client
SELECT anon_auth.create_client('app', 'spa', ARRAY['https://app.example/done']);

-- example: grant_client_api, client_api
SELECT anon_auth.grant_client_api('regress_anon_auth_app');
SELECT has_function_privilege('regress_anon_auth_app', f, 'EXECUTE') FROM unnest(anon_auth.client_api()) AS f LIMIT 1;

-- example: grant_client_address, use_client_address
SELECT anon_auth.grant_client_address('regress_anon_auth_server');
BEGIN;
SELECT anon_auth.use_client_address('192.0.2.1');
SELECT sub IS NOT NULL AS signed_up FROM anon_auth.authenticate_anonymously('app');
COMMIT;

-- example: grant_monitoring
SELECT anon_auth.grant_monitoring('regress_anon_auth_monitor');
SET ROLE regress_anon_auth_monitor;
SELECT sign_ups_total >= 0 AS counted FROM anon_auth.stats;
SELECT count(*) FROM anon_auth.doctor() WHERE severity = 'error';
RESET ROLE;

-- example: create_identity_provider, grant_worker, due_identity_providers, set_identity_provider_keys
SELECT anon_auth.create_identity_provider('https://accounts.example', audiences => '{app.example}');
SELECT anon_auth.grant_worker('regress_anon_auth_worker');
-- here the provider's keys are those of this database; a worker fetches them
SELECT anon_auth.jwks() AS jwks \gset
SET ROLE regress_anon_auth_worker;
SELECT * FROM anon_auth.due_identity_providers();
SELECT anon_auth.set_identity_provider_keys('https://accounts.example', :'jwks');
SELECT * FROM anon_auth.due_identity_providers();
RESET ROLE;

-- example: grant_http_api, http_api
SELECT anon_auth.grant_http_api('regress_anon_auth_app');
SELECT has_function_privilege('regress_anon_auth_app', f, 'EXECUTE') FROM unnest(anon_auth.http_api()) AS f LIMIT 1;

-- example: ensure_signing_key, jwks
SELECT anon_auth.ensure_signing_key();
SELECT key ->> 'alg' AS alg, key ? 'd' AS private FROM jsonb_array_elements(anon_auth.jwks() -> 'keys') AS key;

-- ---- clients ----

-- example: authenticate_anonymously
SELECT * FROM anon_auth.authenticate_anonymously('app', device_info => '{"model": "Pixel 9"}') \gset guest_
SELECT :'guest_token_type' AS token_type, :guest_expires_in AS expires_in;
-- later: the refresh token returns the same guest
SELECT sub = :'guest_sub' AS same FROM anon_auth.authenticate_anonymously('app', refresh_token => :'guest_refresh_token');

-- example: create_challenge
SELECT token IS NOT NULL AS to_be_signed, expire_at > now() AS still_good FROM anon_auth.create_challenge();

-- example: refresh_session
SELECT * FROM anon_auth.refresh_session('app', :'guest_refresh_token') \gset guest_
SELECT anon_auth.verify_jwt(:'guest_access_token') ->> 'sub' = :'guest_sub' AS same_user;

-- example: use_access_token, uid, is_anonymous, has_role, session_id, session_alive, claims, key_bound
BEGIN;
SELECT anon_auth.use_access_token(:'guest_access_token') = :'guest_sub' AS is_caller;
SELECT anon_auth.uid() = :'guest_sub' AS uid, anon_auth.is_anonymous(), anon_auth.session_alive(), anon_auth.has_role('editor'),
	anon_auth.session_id()::text = anon_auth.claims() ->> 'sid' AS session_id, anon_auth.key_bound();
COMMIT;
SELECT anon_auth.uid() IS NULL AS nobody;

-- example: userinfo
SELECT u ->> 'sub' = :'guest_sub' AS sub, u -> 'https://authgear.com/claims/user/is_anonymous' AS is_anonymous
FROM anon_auth.userinfo(:'guest_access_token') AS u;

-- example: create_promotion_code
SELECT promotion_code AS code FROM anon_auth.create_promotion_code(:'guest_refresh_token') \gset
SELECT sub = :'guest_sub' AS same_user
FROM anon_auth.promote_anonymous_user('app', username => 'ada', password => 'correct horse', promotion_code => :'code');

-- example: promote_anonymous_user
SELECT * FROM anon_auth.authenticate_anonymously('app') \gset guest_
SELECT * FROM anon_auth.promote_anonymous_user('app', email => 'bob@example.com', password => 'correct horse',
	refresh_token => :'guest_refresh_token') \gset user_
SELECT :'user_sub' = :'guest_sub' AS same_user;

-- example: sign_up
SELECT * FROM anon_auth.sign_up('app', email => 'dora@example.com', password => 'correct horse') \gset dora_
SELECT anon_auth.verify_jwt(:'dora_access_token') -> 'is_anonymous' AS is_guest;

-- example: authenticate
SELECT * FROM anon_auth.authenticate('app', 'Bob@Example.com', 'correct horse') \gset user_
SELECT count(*) AS rows_for_a_wrong_password FROM anon_auth.authenticate('app', 'bob@example.com', 'wrong horse');

-- example: add_identity, authenticate_with_id_token, remove_identity
SELECT token AS nonce FROM anon_auth.create_challenge('id_token') \gset
-- in place of the provider, this database signs: the application passes the SHA-256 of the nonce to the provider
SELECT anon_auth.sign_jwt(jsonb_build_object('iss', 'https://accounts.example', 'aud', 'app.example', 'sub', '10769150350006150715113082367',
	'nonce', encode(sha256(:'nonce'), 'hex'), 'iat', extract(epoch FROM now())::bigint, 'exp', extract(epoch FROM now())::bigint + 3600)) AS id_token \gset
SELECT anon_auth.add_identity(:'id_token', :'nonce', :'user_access_token') AS added;
-- later, with another nonce and token
SELECT token AS nonce FROM anon_auth.create_challenge('id_token') \gset
SELECT anon_auth.sign_jwt(jsonb_build_object('iss', 'https://accounts.example', 'aud', 'app.example', 'sub', '10769150350006150715113082367',
	'nonce', encode(sha256(:'nonce'), 'hex'), 'iat', extract(epoch FROM now())::bigint, 'exp', extract(epoch FROM now())::bigint + 3600)) AS id_token \gset
SELECT sub = :'user_sub' AS same_user FROM anon_auth.authenticate_with_id_token('app', :'id_token', :'nonce');
SELECT count(*) AS second_time FROM anon_auth.authenticate_with_id_token('app', :'id_token', :'nonce');
SELECT anon_auth.remove_identity('https://accounts.example', :'user_access_token') AS removed;

-- example: add_device_key, authenticate_with_device_key, list_device_keys, remove_device_key
-- in place of the device, a function signs: the app on the device sends the request
SELECT regress_device.request('setup', token) AS jwt FROM anon_auth.create_challenge('biometric_request') \gset
SELECT anon_auth.add_device_key(:'jwt', name => 'my phone', access_token => :'user_access_token') AS kid \gset
-- later, with another challenge
SELECT regress_device.request('authenticate', token) AS jwt FROM anon_auth.create_challenge('biometric_request') \gset
SELECT sub = :'user_sub' AS same_user FROM anon_auth.authenticate_with_device_key('app', :'jwt');
SELECT kid, name, device_info, last_used_at > created_at AS used FROM anon_auth.list_device_keys(:'user_access_token');
SELECT anon_auth.remove_device_key(:'kid', :'user_access_token') AS removed;

-- example: passkey_creation_options, add_passkey, list_passkeys, remove_passkey
SELECT anon_auth.passkey_creation_options(:'user_access_token') AS options \gset
SELECT :'options'::jsonb -> 'rp' AS rp, :'options'::jsonb #>> '{user,name}' AS name;
-- the browser: response = (await navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options)})).toJSON()
-- in its place, this psql script
SELECT jsonb_build_object('type', 'public-key', 'id', 'AQIDBA', 'response', jsonb_build_object(
	'clientDataJSON', rtrim(translate(encode(convert_to(jsonb_build_object('type', 'webauthn.create', 'challenge', :'options'::jsonb -> 'challenge',
		'origin', 'https://app.example')::text, 'UTF8'), 'base64'), E'+/\n', '-_'), '='),
	'attestationObject', rtrim(translate(encode('\xa363666d74646e6f6e656761747453746d74a06861757468446174615865' || sha256('app.example') || '\x4500000000'
		|| '\x00000000000000000000000000000000000401020304a4010103272006215820d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
		'base64'), E'+/\n', '-_'), '='))) AS response \gset
SELECT anon_auth.add_passkey(:'response', 'My phone', :'user_access_token');
SELECT credential_id, name, alg, is_backed_up FROM anon_auth.list_passkeys(:'user_access_token');
SELECT anon_auth.remove_passkey('AQIDBA', :'user_access_token') AS removed;

-- example: passkey_request_options, authenticate_with_passkey
SELECT anon_auth.passkey_request_options('app') - 'challenge' AS options;
-- the browser: response = (await navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options)})).toJSON()
-- this is not the response of an authenticator
SELECT * FROM anon_auth.authenticate_with_passkey('app', '{"type": "public-key", "id": "AQIDBA", "response": {}}');

-- example: claim_anonymous_user
CREATE TABLE notes (author uuid REFERENCES anon_auth.users ON DELETE CASCADE, note text);
SELECT * FROM anon_auth.authenticate_anonymously('app') \gset guest_
INSERT INTO notes VALUES (:'guest_sub', 'buy milk');
SELECT * FROM anon_auth.claim_anonymous_user('app', access_token => :'user_access_token', refresh_token => :'guest_refresh_token', dry_run => true);
SELECT * FROM anon_auth.claim_anonymous_user('app', access_token => :'user_access_token', refresh_token => :'guest_refresh_token');
SELECT author = :'user_sub' AS of_the_account, note FROM notes;
DROP TABLE notes;

-- example: authorize_promotion, exchange_authorization_code
SELECT * FROM anon_auth.authenticate_anonymously('app') \gset guest_
SELECT code FROM anon_auth.authorize_promotion('app', 'https://app.example/done',
	code_challenge => 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', -- SHA-256 of the verifier, RFC 7636, appendix B
	username => 'carol', password => 'correct horse', refresh_token => :'guest_refresh_token') \gset
SELECT sub = :'guest_sub' AS same_user
FROM anon_auth.exchange_authorization_code('app', :'code', 'https://app.example/done',
	code_verifier => 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk');

-- example: request_verification, verify_login_id
SELECT anon_auth.request_verification('email', :'user_access_token') > now() AS sent;
SELECT code FROM anon_auth.take_outbox_messages() \gset
SELECT anon_auth.verify_login_id(:'code', 'email', :'user_access_token');

-- example: request_password_reset, reset_password, take_outbox_messages
SELECT anon_auth.request_password_reset('bob@example.com');
SELECT recipient, code FROM anon_auth.take_outbox_messages() \gset message_
SELECT anon_auth.reset_password(:'message_recipient', :'message_code', 'battery staple');

-- example: request_login_code, authenticate_with_code
SELECT anon_auth.request_login_code('app', 'bob@example.com') > now() AS sent;
SELECT recipient, code FROM anon_auth.take_outbox_messages() WHERE code IS NOT NULL \gset message_
SELECT token_type, expires_in FROM anon_auth.authenticate_with_code('app', 'bob@example.com', :'message_code');

-- example: list_sessions, end_session, end_other_sessions
SELECT access_token FROM anon_auth.authenticate('app', 'bob@example.com', 'battery staple', '{"model": "Pixel 9"}') \gset user_
SELECT * FROM anon_auth.authenticate('app', 'bob@example.com', 'battery staple') \gset laptop_
SELECT client_id, device_info FROM anon_auth.list_sessions(:'user_access_token') WHERE is_current;
SELECT session_id FROM anon_auth.list_sessions(:'user_access_token') WHERE NOT is_current ORDER BY created_at DESC LIMIT 1 \gset
SELECT anon_auth.end_session(:'session_id', :'user_access_token');
SELECT anon_auth.end_other_sessions(:'user_access_token') AS ended;

-- example: update_profile
SELECT anon_auth.update_profile('{"name": "Bob Doe", "birthdate": "1990-12-31", "zoneinfo": "Europe/Paris"}', :'user_access_token') ->> 'name' AS name;

-- example: export_account
SELECT e #>> '{user,standard_attributes,name}' AS name, jsonb_array_length(e -> 'sessions') > 0 AS sessions FROM anon_auth.export_account(:'user_access_token') e;

-- example: delete_account, cancel_account_deletion
SELECT anon_auth.delete_account(:'user_access_token') > now() AS scheduled;
SELECT anon_auth.userinfo(:'user_access_token') ? 'delete_at' AS scheduled;
SELECT anon_auth.cancel_account_deletion(:'user_access_token');

-- example: request_login_id_code, add_login_id, remove_login_id
SELECT anon_auth.request_login_id_code('email', 'robert@example.com', :'user_access_token') > now() AS sent;
SELECT code FROM anon_auth.take_outbox_messages() WHERE code IS NOT NULL \gset
SELECT anon_auth.add_login_id('email', 'robert@example.com', :'code', :'user_access_token') AS added;
SELECT anon_auth.remove_login_id('email', 'bob@example.com', :'user_access_token') AS removed;
SELECT type, recipient FROM anon_auth.take_outbox_messages() ORDER BY recipient, type;
SELECT anon_auth.add_login_id('email', 'bob@example.com', access_token => :'user_access_token') AS added_again;

-- example: change_password
SELECT anon_auth.change_password('battery staple', 'wrong horse', :'dora_access_token') AS wrong_old_password;
SELECT anon_auth.change_password('battery staple', 'correct horse', :'dora_access_token') AS changed;

-- example: revoke
SELECT * FROM anon_auth.authenticate('app', 'bob@example.com', 'battery staple') \gset user_
SELECT anon_auth.revoke(:'user_refresh_token');
SELECT anon_auth.refresh_session('app', :'user_refresh_token');

-- example: openid_configuration
SELECT anon_auth.openid_configuration() ->> 'issuer' AS issuer, anon_auth.openid_configuration() ->> 'jwks_uri' AS jwks_uri;

-- ---- tools ----

-- example: jwk_thumbprint
SELECT anon_auth.jwk_thumbprint('{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}');

-- example: jws_verify
SELECT anon_auth.jws_verify(
	'eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.'
	'hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg',
	'{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}',
	algorithms => '{EdDSA}');

-- example: sign_jwt, verify_jwt
SELECT anon_auth.sign_jwt(jsonb_build_object('iss', 'https://app.example', 'aud', 'reports', 'sub', 'nightly', 'exp', extract(epoch FROM now())::bigint + 60)) AS token \gset
SELECT anon_auth.verify_jwt(:'token', audience => 'reports') ->> 'sub' AS sub;

-- ---- for the owner ----

-- example: disable_user, enable_user
SELECT anon_auth.disable_user(:'user_sub');
SELECT count(*) AS logins FROM anon_auth.authenticate('app', 'bob@example.com', 'battery staple');
SELECT anon_auth.enable_user(:'user_sub');

-- example: import_user, import_users
SELECT anon_auth.import_user('7b0c3d5e-58a4-4f6e-9d0a-2d6a2b1f4c01', email => 'grace@example.com', verified => true,
	password_hash => '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW');
CREATE TEMP TABLE to_import AS SELECT '7b0c3d5e-58a4-4f6e-9d0a-2d6a2b1f4c02'::uuid AS user_id, 'no address' AS email;
SELECT * FROM anon_auth.import_users('to_import', dry_run => true);

-- example: create_user, find_user, set_roles
SELECT anon_auth.create_user('heidi@example.com', verified => true, roles => '{editor}') = anon_auth.find_user('Heidi@Example.com') AS found;
SELECT anon_auth.set_roles(anon_auth.find_user('heidi@example.com'), '{editor,moderator}');

-- example: export_user
SELECT e #> '{login_ids,0,value}' AS login_id, e -> 'linked_tables' AS linked_tables FROM anon_auth.export_user(anon_auth.find_user('heidi@example.com')) e;

-- example: set_password
SELECT anon_auth.set_password(:'user_sub', 'battery staple');

-- example: revoke_sessions
SELECT sub FROM anon_auth.authenticate('app', 'bob@example.com', 'battery staple') \g /dev/null
SELECT anon_auth.revoke_sessions(:'user_sub');

-- example: merge_anonymous_user
SELECT sub AS guest FROM anon_auth.authenticate_anonymously('app') \gset
SELECT * FROM anon_auth.merge_anonymous_user(:'guest', :'user_sub', dry_run => true);
SELECT * FROM anon_auth.merge_anonymous_user(:'guest', :'user_sub');

-- example: delete_user
SELECT anon_auth.delete_user(:'user_sub');

-- example: purge
SELECT guests, sessions, has_more FROM anon_auth.purge(dry_run => true);

-- example: doctor
SELECT severity, finding FROM anon_auth.doctor() WHERE severity = 'error';

-- example: take_rate_limit, reset_counters
-- a function of the application: its owner may call take_rate_limit(), its callers may not
CREATE ROLE regress_anon_auth_functions;
CREATE SCHEMA regress_search AUTHORIZATION regress_anon_auth_functions;
GRANT USAGE ON SCHEMA anon_auth TO regress_anon_auth_functions;
GRANT EXECUTE ON FUNCTION anon_auth.take_rate_limit, anon_auth.uid TO regress_anon_auth_functions;
CREATE FUNCTION regress_search.search(words text) RETURNS text
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = regress_search, pg_temp AS $$
BEGIN
	-- without a user, uid() is NULL, and a NULL name would be an error
	IF NOT anon_auth.take_rate_limit('search/' || coalesce(anon_auth.uid()::text, 'nobody'), 2, '1 minute') THEN
		RETURN 'too many searches';
	END IF;
	RETURN 'results for ' || words;
END $$;
ALTER FUNCTION regress_search.search OWNER TO regress_anon_auth_functions;
GRANT USAGE ON SCHEMA regress_search TO regress_anon_auth_app;
SET ROLE regress_anon_auth_app;
SELECT n, regress_search.search('milk') FROM generate_series(1, 3) n;
RESET ROLE;
SELECT counters_refused, counters_max FROM anon_auth.stats;
SELECT anon_auth.reset_counters();

-- example: create_signing_key
SELECT anon_auth.create_signing_key('EdDSA') AS kid \gset

-- example: rotate_signing_key, retire_signing_key
SELECT anon_auth.rotate_signing_key() AS new_kid \gset
SELECT anon_auth.retire_signing_key(:'kid');

-- example: import_signing_key
SELECT anon_auth.import_signing_key('{"kty": "oct", "kid": "shared-2026", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}');

-- example: postgrest_pre_config
-- in postgrest.conf: db-pre-config = "anon_auth.postgrest_pre_config"
BEGIN;
SELECT anon_auth.postgrest_pre_config();
SELECT current_setting('pgrst.jwt_secret')::jsonb = anon_auth.jwks() AS keys_for_postgrest;
COMMIT;

-- example: postgrest_pre_request
-- in postgrest.conf: db-pre-request = "anon_auth.postgrest_pre_request"
SELECT anon_auth.postgrest_pre_request();

\if :has_citus
-- example: distribute, undistribute
SELECT anon_auth.distribute(shard_count => 4);
SELECT anon_auth.undistribute();

\endif
-- example: rotate_master_key, master_key_ids
SELECT (anon_auth.master_key_ids())[1] AS former \gset
SELECT anon_auth.rotate_master_key() AS current \gset
SELECT (anon_auth.master_key_ids())[1:2] = ARRAY[:'current', :'former'] AS current_first;

-- example: reseal_signing_keys, retire_master_key
-- in each other database of the server, after rotate_master_key()
SELECT anon_auth.reseal_signing_keys();
-- when the sessions that still use the former key may end
SELECT anon_auth.retire_master_key(:'former');

-- example: master_key_users
SELECT cardinality(key_ids) AS keys, is_of_this_server FROM anon_auth.master_key_users() WHERE is_this_database;

-- example: renew_database_id
-- in a copy created with CREATE DATABASE ... TEMPLATE or from a dump
SELECT anon_auth.renew_database_id() IS NOT NULL AS renewed;

SET client_min_messages = warning;
DROP SCHEMA regress_device CASCADE;
DROP OWNED BY regress_anon_auth_app, regress_anon_auth_server, regress_anon_auth_functions, regress_anon_auth_monitor, regress_anon_auth_worker;
DROP ROLE regress_anon_auth_app, regress_anon_auth_server, regress_anon_auth_functions, regress_anon_auth_monitor, regress_anon_auth_worker;
DROP EXTENSION anon_auth CASCADE;
