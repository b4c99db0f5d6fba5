--
-- Input that cannot be read is refused, and never treated as absent. The input
-- is PostgREST's parameters, with too much or unexpected content.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
SELECT anon_auth.create_client('app', 'native') \g /dev/null
UPDATE anon_auth.settings SET trusted_proxy_hops = 1, guest_sign_ups_per_minute_per_ip = 2,
	check_session_on_request = true, trust_request_claims = true;
RESET client_min_messages;
\set VERBOSITY terse

-- an object with the given number of members of the given size, and one more
SET client_min_messages = error;
CREATE FUNCTION pg_temp.object(members integer, bytes integer, more jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT (jsonb_object_agg('h' || i, repeat('x', bytes)) || more)::text FROM generate_series(1, members) i $$;
CREATE FUNCTION pg_temp.set(parameter text, value text) RETURNS void LANGUAGE sql AS $$ SELECT set_config(parameter, value, true) $$;
RESET client_min_messages;

-- ---- the client's address ----
-- the result of three sign-ups from one address, of which two are allowed
SET client_min_messages = error;
CREATE FUNCTION pg_temp.three_sign_ups(headers text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	results text;
BEGIN
	PERFORM set_config('request.headers', headers, true);
	FOR i IN 1..3 LOOP
		BEGIN
			PERFORM FROM anon_auth.authenticate_anonymously('app');
			results := concat_ws(' ', results, 'done');
		EXCEPTION WHEN OTHERS THEN
			results := concat_ws(' ', results, SQLSTATE);
			IF SQLSTATE <> 'AA018' THEN
				RETURN concat_ws(' ', results, SQLERRM);
			END IF;
		END;
	END LOOP;
	RETURN results;
END $$;
RESET client_min_messages;
SELECT name, pg_temp.three_sign_ups(headers)
FROM (VALUES
	('a header', '{"x-forwarded-for": "192.0.2.1"}'),
	('1100 headers', pg_temp.object(1100, 1, '{"x-forwarded-for": "192.0.2.2"}')),
	('60 kB of headers', pg_temp.object(20, 3000, '{"x-forwarded-for": "192.0.2.3"}')),
	('2 MB of headers', pg_temp.object(20, 100000, '{"x-forwarded-for": "192.0.2.4"}')),
	('not JSON', '{"x-forwarded-for": "192.0.2.5"'),
	('an array', '[{"x-forwarded-for": "192.0.2.6"}]'),
	('a string', '"192.0.2.7"'),
	('a name that appears twice', '{"x-forwarded-for": "192.0.2.8", "x-forwarded-for": "192.0.2.9"}'),
	('a list in place of a string', '{"x-forwarded-for": ["192.0.2.10"]}'),
	('another header that is a number', '{"x-forwarded-for": "192.0.2.11", "x": 1}'),
	('33 levels', '{"x": ' || repeat('[', 32) || repeat(']', 32) || '}'),
	('a long number', '{"x-forwarded-for": "192.0.2.12", "x": ' || repeat('9', 41) || '}'),
	('no header, by way of a local connection', '{}'),
	('a null', '{"x-forwarded-for": null}'),
	('no address', '{"x-forwarded-for": "unix:"}')) v (name, headers);
-- requests without an address share one limit; without proxies there is no
-- limit
SELECT pg_temp.set('request.headers', ''); SELECT sub IS NOT NULL FROM anon_auth.authenticate_anonymously('app');
UPDATE anon_auth.settings SET trusted_proxy_hops = 0;
SELECT pg_temp.three_sign_ups('{}'), pg_temp.three_sign_ups('not JSON');
UPDATE anon_auth.settings SET trusted_proxy_hops = 1, guest_sign_ups_per_minute_per_ip = NULL;
-- without a limit the address is read for the session only
SELECT pg_temp.three_sign_ups('not JSON');
UPDATE anon_auth.settings SET session_client_address = false;
SELECT pg_temp.three_sign_ups('not JSON');

-- ---- row-level security ----
SELECT sub, anon_auth.verify_jwt(access_token) AS who FROM anon_auth.authenticate_anonymously('app') \gset
SET client_min_messages = error;
CREATE FUNCTION pg_temp.who(claims text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('request.jwt.claims', claims, true);
	RETURN coalesce(CASE WHEN anon_auth.uid() IS NOT NULL THEN 'the user' END, 'nobody');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
RESET client_min_messages;
SELECT name, pg_temp.who(claims)
FROM (VALUES
	('a user', :'who'),
	('a user without a session', (:'who'::jsonb - 'sid')::text),
	('1100 claims', pg_temp.object(1100, 1, :'who')),
	('not JSON', 'sub'),
	('a string', '"sub"'),
	('two subjects', format('{"sub": "%s", "sub": "%1$s"}', :'sub')),
	('a session that cannot be read', (:'who'::jsonb || '{"sid": 1}')::text),
	('no user', '{"role": "anon"}'),
	('nothing', '')) v (name, claims);

-- ---- PostgREST's pre-request function ----
SELECT access_token FROM anon_auth.authenticate_anonymously('app') \gset
SELECT anon_auth.verify_jwt(:'access_token')::text AS claims \gset
SELECT jsonb_build_object('authorization', 'Bearer ' || :'access_token')::text AS bearer \gset
SELECT anon_auth.revoke(:'access_token');
SET client_min_messages = error;
CREATE FUNCTION pg_temp.pre_request(headers text, cookies text, claims text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('request.headers', headers, true), set_config('request.cookies', cookies, true),
		set_config('request.jwt.claims', claims, true), set_config('request.method', 'GET', true);
	PERFORM anon_auth.postgrest_pre_request();
	RETURN 'passes';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
RESET client_min_messages;
SELECT name, pg_temp.pre_request(headers, cookies, claims)
FROM (VALUES
	('a request', '{}', '{}', ''),
	('a token without a user', '{"authorization": "Bearer"}', '{}', '{"role": "anon"}'),
	('a token that is revoked', :'bearer', '{}', :'claims'),
	('the same, with 1100 headers', pg_temp.object(1100, 1, :'bearer'), '{}', :'claims'),
	('the same, with 2 MB of headers', pg_temp.object(20, 100000, :'bearer'), '{}', :'claims'),
	('the same, in headers that are not JSON', left(:'bearer', -1), '{}', :'claims'),
	('the same, with 1100 claims', :'bearer', '{}', pg_temp.object(1100, 1, :'claims')),
	('the same, in claims that are not JSON', :'bearer', '{}', 'x'),
	('the same, in claims with a long number', :'bearer', '{}', left(:'claims', -1) || ', "n": ' || repeat('9', 41) || '}'),
	('the same, with a session that cannot be read', :'bearer', '{}', (:'claims'::jsonb || '{"sid": 1}')::text),
	('claims of a user in a header that is no token', '{"authorization": "Basic eA=="}', '{}', :'claims'),
	('a cookie that cannot be read', '{}', '{"session": {}}', ''),
	('cookies that cannot be read', '{}', '[]', '')) v (name, headers, cookies, claims);

-- ---- the HTTP functions: 400, in the words of the endpoint ----
SELECT name, body, response.status, response.headers
FROM (VALUES
	('not JSON', 'x'),
	('a header that is no string', '{"x-forwarded-for": []}')) v (name, headers)
CROSS JOIN LATERAL (SELECT pg_temp.set('request.headers', headers), pg_temp.set('request.cookies', '{}'), pg_temp.set('request.jwt.claims', '')) request
CROSS JOIN LATERAL (VALUES
	(request IS NOT NULL, anon_auth_http.token('grant_type=refresh_token')),
	(NULL, anon_auth_http.anonymous_user_signup('{}')),
	(NULL, anon_auth_http.login(''))) answer (ignored, body)
CROSS JOIN LATERAL (SELECT body IS NOT NULL, current_setting('response.status') AS status, current_setting('response.headers') AS headers) response;

-- ---- a parameter of the session that changes how strings in functions are read ----
BEGIN;
SELECT pg_temp.set('request.headers', '{"x-original-accept": "text/html"}'), pg_temp.set('request.cookies', '{}'), pg_temp.set('request.method', 'GET');
SET LOCAL standard_conforming_strings = off;
SET LOCAL escape_string_warning = off;
SELECT substring(anon_auth_http.authorize('client_id=nobody&ui_locales=fr%20de') FROM '<html[^>]*>') AS html,
	current_setting('response.status') AS status;
COMMIT;

-- ---- the settings row is missing ----
DELETE FROM anon_auth.settings;
SELECT anon_auth_http.authorize('');

SET client_min_messages = warning;
DROP EXTENSION anon_auth CASCADE;
