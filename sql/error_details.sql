--
-- The DETAIL of AA009, AA010, AA011, AA018 and AA019 is JSON for programs.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
RESET client_min_messages;

SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1,
	login_id_types = '{email,phone_number,username}';

CREATE TABLE guest AS SELECT * FROM anon_auth.authenticate_anonymously('app');
GRANT SELECT ON guest TO anon_auth_owner;

-- Return the error of a statement: its SQLSTATE, the members of its DETAIL for programs,
-- and its description. Fails if the DETAIL is not one JSON object with a description.
CREATE FUNCTION refusal(statement text) RETURNS TABLE (sqlstate_ text, members jsonb, description text)
	LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE statement;
	RETURN QUERY SELECT '00000', NULL::jsonb, NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	IF SQLSTATE NOT IN ('AA009', 'AA010', 'AA011', 'AA018', 'AA019') THEN
		RAISE;
	ELSIF jsonb_typeof(detail::jsonb -> 'description') IS DISTINCT FROM 'string' THEN
		RAISE EXCEPTION 'no description: %', detail;
	END IF;
	RETURN QUERY SELECT SQLSTATE, detail::jsonb - 'description', detail::jsonb ->> 'description';
END $$;

CREATE FUNCTION promote(arguments text, password text DEFAULT 'correct horse') RETURNS text LANGUAGE sql AS
$$SELECT format('SELECT anon_auth.promote_anonymous_user(''app'', %s, password => %L, refresh_token => %L)', arguments, password, refresh_token) FROM guest$$;

-- on a cluster, a transaction accesses a row as one role
SET ROLE anon_auth_owner;

-- AA009
SELECT count(other.sub) FROM anon_auth.authenticate_anonymously('app') AS other
	CROSS JOIN LATERAL anon_auth.promote_anonymous_user('app', email => 'ada@example.com', username => 'ada.l',
		password => 'correct horse', refresh_token => other.refresh_token);
SELECT * FROM refusal(promote($$email => 'ada@example.com'$$));
SELECT * FROM refusal(promote($$email => 'new@example.com', username => 'ADA.L'$$));

-- AA010
SELECT * FROM refusal(promote($$email => ''$$));
SELECT * FROM refusal(promote($$email => 'secret\"address'$$));
SELECT * FROM refusal(promote($$phone_number => '12345'$$));
SELECT * FROM refusal(promote($$username => 'admin'$$));
SELECT * FROM refusal(promote($$username => repeat('a', 41)$$));
UPDATE anon_auth.settings SET login_id_types = '{email}', email_domain_blocklist = '{example.org}';
SELECT * FROM refusal(promote($$username => 'ada'$$));
SELECT * FROM refusal(promote($$email => 'ada@example.org'$$));

-- AA011: all reasons at once
UPDATE anon_auth.settings SET password_min_length = 12, password_require_uppercase = true, password_require_lowercase = true,
	password_require_alphabet = true, password_require_digit = true, password_require_symbol = true,
	password_excluded_keywords = '{12}';
SELECT * FROM refusal(promote($$email => 'new@example.com'$$, '12'));
SELECT * FROM refusal(promote($$email => 'new@example.com'$$, ''));
SELECT * FROM refusal(promote($$email => 'new@example.com'$$, repeat('x', 9000)));
SELECT * FROM refusal($$SELECT anon_auth.reset_password('new@example.com', '000000', '12')$$);
UPDATE anon_auth.settings SET password_min_length = 1, password_require_uppercase = false, password_require_lowercase = false,
	password_require_alphabet = false, password_require_digit = false, password_require_symbol = false,
	password_excluded_keywords = '{}';
SELECT * FROM refusal(promote($$email => 'new@example.com'$$, ''));

-- AA018: the name of the setting, and the seconds to wait, which the sentence says too
UPDATE anon_auth.settings SET guest_sign_ups_per_minute = 1;
SELECT count(sub) FROM anon_auth.authenticate_anonymously('app');
SELECT sqlstate_, members - 'retry_after' AS members, (members -> 'retry_after')::integer BETWEEN 30 AND 60 AS waits,
	description = format('The limit for guest sign-ups a minute is 1. Try again in %s seconds.', members ->> 'retry_after') AS says_so
FROM refusal($$SELECT anon_auth.authenticate_anonymously('app')$$);
UPDATE anon_auth.settings SET password_attempts_per_minute_per_user = 1;
SELECT count(sub) FROM anon_auth.authenticate('app', 'ada@example.com', 'wrong');
SELECT sqlstate_, members - 'retry_after' AS members
FROM refusal($$SELECT anon_auth.authenticate('app', 'ada@example.com', 'wrong')$$);

-- a fixed limit has a code
SELECT anon_auth.request_password_reset('ada@example.com') IS NULL AS requested;
SELECT sqlstate_, members - 'retry_after' AS members, (members -> 'retry_after')::integer BETWEEN 30 AND 60 AS waits
FROM refusal($$SELECT anon_auth.request_password_reset('ada@example.com')$$);

-- AA019
SELECT anon_auth.reset_counters();
UPDATE anon_auth.settings SET password_attempts_per_minute_per_user = NULL, lockout_max_attempts = 1, lockout_minimum_seconds = 90,
	lockout_maximum_seconds = 90;
SELECT count(sub) FROM anon_auth.authenticate('app', 'ada@example.com', 'wrong');
SELECT sqlstate_, members - 'retry_after' AS members, (members -> 'retry_after')::integer BETWEEN 60 AND 90 AS waits,
	description = format('There were too many wrong passwords. Try again in %s seconds.', members ->> 'retry_after') AS says_so
FROM refusal($$SELECT anon_auth.authenticate('app', 'ada@example.com', 'wrong')$$);
UPDATE anon_auth.settings SET lockout_max_attempts = 0;
SELECT anon_auth.reset_counters();

-- an error of a hook is JSON, too: it has the members of the error that the hook got, or
-- none if the hook has chosen the SQLSTATE
RESET ROLE;
CREATE SCHEMA app;
CREATE ROLE regress_details_hook;
GRANT USAGE ON SCHEMA app TO regress_details_hook;
SELECT anon_auth.grant_client_api('regress_details_hook');
CREATE FUNCTION app.reset(user_id uuid, client_id text, device_info jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF device_info ->> 'what' = 'weak' THEN
		PERFORM anon_auth.reset_password('ada@example.com', '000000', 'short');
	ELSIF device_info ->> 'what' = 'own' THEN
		RAISE EXCEPTION 'wait' USING ERRCODE = 'AA018', DETAIL = 'a row: secret';
	END IF;
END $$;
ALTER FUNCTION app.reset OWNER TO regress_details_hook;
UPDATE anon_auth.settings SET before_sign_up = 'app.reset', password_min_length = 8, guest_sign_ups_per_minute = NULL;
SELECT * FROM refusal($$SELECT anon_auth.authenticate_anonymously('app', device_info => '{"what": "weak"}')$$);
SELECT * FROM refusal($$SELECT anon_auth.authenticate_anonymously('app', device_info => '{"what": "own"}')$$);
UPDATE anon_auth.settings SET before_sign_up = NULL;

DROP SCHEMA app CASCADE;
DROP OWNED BY regress_details_hook;
DROP ROLE regress_details_hook;
DROP TABLE guest;
DROP FUNCTION refusal, promote;
DROP EXTENSION anon_auth;
