--
-- settings.max_sessions_per_user: a login ends the sessions that were last used longest ago.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/}') \g /dev/null
SELECT anon_auth.create_client('phone', 'native') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
SELECT anon_auth.reset_counters() \g /dev/null
CREATE TABLE logins (name text, sid uuid, refresh_token text);
CREATE FUNCTION login(name text, client text, login_id text DEFAULT 'jo') RETURNS void LANGUAGE sql AS $$
	INSERT INTO logins SELECT name, (anon_auth.verify_jwt(access_token) ->> 'sid')::uuid, refresh_token FROM anon_auth.authenticate(client, login_id, 'correct horse') $$;
CREATE FUNCTION alive(OUT sessions text) LANGUAGE sql AS $$
	SELECT string_agg(name, ' ' ORDER BY s.last_used_at) FROM logins l JOIN anon_auth.sessions s ON s.id = l.sid WHERE s.expires_at > now() $$;
SELECT anon_auth.create_user(username => 'jo', password => 'correct horse') AS jo, anon_auth.create_user(username => 'max', password => 'correct horse') AS max \gset
RESET client_min_messages;

-- no limit by default
SELECT login('a', 'web'), login('b', 'phone'), login('c', 'web'), login('max', 'web', 'max');
SELECT alive();
-- a lower number takes effect at the next login, over all clients
UPDATE anon_auth.settings SET max_sessions_per_user = 2;
SELECT alive();
SELECT login('d', 'web');
SELECT alive();
SELECT client_id, payload FROM anon_auth.events WHERE type = 'user.signed_out' ORDER BY id;
-- a use counts
SELECT count(*) FROM logins, anon_auth.refresh_session('web', refresh_token) WHERE name = 'c';
SELECT login('e', 'phone');
SELECT alive();
-- expired sessions do not count
UPDATE anon_auth.sessions SET expires_at = now() FROM logins WHERE sid = id AND name = 'c';
SELECT login('f', 'web');
SELECT alive();
-- one session: only the new one
UPDATE anon_auth.settings SET max_sessions_per_user = 1;
SELECT login('g', 'web');
SELECT alive();
SELECT count(*) FROM anon_auth.refresh_session('web', (SELECT refresh_token FROM logins WHERE name = 'g'));
-- a promotion, and a guest
SELECT refresh_token AS guest FROM anon_auth.authenticate_anonymously('web') \gset
SELECT count(*) FROM anon_auth.promote_anonymous_user('web', username => 'newcomer', password => 'correct horse', refresh_token => :'guest');
SELECT u.standard_attributes ->> 'preferred_username' AS username, count(*) FROM anon_auth.users u JOIN anon_auth.sessions s ON s.user_id = u.id WHERE s.expires_at > now() GROUP BY 1 ORDER BY 1;

SET client_min_messages = warning;
DROP FUNCTION login, alive;
DROP TABLE logins;
DROP EXTENSION anon_auth CASCADE;
