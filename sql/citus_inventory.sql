--
-- All objects of the extension anon_auth_citus and their privileges; see
-- inventory.sql.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_citus;
RESET client_min_messages;

-- functions: security definer, whether their owner is a superuser, settings, volatility, parallel safety, rights
SELECT p.oid::regprocedure AS function, p.prosecdef AS definer, r.rolsuper, p.proconfig AS config,
	   p.provolatile AS vol, p.proparallel AS par, l.lanname AS lang,
	   CASE WHEN p.proacl IS NULL THEN 'PUBLIC' ELSE coalesce(nullif(array_to_string(ARRAY(
			SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
			FROM aclexplode(p.proacl) a WHERE a.grantee <> p.proowner), ','), ''), 'owner') END AS execute
FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid JOIN pg_language l ON l.oid = p.prolang JOIN pg_roles r ON r.oid = p.proowner
WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'anon_auth_citus')
  AND d.deptype = 'e' AND d.classid = 'pg_proc'::regclass
ORDER BY p.oid::regprocedure::text COLLATE "C";

-- anon_auth_owner owns all objects, no superuser owns one, and other roles only
-- have USAGE on types
SELECT object, of_superuser, owner::regrole FROM anon_auth_internal.extension_objects('anon_auth_citus') WHERE of_superuser OR owner <> 'anon_auth_owner'::regrole;
SELECT split_part(object, ' ', 1) AS kind, count(*) > 0 AS some, string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END || ' ' || a.privilege_type, ', ') AS rights
FROM anon_auth_internal.extension_objects('anon_auth_citus'), aclexplode(acl) a GROUP BY 1 ORDER BY 1;

-- every SECURITY DEFINER function sets its search_path
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid
WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'anon_auth_citus') AND d.deptype = 'e' AND d.classid = 'pg_proc'::regclass
  AND p.prosecdef AND p.proconfig IS DISTINCT FROM '{"search_path=pg_catalog, pg_temp"}';

-- every object has a comment
SELECT pg_describe_object(d.classid, d.objid, 0) AS object FROM pg_depend d
WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'anon_auth_citus') AND d.deptype = 'e'
  AND NOT EXISTS (SELECT FROM pg_description c WHERE c.classoid = d.classid AND c.objoid = d.objid AND c.objsubid = 0);

DROP EXTENSION anon_auth_citus;

-- the extension anon_auth works without anon_auth_citus
SELECT anon_auth.create_client('app', 'native');
SELECT sub IS NOT NULL AS signed_up FROM anon_auth.authenticate_anonymously('app');
SELECT finding FROM anon_auth.doctor() WHERE severity = 'error';

-- both extensions have the same version
UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'anon_auth';
CREATE EXTENSION anon_auth_citus;
DROP EXTENSION anon_auth;
