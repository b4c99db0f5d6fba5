--
-- Deleting a user applies the actions of the application's foreign keys, with
-- the privileges of the owners of their tables.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
DROP SCHEMA IF EXISTS app CASCADE;
DROP ROLE IF EXISTS regress_app_owner;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('web', 'spa') \g /dev/null
CREATE ROLE regress_app_owner LOGIN;
CREATE SCHEMA app AUTHORIZATION regress_app_owner;
GRANT USAGE ON SCHEMA anon_auth TO regress_app_owner;
GRANT REFERENCES ON anon_auth.users TO regress_app_owner;
RESET client_min_messages;

CREATE TABLE u AS SELECT n, sub AS id FROM generate_series(1, 9) n, LATERAL (SELECT sub FROM anon_auth.authenticate_anonymously('web', device_info => jsonb_build_object('n', n))) g;
GRANT SELECT ON u TO PUBLIC;
CREATE FUNCTION id(n integer) RETURNS uuid LANGUAGE sql STABLE AS 'SELECT id FROM public.u WHERE u.n = $1';
CREATE FUNCTION n(id uuid) RETURNS integer LANGUAGE sql STABLE AS 'SELECT n FROM public.u WHERE u.id = $1';

-- every action, several in one table, of some columns only, in partitions, and
-- between linked tables
SET ROLE regress_app_owner;
CREATE TABLE app.plain (id int, owner uuid REFERENCES anon_auth.users ON DELETE CASCADE, editor uuid REFERENCES anon_auth.users ON DELETE SET NULL, reader uuid REFERENCES anon_auth.users ON DELETE SET NULL);
CREATE TABLE app.with_default (id int, owner uuid REFERENCES anon_auth.users ON DELETE SET DEFAULT);
CREATE TABLE app.parts (owner uuid REFERENCES anon_auth.users ON DELETE CASCADE) PARTITION BY HASH (owner);
CREATE TABLE app.parts_0 PARTITION OF app.parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TABLE app.orders (id int PRIMARY KEY, owner uuid REFERENCES anon_auth.users ON DELETE CASCADE);
CREATE TABLE app.lines (order_id int REFERENCES app.orders, owner uuid REFERENCES anon_auth.users ON DELETE CASCADE);
CREATE TABLE app.notes (order_id int REFERENCES app.orders ON DELETE CASCADE);
ALTER TABLE app.plain ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
RESET ROLE;
DO $$ BEGIN EXECUTE format('ALTER TABLE app.with_default ALTER owner SET DEFAULT %L', id(9)); END $$;
INSERT INTO app.plain VALUES (1, id(1), id(2), id(3)), (2, id(2), id(1), id(1)), (3, id(3), id(1), id(2)), (4, NULL, NULL, id(1)), (5, id(1), id(1), id(1));
INSERT INTO app.with_default VALUES (1, id(1)), (2, id(2));
INSERT INTO app.parts VALUES (id(1)), (id(2));
INSERT INTO app.orders VALUES (1, id(1)), (2, id(2));
INSERT INTO app.lines VALUES (1, id(1)), (2, id(2));
INSERT INTO app.notes VALUES (1), (2);
SELECT anon_auth.delete_user(id(1));
SELECT id, n(owner) AS owner, n(editor) AS editor, n(reader) AS reader FROM app.plain ORDER BY id;
SELECT id, n(owner) AS owner FROM app.with_default ORDER BY id;
SELECT n(owner) FROM app.parts;
SELECT n(owner) AS orders, (SELECT string_agg(n(owner)::text, ',') FROM app.lines) AS lines, (SELECT count(*) FROM app.notes) AS notes FROM app.orders;
SELECT id(1) AS first \gset
SELECT (SELECT count(*) FROM anon_auth.users WHERE id = :'first') AS users, (SELECT count(*) FROM anon_auth.sessions WHERE user_id = :'first') AS sessions;

SELECT anon_auth.delete_user(id(2));

