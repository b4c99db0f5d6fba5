--
-- Promotion and sign-up with a code: a proven address belongs to its owner.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/}') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, phone_country_code_allowlist = '{852}';
RESET client_min_messages;

-- a guest, and the code that it requests for an address
CREATE FUNCTION guest() RETURNS text LANGUAGE sql AS $$ SELECT refresh_token FROM anon_auth.authenticate_anonymously('web') $$;
CREATE FUNCTION code_for(address text, guest text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.reset_counters();
	PERFORM anon_auth.request_login_code('web', address, refresh_token => guest);
	RETURN NULL;
END $$;
CREATE FUNCTION taken() RETURNS text LANGUAGE sql AS $$ SELECT code FROM anon_auth.take_outbox_messages() WHERE type IN ('login_code', 'promotion') ORDER BY created_at DESC LIMIT 1 $$;
CREATE FUNCTION account(email text, OUT sub uuid, OUT refresh_token text) LANGUAGE sql AS $$
	SELECT p.sub, p.refresh_token FROM anon_auth.promote_anonymous_user('web', email => email, password => 'correct horse', refresh_token => guest()) p $$;
CREATE VIEW login_ids AS SELECT type, value, original_value, verified_at IS NOT NULL AS verified, user_id FROM anon_auth.login_ids;

-- ---- promotion without a password ----
SELECT guest() AS ada \gset
SELECT code_for('Ada@Proven.example', :'ada'); SELECT taken() AS code \gset
SELECT count(*) AS wrong_code FROM anon_auth.promote_anonymous_user('web', email => 'ada@proven.example', code => lpad(((:'code'::int + 1) % 1000000)::text, 6, '0'), refresh_token => :'ada');
SELECT count(*) AS another_address FROM anon_auth.promote_anonymous_user('web', email => 'bob@proven.example', code => :'code', refresh_token => :'ada');
SELECT guest() AS bob \gset
SELECT count(*) AS another_guest FROM anon_auth.promote_anonymous_user('web', email => 'ada@proven.example', code => :'code', refresh_token => :'bob');
SELECT count(*) AS without_a_guest FROM anon_auth.sign_up('web', email => 'ada@proven.example', code => :'code');
-- the code is not used up by an error
SELECT anon_auth.promote_anonymous_user('web', email => 'ada@proven.example', password => 'short', code => :'code', refresh_token => :'ada');
SELECT anon_auth.promote_anonymous_user('web', email => 'ada@proven.example', phone_number => '+85221234567', code => :'code', refresh_token => :'ada');
SELECT anon_auth.promote_anonymous_user('web', username => 'ada', code => :'code', refresh_token => :'ada');
SELECT sub AS ada_sub, access_token AS ada_access_token, refresh_token AS ada_refresh_token
FROM anon_auth.promote_anonymous_user('web', email => 'ada@proven.example', code => :'code', refresh_token => :'ada') \gset
SELECT type, value, original_value, verified, user_id = :'ada_sub' AS is_ada FROM login_ids;
SELECT c -> 'amr' AS amr, c -> 'https://authgear.com/claims/user/is_verified' AS is_verified, c -> 'https://authgear.com/claims/user/can_reauthenticate' AS can_reauthenticate
FROM anon_auth.verify_jwt(:'ada_access_token') c;
SELECT is_anonymous, has_password, (SELECT count(*) FROM anon_auth.passwords) AS passwords FROM anon_auth.users WHERE id = :'ada_sub';
-- it works once, also if the transaction that used it is rolled back
SELECT anon_auth.promote_anonymous_user('web', email => 'ada@proven.example', code => :'code', refresh_token => :'ada');
SELECT code_for('carl@proven.example', :'bob'); SELECT taken() AS code \gset
BEGIN;
SELECT count(*) AS promoted FROM anon_auth.promote_anonymous_user('web', email => 'carl@proven.example', code => :'code', refresh_token => :'bob');
ROLLBACK;
SELECT count(*) AS promoted_again FROM anon_auth.promote_anonymous_user('web', email => 'carl@proven.example', code => :'code', refresh_token => :'bob');

-- ---- an address that another account has only claimed ----
SELECT sub AS mallory_sub, refresh_token AS mallory FROM account('dora@proven.example') \gset
SELECT guest() AS dora \gset
SELECT code_for('dora@proven.example', :'dora'); SELECT taken() AS code \gset
SELECT sub AS dora_sub FROM anon_auth.promote_anonymous_user('web', email => 'dora@proven.example', code => :'code', refresh_token => :'dora') \gset
SELECT value, verified, user_id = :'dora_sub' AS is_dora FROM login_ids WHERE value ~ 'dora';
SELECT is_anonymous, login_id_routes, standard_attributes FROM anon_auth.users WHERE id = :'mallory_sub';
SELECT type, payload FROM anon_auth.events WHERE user_id = :'mallory_sub' AND type = 'login_id.taken';
SELECT count(*) AS mallory_still_refreshes FROM anon_auth.refresh_session('web', :'mallory');
SELECT count(*) AS mallory_logs_in FROM anon_auth.authenticate('web', 'dora@proven.example', 'correct horse');

-- an account with a verified address is told
SELECT p.sub AS eve_sub FROM anon_auth.promote_anonymous_user('web', email => 'fay@proven.example', phone_number => '+85221234567', password => 'correct horse', refresh_token => guest()) p \gset
UPDATE anon_auth.login_ids SET verified_at = now() WHERE user_id = :'eve_sub' AND type = 'phone_number';
UPDATE anon_auth.users SET is_verified = true WHERE id = :'eve_sub';
SELECT code_for('fay@proven.example', :'bob'); SELECT taken() AS code \gset
SELECT count(*) AS promoted FROM anon_auth.promote_anonymous_user('web', email => 'fay@proven.example', code => :'code', refresh_token => :'bob');
SELECT type, login_id_type, recipient, code, link, user_id = :'eve_sub' AS about_eve FROM anon_auth.take_outbox_messages();

-- ---- conflicts ----
SELECT guest() AS gil \gset
SELECT code_for('ada@proven.example', :'gil'); SELECT taken() AS code \gset
SELECT anon_auth.promote_anonymous_user('web', email => 'ada@proven.example', code => :'code', refresh_token => :'gil');
UPDATE anon_auth.settings SET promotion_conflict = 'login';
-- another credential is needed for the account of a login ID that is not proven
SELECT anon_auth.promote_anonymous_user('web', email => 'hal@proven.example', phone_number => '+85221234567', refresh_token => :'gil', password => 'wrong horse');
SELECT sub = :'ada_sub' AS logged_in_to_ada, anon_auth.verify_jwt(access_token) -> 'amr' AS amr
FROM anon_auth.promote_anonymous_user('web', email => 'ada@proven.example', code => :'code', refresh_token => :'gil');
SELECT count(*) AS used_up FROM anon_auth.promote_anonymous_user('web', email => 'ada@proven.example', code => :'code', refresh_token => :'gil');
UPDATE anon_auth.settings SET promotion_conflict = 'merge';
SELECT code_for('ada@proven.example', :'gil'); SELECT taken() AS code \gset
SELECT sub = :'ada_sub' AS merged_into_ada FROM anon_auth.promote_anonymous_user('web', email => 'ada@proven.example', code => :'code', refresh_token => :'gil');
SELECT type FROM anon_auth.events WHERE user_id = :'ada_sub' ORDER BY id DESC LIMIT 1;
-- with the password of an account that claims the address, its user logs in to it
SELECT sub AS ian_sub FROM account('ian@proven.example') \gset
SELECT guest() AS ian \gset
SELECT code_for('ian@proven.example', :'ian'); SELECT taken() AS code \gset
SELECT sub = :'ian_sub' AS logged_in_to_ian FROM anon_auth.promote_anonymous_user('web', email => 'ian@proven.example', password => 'correct horse', code => :'code', refresh_token => :'ian');
SELECT verified, user_id = :'ian_sub' AS is_ian FROM login_ids WHERE value ~ 'ian@';
UPDATE anon_auth.settings SET promotion_conflict = 'error';

-- ---- sign-up ----
SELECT code_for('+852 2123 4568'); SELECT taken() AS code \gset
SELECT s.sub AS kim_sub, anon_auth.verify_jwt(s.access_token) -> 'amr' AS amr FROM anon_auth.sign_up('web', phone_number => '+852 2123 4568', username => 'kim', code => :'code', password => 'correct horse') s \gset
\echo :amr
SELECT type, value, verified FROM login_ids WHERE user_id = :'kim_sub' ORDER BY type;
SELECT type, payload FROM anon_auth.events WHERE user_id = :'kim_sub' ORDER BY id;
SELECT sub = :'kim_sub' AS logs_in FROM anon_auth.authenticate('web', 'kim', 'correct horse');
-- who has proven an address that an account has is told to log in, and can
SELECT code_for('ada@proven.example'); SELECT taken() AS code \gset
SELECT anon_auth.sign_up('web', email => 'ada@proven.example', code => :'code');
SELECT sub = :'ada_sub' AS logs_in FROM anon_auth.authenticate_with_code('web', 'ada@proven.example', :'code');
SELECT anon_auth.sign_up('web', email => 'ada@proven.example', password => 'correct horse');
SELECT anon_auth.sign_up('web', username => 'kim', password => 'correct horse');
SELECT anon_auth.sign_up('web', username => 'kim2');
SELECT anon_auth.sign_up('web', password => 'correct horse');
UPDATE anon_auth.settings SET public_sign_up_enabled = false;
SELECT anon_auth.sign_up('web', username => 'kim2', password => 'correct horse');
UPDATE anon_auth.settings SET public_sign_up_enabled = true;

-- ---- settings.login_id_verification ----
UPDATE anon_auth.settings SET login_id_verification = 'required';
SELECT guest() AS lea \gset
SELECT anon_auth.promote_anonymous_user('web', email => 'lea@proven.example', password => 'correct horse', refresh_token => :'lea');
SELECT anon_auth.sign_up('web', phone_number => '+85221234569', password => 'correct horse');
SELECT count(*) AS a_username_needs_no_proof FROM anon_auth.sign_up('web', username => 'lea', password => 'correct horse');
SELECT code_for('lea@proven.example', :'lea'); SELECT taken() AS code \gset
SELECT count(*) AS promoted FROM anon_auth.promote_anonymous_user('web', email => 'lea@proven.example', username => 'lea2', password => 'correct horse', code => :'code', refresh_token => :'lea');
-- an address that is not proven does not tell whether somebody has it
SELECT anon_auth.sign_up('web', email => 'ada@proven.example', password => 'correct horse');

UPDATE anon_auth.settings SET login_id_verification = 'optional';

-- ---- a reset of the password by an address that was not verified ----
-- removes everything by which whoever opened the account could come back
SELECT p.sub AS max_sub FROM anon_auth.promote_anonymous_user('web', email => 'max@proven.example', phone_number => '+85221234570',
	username => 'max', password => 'correct horse', refresh_token => guest()) p \gset
SELECT anon_auth.reset_counters() \g /dev/null
SELECT anon_auth.request_password_reset('max@proven.example');
SELECT code FROM anon_auth.take_outbox_messages() WHERE type = 'password_reset' \gset
SELECT anon_auth.reset_password('max@proven.example', :'code', 'another horse');
SELECT type, value, verified FROM login_ids WHERE user_id = :'max_sub' ORDER BY type;
SELECT count(*) AS logs_in FROM anon_auth.authenticate('web', 'max@proven.example', 'another horse');
SELECT type FROM anon_auth.events WHERE user_id = :'max_sub' AND type IN ('user.reclaimed', 'password.reset') ORDER BY id;
-- ---- guesses at the password of an account that claims the address ----
UPDATE anon_auth.settings SET promotion_conflict = 'login';
SELECT sub AS ned_sub FROM account('ned@proven.example') \gset
CREATE FUNCTION guess(password text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT sub FROM anon_auth.promote_anonymous_user('web', email => 'ned@proven.example', password => password,
		code => current_setting('test.code'), refresh_token => current_setting('test.guest')));
END $$;
-- each is taken back, so the account keeps the address
SELECT guest() AS ned \gset
SELECT set_config('test.guest', :'ned', false) \g /dev/null
SELECT anon_auth.request_login_code('web', 'ned@proven.example', refresh_token => :'ned') \g /dev/null
SELECT set_config('test.code', taken(), false) \g /dev/null
CREATE FUNCTION guesses() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	count integer := 0;
BEGIN
	FOR i IN 1 .. 8 LOOP
		-- too short to be a new password: the code is not used up
		BEGIN
			PERFORM guess('short');
		EXCEPTION WHEN sqlstate 'AA011' THEN count := count + 1;
		END;
	END LOOP;
	RETURN count;
END $$;
SELECT guesses() AS guesses;
-- beyond five a day, the password proves nothing: the address is taken
SELECT guess('correct horse') = :'ned_sub' AS logged_in_to_ned;

-- ---- limits and errors of sign_up() ----
UPDATE anon_auth.settings SET login_id_conflicts_per_minute_per_ip = 2;
SELECT anon_auth.reset_counters() \g /dev/null
SELECT anon_auth.use_client_address('192.0.2.1', false);
\set VERBOSITY terse
SELECT anon_auth.sign_up('web', username => 'kim', password => 'x');
SELECT anon_auth.sign_up('web', username => 'kim', password => 'x');
SELECT anon_auth.sign_up('web', username => 'kim', password => 'x');
SELECT anon_auth.sign_up('web', username => 'nobody_has_this', password => 'x');
UPDATE anon_auth.settings SET login_id_conflicts_per_minute_per_ip = 10, guest_sign_ups_per_minute = 1;
SELECT count(*) FROM guest();
SELECT anon_auth.request_login_code('web', 'olga@proven.example') \g /dev/null
SELECT taken() AS code \gset
SELECT anon_auth.sign_up('web', email => 'olga@proven.example', code => :'code');
UPDATE anon_auth.settings SET guest_sign_ups_per_minute = NULL;
SELECT anon_auth.reset_counters() \g /dev/null
SELECT count(*) AS the_code_still_works FROM anon_auth.sign_up('web', email => 'olga@proven.example', code => :'code');
\set VERBOSITY default
DISCARD ALL;

SET client_min_messages = warning;
DROP FUNCTION guess, guesses;
DROP VIEW login_ids;
DROP FUNCTION guest, code_for, taken, account;
DROP EXTENSION anon_auth CASCADE;
