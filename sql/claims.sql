--
-- The caller's identity: verified claims, row-level security, PostgREST's
-- claims.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
RESET client_min_messages;

SELECT anon_auth.create_client('app', 'native', id_token => 'always');
CREATE ROLE regress_anon_auth_app LOGIN;
SELECT anon_auth.grant_client_api('regress_anon_auth_app');
CREATE TABLE notes (user_id uuid NOT NULL DEFAULT anon_auth.uid() REFERENCES anon_auth.users (id), note text);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_notes ON notes USING (user_id = (SELECT anon_auth.uid()));
GRANT SELECT, INSERT ON notes TO regress_anon_auth_app;

SET ROLE regress_anon_auth_app;
SELECT * FROM anon_auth.authenticate_anonymously('app') \gset ada_
SELECT * FROM anon_auth.authenticate_anonymously('app') \gset bob_

-- without claims there is no user
SELECT anon_auth.uid(), anon_auth.is_anonymous(), anon_auth.session_id(), anon_auth.claims(), anon_auth.session_alive();
INSERT INTO notes (note) VALUES ('nobody''s');

-- within a transaction
BEGIN;
SELECT anon_auth.use_access_token(:'ada_access_token') = :'ada_sub' AS sub;
SELECT anon_auth.uid() = :'ada_sub' AS uid, anon_auth.is_anonymous(), anon_auth.session_alive(),
	   anon_auth.session_id()::text = anon_auth.claims() ->> 'sid' AS sid, anon_auth.userinfo() ->> 'sub' = :'ada_sub' AS userinfo;
INSERT INTO notes (note) VALUES ('ada''s');
COMMIT;
SELECT anon_auth.uid();
BEGIN;
SELECT anon_auth.use_access_token(:'bob_access_token') = :'bob_sub' AS sub;
INSERT INTO notes (note) VALUES ('bob''s');
SELECT note FROM notes;
SAVEPOINT s;
SELECT anon_auth.use_access_token(:'ada_access_token') = :'ada_sub' AS sub;
SELECT note FROM notes;
ROLLBACK TO s;
SELECT note FROM notes;
INSERT INTO notes VALUES (:'ada_sub', 'forged');
ROLLBACK;

-- within one statement, and for the connection
SELECT anon_auth.uid() = :'ada_sub' AS uid FROM anon_auth.use_access_token(:'ada_access_token');
SELECT anon_auth.use_access_token(:'ada_access_token', false) = :'ada_sub' AS sub;
SELECT anon_auth.uid() = :'ada_sub' AS uid;
BEGIN;
SELECT anon_auth.use_access_token(:'bob_access_token') = :'bob_sub' AS sub;
COMMIT;
SELECT anon_auth.uid() = :'ada_sub' AS uid;

-- a returned value does not change when the same query verifies another token
CREATE TEMP TABLE kept AS
SELECT before_uid, before_claims, anon_auth.uid() AS after_uid
FROM (SELECT anon_auth.uid() AS before_uid, anon_auth.claims() AS before_claims, anon_auth.use_access_token(:'bob_access_token') OFFSET 0) s;
SELECT before_uid = :'ada_sub' AS before, before_claims ->> 'sub' = :'ada_sub' AS claims, after_uid = :'bob_sub' AS after FROM kept;

-- a failed call changes nothing
SELECT anon_auth.use_access_token('garbage', false);
SELECT anon_auth.use_access_token(:'ada_id_token', false);
SELECT anon_auth.use_access_token(NULL);
SELECT anon_auth.uid() = :'ada_sub' AS uid;

-- nobody can set the claims with SET or see them in SHOW ALL; anybody may reset
-- them
SET anon_auth.verified_claims = '{"sub": "00000000-0000-0000-0000-000000000001", "exp": 99999999999}';
SELECT set_config('anon_auth.verified_claims', '{"sub": "00000000-0000-0000-0000-000000000001", "exp": 99999999999}', true);
CREATE FUNCTION pg_temp.forge() RETURNS uuid LANGUAGE sql
	SET anon_auth.verified_claims = '{"sub": "00000000-0000-0000-0000-000000000001", "exp": 99999999999}' AS 'SELECT anon_auth.uid()';
SELECT count(*) FROM pg_settings WHERE name = 'anon_auth.verified_claims';
SELECT anon_auth.uid() = :'ada_sub' AS uid;
DISCARD ALL;
SELECT anon_auth.uid();

