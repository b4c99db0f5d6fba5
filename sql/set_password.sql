--
-- set_password(): an administrator sets the password of an account.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/}') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, lockout_max_attempts = 3;
SELECT anon_auth.reset_counters() \g /dev/null
RESET client_min_messages;

CREATE FUNCTION logs_in(login_id text, password text, OUT logins bigint) LANGUAGE sql AS
	'SELECT count(*) FROM anon_auth.authenticate(''web'', login_id, password)';
SELECT p.* FROM anon_auth.authenticate_anonymously('web') g, anon_auth.promote_anonymous_user(
	'web', email => 'bob@set-password.example', username => 'bob', password => 'correct horse', refresh_token => g.refresh_token) p \gset bob_

-- a second session, an authorization code, and codes that were sent
SELECT refresh_token AS other_session FROM anon_auth.authenticate('web', 'bob', 'correct horse') \gset
SELECT anon_auth.request_verification('email', :'bob_access_token') IS NOT NULL AS sent;
SELECT anon_auth.request_password_reset('bob@set-password.example');
SELECT code FROM anon_auth.take_outbox_messages() WHERE type = 'password_reset' \gset
-- and a lockout
SELECT logs_in('bob', 'guess ' || i) FROM generate_series(1, 3) i;
SELECT logs_in('bob', 'correct horse');

SELECT anon_auth.set_password(:'bob_sub', 'battery staple');
SELECT logs_in('bob', 'battery staple') AS new_password, logs_in('bob', 'correct horse') AS former_password;
SELECT anon_auth.refresh_session('web', :'bob_refresh_token');
SELECT anon_auth.refresh_session('web', :'other_session');
SELECT anon_auth.reset_password('bob@set-password.example', :'code', 'of somebody else') AS reset;
SELECT count(*) AS codes FROM anon_auth.one_time_codes;
SELECT type, client_id, payload FROM anon_auth.events WHERE user_id = :'bob_sub' AND type LIKE 'password%' ORDER BY id;

-- a disabled account stays disabled
SELECT anon_auth.disable_user(:'bob_sub'), anon_auth.set_password(:'bob_sub', 'another password');
SELECT logs_in('bob', 'another password');
SELECT anon_auth.enable_user(:'bob_sub');
SELECT logs_in('bob', 'another password');

-- an account without a password gets one
BEGIN;
SET LOCAL ROLE anon_auth_owner;
DELETE FROM anon_auth.passwords;
SELECT anon_auth.set_password(:'bob_sub', 'first password');
RESET ROLE;
SELECT logs_in('bob', 'first password');
ROLLBACK;

-- refused
SELECT FROM anon_auth.authenticate_anonymously('web');
DO LANGUAGE plpgsql $$
DECLARE
	guest uuid := (SELECT id FROM anon_auth.users WHERE is_anonymous);
	account uuid := (SELECT id FROM anon_auth.users WHERE NOT is_anonymous);
	call record;
	problem text;
	hint text;
BEGIN
	FOR call IN SELECT * FROM (VALUES
		('a guest', guest, 'battery staple'),
		('a weak password', account, 'short'),
		('an unknown user', '00000000-0000-0000-0000-000000000000', 'battery staple'),
		('no user', NULL, 'battery staple'),
		('no password', '00000000-0000-0000-0000-000000000000', NULL)) AS v (what, user_id, password) LOOP
		BEGIN
			PERFORM anon_auth.set_password(call.user_id, call.password);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
			RAISE NOTICE '%: % % %', call.what, SQLSTATE, problem, hint;
		END;
	END LOOP;
END
$$;
SELECT logs_in('bob', 'another password') AS unchanged;

SET client_min_messages = warning;
DROP FUNCTION logs_in;
DROP EXTENSION anon_auth CASCADE;
