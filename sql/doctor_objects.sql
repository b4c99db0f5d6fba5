--
-- doctor(): foreign keys, triggers, indexes and rights that somebody has changed, and
-- settings of roles and databases that log parameters. No check hides the others.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
DROP SCHEMA IF EXISTS app CASCADE;
DROP ROLE IF EXISTS regress_objects_app, regress_objects_login, regress_objects_other;
CREATE EXTENSION anon_auth;
CREATE SCHEMA app;
CREATE ROLE regress_objects_app;
CREATE ROLE regress_objects_login LOGIN IN ROLE regress_objects_app;
CREATE ROLE regress_objects_other;
SELECT anon_auth.create_client('web', 'spa') \g /dev/null
SELECT anon_auth.grant_client_api('regress_objects_app') \g /dev/null
RESET client_min_messages;
SET log_min_duration_statement = -1;
SET log_statement = 'none';
SET log_parameter_max_length_on_error = 0;
CREATE VIEW app.findings AS SELECT severity, finding, what, why, fix FROM anon_auth.doctor() WHERE finding NOT IN ('autovacuum_off', 'master_key_in_data_directory', 'default_issuer');
CREATE FUNCTION app.mend(code text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	sql text;
BEGIN
	FOR sql IN SELECT fix FROM app.findings WHERE finding = code LOOP
		EXECUTE sql;
	END LOOP;
	RETURN QUERY SELECT what FROM app.findings WHERE finding = code;
END $$;
\pset format unaligned

-- ---- foreign keys ----
CREATE TABLE app.orders (user_id uuid NOT NULL CONSTRAINT late REFERENCES anon_auth.users MATCH FULL ON UPDATE CASCADE ON DELETE NO ACTION DEFERRABLE INITIALLY DEFERRED);
CREATE INDEX ON app.orders (user_id);
SELECT fix FROM app.findings;
SELECT app.mend('restricting_foreign_key');
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'late';
CREATE TABLE app.notes (
	author uuid NOT NULL CONSTRAINT nulled REFERENCES anon_auth.users ON DELETE SET NULL,
	editor uuid NOT NULL CONSTRAINT defaulted REFERENCES anon_auth.users ON DELETE SET DEFAULT,
	reader uuid CONSTRAINT good REFERENCES anon_auth.users ON DELETE SET NULL,
	writer uuid NOT NULL DEFAULT '00000000-0000-4000-8000-000000000000' CONSTRAINT has_default REFERENCES anon_auth.users ON DELETE SET DEFAULT);
CREATE INDEX ON app.notes (author);
CREATE INDEX ON app.notes (editor);
CREATE INDEX ON app.notes (reader);
CREATE INDEX ON app.notes (writer);
SELECT severity, finding, what, fix FROM app.findings;
SELECT app.mend('foreign_key_of_not_null');
SELECT * FROM app.findings;
CREATE TABLE app.orphans (user_id uuid);
INSERT INTO app.orphans VALUES (gen_random_uuid()), (NULL);
CREATE INDEX ON app.orphans (user_id);
ALTER TABLE app.orphans ADD CONSTRAINT unvalidated FOREIGN KEY (user_id) REFERENCES anon_auth.users ON DELETE CASCADE NOT VALID;
SELECT fix FROM app.findings;
-- the query of the fix finds the row without a user
SELECT format('SELECT count(*) FROM (%s) orphans', substring(fix FROM 'them: (.*)$')) FROM app.findings \gexec
DELETE FROM app.orphans;
SELECT app.mend('unvalidated_foreign_key');

-- ---- triggers ----
ALTER TABLE anon_auth.users DISABLE TRIGGER ALL;
ALTER TABLE anon_auth.settings DISABLE TRIGGER ALL;
SELECT severity, finding, what FROM app.findings WHERE finding <> 'foreign_key_disabled';
SELECT what FROM app.findings WHERE finding = 'foreign_key_disabled' AND what ~ 'app\.|login_ids';
SELECT app.mend('users_trigger_changed');
SELECT app.mend('trigger_disabled');
SELECT app.mend('foreign_key_disabled');
SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger
	WHERE tgrelid IN ('anon_auth.users'::regclass, 'anon_auth.settings'::regclass) AND NOT tgisinternal ORDER BY 1, 2;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'anon_auth.users'::regclass AND tgenabled = 'D';
ALTER TABLE app.orders DISABLE TRIGGER ALL;
SELECT what FROM app.findings;
SELECT app.mend('foreign_key_disabled');
ALTER TABLE anon_auth.settings ENABLE TRIGGER settings_notify;
SELECT what, fix FROM app.findings;
SELECT app.mend('trigger_disabled');
SELECT * FROM app.findings;
DROP TABLE app.orders, app.notes, app.orphans;

-- ---- dropped objects ----
DROP INDEX anon_auth.login_ids_user_id_idx;
ALTER TABLE anon_auth.sessions DROP CONSTRAINT sessions_pkey;
ALTER TABLE anon_auth.settings DROP CONSTRAINT settings_retention_check, ALTER COLUMN issuer DROP DEFAULT;
DROP TRIGGER settings_notify ON anon_auth.settings;
SELECT severity, finding, what, fix FROM app.findings;
SELECT app.mend('missing_object');
SELECT * FROM app.findings;

-- ---- added objects ----
CREATE TABLE anon_auth.extra (id serial);
CREATE VIEW anon_auth.extra_view AS SELECT 1 AS one;
CREATE SEQUENCE anon_auth.extra_sequence;
CREATE TYPE anon_auth.extra_enum AS ENUM ('a');
CREATE TYPE anon_auth.extra_row AS (a integer);
CREATE DOMAIN anon_auth.extra_domain AS text;
ALTER TABLE anon_auth.users ADD COLUMN extra text;
ALTER EXTENSION anon_auth DROP FUNCTION anon_auth.purge(integer, boolean);
SELECT what, why, fix FROM app.findings;
SELECT app.mend('attached_object');
SELECT * FROM app.findings;
DROP TABLE public.extra;
DROP VIEW public.extra_view;
DROP SEQUENCE public.extra_sequence;
DROP TYPE public.extra_enum, public.extra_row;
DROP DOMAIN public.extra_domain;

-- ---- rights of the owner ----
REVOKE ALL ON ALL TABLES IN SCHEMA anon_auth FROM anon_auth_owner;
SELECT severity, finding, regexp_replace(what, '[0-9]+', 'N') AS what, fix FROM app.findings WHERE finding <> 'check_failed';
SELECT count(*) > 3 AS failed FROM app.findings WHERE finding = 'check_failed';
SELECT app.mend('owner_lacks_privileges');
SELECT * FROM app.findings;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA anon_auth, anon_auth_internal FROM anon_auth_owner;
SELECT severity, finding, regexp_replace(what, '[0-9]+', 'N') AS what, fix FROM app.findings;
SELECT app.mend('owner_lacks_privileges');
SELECT * FROM app.findings;
REVOKE ALL ON SCHEMA anon_auth, anon_auth_internal FROM anon_auth_owner;
\c -
SET log_min_duration_statement = -1;
SET log_statement = 'none';
SET log_parameter_max_length_on_error = 0;
SELECT severity, finding, what, fix FROM app.findings;
SELECT app.mend('owner_lacks_privileges');
SELECT * FROM app.findings;

-- ---- logging ----
ALTER ROLE regress_objects_app IN DATABASE :"DBNAME" SET log_min_duration_statement = 0;
ALTER ROLE regress_objects_login SET log_parameter_max_length_on_error = -1;
ALTER ROLE regress_objects_login SET auto_explain.log_min_duration = 0;
ALTER ROLE regress_objects_login SET auto_explain.log_verbose = on;
ALTER ROLE regress_objects_other SET log_statement = 'all';
SELECT severity, finding, replace(what, :'DBNAME', 'DB') AS what, replace(fix, :'DBNAME', 'DB') AS fix FROM app.findings;
SELECT app.mend('parameters_in_log');
SELECT app.mend('parameters_in_log_on_error');
ALTER DATABASE :"DBNAME" SET log_parameter_max_length_on_error = -1;
ALTER DATABASE :"DBNAME" SET debug_print_plan = on;
SELECT severity, finding, replace(what, :'DBNAME', 'DB') AS what, replace(fix, :'DBNAME', 'DB') AS fix FROM app.findings;
SELECT app.mend('parameters_in_log');
SELECT app.mend('parameters_in_log_on_error');
ALTER DATABASE :"DBNAME" RESET log_parameter_max_length_on_error;
ALTER DATABASE :"DBNAME" RESET debug_print_plan;


-- ---- publications ----
SET client_min_messages = error;
CREATE PUBLICATION regress_objects_all FOR ALL TABLES;
CREATE PUBLICATION regress_objects_some FOR TABLE anon_auth.users, anon_auth.sessions;
RESET client_min_messages;
SELECT severity, finding, what, fix FROM app.findings;
SELECT app.mend('published_table');

-- ---- cookies ----
UPDATE anon_auth.settings SET issuer = 'https://auth.app.example', cookie_domain = 'other.example';
SELECT what FROM app.findings WHERE finding = 'cookie_domain_of_another_site';
UPDATE anon_auth.settings SET cookie_domain = 'p.example';
SELECT what FROM app.findings WHERE finding = 'cookie_domain_of_another_site';
SELECT app.mend('cookie_domain_of_another_site');
UPDATE anon_auth.settings SET cookie_domain = 'app.example';
SELECT what FROM app.findings WHERE finding = 'cookie_domain_of_another_site';

SET client_min_messages = warning;
DROP SCHEMA app CASCADE;
DROP EXTENSION anon_auth CASCADE;
ALTER ROLE regress_objects_app IN DATABASE :"DBNAME" RESET ALL;
DROP ROLE regress_objects_login, regress_objects_app, regress_objects_other;
