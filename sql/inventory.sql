--
-- All objects of the extension and their privileges. A change here is a change
-- of the API or of its security: check it carefully.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
RESET client_min_messages;
-- a new function changes one line
\pset format unaligned

-- functions: security definer, whether their owner is a superuser, settings, volatility, parallel safety, rights
SELECT p.oid::regprocedure AS function, p.prosecdef AS definer, r.rolsuper, array_remove(p.proconfig, 'standard_conforming_strings=on') AS config,
	   p.provolatile AS vol, p.proparallel AS par, l.lanname AS lang,
	   CASE WHEN p.proacl IS NULL THEN 'PUBLIC' ELSE coalesce(nullif(array_to_string(ARRAY(
			SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
			FROM aclexplode(p.proacl) a WHERE a.grantee <> p.proowner), ','), ''), 'owner') END AS execute
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid JOIN pg_language l ON l.oid = p.prolang JOIN pg_roles r ON r.oid = p.proowner
WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'anon_auth')
  AND d.deptype = 'e' AND d.classid = 'pg_proc'::regclass
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- a superuser owns the triggers and their functions. None is SECURITY DEFINER
SELECT object, owner = (SELECT oid FROM pg_roles WHERE rolname = current_user) AS of_installer, acl IS NULL OR NOT EXISTS (
	SELECT FROM aclexplode(acl) a WHERE a.grantee NOT IN (owner, 'anon_auth_owner'::regrole)) AS private
FROM anon_auth_internal.extension_objects() WHERE of_superuser ORDER BY object COLLATE "C";
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace IN ('anon_auth'::regnamespace, 'anon_auth_internal'::regnamespace)
  AND p.prosecdef AND p.proowner <> 'anon_auth_owner'::regrole;

-- anon_auth_owner owns everything else, and has no role attributes
SELECT split_part(object, ' ', 1) AS kind, count(*) > 0 AS some, bool_and(owner = 'anon_auth_owner'::regrole) AS right_owner
FROM anon_auth_internal.extension_objects() WHERE NOT of_superuser GROUP BY 1 ORDER BY 1;
SELECT 'class' AS kind, c.oid::regclass::text AS object FROM pg_class c
WHERE c.relnamespace IN ('anon_auth'::regnamespace, 'anon_auth_internal'::regnamespace) AND c.relowner <> 'anon_auth_owner'::regrole
UNION ALL
SELECT 'type', t.oid::regtype::text FROM pg_type t
WHERE t.typnamespace IN ('anon_auth'::regnamespace, 'anon_auth_internal'::regnamespace) AND t.typowner <> 'anon_auth_owner'::regrole;
SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin FROM pg_roles WHERE rolname = 'anon_auth_owner';

-- every SECURITY DEFINER function sets its search_path
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace IN ('anon_auth'::regnamespace, 'anon_auth_internal'::regnamespace) AND p.prosecdef
  AND 'search_path=pg_catalog, pg_temp' = ANY (p.proconfig) IS NOT TRUE;
-- doctor() does not let the caller choose how strings are parsed
SELECT p.oid::regprocedure FROM pg_proc p
WHERE p.pronamespace IN ('anon_auth'::regnamespace, 'anon_auth_internal'::regnamespace) AND 'standard_conforming_strings=on' = ANY (p.proconfig);

-- tables: row security, privileges of other roles, dumped data
SELECT c.relname, c.relrowsecurity AS rls, c.relpersistence AS persistence,
	   coalesce((SELECT count(*) FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner), 0) AS grants,
	   c.oid = ANY (e.extconfig) AS dumped
FROM pg_class c, pg_extension e
WHERE e.extname = 'anon_auth' AND c.relnamespace = 'anon_auth'::regnamespace AND c.relkind IN ('r', 'v', 'S')
ORDER BY c.relname COLLATE "C";
SELECT count(*) AS policies FROM pg_policy;

-- every object has a comment
SELECT 'function' AS kind, p.oid::regprocedure::text AS object FROM pg_proc p
WHERE p.pronamespace IN ('anon_auth'::regnamespace, 'anon_auth_internal'::regnamespace) AND obj_description(p.oid, 'pg_proc') IS NULL
UNION ALL
SELECT 'table', c.oid::regclass::text FROM pg_class c
WHERE c.relnamespace = 'anon_auth'::regnamespace AND c.relkind = 'r' AND obj_description(c.oid, 'pg_class') IS NULL;

-- every foreign key has an index, and refers to users
SELECT c.conrelid::regclass, c.confrelid::regclass, c.confdeltype,
	   EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1]) AS indexed
FROM pg_constraint c WHERE c.contype = 'f' AND c.connamespace = 'anon_auth'::regnamespace
ORDER BY c.conrelid::regclass::text;

-- the internal functions have a schema, which contains nothing else. Among the others, there is no trigger and no part of another function
SELECT kind, count(*) > 0 AS some FROM (
	SELECT 'function' AS kind FROM pg_proc WHERE pronamespace = 'anon_auth_internal'::regnamespace
	UNION ALL SELECT 'relation' FROM pg_class WHERE relnamespace = 'anon_auth_internal'::regnamespace
	UNION ALL SELECT 'type' FROM pg_type WHERE typnamespace = 'anon_auth_internal'::regnamespace) o
GROUP BY 1 ORDER BY 1;
SELECT p.oid::regprocedure AS misplaced FROM pg_proc p
WHERE p.pronamespace = 'anon_auth'::regnamespace
  AND (p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype) OR obj_description(p.oid, 'pg_proc') LIKE 'Part of %');

-- the schemas belong to the extension, and no other role may use them
SELECT n.nspname, n.nspowner::regrole, d.deptype FROM pg_namespace n JOIN pg_depend d ON d.objid = n.oid AND d.classid = 'pg_namespace'::regclass AND d.deptype = 'e'
WHERE n.nspname ~ '^anon_auth' AND (n.nspacl IS NULL OR NOT EXISTS (SELECT FROM aclexplode(n.nspacl) a WHERE a.grantee <> n.nspowner))
ORDER BY 1;

-- CREATE EXTENSION does not adopt an existing schema or object
\set SHOW_CONTEXT never
DROP EXTENSION anon_auth;
SELECT count(*) AS left_behind FROM pg_namespace WHERE nspname ~ '^anon_auth';
CREATE SCHEMA anon_auth;
CREATE EXTENSION anon_auth;
DROP SCHEMA anon_auth;
CREATE SCHEMA anon_auth_internal;
CREATE EXTENSION anon_auth;
DROP SCHEMA anon_auth_internal;

-- CREATE EXTENSION requires the encoding UTF8
CREATE DATABASE anon_auth_latin1 TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C';
\set main_database :DBNAME
\c anon_auth_latin1
CREATE EXTENSION anon_auth;
\c :main_database
DROP DATABASE anon_auth_latin1;
