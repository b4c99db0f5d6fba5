-- What the example has in its database.  In psql, as a superuser, once in an
-- empty UTF8 database; a second time does no harm:
--
--     psql -v origin=http://127.0.0.1:8080 -f setup.sql
--
-- origin is where browsers find the site: scheme, host and port.

\set ON_ERROR_STOP on
\if :{?origin}
\else
	\set origin 'http://127.0.0.1:8080'
\endif

BEGIN;
SET LOCAL client_min_messages = warning;

CREATE EXTENSION IF NOT EXISTS anon_auth;

-- ---------------------------------------------------------------------------
-- Roles
-- ---------------------------------------------------------------------------

-- PostgREST logs in as authenticator, which has no rights, and becomes one of
-- the others for each request.  Let it in by pg_hba.conf (peer), or give it a
-- password.
DO $$
BEGIN
	IF to_regrole('authenticator') IS NULL THEN
		CREATE ROLE authenticator LOGIN NOINHERIT;
	END IF;
	IF to_regrole('anon') IS NULL THEN
		CREATE ROLE anon NOLOGIN;
	END IF;
	IF to_regrole('authenticated') IS NULL THEN
		CREATE ROLE authenticated NOLOGIN;
	END IF;
END
$$;
GRANT anon, authenticated TO authenticator;

-- uid() and its kin for policies, and the SQL functions.
SELECT anon_auth.grant_client_api(role)
FROM (VALUES ('anon'::regrole), ('authenticated')) AS roles (role);

-- The HTTP endpoints.
SELECT anon_auth.grant_http_api(role)
FROM (VALUES ('anon'::regrole), ('authenticated'), ('authenticator')) AS roles (role);

-- ---------------------------------------------------------------------------
-- anon_auth
-- ---------------------------------------------------------------------------

-- trust_request_claims: PostgREST has verified the token, and says whose it is
-- by SET.  Whoever else can run SQL as anon or authenticated could say so, too:
-- those roles are for PostgREST alone.
-- trusted_proxy_hops: nginx.conf appends the client's address to X-Forwarded-For.
UPDATE anon_auth.settings
SET issuer = :'origin',
	trust_request_claims = true,
	check_session_on_request = true,
	trusted_proxy_hops = 1,
	login_id_types = '{email}',
	brand_name = 'Notebook',
	brand_color = '#2f6f4f';

-- The page in its two kinds: with tokens, and with a session cookie.
SELECT anon_auth.create_client('notebook', 'spa', name => 'Notebook',
	redirect_uris => ARRAY[:'origin' || '/app/'])
WHERE NOT EXISTS (SELECT FROM anon_auth.clients WHERE client_id = 'notebook');

SELECT anon_auth.create_client('notebook-cookie', 'traditional_webapp', name => 'Notebook',
	redirect_uris => ARRAY[:'origin' || '/app/?session=cookie'],
	post_logout_redirect_uris => ARRAY[:'origin' || '/app/?session=cookie'])
WHERE NOT EXISTS (SELECT FROM anon_auth.clients WHERE client_id = 'notebook-cookie');

-- ---------------------------------------------------------------------------
-- The application
-- ---------------------------------------------------------------------------

CREATE SCHEMA IF NOT EXISTS api;
GRANT USAGE ON SCHEMA api TO anon, authenticated;

-- A note belongs to a user, and goes with it.  The user is the same before and
-- after the guest got an account, so nothing has to be moved then.
CREATE TABLE IF NOT EXISTS api.notes (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	user_id uuid NOT NULL DEFAULT anon_auth.uid()
		REFERENCES anon_auth.users (id) ON DELETE CASCADE,
	body text NOT NULL CHECK (length(body) BETWEEN 1 AND 1000),
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS notes_user_id_idx ON api.notes (user_id);

-- Everybody sees and changes his own.  In a sub-select, uid() is asked once a
-- statement and not once a row.
ALTER TABLE api.notes ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS own_notes ON api.notes;
CREATE POLICY own_notes ON api.notes TO authenticated
	USING (user_id = (SELECT anon_auth.uid()));

GRANT SELECT, DELETE ON api.notes TO authenticated;
GRANT INSERT (body) ON api.notes TO authenticated;

COMMIT;

-- PostgREST, if it runs already, looks again.
NOTIFY pgrst, 'reload schema';
NOTIFY pgrst, 'reload config';
