--
-- Refresh token rotation: a lost response is harmless, and the use of a stolen
-- token ends the session.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
RESET client_min_messages;

SELECT anon_auth.create_client('app', 'native', refresh_token_rotation_enabled => true, refresh_token_rotation_grace_seconds => 3600);
SELECT refresh_token AS first FROM anon_auth.authenticate_anonymously('app') \gset

-- each refresh returns a new token
SELECT refresh_token AS second FROM anon_auth.refresh_session('app', :'first') \gset
SELECT :'first' <> :'second' AS rotated;

-- within the grace period the first token returns the same successor, any
-- number of times
SELECT refresh_token = :'second' AS same_successor FROM anon_auth.refresh_session('app', :'first');
SELECT refresh_token = :'second' AS same_successor FROM anon_auth.refresh_session('app', :'first');
SELECT generation FROM anon_auth.sessions;

-- the second token can be refreshed
SELECT refresh_token AS third FROM anon_auth.refresh_session('app', :'second') \gset
SELECT :'second' <> :'third' AS rotated;

-- a stale token is refused for promotion and sign-up
SELECT anon_auth.create_promotion_code(:'first');
SELECT anon_auth.authenticate_anonymously('app', refresh_token => :'first');

-- the first token is now two generations old: its use ends the session and
-- writes an event
SELECT count(*) AS rows FROM anon_auth.refresh_session('app', :'first');
SELECT anon_auth.refresh_session('app', :'third');
SELECT count(*) AS sessions FROM anon_auth.sessions;
SELECT type FROM anon_auth.events ORDER BY id;

-- after the grace period, so does the use of the previous token
SELECT refresh_token AS first FROM anon_auth.authenticate_anonymously('app') \gset
SELECT refresh_token AS second FROM anon_auth.refresh_session('app', :'first') \gset
UPDATE anon_auth.sessions SET rotated_at = now() - interval '3601 seconds';
SELECT count(*) AS rows FROM anon_auth.refresh_session('app', :'first');
SELECT count(*) AS sessions FROM anon_auth.sessions;

-- the token of a refresh that was rolled back is refused: it is ahead of the
-- session
SELECT refresh_token AS first FROM anon_auth.authenticate_anonymously('app') \gset
BEGIN;
SELECT refresh_token AS ahead FROM anon_auth.refresh_session('app', :'first') \gset
ROLLBACK;
SELECT anon_auth.refresh_session('app', :'ahead');
SELECT anon_auth.create_promotion_code(:'ahead');
SELECT refresh_token AS second FROM anon_auth.refresh_session('app', :'first') \gset
SELECT refresh_token AS third FROM anon_auth.refresh_session('app', :'second') \gset
SELECT generation FROM anon_auth.sessions;

-- when rotation is disabled later, the newest token stays valid
UPDATE anon_auth.clients SET refresh_token_rotation_enabled = false;
SELECT refresh_token = :'third' AS unchanged FROM anon_auth.refresh_session('app', :'third');
SELECT refresh_token = :'third' AS newest FROM anon_auth.refresh_session('app', :'second');
