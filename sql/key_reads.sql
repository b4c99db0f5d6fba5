--
-- Rows are read by their primary keys without the planner.  The result is that of a
-- statement, whatever happens to the table.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('web', 'spa') \g /dev/null
RESET client_min_messages;
SELECT access_token AS token, sub FROM anon_auth.sign_up('web', username => 'ada', password => 'correct horse') \gset
CREATE FUNCTION name() RETURNS jsonb LANGUAGE sql AS $$ SELECT anon_auth.userinfo(current_setting('app.token')) -> 'preferred_username' $$;
SELECT set_config('app.token', :'token', false) \g /dev/null

-- a change by an earlier statement of the transaction, and by the same statement
BEGIN;
SELECT name();
UPDATE anon_auth.users SET standard_attributes = '{"preferred_username": "grace"}' WHERE id = :'sub';
SELECT name();
SELECT anon_auth.update_profile('{"nickname": "g"}', :'token') ->> 'nickname' AS written, anon_auth.userinfo(:'token') ->> 'nickname' AS read;
ROLLBACK;
SELECT name();

-- columns that have changed places, and one that is new
BEGIN;
ALTER TABLE anon_auth.users RENAME standard_attributes TO former;
ALTER TABLE anon_auth.users RENAME custom_attributes TO standard_attributes;
ALTER TABLE anon_auth.users RENAME former TO custom_attributes;
SELECT name(), anon_auth.userinfo(:'token') #> '{custom_attributes,preferred_username}' AS custom;
ROLLBACK;
BEGIN;
ALTER TABLE anon_auth.users DROP COLUMN standard_attributes;
ALTER TABLE anon_auth.users ADD COLUMN standard_attributes jsonb NOT NULL DEFAULT '{"preferred_username": "new"}';
SELECT name();
ROLLBACK;
SELECT name();

-- an index that lacks rows of older snapshots, and none
BEGIN;
UPDATE pg_index SET indcheckxmin = true WHERE indexrelid = 'anon_auth.users_pkey'::regclass;
SELECT name();
ROLLBACK;
BEGIN;
ALTER TABLE anon_auth.passwords DROP CONSTRAINT passwords_pkey;
SELECT count(*) FROM anon_auth.authenticate('web', 'ada', 'correct horse');
ROLLBACK;

-- row-level security that holds for the owner, too
BEGIN;
ALTER TABLE anon_auth.users FORCE ROW LEVEL SECURITY;
SELECT name();
ROLLBACK;
SELECT name();

DROP FUNCTION public.name();
SET client_min_messages = warning;
DROP EXTENSION anon_auth CASCADE;
