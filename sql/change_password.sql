--
-- change_password(): the old password, the sessions that end, and the messages.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/}') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
RESET client_min_messages;

CREATE FUNCTION guest() RETURNS text LANGUAGE sql AS $$ SELECT refresh_token FROM anon_auth.authenticate_anonymously('web') $$;
-- the result of a statement, or its error
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	detail text;
BEGIN
	EXECUTE statement INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', sqlstate, sqlerrm, nullif(detail, ''));
END $$;
CREATE FUNCTION change(new_password text, old_password text, token text) RETURNS text LANGUAGE sql AS $$
	SELECT try(format('SELECT anon_auth.change_password(%L, %L, %L)', new_password, old_password, token)) $$;
CREATE FUNCTION log_in(password text) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM anon_auth.authenticate('web', 'ada@example.com', password) $$;

SELECT access_token AS guest FROM anon_auth.authenticate_anonymously('web') \gset
SELECT sub, access_token AS ada, refresh_token AS ada_refresh FROM anon_auth.promote_anonymous_user('web', email => 'ada@example.com', password => 'correct horse', refresh_token => guest()) \gset
UPDATE anon_auth.login_ids SET verified_at = now() WHERE user_id = :'sub';
UPDATE anon_auth.users SET is_verified = true WHERE id = :'sub';
SELECT access_token AS other, refresh_token AS other_refresh FROM anon_auth.authenticate('web', 'ada@example.com', 'correct horse') \gset

-- ---- what is refused ----
SELECT change('battery staple', NULL, :'guest') AS guest;
SELECT change('battery staple', 'correct horse', NULL) AS nobody;
SELECT change('battery staple', 'correct horse', 'x.y.z') AS no_token;
SELECT change(NULL, 'correct horse', :'ada') AS no_new_password;
SELECT change('battery staple', NULL, :'ada') AS no_old_password;
SELECT change('short', 'correct horse', :'ada') AS weak;
SELECT change('battery staple', 'wrong horse', :'ada') AS wrong;
SELECT change('battery staple', repeat('x', 2000), :'ada') AS long;
SELECT type, payload, client_id FROM anon_auth.events WHERE user_id = :'sub' AND type = 'authentication.failed' ORDER BY id;
SELECT log_in('correct horse') AS unchanged, (SELECT count(*) FROM anon_auth.take_outbox_messages()) AS messages;

-- ---- a login that is too old ----
UPDATE anon_auth.sessions SET authenticated_at = now() - interval '15 minutes 10 seconds' WHERE user_id = :'sub';
SELECT change('battery staple', 'correct horse', :'ada') AS too_old;
-- before the old password is looked at, so that no attempt is counted
SELECT change('battery staple', 'wrong horse', :'ada') AS too_old;
UPDATE anon_auth.settings SET reauthentication_max_age = '1 hour';
SELECT change('battery staple', 'wrong horse', :'ada') AS recent_enough;
UPDATE anon_auth.settings SET reauthentication_max_age = '1 minute';
UPDATE anon_auth.sessions SET authenticated_at = now() - interval '10 years' WHERE user_id = :'sub';
SELECT change('battery staple', 'wrong horse', :'ada') AS too_old;
UPDATE anon_auth.settings SET reauthentication_max_age = NULL;
SELECT change('battery staple', 'wrong horse', :'ada') AS any_login;
UPDATE anon_auth.settings SET reauthentication_max_age = '15 minutes';
-- a refresh is no login
SELECT access_token AS refreshed FROM anon_auth.refresh_session('web', :'ada_refresh') \gset
SELECT change('battery staple', 'correct horse', :'refreshed') AS refreshed;
UPDATE anon_auth.sessions SET authenticated_at = now() WHERE user_id = :'sub';

-- ---- the change ----
SELECT anon_auth.reset_counters();
SELECT anon_auth.request_password_reset('ada@example.com');
SELECT code AS reset_code FROM anon_auth.take_outbox_messages() \gset
SELECT anon_auth.change_password('battery staple', 'correct horse', :'ada') AS changed;
SELECT log_in('correct horse') AS old_password, log_in('battery staple') AS new_password;
SELECT anon_auth.userinfo(:'ada') ->> 'sub' = :'sub' AS caller_stays;
SELECT try(format('SELECT anon_auth.userinfo(%L)', :'other')) AS other_session;
SELECT try(format('SELECT count(*) FROM anon_auth.refresh_session(%L, %L)', 'web', :'other_refresh')) AS other_session;
SELECT anon_auth.reset_password('ada@example.com', :'reset_code', 'third password') AS reset_code;
SELECT type, payload, client_id FROM anon_auth.events WHERE user_id = :'sub' AND type IN ('password.changed', 'user.signed_out') ORDER BY type;
SELECT type, login_id_type, recipient, code, link, client_id, user_id = :'sub' AS about_ada FROM anon_auth.take_outbox_messages();
-- with an ended session, nothing changes
SELECT change('third password', 'battery staple', :'other') AS ended_session;
-- the function takes the caller of use_access_token(), too
BEGIN;
SELECT anon_auth.use_access_token(:'ada') \g /dev/null
SELECT anon_auth.change_password('third password', 'battery staple') AS changed;
ROLLBACK;
SELECT log_in('battery staple') AS rolled_back;
-- within a transaction, the new password is the old one of the next call
BEGIN;
SELECT change('third password', 'battery staple', :'ada'), change('fourth password', 'battery staple', :'ada'), change('fourth password', 'third password', :'ada');
ROLLBACK;

-- ---- attempts count like those of logins ----
SELECT anon_auth.reset_counters();
UPDATE anon_auth.settings SET lockout_max_attempts = 3;
SELECT change('third password', 'wrong horse', :'ada'), change('third password', 'wrong horse', :'ada'), change('third password', 'wrong horse', :'ada');
SELECT substr(change('third password', 'battery staple', :'ada'), 1, 20) AS locked;
SELECT type, payload - 'seconds' AS payload FROM anon_auth.events WHERE user_id = :'sub' AND type = 'authentication.lockout';
SELECT anon_auth.enable_user(:'sub');
SELECT anon_auth.change_password('third password', 'battery staple', :'ada') AS unlocked;
UPDATE anon_auth.settings SET lockout_max_attempts = 0, password_attempts_per_minute_per_user = 2, password_attempts_per_minute_per_user_per_ip = NULL;
SELECT anon_auth.reset_counters();
SELECT change('fourth password', 'wrong horse', :'ada'), change('fourth password', 'wrong horse', :'ada'), substr(change('fourth password', 'third password', :'ada'), 1, 26) AS limited;
UPDATE anon_auth.settings SET password_attempts_per_minute_per_user = NULL;

-- ---- an account without a password ----
DELETE FROM anon_auth.passwords WHERE user_id = :'sub';
UPDATE anon_auth.users SET has_password = false WHERE id = :'sub';
SELECT change('first password', 'anything', :'ada') AS wrong, change('first password', NULL, :'ada') AS first, change('second password', NULL, :'ada') AS second;
SELECT log_in('first password');
SELECT has_password FROM anon_auth.users WHERE id = :'sub';

-- a disabled user
SELECT anon_auth.disable_user(:'sub');
SELECT change('second password', 'first password', :'ada') AS disabled;

DROP FUNCTION guest, try, change, log_in;
DROP EXTENSION anon_auth;
