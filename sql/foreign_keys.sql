--
-- Foreign keys to users must have one column of type uuid, whatever command
-- creates them. Only the extension's functions can delete users.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
DROP SCHEMA IF EXISTS app, evil CASCADE;
DROP ROLE IF EXISTS regress_migration;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('web', 'spa') \g /dev/null
SELECT anon_auth.authenticate_anonymously('web') \g /dev/null
CREATE ROLE regress_migration;
CREATE SCHEMA app AUTHORIZATION regress_migration;
-- the privileges that a role without SUPERUSER needs
GRANT USAGE ON SCHEMA anon_auth TO regress_migration;
GRANT REFERENCES (id) ON anon_auth.users TO regress_migration;
RESET client_min_messages;

SET ROLE regress_migration;
-- a type of the role's own, for which PostgreSQL would run a cast as the owner
-- of users
CREATE TYPE app.evil AS (id uuid);
CREATE FUNCTION app.whoami(app.evil) RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'cast as %', CASE current_user WHEN session_user THEN 'superuser' ELSE current_user END;
END $$;
RESET ROLE;
CREATE CAST (app.evil AS uuid) WITH FUNCTION app.whoami(app.evil) AS IMPLICIT;
SET ROLE regress_migration;
CREATE DOMAIN app.user_id AS uuid;

-- every kind of foreign key that a migration may create
CREATE TABLE app.inline (owner uuid REFERENCES anon_auth.users);
CREATE TABLE app.by_table (owner uuid, CONSTRAINT by_table_owner FOREIGN KEY (owner) REFERENCES anon_auth.users (id) ON DELETE CASCADE);
CREATE TABLE app.later (owner uuid);
ALTER TABLE app.later ADD FOREIGN KEY (owner) REFERENCES anon_auth.users NOT VALID;
ALTER TABLE app.later VALIDATE CONSTRAINT later_owner_fkey;
ALTER TABLE app.later ADD COLUMN editor uuid REFERENCES anon_auth.users;
CREATE TABLE app.parts (owner uuid REFERENCES anon_auth.users) PARTITION BY HASH (owner);
CREATE TABLE app.parts_0 PARTITION OF app.parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE app.parts_1 (owner uuid);
ALTER TABLE app.parts ATTACH PARTITION app.parts_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
-- a primary key of several columns, one of which is a foreign key
CREATE TABLE app.orders (owner uuid REFERENCES anon_auth.users, id int, PRIMARY KEY (owner, id));

-- every command that can create a foreign key of another type; the first one in
-- a session loads the library
CREATE TABLE app.b (owner app.evil);
-- if the table has rows, PostgreSQL checks them before the command ends: it
-- must run no cast
INSERT INTO app.b VALUES (ROW(gen_random_uuid()));
\c -
SET ROLE regress_migration;
ALTER TABLE app.b ADD FOREIGN KEY (owner) REFERENCES anon_auth.users;
\set VERBOSITY terse
CREATE TABLE app.a (owner app.evil REFERENCES anon_auth.users);
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE app.a (owner app.user_id REFERENCES anon_auth.users);
CREATE TABLE app.a (owner app.evil, CONSTRAINT c FOREIGN KEY (owner) REFERENCES anon_auth.users);
CREATE TABLE app.a (owner app.evil REFERENCES anon_auth.users) PARTITION BY LIST (owner);
ALTER TABLE app.b ADD FOREIGN KEY (owner) REFERENCES anon_auth.users NOT VALID;
ALTER TABLE app.b ADD COLUMN editor app.user_id REFERENCES anon_auth.users;
CREATE TABLE app.a (LIKE app.b, FOREIGN KEY (owner) REFERENCES anon_auth.users);
CREATE TABLE app.a (FOREIGN KEY (owner) REFERENCES anon_auth.users) INHERITS (app.b);
CREATE TABLE app.of_evil OF app.evil (FOREIGN KEY (id) REFERENCES anon_auth.users);
CREATE TABLE app.c (owner app.evil) PARTITION BY LIST (owner);
CREATE TABLE app.a PARTITION OF app.c (FOREIGN KEY (owner) REFERENCES anon_auth.users) DEFAULT;
DO $$ BEGIN EXECUTE 'ALTER TABLE app.b ADD FOREIGN KEY (owner) REFERENCES anon_auth.users'; END $$;
-- in a schema that is created with it
RESET ROLE;
CREATE SCHEMA evil CREATE TABLE a (owner app.evil REFERENCES anon_auth.users);
SET ROLE regress_migration;

