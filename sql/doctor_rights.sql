--
-- doctor(): privileges that are granted by mistake, and powerful roles. No fix takes
-- SUPERUSER from a role.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
DROP SCHEMA IF EXISTS app CASCADE;
DROP ROLE IF EXISTS regress_rights_app, regress_rights_chief, regress_rights_files, regress_rights_backup;
CREATE EXTENSION anon_auth;
CREATE SCHEMA app;
CREATE ROLE regress_rights_app;
CREATE ROLE regress_rights_backup BYPASSRLS;
SELECT anon_auth.create_client('web', 'spa') \g /dev/null
RESET client_min_messages;
SET log_min_duration_statement = -1;
SET log_statement = 'none';
SET log_parameter_max_length_on_error = 0;
CREATE VIEW app.findings AS SELECT severity, finding, what, fix FROM anon_auth.doctor() WHERE finding NOT IN ('autovacuum_off', 'master_key_in_data_directory', 'default_issuer');
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
SELECT * FROM app.findings;

-- ---- superusers with the client API ----
CREATE ROLE regress_rights_chief SUPERUSER;
UPDATE anon_auth.settings SET token_role = 'regress_rights_chief';
SELECT * FROM app.findings;
SELECT app.mend('powerful_client_role');
SELECT rolsuper FROM pg_roles WHERE rolname = 'regress_rights_chief';
SELECT token_role FROM anon_auth.settings;
SELECT anon_auth.grant_client_api('regress_rights_chief');
SELECT finding, what, fix FROM app.findings;
SELECT app.mend('powerful_client_role');
SELECT rolsuper FROM pg_roles WHERE rolname = 'regress_rights_chief';
-- the default role of tokens needs another name
CREATE ROLE authenticated SUPERUSER;
UPDATE anon_auth.settings SET token_role = 'authenticated';
SELECT finding, what, fix FROM app.findings;
SELECT app.mend('powerful_client_role');
SELECT rolsuper FROM pg_roles WHERE rolname = 'authenticated';
DROP ROLE authenticated;
UPDATE anon_auth.settings SET token_role = DEFAULT;
DROP OWNED BY regress_rights_chief;
DROP ROLE regress_rights_chief;

-- ---- other powers ----
SELECT anon_auth.grant_client_api('regress_rights_app');
SELECT * FROM app.findings;
ALTER ROLE regress_rights_app BYPASSRLS REPLICATION;
SELECT finding, what, fix FROM app.findings;
SELECT app.mend('powerful_client_role');
GRANT pg_read_server_files, pg_write_server_files TO regress_rights_app;
CREATE ROLE regress_rights_files;
GRANT pg_execute_server_program TO regress_rights_files;
GRANT regress_rights_files, regress_rights_backup TO regress_rights_app;
SELECT finding, what, fix FROM app.findings;
SELECT app.mend('powerful_client_role');
SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE m.member = 'regress_rights_app'::regrole;
SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE m.member = 'regress_rights_files'::regrole;
GRANT anon_auth_owner TO regress_rights_files;
GRANT regress_rights_files TO regress_rights_app;
SELECT what, fix FROM app.findings WHERE finding = 'powerful_client_role';
SELECT app.mend('powerful_client_role');
DROP ROLE regress_rights_files;

-- ---- columns and sequences ----
GRANT SELECT (user_id, password_hash), UPDATE (password_hash) ON anon_auth.passwords TO regress_rights_backup;
GRANT SELECT (issuer), DELETE ON anon_auth.settings TO PUBLIC;
GRANT REFERENCES (id), REFERENCES (device_kid) ON anon_auth.users TO regress_rights_backup;
GRANT INSERT ON anon_auth.events TO regress_rights_backup;
SELECT severity, finding, what, fix FROM app.findings;
SELECT DISTINCT why FROM anon_auth.doctor() WHERE finding = 'table_privilege';
SELECT app.mend('table_privilege');
SELECT * FROM app.findings;
-- the fix leaves REFERENCES (id), which migrations need
SELECT has_column_privilege('regress_rights_backup', 'anon_auth.users', 'id', 'REFERENCES');

-- ---- functions ----
-- everybody can execute these already
GRANT EXECUTE ON FUNCTION anon_auth.jws_verify, anon_auth.jwk_thumbprint TO regress_rights_backup;
-- the owner of a function of the application needs only some functions
GRANT EXECUTE ON FUNCTION anon_auth.uid, anon_auth.claims, anon_auth.take_rate_limit TO regress_rights_backup;
SELECT what FROM app.findings WHERE finding <> 'powerful_client_role';
REVOKE ALL ON FUNCTION anon_auth.uid, anon_auth.claims, anon_auth.take_rate_limit FROM regress_rights_backup;
REVOKE EXECUTE ON FUNCTION anon_auth.authenticate, anon_auth.userinfo FROM regress_rights_app;
SELECT severity, finding, regexp_replace(what, '[0-9]+', 'N', 'g') AS what, fix FROM app.findings;
SELECT app.mend('incomplete_client_api');

SET client_min_messages = warning;
DROP SCHEMA app CASCADE;
DROP EXTENSION anon_auth CASCADE;
DROP ROLE regress_rights_app, regress_rights_backup;