-- request.jwt.claims is trusted only if the settings say so
SET ROLE regress_anon_auth_app;
SELECT set_config('request.jwt.claims', anon_auth.verify_jwt(:'ada_access_token')::text, false) <> '' AS set;
SELECT anon_auth.uid(), anon_auth.claims();
RESET ROLE;
UPDATE anon_auth.settings SET trust_request_claims = true;
SET ROLE regress_anon_auth_app;
SELECT anon_auth.uid() = :'ada_sub' AS uid, anon_auth.is_anonymous(), anon_auth.session_id() IS NOT NULL AS session_id, anon_auth.session_alive();
SELECT note FROM notes;

-- claims that use_access_token() verified take precedence
BEGIN;
SELECT anon_auth.use_access_token(:'bob_access_token') = :'bob_sub' AS sub;
SELECT anon_auth.uid() = :'bob_sub' AS uid;
COMMIT;
SELECT anon_auth.uid() = :'ada_sub' AS uid;

-- claims of an ID token are ignored, and claims of an access token that lack one
-- of its members or have another value
SELECT set_config('request.jwt.claims', anon_auth.verify_jwt(:'ada_id_token', 'app')::text, false) <> '' AS set;
SELECT anon_auth.uid(), anon_auth.is_anonymous();
SET client_min_messages = error;
CREATE FUNCTION pg_temp.who(token_claims jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('request.jwt.claims', token_claims::text, true);
	RETURN coalesce(anon_auth.uid() || ', ' || (anon_auth.session_id() IS NOT NULL), 'nobody');
END $$;
RESET client_min_messages;
SELECT change, replace(pg_temp.who(CASE change WHEN '' THEN c ELSE c - split_part(change, ' ', 1) || replacement::jsonb END), :'ada_sub', 'ada') AS who
FROM anon_auth.verify_jwt(:'ada_access_token') c,
	(VALUES ('', '{}'), ('jti', '{}'), ('iss', '{}'), ('iss other', '{"iss": "https://evil.example"}'), ('aud', '{}'),
		('aud other', '{"aud": "app"}'), ('aud several', '{"aud": ["app", "http://localhost"]}'), ('exp', '{}'),
		('client_id', '{}'), ('sid', '{}'), ('sid other', '{"sid": "me"}'), ('sub', '{}'), ('sub other', '{"sub": "me"}')) v (change, replacement);
DROP FUNCTION pg_temp.who(jsonb);

-- without a claim about guests, is_anonymous() is NULL
SELECT set_config('request.jwt.claims', (anon_auth.verify_jwt(:'ada_access_token') - 'is_anonymous')::text, false) <> '' AS set;
SELECT anon_auth.uid() = :'ada_sub' AS uid, anon_auth.is_anonymous(), NOT anon_auth.is_anonymous() AS account;

-- claims without a valid sub identify no user
SET request.jwt.claims = '{"role": "anon"}';
SELECT anon_auth.uid(), anon_auth.claims();
SET request.jwt.claims = '{"sub": "me"}';
SELECT anon_auth.uid();
SET request.jwt.claims = '{"sub": "00000000-0000-0000-0000-000000000001", "sub": "00000000-0000-0000-0000-000000000002"}';
SELECT anon_auth.uid();
SET request.jwt.claims = 'not json';
SELECT anon_auth.uid();
SET request.jwt.claims = '';
SELECT anon_auth.uid();

-- a token that has expired since its verification identifies no user
RESET ROLE;
UPDATE anon_auth.settings SET trust_request_claims = false;
SELECT anon_auth.sign_jwt(c || jsonb_build_object('exp', extract(epoch FROM now())::bigint + 2), typ => 'at+jwt') AS short
FROM anon_auth.verify_jwt(:'ada_access_token') c \gset
SELECT anon_auth.use_access_token(:'short', false) = :'ada_sub' AS sub;
DO $$
DECLARE deadline timestamptz := clock_timestamp() + interval '1 minute';
BEGIN
	WHILE extract(epoch FROM clock_timestamp())::numeric < extract(epoch FROM now())::bigint + 3 AND clock_timestamp() < deadline LOOP
		PERFORM pg_sleep(0.05);
	END LOOP;
END
$$;
SELECT anon_auth.uid();
SELECT anon_auth.verify_jwt(:'short');
SELECT anon_auth.use_access_token(:'short');

-- session_alive() is false for a revoked session, although its token is valid
SELECT anon_auth.revoke(:'ada_refresh_token');
SELECT anon_auth.use_access_token(:'ada_access_token', false) = :'ada_sub' AS sub;
SELECT anon_auth.uid() = :'ada_sub' AS uid, anon_auth.session_alive();
SELECT anon_auth.userinfo();

DROP TABLE notes;
DROP OWNED BY regress_anon_auth_app;
DROP ROLE regress_anon_auth_app;
