-- The database of the examples: the extension, a client, a role for the
-- application, and a table in which each user sees its own rows.  Run it once, as a
-- superuser, in an empty database.

\set ON_ERROR_STOP on
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('app', 'native') \g /dev/null

SELECT 'CREATE ROLE app_role LOGIN' WHERE to_regrole('app_role') IS NULL \gexec
SELECT anon_auth.grant_client_api('app_role') \g /dev/null

CREATE TABLE notes (
	user_id uuid NOT NULL DEFAULT anon_auth.uid() REFERENCES anon_auth.users (id) ON DELETE CASCADE,
	body text NOT NULL);
CREATE INDEX ON notes (user_id);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_notes ON notes USING (user_id = (SELECT anon_auth.uid()));
GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO app_role;
