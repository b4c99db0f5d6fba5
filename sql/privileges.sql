--
-- A role with the client API can execute only the functions of that API. A role
-- without it can execute nothing.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
RESET client_min_messages;

SELECT anon_auth.create_client('app', 'native');
CREATE ROLE regress_anon_auth_client LOGIN;
CREATE ROLE regress_anon_auth_stranger LOGIN;
SELECT anon_auth.grant_client_api('regress_anon_auth_client');
SELECT anon_auth.grant_client_api('regress_anon_auth_client');
SELECT anon_auth.grant_client_api('no_such_role');
SELECT anon_auth.grant_client_api(NULL);
SELECT anon_auth.grant_client_api(4294967295);

-- functions that the client role may execute, according to the catalog
SELECT p.oid::regprocedure AS may_execute FROM pg_proc p
WHERE p.pronamespace IN ('anon_auth'::regnamespace, 'anon_auth_internal'::regnamespace) AND has_function_privilege('regress_anon_auth_client', p.oid, 'EXECUTE')
ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT count(*) AS table_rights FROM pg_class c, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) AS right_name
WHERE c.relnamespace = 'anon_auth'::regnamespace AND c.relkind = 'r' AND has_table_privilege('regress_anon_auth_client', c.oid, right_name);

-- in fact: every table and every other function is refused
SET ROLE regress_anon_auth_client;
SET client_min_messages = error;
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'done: ' || statement;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
RESET client_min_messages;
SELECT pg_temp.try(format(statement, c.oid::regclass)) AS result
FROM pg_class c, unnest('{SELECT * FROM %s,DELETE FROM %s}'::text[]) statement
WHERE c.relnamespace = 'anon_auth'::regnamespace AND c.relkind IN ('r', 'v', 'm', 'S', 'p')
ORDER BY c.oid::regclass::text COLLATE "C", statement COLLATE "C";
-- the role executes every function: only the granted ones are allowed
SELECT call, outcome FROM (
	SELECT c.call, pg_temp.try('SELECT ' || c.call) AS outcome, has_function_privilege(p.oid, 'EXECUTE') AS granted, p.proisstrict AS strict, p.provolatile AS vol
	FROM pg_proc p, LATERAL (SELECT p.oid::regproc || '(' || coalesce((SELECT string_agg('NULL::' || format_type(t, NULL), ', ') FROM unnest(p.proargtypes) t), '') || ')' AS call) c
	WHERE p.pronamespace IN ('anon_auth'::regnamespace, 'anon_auth_internal'::regnamespace) AND p.prorettype <> 'trigger'::regtype) e
WHERE granted = (outcome LIKE '42501 %') AND NOT (strict AND vol = 'i')	-- PostgreSQL knows their result for NULL and does not ask
ORDER BY call COLLATE "C";
SELECT has_function_privilege(p.oid, 'EXECUTE') AS granted, n.nspname AS schema, count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
	JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' JOIN pg_extension e ON e.oid = d.refobjid
WHERE e.extname = 'anon_auth' GROUP BY 1, 2 ORDER BY 1, 2;
SELECT pg_temp.try(statement) AS result FROM unnest(ARRAY[
	'SELECT anon_auth.sign_jwt(''{}'')',
	'SELECT anon_auth.create_signing_key()',
	'SELECT anon_auth.import_signing_key(''{}'')',
	'SELECT anon_auth.ensure_signing_key()',
	'SELECT anon_auth.rotate_signing_key()',
	'SELECT anon_auth.retire_signing_key(''x'')',
	'SELECT anon_auth.rotate_master_key()',
	'SELECT anon_auth.reseal_signing_keys()',
	'SELECT anon_auth.retire_master_key(''x'')',
	'SELECT anon_auth.renew_database_id()',
	'SELECT anon_auth.master_key_users()',
	'SELECT anon_auth.create_client(''x'', ''spa'')',
	'SELECT anon_auth.disable_user(NULL)',
	'SELECT anon_auth.enable_user(NULL)',
	'SELECT anon_auth.delete_user(NULL)',
	'SELECT anon_auth.revoke_sessions(NULL)',
	'SELECT anon_auth.set_password(NULL, NULL)', 'SELECT anon_auth.create_user(''x'')', 'SELECT anon_auth.find_user(''x'')', 'SELECT anon_auth.set_roles(NULL, NULL)', 'SELECT anon_auth.export_user(NULL)', 'SELECT anon_auth.import_user(NULL)', $$SELECT anon_auth.import_users('pg_class')$$,
	'SELECT anon_auth.grant_client_api(''regress_anon_auth_stranger'')',
	'CREATE TABLE anon_auth.mine ()',
	'SET anon_auth.master_key_file = ''/tmp/x''']) statement;
SELECT left(pg_temp.try('SHOW anon_auth.master_key_file'), 5) AS shown;

-- the role cannot mislead the functions with search_path or temporary objects
CREATE TEMP TABLE settings AS SELECT 'https://evil.example'::text AS issuer;
CREATE TEMP TABLE clients (client_id text);
SET client_min_messages = error;
CREATE FUNCTION pg_temp.coalesce_trap(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
RESET client_min_messages;
CREATE OPERATOR pg_temp.= (LEFTARG = text, RIGHTARG = text, FUNCTION = pg_temp.coalesce_trap);
SET search_path = pg_temp, anon_auth, pg_catalog;
SELECT token_type FROM anon_auth.authenticate_anonymously('app'::text);
SELECT anon_auth.openid_configuration() ->> 'issuer' AS issuer;
SET request.jwt.claims = '{"sub": "00000000-0000-0000-0000-000000000001"}';
SELECT anon_auth.uid();
RESET search_path;
RESET ROLE;

-- a role without privileges is refused
SET ROLE regress_anon_auth_stranger;
SELECT anon_auth.create_challenge();
SELECT anon_auth.uid();
RESET ROLE;

-- row security still applies after too many privileges were granted
GRANT SELECT, INSERT, DELETE ON ALL TABLES IN SCHEMA anon_auth TO regress_anon_auth_client;
SET ROLE regress_anon_auth_client;
SELECT count(*) FROM anon_auth.users;
SELECT count(*) FROM anon_auth.signing_keys;
INSERT INTO anon_auth.settings DEFAULT VALUES;
DELETE FROM anon_auth.settings;
RESET ROLE;
SELECT (SELECT count(*) FROM anon_auth.users) AS users, (SELECT count(*) FROM anon_auth.settings) AS settings;

DROP OWNED BY regress_anon_auth_client, regress_anon_auth_stranger;
DROP ROLE regress_anon_auth_client, regress_anon_auth_stranger;