-- a foreign key with RESTRICT prevents the deletion, unless another one removes
-- the row
CREATE TABLE app.strict (owner uuid CONSTRAINT strict_owner REFERENCES anon_auth.users ON DELETE RESTRICT, editor uuid REFERENCES anon_auth.users ON DELETE CASCADE);
INSERT INTO app.strict VALUES (id(3), id(4)), (id(4), id(4));
SELECT anon_auth.delete_user(id(3));
\echo :LAST_ERROR_SQLSTATE
SELECT anon_auth.delete_user(id(4));
SELECT anon_auth.delete_user(id(3));
SELECT count(*) FROM app.strict;

-- triggers of every kind run with the privileges of the table's owner
SET ROLE regress_app_owner;
CREATE FUNCTION app.spy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE INFO '% % % as %', TG_WHEN, TG_LEVEL, TG_OP, current_user;
	IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
	RETURN NEW;
END $$;
CREATE TABLE app.watched (owner uuid REFERENCES anon_auth.users ON DELETE CASCADE, editor uuid REFERENCES anon_auth.users ON DELETE SET NULL);
CREATE TRIGGER a BEFORE DELETE OR UPDATE ON app.watched FOR EACH ROW EXECUTE FUNCTION app.spy();
CREATE TRIGGER b AFTER DELETE OR UPDATE ON app.watched FOR EACH ROW EXECUTE FUNCTION app.spy();
CREATE TRIGGER c AFTER DELETE OR UPDATE ON app.watched FOR EACH STATEMENT EXECUTE FUNCTION app.spy();
CREATE CONSTRAINT TRIGGER d AFTER DELETE OR UPDATE ON app.watched DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.spy();
RESET ROLE;
INSERT INTO app.watched VALUES (id(5), id(6)), (id(6), id(5));
SELECT anon_auth.delete_user(id(5));
-- they also run if no row refers to that user: for a deletion by an
-- administrator, a purge, and a merge
TRUNCATE app.watched;
SELECT anon_auth.delete_user(id(6));
UPDATE anon_auth.settings SET purge_policy = 'cascade';
SELECT anon_auth.revoke_sessions(id(7));
INSERT INTO app.watched VALUES (id(7));
SELECT guests FROM anon_auth.purge();
UPDATE anon_auth.settings SET promotion_conflict = 'merge', password_hash_memory_kib = 8192, password_hash_passes = 1;
SELECT refresh_token FROM anon_auth.authenticate_anonymously('web') \gset
SELECT sub AS account FROM anon_auth.promote_anonymous_user('web', username => 'ada', password => 'correct horse', refresh_token => :'refresh_token') \gset
SELECT refresh_token FROM anon_auth.authenticate_anonymously('web') \gset
SELECT sub = :'account' AS merged FROM anon_auth.promote_anonymous_user('web', username => 'ada', password => 'correct horse', refresh_token => :'refresh_token');

-- a trigger that keeps a row prevents the deletion
CREATE OR REPLACE FUNCTION app.spy() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END $$;
INSERT INTO app.watched VALUES (id(8));
SELECT anon_auth.delete_user(id(8));
SELECT id(8) AS kept \gset
SELECT count(*) FROM anon_auth.users WHERE id = :'kept';

-- the owner of a schema replaces other owners' tables in it while a user is
-- deleted, but does not get their privileges
SET client_min_messages = warning;
DROP TABLE app.watched;
CREATE ROLE regress_other_owner LOGIN;
RESET client_min_messages;
CREATE SCHEMA yard AUTHORIZATION regress_app_owner;
GRANT CREATE, USAGE ON SCHEMA yard TO regress_other_owner;
CREATE TABLE yard.a (owner uuid REFERENCES anon_auth.users ON DELETE CASCADE);
CREATE TABLE yard.b (owner uuid REFERENCES anon_auth.users ON DELETE CASCADE);
CREATE TABLE yard.c (owner uuid REFERENCES anon_auth.users ON DELETE CASCADE);
ALTER TABLE yard.b OWNER TO regress_app_owner;
ALTER TABLE yard.c OWNER TO regress_other_owner;
SET ROLE regress_app_owner;
CREATE FUNCTION yard.whoami() RETURNS uuid LANGUAGE plpgsql AS $$
BEGIN
	RAISE INFO 'runs as %', current_user;
	RETURN NULL;
END $$;
CREATE FUNCTION yard.swap() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('DROP TABLE yard.%I; CREATE VIEW yard.%I AS SELECT yard.whoami() AS owner; GRANT ALL ON yard.%I TO PUBLIC',
				   TG_ARGV[0], TG_ARGV[0], TG_ARGV[0]);
	RETURN NULL;
