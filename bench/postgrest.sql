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
