-- The cost of the pre-request function for each request through PostgREST: with
-- and without the check that the session is alive.

CREATE TABLE bearer AS SELECT access_token, anon_auth.verify_jwt(access_token)::text AS claims FROM anon_auth.authenticate_anonymously('app');
CREATE FUNCTION check_sessions(wanted boolean) RETURNS void LANGUAGE sql AS
	'UPDATE anon_auth.settings SET check_session_on_request = wanted';
CREATE FUNCTION pre_requests(calls integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('request.method', 'GET', true), set_config('request.headers', jsonb_build_object('authorization', 'Bearer ' || access_token)::text, true),
		set_config('request.cookies', '{}', true), set_config('request.jwt.claims', claims, true) FROM bearer;
	FOR i IN 1 .. calls LOOP
		PERFORM anon_auth.postgrest_pre_request();
	END LOOP;
END $$;
CALL compare('postgrest_pre_request, checking the session, against not', NULL, 2000,
	'SELECT pre_requests($1)', 'SELECT pre_requests($1)', 'SELECT check_sessions(true)', 'SELECT check_sessions(false)');

-- What PostgREST does for a request of an app, except its own work: parameters, the
-- pre-request function, the function of the endpoint. The floor calls a function that does
-- nothing, and the SQL function.
CREATE FUNCTION begin_request() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('request.method', 'POST', true), set_config('request.path', '/oauth2/token', true),
		set_config('request.headers', '{"host":"127.0.0.1:3000","user-agent":"AuthgearSDK/1 (iOS 18)","accept":"application/json",'
			'"accept-encoding":"gzip, deflate","accept-language":"en-US","content-type":"application/x-www-form-urlencoded",'
			'"content-length":"400","x-forwarded-for":"192.0.2.7","x-forwarded-proto":"https","x-original-uri":"/oauth2/token"}', true),
		set_config('request.cookies', '{}', true), set_config('request.jwt.claims', '{"role":"anon"}', true);
END $$;
CREATE FUNCTION nothing(body text) RETURNS bytea LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('response.headers', '[{"Content-Type":"application/json"},{"Cache-Control":"no-store"}]', true);
	RETURN '';
END $$;
CREATE FUNCTION request_token(body text) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	PERFORM begin_request();
	PERFORM anon_auth.postgrest_pre_request();
	PERFORM anon_auth_http.token(body);
	IF current_setting('response.status', true) NOT IN ('', '200') THEN
		RAISE 'status %', current_setting('response.status', true);
	END IF;
	RETURN 1;
END $$;
CREATE FUNCTION request_nothing(body text) RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	PERFORM begin_request();
	PERFORM nothing(body);
	RETURN 1;
END $$;
CREATE FUNCTION sign_up_body(jwt text) RETURNS text LANGUAGE sql AS
	$$ SELECT 'grant_type=urn%3Aauthgear%3Aparams%3Aoauth%3Agrant-type%3Aanonymous-request&client_id=http_app&jwt=' || jwt $$;
CREATE FUNCTION refresh_body(token text) RETURNS text LANGUAGE sql AS
	$$ SELECT 'grant_type=refresh_token&client_id=http_app&refresh_token=' || token $$;

-- Both sides return an ID token, as Authgear does over HTTP.
SELECT anon_auth.create_client('http_app', 'native', id_token => 'always') \g /dev/null
CREATE TABLE http_guests AS
SELECT i, (anon_auth.authenticate_anonymously('http_app')).refresh_token FROM generate_series(1, 500) AS i;

CALL compare('sign-up with a key by PostgREST''s calls, against nothing and SQL', 1.10, 500,
	'SELECT count(request_token(sign_up_body(jwt))) FROM requests WHERE i <= $1',
	'SELECT count(request_nothing(sign_up_body(jwt))), count(anon_auth.authenticate_anonymously(''http_app'', jwt)) FROM requests WHERE i <= $1',
	'SELECT prepare_sign_ups($1)', 'SELECT prepare_sign_ups($1)');
CALL compare('refresh by PostgREST''s calls, against nothing and SQL', 1.10, 500,
	'SELECT count(request_token(refresh_body(refresh_token))) FROM http_guests WHERE i <= $1',
	'SELECT count(request_nothing(refresh_body(g.refresh_token))), count(r.sub) FROM http_guests AS g, anon_auth.refresh_session(''http_app'', g.refresh_token) AS r WHERE g.i <= $1');
