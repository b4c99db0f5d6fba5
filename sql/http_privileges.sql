--
-- A role with the HTTP API can execute only the functions of that API. A role
-- with the client API cannot execute them.
--
SET client_min_messages = error;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'done: ' || statement;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
RESET client_min_messages;

SELECT anon_auth.create_client('app', 'native');
SELECT anon_auth.grant_http_api('no_such_role');
SELECT anon_auth.grant_http_api(NULL);
SELECT anon_auth.grant_http_api(4294967295);
CREATE ROLE regress_anon_auth_client LOGIN;
SELECT anon_auth.grant_client_api('regress_anon_auth_client');
SET ROLE regress_anon_auth_client;
-- the role executes every function: only the granted ones are allowed
SELECT call, outcome FROM (
	SELECT c.call, pg_temp.try('SELECT ' || c.call) AS outcome, has_function_privilege(p.oid, 'EXECUTE') AS granted, p.proisstrict AS strict, p.provolatile AS vol
	FROM pg_proc p, LATERAL (SELECT p.oid::regproc || '(' || coalesce((SELECT string_agg('NULL::' || format_type(t, NULL), ', ') FROM unnest(p.proargtypes) t), '') || ')' AS call) c
	WHERE p.pronamespace IN ('anon_auth'::regnamespace, 'anon_auth_internal'::regnamespace, 'anon_auth_http'::regnamespace) AND p.prorettype <> 'trigger'::regtype) e
WHERE granted = (outcome LIKE '42501 %') AND NOT (strict AND vol = 'i')	-- PostgreSQL knows their result for NULL and does not ask
ORDER BY call COLLATE "C";
SELECT has_function_privilege(p.oid, 'EXECUTE') AS granted, n.nspname AS schema, count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
	JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' JOIN pg_extension e ON e.oid = d.refobjid
WHERE e.extname IN ('anon_auth', 'anon_auth_http') GROUP BY 1, 2 ORDER BY 1, 2;
RESET ROLE;

CREATE ROLE regress_anon_auth_web LOGIN;
SELECT anon_auth.grant_http_api('regress_anon_auth_web');
SET ROLE regress_anon_auth_web;
-- the same for the role that PostgREST uses for requests without a token
SELECT call, outcome FROM (
	SELECT c.call, pg_temp.try('SELECT ' || c.call) AS outcome, has_function_privilege(p.oid, 'EXECUTE') AS granted, p.proisstrict AS strict, p.provolatile AS vol
	FROM pg_proc p, LATERAL (SELECT p.oid::regproc || '(' || coalesce((SELECT string_agg('NULL::' || format_type(t, NULL), ', ') FROM unnest(p.proargtypes) t), '') || ')' AS call) c
	WHERE p.pronamespace IN ('anon_auth'::regnamespace, 'anon_auth_internal'::regnamespace, 'anon_auth_http'::regnamespace) AND p.prorettype <> 'trigger'::regtype) e
WHERE granted = (outcome LIKE '42501 %') AND NOT (strict AND vol = 'i')	-- PostgreSQL knows their result for NULL and does not ask
ORDER BY call COLLATE "C";
SELECT p.oid::regprocedure AS may_execute FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname IN ('anon_auth', 'anon_auth_internal', 'anon_auth_http') AND has_function_privilege(p.oid, 'EXECUTE')
ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT has_function_privilege(p.oid, 'EXECUTE') AS granted, n.nspname AS schema, count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
	JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e' JOIN pg_extension e ON e.oid = d.refobjid
WHERE e.extname IN ('anon_auth', 'anon_auth_http') GROUP BY 1, 2 ORDER BY 1, 2;
SELECT pg_temp.try('SELECT * FROM anon_auth.users');
RESET ROLE;

DROP OWNED BY regress_anon_auth_client, regress_anon_auth_web;
DROP ROLE regress_anon_auth_client, regress_anon_auth_web;
SET client_min_messages = warning;
DROP EXTENSION anon_auth CASCADE;