-- the type of the column changes: its own, in the parent table, or in the
-- table's type
ALTER TABLE app.inline ALTER owner TYPE app.user_id;
ALTER TABLE app.inline ALTER owner TYPE app.evil USING NULL;
CREATE TABLE app.ranges (n int, owner uuid REFERENCES anon_auth.users) PARTITION BY RANGE (n);
CREATE TABLE app.ranges_0 PARTITION OF app.ranges DEFAULT;
ALTER TABLE app.ranges ALTER owner TYPE app.user_id;
INSERT INTO app.inline VALUES (NULL);
ALTER TABLE app.inline ALTER owner TYPE app.evil USING ROW(gen_random_uuid())::app.evil;
CREATE TABLE app.parent (owner uuid);
CREATE TABLE app.child (FOREIGN KEY (owner) REFERENCES anon_auth.users) INHERITS (app.parent);
CREATE TABLE app.grandchild (FOREIGN KEY (owner) REFERENCES anon_auth.users) INHERITS (app.child);
ALTER TABLE app.parent ALTER owner TYPE app.user_id;
ALTER TABLE app.child DROP CONSTRAINT child_owner_fkey;
ALTER TABLE app.parent ALTER owner TYPE app.evil USING NULL;
CREATE TYPE app.row_type AS (owner uuid);
CREATE TABLE app.typed OF app.row_type (FOREIGN KEY (owner) REFERENCES anon_auth.users);
ALTER TYPE app.row_type ALTER ATTRIBUTE owner TYPE app.user_id CASCADE;
-- foreign keys to other columns of users
RESET ROLE;
CREATE UNIQUE INDEX users_kind_idx ON anon_auth.users (id, is_anonymous);
ALTER TABLE anon_auth.users ADD UNIQUE (device_kid);
GRANT REFERENCES ON anon_auth.users TO regress_migration;
SET ROLE regress_migration;
CREATE TABLE app.a (kid text REFERENCES anon_auth.users (device_kid));
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE app.a (owner uuid, kind boolean, FOREIGN KEY (owner, kind) REFERENCES anon_auth.users (id, is_anonymous));
RESET ROLE;
DROP INDEX anon_auth.users_kind_idx;
ALTER TABLE anon_auth.users DROP CONSTRAINT users_device_kid_key;

-- superusers are refused, too, with any setting of the session
CREATE TABLE app.a (owner app.evil REFERENCES anon_auth.users);
SET session_replication_role = replica;
CREATE TABLE app.a (owner app.evil REFERENCES anon_auth.users);
RESET session_replication_role;
SET search_path = app;
CREATE TABLE a (owner evil REFERENCES anon_auth.users);
RESET search_path;
-- foreign keys to other tables are allowed
CREATE TABLE app.other (id app.user_id PRIMARY KEY);
CREATE TABLE app.to_other (id app.user_id REFERENCES app.other);
SELECT conname, conrelid::regclass FROM pg_constraint WHERE contype = 'f' AND confrelid = 'anon_auth.users'::regclass AND connamespace = 'app'::regnamespace ORDER BY 1, conrelid::regclass::text COLLATE "C";
\set VERBOSITY default

-- a direct deletion, and a change of the id, are refused
SELECT sub AS guest FROM anon_auth.authenticate_anonymously('web') \gset
DELETE FROM anon_auth.users WHERE id = :'guest';
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY terse
DELETE FROM anon_auth.users WHERE false;
TRUNCATE anon_auth.users CASCADE;
UPDATE anon_auth.users SET id = gen_random_uuid();
INSERT INTO anon_auth.users (id, is_anonymous, created_at, updated_at, last_seen_at) VALUES (:'guest', true, now(), now(), now()) ON CONFLICT (id) DO UPDATE SET id = gen_random_uuid();
MERGE INTO anon_auth.users u USING (SELECT :'guest'::uuid AS id) g ON u.id = g.id WHEN MATCHED THEN DELETE;
SET session_replication_role = local;
DELETE FROM anon_auth.users WHERE id = :'guest';
RESET session_replication_role;
UPDATE anon_auth.users SET custom_attributes = '{"a": 1}' WHERE id = :'guest';
SELECT anon_auth.delete_user(:'guest');
SELECT count(*) FROM anon_auth.users WHERE id = :'guest';
-- logical replication can delete, since foreign keys and their triggers do not
-- fire either
SELECT sub AS guest FROM anon_auth.authenticate_anonymously('web') \gset
SET session_replication_role = replica;
DELETE FROM anon_auth.users WHERE id = :'guest';
RESET session_replication_role;
\set VERBOSITY default

