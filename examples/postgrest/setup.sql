-- The database of the example.  Run it in psql as a superuser, in an empty UTF8
-- database.  You can run it again:
--
--     psql -v origin=http://127.0.0.1:8080 -f setup.sql
--
-- origin is the public origin of the site: scheme, host and port.  With another
-- origin, the script changes the issuer and the URIs of its clients.  Without one,
-- it keeps the issuer.  Other settings and clients that exist stay as they are.

\set ON_ERROR_STOP on

BEGIN;
SET LOCAL client_min_messages = warning;

CREATE EXTENSION IF NOT EXISTS anon_auth;
CREATE EXTENSION IF NOT EXISTS anon_auth_http;

-- ---------------------------------------------------------------------------
-- Roles
-- ---------------------------------------------------------------------------

-- PostgREST logs in as authenticator, which has no rights, and switches to one of
-- the other roles for each request.  Allow the login in pg_hba.conf (peer), or
-- give the role a password.
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

-- The SQL functions, including uid() and related functions for policies.
SELECT anon_auth.grant_client_api(role)
FROM (VALUES ('anon'::regrole), ('authenticated')) AS roles (role);

-- The HTTP endpoints.
SELECT anon_auth.grant_http_api(role)
FROM (VALUES ('anon'::regrole), ('authenticated'), ('authenticator')) AS roles (role);

-- ---------------------------------------------------------------------------
-- anon_auth
-- ---------------------------------------------------------------------------

-- trust_request_claims: PostgREST verifies the token and passes its claims on with
-- SET.  Any other session that can run SQL as anon or authenticated could forge
-- them, so use these roles for PostgREST only.
-- trusted_proxy_hops: nginx.conf appends the client's address to X-Forwarded-For.
SELECT coalesce(issuer, '') AS former_origin,
	NOT EXISTS (SELECT FROM anon_auth.clients WHERE client_id IN ('notebook', 'notebook-cookie')) AS is_first_run
FROM anon_auth.settings \gset

\if :{?origin}
\elif :is_first_run
	\set origin 'http://127.0.0.1:8080'
\else
	\set origin :former_origin
\endif

UPDATE anon_auth.settings SET issuer = :'origin';

-- A later run keeps the changes that you have made.
UPDATE anon_auth.settings
SET trust_request_claims = true,
	check_session_on_request = true,
	trusted_proxy_hops = 1,
	login_id_types = '{email}',
	brand_name = 'Notebook',
	passkey_rp_name = 'Notebook',
	brand_color = '#2f6f4f'
WHERE :'is_first_run';

-- The page behind the links of messages.  It is used when a worker sends messages
-- (examples/worker); then also add code to page_login_methods.
UPDATE anon_auth.settings
SET code_link_uri = :'origin' || '/flows/code_link?code={code}&client_id={client_id}&ui_locales={language}'
WHERE :'is_first_run'
	OR code_link_uri = :'former_origin' || '/flows/code_link?code={code}&client_id={client_id}&ui_locales={language}';

-- A client for each variant of the page: with tokens, with a session cookie, and with
-- a key in the browser, to which the tokens are bound.
SELECT anon_auth.create_client('notebook', 'spa', name => 'Notebook',
	redirect_uris => ARRAY[:'origin' || '/app/'])
WHERE NOT EXISTS (SELECT FROM anon_auth.clients WHERE client_id = 'notebook');

SELECT anon_auth.create_client('notebook-cookie', 'traditional_webapp', name => 'Notebook',
	redirect_uris => ARRAY[:'origin' || '/app/?session=cookie'],
	post_logout_redirect_uris => ARRAY[:'origin' || '/app/?session=cookie'])
WHERE NOT EXISTS (SELECT FROM anon_auth.clients WHERE client_id = 'notebook-cookie');

SELECT anon_auth.create_client('notebook-key', 'spa', name => 'Notebook', dpop => 'required',
	redirect_uris => ARRAY[:'origin' || '/app/key.html'])
WHERE NOT EXISTS (SELECT FROM anon_auth.clients WHERE client_id = 'notebook-key');

-- If the clients exist, replace their URIs of the former origin.  Others are kept.
UPDATE anon_auth.clients
SET redirect_uris = array_replace(redirect_uris, :'former_origin' || '/app/', :'origin' || '/app/')
WHERE client_id = 'notebook';

UPDATE anon_auth.clients
SET redirect_uris = array_replace(redirect_uris, :'former_origin' || '/app/key.html', :'origin' || '/app/key.html')
WHERE client_id = 'notebook-key';

UPDATE anon_auth.clients
SET redirect_uris = array_replace(redirect_uris, :'former_origin' || '/app/?session=cookie',
		:'origin' || '/app/?session=cookie'),
	post_logout_redirect_uris = array_replace(post_logout_redirect_uris,
		:'former_origin' || '/app/?session=cookie', :'origin' || '/app/?session=cookie')
WHERE client_id = 'notebook-cookie';

-- ---------------------------------------------------------------------------
-- The application
-- ---------------------------------------------------------------------------

CREATE SCHEMA IF NOT EXISTS api;
GRANT USAGE ON SCHEMA api TO anon, authenticated;

-- A note belongs to a user, and is deleted with it.  The user id stays the same
-- when the guest becomes an account, so no note has to be moved.
CREATE TABLE IF NOT EXISTS api.notes (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	user_id uuid NOT NULL DEFAULT anon_auth.uid()
		REFERENCES anon_auth.users (id) ON DELETE CASCADE,
	body text NOT NULL CHECK (length(body) BETWEEN 1 AND 1000),
	created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS notes_user_id_idx ON api.notes (user_id);

-- Users see and change only their own notes.  In a sub-select, uid() is called
-- once per statement, not once per row.
ALTER TABLE api.notes ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS own_notes ON api.notes;
CREATE POLICY own_notes ON api.notes TO authenticated
	USING (user_id = (SELECT anon_auth.uid()));

GRANT SELECT, DELETE ON api.notes TO authenticated;
GRANT INSERT (body) ON api.notes TO authenticated;

COMMIT;

-- If PostgREST is already running, let it read the new tables and functions.
NOTIFY pgrst, 'reload schema';
