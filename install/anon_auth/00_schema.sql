\echo Use "CREATE EXTENSION anon_auth" to load this file. \quit

-- anon_auth: guest-to-account authentication inside PostgreSQL.
--
-- The build concatenates this script from install/anon_auth/*.sql.  The script
-- creates its own schemas and uses neither OR REPLACE nor IF NOT EXISTS.  If somebody
-- else has created a schema or one of its objects, CREATE EXTENSION fails and
-- does not adopt it.

-- Login IDs are compared after Unicode normalisation, which PostgreSQL and ICU
-- support for UTF8 only.
DO LANGUAGE plpgsql $$
BEGIN
	IF pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.<>) 'UTF8' THEN
		RAISE EXCEPTION 'extension anon_auth requires a database with encoding UTF8'
			USING ERRCODE = 'feature_not_supported',
				  HINT = 'Create the database with ENCODING ''UTF8'' TEMPLATE template0.';
	END IF;
END
$$;

CREATE SCHEMA anon_auth;
COMMENT ON SCHEMA anon_auth IS
'Guest users, device keys, sessions, signed tokens, and promotion of guests to regular accounts.';

-- Functions that only the extensions call: parts of doctor(), distribute() and the pages,
-- triggers, and functions of constraints.  Only the owner has USAGE.  Other roles
-- need none: PostgreSQL checks USAGE when it looks up a name, and constraints, triggers
-- and views store OIDs.  A function that runs as its caller must not name one of them,
-- unless only the owner may call it.
CREATE SCHEMA anon_auth_internal;
COMMENT ON SCHEMA anon_auth_internal IS
'Internal functions of the extension anon_auth and its parts. They are not an interface: any version can change them.';

-- ---------------------------------------------------------------------------
-- Extensions that add to this one
--
-- An extension whose name begins with anon_auth_ is a part of anon_auth.  Its
-- objects are owned and guarded like those of this extension.  This extension
-- finds the functions of the parts by a name pattern, with part_functions().  Only
-- estimated_rows() and doctor_operations() name one, and look whether it exists.
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_internal.part_extensions()
	RETURNS oid[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN ARRAY(SELECT e.oid FROM pg_extension e WHERE e.extname = 'anon_auth' OR starts_with(e.extname, 'anon_auth_'));
END
$$;
COMMENT ON FUNCTION anon_auth_internal.part_extensions() IS
'Part of doctor(). Returns the OIDs of the extension anon_auth and of all extensions whose names begin with anon_auth_.';

-- The functions found can be trusted: only superusers can create a function in these
-- schemas or make it a member of an extension (98_guard.sql).
CREATE FUNCTION anon_auth_internal.part_functions(name_pattern text, result_type text)
	RETURNS SETOF regprocedure
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT p.oid::regprocedure FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
	WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e'
	  AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = ANY (anon_auth_internal.part_extensions())
	  AND p.pronamespace IN ('anon_auth'::regnamespace, 'anon_auth_internal'::regnamespace) AND p.pronargs = 0
	  AND p.proname LIKE name_pattern
	  -- With quote_all_identifiers, format_type() returns quoted names.
	  AND replace(format_type(p.prorettype, NULL), '"', '') = result_type
	ORDER BY p.proname;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.part_functions(text, text) IS
'Part of doctor(). Returns the functions without arguments in the schemas anon_auth and anon_auth_internal that belong to one of part_extensions(), have a name that matches name_pattern (LIKE), and return the type named result_type.';

-- ---------------------------------------------------------------------------
-- The owner of the extension's objects is not a superuser.  An attacker who
-- exploits a SECURITY DEFINER function then controls the accounts, but not the
-- server.  All databases of the server share the role: another database may have
-- created it, and DROP EXTENSION does not drop it.
-- ---------------------------------------------------------------------------

-- CREATE EXTENSION fails if this returns a row; doctor() reports each row.
CREATE FUNCTION anon_auth_internal.owner_role_problems(
	OUT problem text,
	OUT fix text)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- A dump restores anon_auth before citus, so a loaded library is enough.
	on_citus boolean := EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'citus')
		OR EXISTS (SELECT FROM pg_settings s WHERE s.name = 'citus.shard_count');
BEGIN
	RETURN QUERY
	SELECT format('has the attribute %s', a.attribute), format('ALTER ROLE anon_auth_owner NO%s;', a.attribute)
	FROM pg_roles r, LATERAL (VALUES
		('SUPERUSER', r.rolsuper), ('CREATEROLE', r.rolcreaterole), ('CREATEDB', r.rolcreatedb),
		('REPLICATION', r.rolreplication), ('BYPASSRLS', r.rolbypassrls),
		-- Nodes of a Citus cluster connect to each other as the owner.
		('LOGIN', r.rolcanlogin AND NOT on_citus)) AS a (attribute, has)
	WHERE r.rolname = 'anon_auth_owner' AND a.has;
	RETURN QUERY
	SELECT format('is a member of role %I', g.rolname), format('REVOKE %I FROM anon_auth_owner;', g.rolname)
	FROM pg_roles r JOIN pg_auth_members m ON m.member = r.oid JOIN pg_roles g ON g.oid = m.roleid
	WHERE r.rolname = 'anon_auth_owner'
	ORDER BY g.rolname;
	-- On a Citus node, settings for logging are accepted: they apply to connections
	-- between nodes.
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
COMMENT ON FUNCTION anon_auth_internal.owner_role_problems() IS
'Part of CREATE EXTENSION and doctor(). Returns one row for each reason why the role anon_auth_owner must not own the extension, with the SQL that fixes it.';

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
			-- A session in another database created the role first.
			NULL;
		END;
	END IF;
	FOR found IN SELECT * FROM anon_auth_internal.owner_role_problems() p LOOP
		RAISE EXCEPTION 'role "anon_auth_owner" %', found.problem
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = 'The role already exists. It would become the owner of the objects of this extension.',
				  HINT = found.fix;
	END LOOP;
	SELECT pg_catalog.string_agg(pg_catalog.quote_ident(r.rolname), ', ' ORDER BY r.rolname) INTO members
		FROM pg_catalog.pg_auth_members m
		JOIN pg_catalog.pg_roles g ON g.oid OPERATOR(pg_catalog.=) m.roleid
		JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) m.member
		WHERE g.rolname OPERATOR(pg_catalog.=) 'anon_auth_owner';
	IF members IS NOT NULL THEN
		-- Not a NOTICE: CREATE EXTENSION suppresses those.
		RAISE WARNING 'role "anon_auth_owner" has members: %', members
			USING DETAIL = 'Members have all privileges on the accounts of this database.',
				  HINT = 'To remove a member, run REVOKE anon_auth_owner FROM that role.';
	END IF;
END
$$;
