--
-- Users list their sessions, and end them.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
DROP ROLE IF EXISTS regress_visitor;
CREATE ROLE regress_visitor;
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/}', name => 'The app') \g /dev/null
SELECT anon_auth.create_client('phone', 'native') \g /dev/null
SELECT anon_auth.grant_client_api('regress_visitor') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
CREATE FUNCTION new_account(username text) RETURNS SETOF anon_auth.token_response LANGUAGE sql AS $$
	SELECT p.* FROM anon_auth.authenticate_anonymously('web') g,
		anon_auth.promote_anonymous_user('web', username => username, password => 'correct horse', refresh_token => g.refresh_token) p
$$;
CREATE FUNCTION sid(token text) RETURNS uuid LANGUAGE sql AS $$ SELECT (anon_auth.verify_jwt(token) ->> 'sid')::uuid $$;
GRANT EXECUTE ON FUNCTION sid TO regress_visitor;
SELECT anon_auth.reset_counters() \g /dev/null
RESET client_min_messages;

SELECT * FROM new_account('jo') \gset jo_
SELECT * FROM new_account('max') \gset max_
BEGIN;
SELECT anon_auth.use_client_address('192.0.2.7');
SELECT * FROM anon_auth.authenticate('phone', 'jo', 'correct horse', '{"model": "Pixel 9"}') \gset phone_
COMMIT;

-- the list: one session for each login, the last used one first
SET ROLE regress_visitor;
SELECT session_id = sid(:'phone_access_token') AS phone, is_current, session_type, client_id, client_name, device_info, client_address, user_agent, amr,
	created_at = last_used_at AS unused, auth_time = created_at AS just_logged_in, expires_at > now() AS alive
FROM anon_auth.list_sessions(:'jo_access_token') WHERE client_id = 'phone';
SELECT is_current, client_id, client_name FROM anon_auth.list_sessions(:'jo_access_token');
SELECT is_current, client_id FROM anon_auth.list_sessions(:'phone_access_token');
-- a use moves the session to the top
SELECT count(*) FROM anon_auth.refresh_session('web', :'jo_refresh_token');
SELECT is_current, client_id, last_used_at > created_at AS used FROM anon_auth.list_sessions(:'jo_access_token');
-- of the caller, in a read-only transaction
BEGIN READ ONLY;
SELECT anon_auth.use_access_token(:'max_access_token') = :'max_sub' AS max;
SELECT is_current, client_id FROM anon_auth.list_sessions();
COMMIT;

-- the id of another user's session gets the answer of an unknown id
SELECT anon_auth.end_session(sid(:'phone_access_token'), :'max_access_token') AS of_jo, anon_auth.end_session('00000000-0000-7000-8000-000000000000', :'max_access_token') AS of_nobody;
SELECT count(*) AS sessions FROM anon_auth.list_sessions(:'phone_access_token');

-- one session ends
SELECT anon_auth.end_session(sid(:'phone_access_token'), :'jo_access_token') AS ended;
SELECT anon_auth.end_session(sid(:'phone_access_token'), :'jo_access_token') AS again;
SELECT is_current, client_id FROM anon_auth.list_sessions(:'jo_access_token');
\set VERBOSITY terse
SELECT anon_auth.refresh_session('phone', :'phone_refresh_token');
SELECT anon_auth.userinfo(:'phone_access_token');
SELECT * FROM anon_auth.list_sessions(:'phone_access_token');
SELECT anon_auth.end_session(sid(:'jo_access_token'), :'phone_access_token');
SELECT anon_auth.end_other_sessions(:'phone_access_token');
RESET ROLE;
SELECT sid(:'phone_access_token') AS phone_sid \gset
SELECT type, client_id, payload ->> 'session_id' = :'phone_sid' AS names_it FROM anon_auth.events WHERE user_id = :'jo_sub' AND type ~ 'session|signed';

