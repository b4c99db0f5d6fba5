\echo Use "CREATE EXTENSION anon_auth" to load this file. \quit

-- anon_auth: guest-to-account authentication inside PostgreSQL.
--
-- This script is joined from install/anon_auth/*.sql.  It creates its own schema,
-- so that a schema prepared by somebody else is an error and not adopted, and it
-- uses neither OR REPLACE nor IF NOT EXISTS, for the same reason.

-- Login IDs are compared after Unicode normalisation, which PostgreSQL and
-- ICU offer for UTF8 only.
DO LANGUAGE plpgsql $$
BEGIN
	IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
		RAISE EXCEPTION 'anon_auth needs a database with encoding UTF8'
			USING ERRCODE = 'feature_not_supported',
				  HINT = 'Create the database with ENCODING ''UTF8'' TEMPLATE template0.';
	END IF;
END
$$;

CREATE SCHEMA anon_auth;
COMMENT ON SCHEMA anon_auth IS
'Guest users, device keys, sessions, signed tokens and promotion to regular accounts.';

-- ---------------------------------------------------------------------------
-- Extensions that add to this one
--
-- An extension whose name begins with anon_auth_ is a part of anon_auth.  Its
-- objects are owned and guarded like those of this extension.  This extension
-- calls no function of a part by its name.  It finds them by the names that
-- part_functions() is called with.
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.part_extensions()
	RETURNS oid[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN ARRAY(SELECT e.oid FROM pg_extension e WHERE e.extname = 'anon_auth' OR starts_with(e.extname, 'anon_auth_'));
END
$$;
COMMENT ON FUNCTION anon_auth.part_extensions() IS
'Part of doctor(): the extension anon_auth and the extensions whose names begin with anon_auth_.';

-- Only superusers can create a function in schema anon_auth or make it a member of
-- an extension: see 98_guard.sql.
CREATE FUNCTION anon_auth.part_functions(name_pattern text, result_type text)
	RETURNS SETOF regprocedure
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT p.oid::regprocedure FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
	WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
	  AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = ANY (anon_auth.part_extensions())
	  AND p.pronamespace = 'anon_auth'::regnamespace AND p.pronargs = 0
	  AND p.proname LIKE name_pattern AND format_type(p.prorettype, NULL) = result_type
	ORDER BY p.proname;
END
$$;
COMMENT ON FUNCTION anon_auth.part_functions(text, text) IS
'Part of doctor(): the functions without arguments in schema anon_auth that belong to one of part_extensions(), match the pattern (LIKE) and return the type.';

-- ---------------------------------------------------------------------------
-- The owner of the extension's objects: a role that is no superuser, so that
-- whoever finds a hole in a SECURITY DEFINER function has the accounts and not
-- the server.  The role belongs to the server: another database may have made
-- it, and DROP EXTENSION leaves it.
-- ---------------------------------------------------------------------------

-- One list for CREATE EXTENSION, which refuses such a role, and for doctor().
CREATE FUNCTION anon_auth.owner_role_problems(
	OUT problem text,
	OUT fix text)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- pg_dump restores anon_auth before citus: the loaded library will do.
	on_citus boolean := EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'citus')
		OR EXISTS (SELECT FROM pg_settings s WHERE s.name = 'citus.shard_count');
BEGIN
	RETURN QUERY
	SELECT format('has the attribute %s', a.attribute), format('ALTER ROLE anon_auth_owner NO%s;', a.attribute)
	FROM pg_roles r, LATERAL (VALUES
		('SUPERUSER', r.rolsuper), ('CREATEROLE', r.rolcreaterole), ('CREATEDB', r.rolcreatedb),
		('REPLICATION', r.rolreplication), ('BYPASSRLS', r.rolbypassrls),
		-- The nodes of a Citus cluster connect to each other as the owner.
		('LOGIN', r.rolcanlogin AND NOT on_citus)) AS a (attribute, has)
	WHERE r.rolname = 'anon_auth_owner' AND a.has;
	RETURN QUERY
	SELECT format('is a member of role %I', g.rolname), format('REVOKE %I FROM anon_auth_owner;', g.rolname)
	FROM pg_roles r JOIN pg_auth_members m ON m.member = r.oid JOIN pg_roles g ON g.oid = m.roleid
	WHERE r.rolname = 'anon_auth_owner'
	ORDER BY g.rolname;
	-- What the connections between nodes log may be set.
	RETURN QUERY
	SELECT format('has role settings%s: %s', ' in database ' || quote_ident(d.datname), string_agg(c.setting, ', ' ORDER BY c.setting)),
		format('ALTER ROLE anon_auth_owner%s RESET ALL;', ' IN DATABASE ' || quote_ident(d.datname))
	FROM pg_roles r JOIN pg_db_role_setting s ON s.setrole = r.oid LEFT JOIN pg_database d ON d.oid = s.setdatabase,
		unnest(s.setconfig) AS c (setting)
	WHERE r.rolname = 'anon_auth_owner' AND NOT (on_citus AND c.setting LIKE 'log\_%')
	GROUP BY d.datname
	ORDER BY d.datname;
END
$$;
COMMENT ON FUNCTION anon_auth.owner_role_problems() IS
'Part of CREATE EXTENSION and doctor(): why the role anon_auth_owner must not own the extension, and the SQL that fixes it.';

DO LANGUAGE plpgsql $$
DECLARE
	found record;
	members pg_catalog.text;
BEGIN
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) 'anon_auth_owner') THEN
		BEGIN
			CREATE ROLE anon_auth_owner NOLOGIN;
			COMMENT ON ROLE anon_auth_owner IS 'Owner of the objects of the extension anon_auth.';
		EXCEPTION WHEN duplicate_object OR unique_violation THEN
			-- Another database has just made it.
			NULL;
		END;
	END IF;
	FOR found IN SELECT * FROM anon_auth.owner_role_problems() p LOOP
		RAISE EXCEPTION 'role "anon_auth_owner" %', found.problem
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = 'The role existed before, and is to own the objects of this extension.',
				  HINT = found.fix;
	END LOOP;
	SELECT pg_catalog.string_agg(pg_catalog.quote_ident(r.rolname), ', ' ORDER BY r.rolname) INTO members
		FROM pg_catalog.pg_auth_members m
		JOIN pg_catalog.pg_roles g ON g.oid OPERATOR(pg_catalog.=) m.roleid
		JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) m.member
		WHERE g.rolname OPERATOR(pg_catalog.=) 'anon_auth_owner';
	IF members IS NOT NULL THEN
		-- CREATE EXTENSION shows no NOTICE.
		RAISE WARNING 'role "anon_auth_owner" has members: %', members
			USING DETAIL = 'They have all rights on the accounts of this database.',
				  HINT = 'To take these rights from a role, REVOKE anon_auth_owner FROM it.';
	END IF;
END
$$;
