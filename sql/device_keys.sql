--
-- Device keys of accounts: adding, login, list, removal, and what a promotion keeps. The
-- RSA key of RFC 7515, appendix A.2, signs; t/113_account_device_keys.pl has other
-- keys and bad requests.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native'), anon_auth.create_client('other', 'spa', '{https://other.example/}'), anon_auth.create_client('third', 'third_party_app') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, device_key_logins_per_minute = NULL;
RESET client_min_messages;

CREATE TABLE rsa AS SELECT '{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}'::jsonb AS jwk,
	'Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ' AS d;
CREATE FUNCTION from_base64url(text) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$ SELECT decode(translate($1, '-_', '+/') || repeat('=', -length($1) & 3), 'base64') $$;
CREATE FUNCTION to_base64url(bytea) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT translate(encode($1, 'base64'), E'+/=\n', '-_') $$;
CREATE FUNCTION to_number(bytes bytea) RETURNS numeric IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
	n numeric := 0;
BEGIN
	FOR i IN 0..length(bytes) - 1 LOOP
		n := n * 256 + get_byte(bytes, i);
	END LOOP;
	RETURN n;
END $$;
-- RSASSA-PKCS1-v1_5 with SHA-256
CREATE FUNCTION rs256(input text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	n numeric := (SELECT to_number(from_base64url(jwk ->> 'n')) FROM rsa);
	d bytea := (SELECT from_base64url(rsa.d) FROM rsa);
	digest_info bytea := '\x3031300d060960864801650304020105000420'::bytea || sha256(input::bytea);
	base numeric := to_number('\x0001'::bytea || decode(repeat('ff', 253 - length(digest_info)), 'hex') || '\x00'::bytea || digest_info);
	result numeric := 1;
	signature bytea := '';
BEGIN
	FOR i IN REVERSE length(d) * 8 - 1..0 LOOP
		result := mod(result * result, n);
		IF get_bit(d, (length(d) - 1 - i / 8) * 8 + i % 8) = 1 THEN
			result := mod(result * base, n);
		END IF;
	END LOOP;
	FOR i IN 1..256 LOOP
		signature := set_byte('\x00', 0, mod(result, 256)::int) || signature;
		result := div(result, 256);
	END LOOP;
	RETURN to_base64url(signature);
END $$;
-- a request of the device, with these changes of its payload
CREATE FUNCTION request(kid text, action text, changes jsonb DEFAULT '{}', with_jwk boolean DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	of_guest boolean := action IN ('auth', 'promote');
	header jsonb := jsonb_build_object('alg', 'RS256', 'kid', kid, 'typ', CASE WHEN of_guest THEN 'vnd.authgear.anonymous-request' ELSE 'vnd.authgear.biometric-request' END);
	payload jsonb := jsonb_build_object('action', action, 'iat', floor(extract(epoch FROM clock_timestamp())), 'exp', floor(extract(epoch FROM clock_timestamp())) + 60,
		'challenge', (SELECT token FROM anon_auth.create_challenge(CASE WHEN of_guest THEN 'anonymous_request' ELSE 'biometric_request' END))) || changes;
	input text;
BEGIN
	IF coalesce(with_jwk, action = 'setup') THEN
		header := header || jsonb_build_object('jwk', (SELECT jwk FROM rsa));
	END IF;
	input := to_base64url(convert_to(header::text, 'UTF8')) || '.' || to_base64url(convert_to(payload::text, 'UTF8'));
	RETURN input || '.' || rs256(input);
END $$;
-- the result of a statement, or the error
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	detail text;
BEGIN
	EXECUTE statement INTO result;
	RETURN coalesce(result, 'no row');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', sqlstate, coalesce(nullif(detail, ''), sqlerrm));
END $$;
CREATE FUNCTION log_in(jwt text, client text DEFAULT 'app') RETURNS text LANGUAGE sql AS $$
	SELECT try(format('SELECT CASE WHEN sub IS NOT NULL THEN ''logged in'' END FROM anon_auth.authenticate_with_device_key(%L, %L)', client, jwt))
$$;
CREATE FUNCTION sessions(username text) RETURNS TABLE (client_id text, device_kid text, amr text[], device text) LANGUAGE plpgsql AS $$
DECLARE
	owner uuid := anon_auth.find_user(username);
BEGIN
	RETURN QUERY SELECT s.client_id, s.device_kid, s.amr, s.device_info ->> 'model' FROM anon_auth.sessions s WHERE s.user_id = owner ORDER BY s.id;
END $$;
CREATE FUNCTION events(username text) RETURNS TABLE (type text, payload jsonb) LANGUAGE plpgsql AS $$
DECLARE
	owner uuid := anon_auth.find_user(username);
BEGIN
	RETURN QUERY SELECT e.type, e.payload FROM anon_auth.events e WHERE e.user_id = owner AND e.type LIKE 'device_key.%' ORDER BY e.id;
END $$;

SELECT anon_auth.create_user('ada@device.example', username => 'ada', password => 'correct horse', verified => true) AS ada \gset
SELECT anon_auth.create_user(username => 'bob', password => 'correct horse') AS bob \gset
SELECT access_token AS ada_token, refresh_token AS ada_refresh FROM anon_auth.authenticate('app', 'ada', 'correct horse') \gset
SELECT access_token AS bob_token FROM anon_auth.authenticate('app', 'bob', 'correct horse') \gset

-- ---- adding ----

SELECT request('key-of-ada', 'setup', '{"device_info": {"model": "Pixel 9"}}') AS jwt \gset
SELECT anon_auth.add_device_key(:'jwt', name => 'my phone', access_token => :'ada_token');
SELECT kid, alg, of_account, name, device_info, jwk ->> 'kty' AS kty, user_id = :'ada' AS of_ada FROM anon_auth.device_keys;
SELECT cardinality(device_key_routes) AS keys FROM anon_auth.users WHERE id = :'ada';
SELECT kid, is_current, name, device_info, created_at = last_used_at AS unused FROM anon_auth.list_device_keys(:'ada_token');
SELECT * FROM events('ada');
SELECT type, recipient FROM anon_auth.take_outbox_messages();
-- the request works once
SELECT try(format('SELECT anon_auth.add_device_key(%L, access_token => %L)', :'jwt', :'ada_token'));
-- the same key again: a client repeats a lost call, and gives another name
SELECT anon_auth.add_device_key(request('key-of-ada', 'setup', '{"device_info": {"model": "Pixel 9a"}}'), 'my new phone', :'ada_token');
SELECT name, device_info FROM anon_auth.list_device_keys(:'ada_token');
SELECT count(*) AS events FROM events('ada');
-- nobody else can add it; under another kid it is another key
SELECT try(format('SELECT anon_auth.add_device_key(%L, access_token => %L)', request('key-of-ada', 'setup'), :'bob_token'));
-- bad requests and arguments
SELECT try(format('SELECT anon_auth.add_device_key(%L, %L, %L)', jwt, name, :'ada_token')) AS refused FROM (VALUES
	(request('new-key-of-ada', 'setup', with_jwk => false), NULL), (request('new-key-of-ada', 'authenticate'), NULL), (request('new-key-of-ada', 'auth', with_jwk => true), NULL),
	(request('new-key-of-ada', 'setup', '{"device_info": []}'), NULL), (request('new-key-of-ada', 'setup', jsonb_build_object('device_info', jsonb_build_object('model', repeat('x', 8192)))), NULL),
	(request('new-key-of-ada', 'setup', '{"exp": 1}'), NULL), (request('new-key-of-ada', 'setup', jsonb_build_object('challenge', (anon_auth.create_challenge()).token)), NULL),
	(overlay(request('new-key-of-ada', 'setup') PLACING 'AAAA' FROM 900), NULL),
	(request('short', 'setup'), NULL), (NULL, NULL), (request('new-key-of-ada', 'setup'), ''), (request('new-key-of-ada', 'setup'), repeat('x', 101)), (request('new-key-of-ada', 'setup'), E'a\nb')) v (jwt, name);
SELECT try(format('SELECT anon_auth.add_device_key(%L)', request('new-key-of-ada', 'setup')));

-- ---- login ----

SELECT request('key-of-ada', 'authenticate', '{"device_info": {"model": "Pixel 9a"}}') AS jwt \gset
SELECT * FROM anon_auth.authenticate_with_device_key('app', :'jwt') \gset first_
SELECT :'first_sub' = :'ada' AS same;
SELECT anon_auth.verify_jwt(:'first_access_token') -> 'amr' AS amr, (anon_auth.verify_jwt(:'first_access_token') ->> 'auth_time')::bigint - (anon_auth.verify_jwt(:'first_access_token') ->> 'iat')::bigint AS age,
	anon_auth.verify_jwt(:'first_access_token') -> 'https://authgear.com/claims/user/can_reauthenticate' AS can_reauthenticate;
SELECT log_in(:'jwt') AS replay;
-- with the public key in the header, as the SDKs for JavaScript send it; the challenge of a setup does not work again
SELECT log_in(request('key-of-ada', 'authenticate', with_jwk => true));
SELECT token AS challenge FROM anon_auth.create_challenge('biometric_request') \gset
SELECT anon_auth.add_device_key(request('key-of-ada', 'setup', jsonb_build_object('challenge', :'challenge')), access_token => :'ada_token');
SELECT log_in(request('key-of-ada', 'authenticate', jsonb_build_object('challenge', :'challenge')));
-- the key has one session with each client
SELECT log_in(request('key-of-ada', 'authenticate'), 'other');
SELECT * FROM sessions('ada');
SELECT try(format('SELECT 1 FROM anon_auth.refresh_session(''app'', %L)', :'first_refresh_token')) AS first_session;
SELECT * FROM anon_auth.authenticate_with_device_key('app', request('key-of-ada', 'authenticate'), device_info => '{"model": "given"}') \gset second_
SELECT * FROM sessions('ada') OFFSET 1;
SELECT kid, is_current, name, last_used_at > created_at AS used FROM anon_auth.list_device_keys(:'second_access_token');
-- refused
SELECT log_in(request('unknown-key', 'authenticate')), log_in(request('unknown-key', 'authenticate', with_jwk => true)), log_in(request('key-of-ada', 'setup')), log_in(request('key-of-ada', 'auth')), log_in(NULL);
SELECT log_in(request('key-of-ada', 'authenticate'), 'third') AS third_party, log_in(request('key-of-ada', 'authenticate'), 'nobody') AS unknown_client;
SELECT try(format('SELECT anon_auth.authenticate_anonymously(''app'', jwt => %L)', request('key-of-ada', action, with_jwk => with_jwk))) AS as_guest FROM (VALUES ('auth', false), ('auth', true), ('authenticate', true)) v (action, with_jwk);
-- a disabled user gets no row
SELECT anon_auth.disable_user(:'ada');
SELECT log_in(request('key-of-ada', 'authenticate'));
SELECT payload FROM anon_auth.events WHERE user_id = :'ada' AND type = 'authentication.failed';
SELECT anon_auth.enable_user(:'ada');
SELECT log_in(request('key-of-ada', 'authenticate'));

-- ---- limits ----

UPDATE anon_auth.settings SET device_key_logins_per_minute = 2;
SELECT anon_auth.reset_counters();
SELECT left(log_in(request('key-of-ada', 'authenticate')), 45) AS login FROM generate_series(1, 3);
UPDATE anon_auth.settings SET device_key_logins_per_minute = NULL;
SELECT access_token AS ada_token FROM anon_auth.authenticate('app', 'ada', 'correct horse') \gset
SELECT count(anon_auth.add_device_key(request('key-number-' || n, 'setup'), access_token => :'ada_token')) AS added FROM generate_series(2, 20) n;
SELECT try(format('SELECT anon_auth.add_device_key(%L, access_token => %L)', request('key-number-21', 'setup'), :'ada_token'));
SELECT bool_and(anon_auth.remove_device_key('key-number-' || n, :'ada_token')) AS removed FROM generate_series(2, 20) n;
-- five notices an hour: one was taken before
SELECT type, count(*) FROM anon_auth.take_outbox_messages(100) GROUP BY 1 ORDER BY 1;

-- ---- removal ----

SELECT access_token AS ada_token FROM anon_auth.authenticate('app', 'ada', 'correct horse') \gset
SELECT anon_auth.remove_device_key('key-of-ada', :'bob_token') AS by_bob, anon_auth.remove_device_key('unknown-key', :'ada_token') AS unknown, try(format('SELECT anon_auth.remove_device_key(NULL, %L)', :'ada_token')) AS no_kid;
UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 hour';
SELECT try(format('SELECT anon_auth.remove_device_key(''key-of-ada'', %L)', :'ada_token')) AS old_login, try(format('SELECT anon_auth.add_device_key(%L, access_token => %L)', request('new-key-of-ada', 'setup'), :'ada_token')) AS old_login_too;
-- a login with the key is a recent login; its own session ends with the key
SELECT * FROM anon_auth.authenticate_with_device_key('app', request('key-of-ada', 'authenticate')) \gset last_
SELECT log_in(request('key-of-ada', 'authenticate'), 'other');
SELECT request('key-of-ada', 'authenticate') AS kept_jwt \gset
SELECT anon_auth.remove_device_key('key-of-ada', :'last_access_token');
SELECT count(*) AS others, count(device_kid) AS of_the_key FROM sessions('ada');
SELECT try(format('SELECT 1 FROM anon_auth.refresh_session(''app'', %L)', :'last_refresh_token')) AS refresh, try(format('SELECT anon_auth.userinfo(%L)', :'last_access_token')) AS userinfo;
SELECT log_in(:'kept_jwt') AS signed_before, log_in(request('key-of-ada', 'authenticate')) AS removed, log_in(request('key-of-ada', 'authenticate', with_jwk => true)) AS with_jwk;
SELECT count(*) AS keys FROM anon_auth.list_device_keys(:'ada_token');
SELECT cardinality(device_key_routes) AS routes FROM anon_auth.users WHERE id = :'ada';
SELECT type, count(*) FROM events('ada') GROUP BY 1 ORDER BY 1;
-- it can be added again, but not with a challenge that it has used
SELECT access_token AS ada_token FROM anon_auth.authenticate('app', 'ada', 'correct horse') \gset
SELECT try(format('SELECT anon_auth.add_device_key(%L, access_token => %L)', request('key-of-ada', 'setup', jsonb_build_object('challenge', :'challenge')), :'ada_token'));
SELECT anon_auth.add_device_key(request('key-of-ada', 'setup'), access_token => :'ada_token');
SELECT log_in(request('key-of-ada', 'authenticate'));

-- a device key is a credential, but not for somebody without one
SELECT anon_auth.remove_login_id('username', 'ada', :'ada_token') AS username, anon_auth.remove_login_id('email', 'ada@device.example', :'ada_token') AS email;
SELECT * FROM anon_auth.authenticate_with_device_key('app', request('key-of-ada', 'authenticate')) \gset ada_
SELECT try(format('SELECT anon_auth.remove_device_key(''key-of-ada'', %L)', :'ada_access_token')) AS last_credential;
-- deletion: the key still logs in while it can be cancelled, and is gone afterwards
SELECT anon_auth.delete_account(:'ada_access_token') > now() AS scheduled;
SELECT log_in(request('key-of-ada', 'authenticate'));
SELECT anon_auth.delete_user(:'ada');
SELECT log_in(request('key-of-ada', 'authenticate')), (SELECT count(*) FROM anon_auth.device_keys) AS keys, (SELECT count(*) FROM anon_auth.removed_device_keys WHERE num_nonnulls(user_id, alg, jwk) > 0) AS remembered;

-- ---- guests ----

SELECT * FROM anon_auth.authenticate_anonymously('app', jwt => request('key-of-guest', 'auth', with_jwk => true)) \gset guest_
SELECT try(statement) FROM unnest(ARRAY[
	format('SELECT anon_auth.add_device_key(%L, access_token => %L)', request('second-key', 'setup'), :'guest_access_token'), format('SELECT anon_auth.list_device_keys(%L)', :'guest_access_token'),
	format('SELECT anon_auth.remove_device_key(''key-of-guest'', %L)', :'guest_access_token')]) statement;
SELECT log_in(request('key-of-guest', 'authenticate')) AS guests_key;
SELECT access_token AS bob_token FROM anon_auth.authenticate('app', 'bob', 'correct horse') \gset
SELECT try(format('SELECT anon_auth.add_device_key(%L, access_token => %L)', request('key-of-guest', 'setup'), :'bob_token')) AS guests_key_for_bob;

-- ---- promotion ----

CREATE FUNCTION promoted(username text, proof text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
	kid text := 'key-of-' || username;
	guest record;
	token text;
	who uuid;
BEGIN
	SELECT * INTO guest FROM anon_auth.authenticate_anonymously('app', jwt => request(kid, 'auth', with_jwk => true), device_info => '{"model": "Pixel 9"}');
	IF proof = 'jwt on a page' THEN
		PERFORM anon_auth.authorize_promotion('other', 'https://other.example/', rpad('c', 43, 'c'), username => username, password => 'correct horse', jwt => request(kid, 'promote'));
	ELSE
		SELECT p.sub, p.access_token INTO who, token FROM anon_auth.promote_anonymous_user('app', username => username, password => 'correct horse',
			jwt => CASE proof WHEN 'jwt' THEN request(kid, 'promote') END,
			promotion_code => CASE proof WHEN 'promotion_code' THEN (SELECT promotion_code FROM anon_auth.create_promotion_code(guest.refresh_token)) END,
			refresh_token => CASE proof WHEN 'refresh_token' THEN guest.refresh_token END) p;
	END IF;
	RETURN guest.sub;
END $$;
CREATE FUNCTION keys_of(who uuid) RETURNS TABLE (kept bigint, removed bigint, routes int, device text) LANGUAGE plpgsql AS $$
BEGIN
	SELECT count(*), min(k.device_info ->> 'model') INTO kept, device FROM anon_auth.device_keys k WHERE k.user_id = who AND k.of_account;
	SELECT count(*) INTO removed FROM anon_auth.removed_device_keys k WHERE k.user_id = who;
	SELECT cardinality(u.device_key_routes) INTO routes FROM anon_auth.users u WHERE u.id = who;
	RETURN NEXT;
END $$;
UPDATE anon_auth.settings SET device_key_after_promotion = 'remove';
CREATE TABLE promotions AS SELECT n, keep, proof, promoted('promoted' || n, proof) AS sub
FROM (VALUES (1, 'remove', 'jwt')) v (n, keep, proof);
UPDATE anon_auth.settings SET device_key_after_promotion = 'keep';
INSERT INTO promotions SELECT n, keep, proof, promoted('promoted' || n, proof)
FROM (VALUES (2, 'keep', 'jwt'), (3, 'keep', 'promotion_code'), (4, 'keep', 'refresh_token'), (5, 'keep', 'jwt on a page')) v (n, keep, proof);
SELECT keep, proof, k.* FROM promotions, keys_of(sub) k ORDER BY n;
SELECT log_in(request('key-of-promoted' || n, 'authenticate')) FROM generate_series(1, 5) n ORDER BY n;
-- the kept key is no guest's any longer, whether or not the request has the jwk
SELECT try(format('SELECT anon_auth.authenticate_anonymously(''app'', jwt => %L)', request('key-of-promoted2', 'auth', with_jwk => with_jwk))) FROM (VALUES (false), (true)) v (with_jwk);
SELECT try(format('SELECT anon_auth.promote_anonymous_user(''app'', username => ''again'', password => ''correct horse'', jwt => %L)', request('key-of-promoted2', 'promote')));
SELECT * FROM events('promoted2');
-- it is listed and removed as any other
SELECT access_token AS token FROM anon_auth.authenticate_with_device_key('app', request('key-of-promoted2', 'authenticate')) \gset
SELECT kid, is_current, name, device_info FROM anon_auth.list_device_keys(:'token');
SELECT anon_auth.remove_device_key('key-of-promoted2', :'token');
SELECT log_in(request('key-of-promoted2', 'authenticate')), try(format('SELECT anon_auth.authenticate_anonymously(''app'', jwt => %L)', request('key-of-promoted2', 'auth')));

-- the owner of an address takes an account over: the key of whoever opened it is removed
SELECT sub AS squatter, access_token AS squatters_token FROM anon_auth.promote_anonymous_user('app', email => 'owner@device.example', password => 'correct horse', refresh_token => (SELECT refresh_token FROM anon_auth.authenticate_anonymously('app'))) \gset
SELECT anon_auth.add_device_key(request('key-of-squatter', 'setup'), access_token => :'squatters_token');
SELECT log_in(request('key-of-squatter', 'authenticate'));
SELECT anon_auth.request_login_code('app', 'owner@device.example') IS NOT NULL AS sent;
SELECT code FROM anon_auth.take_outbox_messages() WHERE type = 'login_code' \gset
SELECT sub = :'squatter' AS owner FROM anon_auth.authenticate_with_code('app', 'owner@device.example', :'code');
SELECT log_in(request('key-of-squatter', 'authenticate'));
SELECT count(*) AS sessions FROM anon_auth.sessions WHERE user_id = :'squatter' AND device_kid IS NOT NULL;

-- ---- clients ----

-- the client of a session may have become one of another party
SELECT access_token AS bob_token FROM anon_auth.authenticate('other', 'bob', 'correct horse') \gset
UPDATE anon_auth.clients SET application_type = 'third_party_app' WHERE client_id = 'other';
SELECT try(format('SELECT anon_auth.add_device_key(%L, access_token => %L)', request('key-of-bob', 'setup'), :'bob_token'));

DROP EXTENSION anon_auth CASCADE;
DROP TABLE rsa, promotions;
DROP FUNCTION promoted, keys_of, events, sessions, log_in, try, request, rs256, to_number(bytea), to_base64url, from_base64url;