END $$;
CREATE TRIGGER swap AFTER DELETE OR UPDATE ON yard.b FOR EACH STATEMENT EXECUTE FUNCTION yard.swap('a');
RESET ROLE;
SELECT anon_auth.delete_user(id(8));
\echo :LAST_ERROR_SQLSTATE
CREATE OR REPLACE TRIGGER swap AFTER DELETE OR UPDATE ON yard.b FOR EACH STATEMENT EXECUTE FUNCTION yard.swap('c');
SELECT anon_auth.delete_user(id(8));
SELECT refresh_token FROM anon_auth.authenticate_anonymously('web') \gset
SELECT sub = :'account' AS merged FROM anon_auth.promote_anonymous_user('web', username => 'ada', password => 'correct horse', refresh_token => :'refresh_token');
\echo :LAST_ERROR_SQLSTATE
DROP TRIGGER swap ON yard.b;
SELECT anon_auth.delete_user(id(8));

-- the caller's deferred triggers run as at COMMIT: under the session's
-- search_path, whatever functions are running, and without an effect on later
-- statements
CREATE TABLE app.audit (who text, path text);
CREATE TABLE app.noted (n int);
CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO audit VALUES (CASE current_user WHEN session_user THEN 'session' ELSE current_user END, current_setting('search_path'));
	PERFORM set_config('search_path', 'evil', false);
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER note AFTER INSERT ON app.noted DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.note();
CREATE FUNCTION app.delete_mine(id uuid) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM anon_auth.delete_user(id);
	RETURN current_setting('search_path');
END $$;
CREATE FUNCTION app.new_guest() RETURNS uuid LANGUAGE sql AS $$SELECT sub FROM anon_auth.authenticate_anonymously('web')$$;
SET search_path = app, public;
BEGIN;
INSERT INTO noted VALUES (1);
SELECT anon_auth.delete_user(app.new_guest());
SHOW search_path;
COMMIT;
SHOW search_path;
-- the same as at COMMIT itself, except for parameters that the trigger sets
BEGIN;
INSERT INTO noted VALUES (1);
COMMIT;
SHOW search_path;
SET search_path = public;
BEGIN;
SET LOCAL search_path = app;
INSERT INTO noted VALUES (2);
SELECT app.delete_mine(app.new_guest());
SHOW search_path;
COMMIT;
SHOW search_path;
RESET search_path;
BEGIN;
SET LOCAL search_path = app;
INSERT INTO noted VALUES (3);
SAVEPOINT s;
SET LOCAL search_path = public;
SELECT anon_auth.delete_user(app.new_guest());
ROLLBACK TO s;
SELECT anon_auth.delete_user(app.new_guest());
COMMIT;
SELECT * FROM app.audit;

-- a role with TRIGGER on a superuser's table cannot have its function run as
-- the superuser
CREATE TABLE app.granted (owner uuid REFERENCES anon_auth.users ON DELETE CASCADE) PARTITION BY HASH (owner);
CREATE TABLE app.granted_0 PARTITION OF app.granted FOR VALUES WITH (MODULUS 1, REMAINDER 0);
GRANT TRIGGER ON app.granted_0 TO regress_other_owner;
GRANT USAGE, CREATE ON SCHEMA app TO regress_other_owner;
SET ROLE regress_other_owner;
CREATE FUNCTION app.mine() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE WARNING 'run as a superuser'; RETURN NULL; END$$;
CREATE TRIGGER mine AFTER DELETE ON app.granted_0 FOR EACH ROW EXECUTE FUNCTION app.mine();
RESET ROLE;
SELECT app.new_guest() AS guest \gset
INSERT INTO app.granted VALUES (:'guest');
SELECT anon_auth.delete_user(:'guest');
ALTER FUNCTION app.mine OWNER TO CURRENT_USER;
SELECT anon_auth.delete_user(:'guest');

SET client_min_messages = warning;
DROP SCHEMA app, yard CASCADE;
DROP TABLE u;
DROP FUNCTION id, n;
DROP EXTENSION anon_auth CASCADE;
DROP ROLE regress_app_owner, regress_other_owner;
