-- A guest signs up without a key, against the statements that somebody would
-- write by hand: the same rows into tables of the same shape, and two raw
-- signatures, since an answer has an access token and an ID token.  All calls of
-- a round are one transaction, so that no commit hides the difference.

-- The key that signs is an ES256 one, as it is where nobody chose another.
SELECT anon_auth.create_signing_key('ES256') \g /dev/null

CREATE FUNCTION floor_uuid_v7() RETURNS uuid LANGUAGE c VOLATILE AS 'anon_auth_floor';
CREATE TABLE floor_users (LIKE anon_auth.users INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING STORAGE);
CREATE TABLE floor_sessions (LIKE anon_auth.sessions INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING STORAGE,
	FOREIGN KEY (user_id) REFERENCES floor_users (id) ON DELETE CASCADE);
CREATE TABLE floor_events (LIKE anon_auth.events INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING STORAGE);

CREATE FUNCTION floor_sign_up(message text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	user_id uuid := floor_uuid_v7();
	at timestamptz := clock_timestamp();
	until timestamptz := at + interval '30 days';
BEGIN
	INSERT INTO floor_users (id, is_anonymous, created_at, updated_at, last_seen_at, purge_from) VALUES (user_id, true, at, at, at, until);
	INSERT INTO floor_events (user_id, id, type, client_id, created_at, payload)
		VALUES (user_id, floor_uuid_v7(), 'user.created', 'app', at, '{"device_key": false}');
	INSERT INTO floor_sessions (user_id, id, client_id, secret_hash, created_at, authenticated_at, last_used_at, expires_at, purge_from)
		VALUES (user_id, floor_uuid_v7(), 'app', sha256('secret'), at, at, at, until, until);
	PERFORM floor_sign('ES256', message, 2);
END $$;

INSERT INTO operations (operation, side, calls, goal, statement) VALUES
	('sign-up without a key', 'ours', 500, 1.10, 'SELECT count(anon_auth.authenticate_anonymously(''app'')) FROM generate_series(1, $1)'),
	('sign-up without a key', 'floor', 500, NULL,
	 format('SELECT count(*) FROM generate_series(1, $1), LATERAL (SELECT floor_sign_up(%L) WHERE generate_series > 0) f',
			(SELECT signing_input FROM tokens WHERE alg = 'ES256')));
