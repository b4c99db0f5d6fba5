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

-- a primary key of the same columns in another order, and of another column
BEGIN;
ALTER TABLE anon_auth.sessions DROP CONSTRAINT sessions_pkey, ADD PRIMARY KEY (id, user_id);
SELECT name();
ALTER TABLE anon_auth.sessions DROP CONSTRAINT sessions_pkey, ADD PRIMARY KEY (secret_hash);
SELECT name();
ROLLBACK;

-- rows of a table that inherits
BEGIN;
CREATE TABLE more_passwords () INHERITS (anon_auth.passwords);
ALTER TABLE more_passwords OWNER TO anon_auth_owner;
WITH moved AS (DELETE FROM anon_auth.passwords RETURNING *) INSERT INTO more_passwords SELECT * FROM moved;
SELECT count(*) FROM anon_auth.authenticate('web', 'ada', 'correct horse');
ROLLBACK;

-- a user's rows without the index that tells whether there are any
BEGIN;
DROP INDEX anon_auth.login_ids_user_id_idx;
SELECT anon_auth.delete_user(:'sub');
SELECT count(*) FROM anon_auth.login_ids;
ROLLBACK;

-- rows that the transaction itself has made
BEGIN;
SELECT sub AS other FROM anon_auth.sign_up('web', username => 'grace', password => 'correct horse') \gset
SELECT anon_auth.delete_user(:'other');
SELECT count(*) FROM anon_auth.passwords;
ROLLBACK;

-- several users at once, of whom only the last one has such a row
BEGIN;
SELECT count(*) FROM generate_series(1, 3) AS i, LATERAL anon_auth.authenticate_anonymously(left('web' || i, 3));
INSERT INTO anon_auth.passwords (user_id, password_hash, created_at, updated_at)
	SELECT (SELECT id FROM anon_auth.users WHERE is_anonymous ORDER BY id DESC LIMIT 1), password_hash, now(), now() FROM anon_auth.passwords;
UPDATE anon_auth.sessions SET expires_at = now() - interval '1 day', purge_from = now() - interval '1 day' FROM anon_auth.users WHERE user_id = users.id AND is_anonymous;
UPDATE anon_auth.users SET purge_from = now() - interval '1 day' + (id::text < (SELECT max(id::text) FROM anon_auth.users))::integer * interval '-1 hour' WHERE is_anonymous;
SELECT guests FROM anon_auth.purge();
SELECT count(*) FROM anon_auth.passwords;
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