-- a trigger that runs DDL while a user is deleted or merged: the new foreign
-- keys apply, too
CREATE TABLE app.first (owner uuid REFERENCES anon_auth.users ON DELETE CASCADE);
CREATE TABLE app.second (owner uuid);
ALTER TABLE app.first OWNER TO regress_migration;
ALTER TABLE app.second OWNER TO regress_migration;
SET ROLE regress_migration;
CREATE FUNCTION app.add_key() RETURNS trigger LANGUAGE plpgsql SET client_min_messages = warning AS $$
BEGIN
	ALTER TABLE app.second DROP CONSTRAINT IF EXISTS late, ADD CONSTRAINT late FOREIGN KEY (owner) REFERENCES anon_auth.users ON DELETE CASCADE;
	RETURN NULL;
END $$;
CREATE TRIGGER add_key AFTER DELETE OR UPDATE ON app.first FOR EACH ROW EXECUTE FUNCTION app.add_key();
RESET ROLE;
SELECT sub AS guest, refresh_token FROM anon_auth.authenticate_anonymously('web') \gset
INSERT INTO app.first VALUES (:'guest');
INSERT INTO app.second VALUES (:'guest');
SELECT anon_auth.delete_user(:'guest');
SELECT (SELECT count(*) FROM app.first) AS first, (SELECT count(*) FROM app.second) AS second;
ALTER TABLE app.second DROP CONSTRAINT late;
SELECT sub AS account FROM anon_auth.promote_anonymous_user('web', username => 'ada', password => 'correct horse',
	refresh_token => (SELECT refresh_token FROM anon_auth.authenticate_anonymously('web'))) \gset
SELECT sub AS guest FROM anon_auth.authenticate_anonymously('web') \gset
INSERT INTO app.first VALUES (:'guest');
INSERT INTO app.second VALUES (:'guest');
SELECT table_name, rows FROM anon_auth.merge_anonymous_user(:'guest', :'account') WHERE rows > 0 ORDER BY table_name::text;
SELECT (SELECT count(*) FROM app.first WHERE owner = :'account') AS first, (SELECT count(*) FROM app.second WHERE owner = :'account') AS second;
-- a trigger that creates another foreign key each time ends in an error
SET ROLE regress_migration;
CREATE OR REPLACE TRIGGER add_key AFTER DELETE OR UPDATE ON app.first FOR EACH STATEMENT EXECUTE FUNCTION app.add_key();
RESET ROLE;
SELECT anon_auth.delete_user(:'account');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM anon_auth.users WHERE id = :'account';

-- doctor() reports if the event trigger is not as it should be, and its fix
-- works
CREATE FUNCTION app.cure() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	f record;
BEGIN
	SELECT * INTO f FROM anon_auth.doctor() WHERE finding = 'users_trigger_changed';
	IF f.fix IS NOT NULL THEN
		EXECUTE f.fix;
	END IF;
	RETURN f.severity || ': ' || f.what || '. ' || f.why;
END $$;
SELECT app.cure();
ALTER TABLE anon_auth.users ENABLE ALWAYS TRIGGER users_refuse_change;
SELECT app.cure();
ALTER TABLE anon_auth.users DISABLE TRIGGER USER;
SELECT app.cure();
DROP TRIGGER users_refuse_change ON anon_auth.users;
SELECT app.cure();
SELECT app.cure();
DELETE FROM anon_auth.users;

SET client_min_messages = warning;
DROP SCHEMA app CASCADE;
DROP EXTENSION anon_auth CASCADE;
SELECT evtname FROM pg_event_trigger;
DROP ROLE regress_migration;
