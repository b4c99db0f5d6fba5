--
-- worker_privilege: doctor() reports every way in which a client's role has the rights of
-- the worker, and its fix removes all of them.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
DO $$
DECLARE
	name text;
BEGIN
	FOR name IN SELECT rolname FROM pg_roles WHERE rolname LIKE 'regress\_anon\_auth\_%' LOOP
		EXECUTE format('DROP OWNED BY %I; DROP ROLE %I', name, name);
	END LOOP;
END $$;
RESET client_min_messages;
CREATE ROLE regress_anon_auth_app LOGIN;
CREATE ROLE regress_anon_auth_connecting LOGIN NOINHERIT;
CREATE ROLE regress_anon_auth_worker LOGIN;
CREATE ROLE regress_anon_auth_staff;
GRANT regress_anon_auth_app TO regress_anon_auth_connecting;
SELECT anon_auth.grant_client_api('regress_anon_auth_app');
SELECT anon_auth.grant_worker('regress_anon_auth_worker');

-- PostgreSQL 16 has a grantor of each membership
CREATE VIEW findings AS SELECT what, regexp_replace(fix, ' GRANTED BY [^;]*', '', 'g') AS fix FROM anon_auth.doctor() WHERE finding IN ('worker_privilege', 'function_privilege');
CREATE PROCEDURE fix() LANGUAGE plpgsql AS $$
DECLARE
	statement text;
BEGIN
	FOR statement IN SELECT fix FROM anon_auth.doctor() WHERE finding = 'worker_privilege' LOOP
		EXECUTE statement;
	END LOOP;
END $$;
-- who can run the worker's functions, also after SET ROLE
CREATE VIEW able AS
	SELECT r.rolname, string_agg(f.oid::regproc::text, ', ' ORDER BY f.proname) AS functions
	FROM pg_roles r, pg_proc f
	WHERE f.pronamespace = 'anon_auth'::regnamespace AND f.proname IN ('take_outbox_messages', 'due_identity_providers', 'set_identity_provider_keys')
	  AND r.rolname IN ('regress_anon_auth_app', 'regress_anon_auth_connecting')
	  AND EXISTS (SELECT FROM pg_roles o WHERE pg_has_role(r.oid, o.oid, 'MEMBER') AND has_function_privilege(o.oid, f.oid, 'EXECUTE'))
	GROUP BY r.rolname ORDER BY 1;

-- separate roles are in order
SELECT * FROM findings;

-- the client's role is the worker
SELECT anon_auth.grant_worker('regress_anon_auth_app');
SELECT * FROM able;
SELECT * FROM findings;
CALL fix();
SELECT * FROM findings;
SELECT * FROM able;

-- it has one of the functions
GRANT EXECUTE ON FUNCTION anon_auth.take_outbox_messages TO regress_anon_auth_app;
SELECT * FROM findings;
CALL fix();
SELECT * FROM findings;
SELECT * FROM able;

-- it is a member of the worker's role, perhaps only by SET ROLE, or through another role
GRANT regress_anon_auth_worker TO regress_anon_auth_app;
SELECT * FROM findings;
CALL fix();
SELECT * FROM findings;
ALTER ROLE regress_anon_auth_app NOINHERIT;
GRANT regress_anon_auth_worker TO regress_anon_auth_app;
SELECT has_function_privilege('regress_anon_auth_app', 'anon_auth.take_outbox_messages(integer)', 'EXECUTE') AS without_set_role;
SELECT * FROM findings;
CALL fix();
SELECT * FROM findings;
SELECT * FROM able;
GRANT regress_anon_auth_worker TO regress_anon_auth_staff;
GRANT regress_anon_auth_staff TO regress_anon_auth_app;
GRANT EXECUTE ON FUNCTION anon_auth.set_identity_provider_keys(text, jsonb) TO regress_anon_auth_app;
SELECT * FROM findings;
CALL fix();
SELECT * FROM findings;
SELECT * FROM able;
SELECT pg_has_role('regress_anon_auth_staff', 'regress_anon_auth_worker', 'MEMBER') AS staff_keeps_it;

-- the role that connects, and takes on the client's role
GRANT regress_anon_auth_worker TO regress_anon_auth_connecting;
SELECT anon_auth.grant_worker('regress_anon_auth_app');
SELECT * FROM findings ORDER BY what;
CALL fix();
SELECT * FROM findings;
SELECT * FROM able;

-- the role of the tokens, before it has the client API
UPDATE anon_auth.settings SET token_role = 'regress_anon_auth_staff';
SELECT what FROM findings;
UPDATE anon_auth.settings SET token_role = 'authenticated';
SELECT what FROM findings;

-- administrators are members of everything
GRANT anon_auth_owner, regress_anon_auth_app TO regress_anon_auth_staff;
SELECT what FROM findings;

-- ---- other findings about codes ----
-- the fix of sms_to_all_countries is no list of countries: it would lock out the users of others
UPDATE anon_auth.settings SET token_role = 'authenticated';
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/}') \g /dev/null
SELECT anon_auth.reset_counters() \g /dev/null
SELECT anon_auth.request_login_code('web', '+4915112345678') > now() AS sent;
\set VERBOSITY terse
SELECT fix FROM anon_auth.doctor() WHERE finding = 'sms_to_all_countries' \gexec
\set VERBOSITY default
SELECT phone_country_code_allowlist FROM anon_auth.settings;
-- a link without TLS shows the code to the network
UPDATE anon_auth.settings SET code_link_uri = 'http://app.example/#{code}';
SELECT severity, what, fix FROM anon_auth.doctor() WHERE finding = 'code_link_without_tls';
SELECT fix FROM anon_auth.doctor() WHERE finding = 'code_link_without_tls' \gexec
SELECT code_link_uri FROM anon_auth.settings;
SELECT count(*) AS findings FROM anon_auth.doctor() WHERE finding = 'code_link_without_tls';
UPDATE anon_auth.settings SET code_link_uri = 'http://127.0.0.1:8080/#{code}';
SELECT count(*) AS findings FROM anon_auth.doctor() WHERE finding = 'code_link_without_tls';
-- no token has the issuer of Microsoft's common endpoints
SELECT anon_auth.create_identity_provider('https://login.microsoftonline.com/common/v2.0', '{app}');
SELECT anon_auth.create_identity_provider('https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0', '{app}');

SET client_min_messages = warning;
DROP VIEW findings, able;
DROP PROCEDURE fix;
DROP OWNED BY regress_anon_auth_app, regress_anon_auth_connecting, regress_anon_auth_worker, regress_anon_auth_staff;
DROP ROLE regress_anon_auth_app, regress_anon_auth_connecting, regress_anon_auth_worker, regress_anon_auth_staff;
DROP EXTENSION anon_auth;