-- the others end, and logins that have a code but no session yet
SELECT refresh_token AS second FROM anon_auth.authenticate('web', 'jo', 'correct horse') \gset
SELECT refresh_token AS third FROM anon_auth.authenticate('phone', 'jo', 'correct horse') \gset
SELECT refresh_token AS guest FROM anon_auth.authenticate_anonymously('web') \gset
\set challenge 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
\set verifier 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
UPDATE anon_auth.settings SET promotion_conflict = 'login';
SELECT code AS used FROM anon_auth.authorize_promotion('web', 'https://app.example/', :'challenge', username => 'jo', password => 'correct horse', refresh_token => :'guest') \gset
SELECT * FROM anon_auth.exchange_authorization_code('web', :'used', 'https://app.example/', :'verifier') \gset here_
SELECT code AS pending FROM anon_auth.authorize_promotion('web', 'https://app.example/', :'challenge', username => 'jo', password => 'correct horse', refresh_token => :'guest') \gset
SELECT anon_auth.end_other_sessions(:'here_access_token') AS ended;
SELECT is_current, client_id FROM anon_auth.list_sessions(:'here_access_token');
SELECT anon_auth.exchange_authorization_code('web', :'pending', 'https://app.example/', :'verifier');
SELECT anon_auth.refresh_session('web', :'second');
SELECT anon_auth.refresh_session('phone', :'third');
SELECT anon_auth.userinfo(:'jo_access_token');
SELECT anon_auth.end_other_sessions(:'here_access_token') AS ended;
SELECT type, client_id, payload FROM anon_auth.events WHERE user_id = :'jo_sub' AND payload ? 'sessions';
SELECT count(*) AS of_max FROM anon_auth.list_sessions(:'max_access_token');
-- the code of this session is remembered: a copy of it ends the session
SELECT anon_auth.exchange_authorization_code('web', :'used', 'https://app.example/', :'verifier');
SELECT anon_auth.userinfo(:'here_access_token');

-- a session that a transaction revoked that rolled back has ended, and is not listed
UPDATE anon_auth.clients SET refresh_token_rotation_enabled = true, refresh_token_rotation_grace_seconds = 0 WHERE client_id = 'phone';
SELECT refresh_token AS first FROM anon_auth.authenticate('phone', 'max', 'correct horse') \gset
SELECT refresh_token AS second FROM anon_auth.refresh_session('phone', :'first') \gset
SELECT refresh_token AS third FROM anon_auth.refresh_session('phone', :'second') \gset
BEGIN;
SELECT count(*) AS reused FROM anon_auth.refresh_session('phone', :'first');
ROLLBACK;
SELECT client_id FROM anon_auth.list_sessions(:'max_access_token');
-- so is one that has expired
SELECT access_token AS expiring FROM anon_auth.authenticate('web', 'max', 'correct horse') \gset
SELECT sid(:'expiring') AS expiring_sid \gset
UPDATE anon_auth.sessions SET expires_at = now() WHERE id = :'expiring_sid';
SELECT client_id FROM anon_auth.list_sessions(:'max_access_token');
-- a session whose client was removed has no name, and can be ended
DELETE FROM anon_auth.clients WHERE client_id = 'web';
SELECT client_id, client_name FROM anon_auth.list_sessions(:'max_access_token');

-- guests, too; the session of the call can end itself
SELECT * FROM anon_auth.authenticate_anonymously('phone') \gset guest_
SELECT is_current, client_id, amr FROM anon_auth.list_sessions(:'guest_access_token');
SELECT anon_auth.end_other_sessions(:'guest_access_token') AS ended;
SELECT anon_auth.end_session(sid(:'guest_access_token'), :'guest_access_token') AS ended;
SELECT anon_auth.list_sessions(:'guest_access_token');
SELECT type FROM anon_auth.events WHERE user_id = :'guest_sub' ORDER BY id;
-- nobody can come back to it
SELECT guests FROM anon_auth.purge();

-- refused
SELECT * FROM anon_auth.list_sessions();
SELECT * FROM anon_auth.list_sessions('no token');
SELECT anon_auth.end_session(NULL, :'max_access_token');
SELECT anon_auth.end_session(sid(:'max_access_token'));
SELECT anon_auth.end_other_sessions();
SELECT anon_auth.disable_user(:'max_sub');
SELECT * FROM anon_auth.list_sessions(:'max_access_token');

SET client_min_messages = warning;
DROP OWNED BY regress_visitor;
DROP ROLE regress_visitor;
DROP FUNCTION new_account, sid;
DROP EXTENSION anon_auth CASCADE;
