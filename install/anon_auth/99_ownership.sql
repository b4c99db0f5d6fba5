-- ---------------------------------------------------------------------------
-- Owners of and privileges on all objects of an extension
--
-- This file comes last, here and in the extensions that add to this one.  It finds
-- the objects in the catalog, so the other files need no ALTER OWNER, GRANT or
-- REVOKE.
-- ---------------------------------------------------------------------------

-- Event triggers, trigger functions and the functions of constraints belong to a
-- superuser, because superusers run them by DDL and by writing to the extension's
-- tables, and the owner of a function can replace it.  They are not SECURITY DEFINER.

CREATE FUNCTION anon_auth_internal.extension_objects(
	extension name DEFAULT NULL,
	OUT object text,
	OUT owner oid,
	OUT acl aclitem[],
	OUT of_superuser boolean)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	member record;
BEGIN
	FOR member IN
		SELECT d.classid, d.objid, e.extname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
		  AND e.oid = ANY (anon_auth_internal.part_extensions()) AND (extension IS NULL OR e.extname = extension)
		ORDER BY d.classid, d.objid
	LOOP
		object := NULL;
		of_superuser := false;
		CASE member.classid
			WHEN 'pg_namespace'::regclass THEN
				SELECT 'SCHEMA ' || quote_ident(n.nspname), n.nspowner, coalesce(n.nspacl, acldefault('n', n.nspowner))
				INTO object, owner, acl
				FROM pg_namespace n WHERE n.oid = member.objid;
			WHEN 'pg_class'::regclass THEN
				-- The sequence of a column changes its owner with the table.
				SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || c.oid::regclass, c.relowner,
					   coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
				INTO object, owner, acl
				FROM pg_class c
				WHERE c.oid = member.objid
				  AND NOT EXISTS (SELECT FROM pg_depend d
								  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i')
									AND d.refclassid = 'pg_class'::regclass);
			WHEN 'pg_proc'::regclass THEN
				SELECT 'ROUTINE ' || p.oid::regprocedure, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner)),
					   p.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype)
					   OR p.oid IN ('anon_auth_internal.check_uri(text, text)'::regprocedure, 'anon_auth_internal.check_uris(text, text[])'::regprocedure)
				INTO object, owner, acl, of_superuser
				FROM pg_proc p WHERE p.oid = member.objid;
			WHEN 'pg_type'::regclass THEN
				-- Row types and array types change their owner with their table or type.
				SELECT 'TYPE ' || t.oid::regtype, t.typowner, coalesce(t.typacl, acldefault('T', t.typowner))
				INTO object, owner, acl
				FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
				WHERE t.oid = member.objid AND (c.relkind IS NULL OR c.relkind = 'c')
				  AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid);
			WHEN 'pg_event_trigger'::regclass THEN
				SELECT 'EVENT TRIGGER ' || quote_ident(t.evtname), t.evtowner, NULL, true INTO object, owner, acl, of_superuser
				FROM pg_event_trigger t WHERE t.oid = member.objid;
			ELSE
				RAISE EXCEPTION 'unexpected object of extension %: %', member.extname, pg_describe_object(member.classid, member.objid, 0)
					USING ERRCODE = 'internal_error';
		END CASE;
		IF object IS NOT NULL THEN
			RETURN NEXT;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.extension_objects(name) IS
'Part of doctor(). Returns the objects of an extension, or of all part_extensions() if extension is NULL. For each, returns its name as GRANT expects it, its owner, its privileges, and whether it must belong to a superuser; all others belong to anon_auth_owner.';

-- The list contains names only: another version of PostgreSQL may print definitions
-- differently.
DO LANGUAGE plpgsql $$
BEGIN
	EXECUTE pg_catalog.format(
		'CREATE FUNCTION anon_auth_internal.own_attached_objects() RETURNS pg_catalog.text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE '
		'SET search_path = pg_catalog, pg_temp AS %L',
		pg_catalog.format('SELECT %L::pg_catalog.text[]', ARRAY(
			SELECT pg_catalog.format('%s of %s', a.object, a.attached_to) FROM anon_auth_internal.attached_objects() a
			ORDER BY 1)));
END
$$;
COMMENT ON FUNCTION anon_auth_internal.own_attached_objects() IS
'Part of doctor(). Returns the objects that CREATE EXTENSION attached to the tables of the extension. An extension that attaches more provides a function own_attached_objects_*() with a list of them.';

DO LANGUAGE plpgsql $$
BEGIN
	EXECUTE pg_catalog.format(
		'CREATE FUNCTION anon_auth_internal.own_definitions() RETURNS pg_catalog.jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE '
		'SET search_path = pg_catalog, pg_temp AS %L',
		pg_catalog.format('SELECT %L::pg_catalog.jsonb', (
			SELECT pg_catalog.jsonb_object_agg(pg_catalog.format('%s of %s', a.object, a.attached_to), a.definition)
			FROM anon_auth_internal.attached_objects() a WHERE a.definition IS NOT NULL)));
	EXECUTE pg_catalog.format(
		'CREATE FUNCTION anon_auth_internal.own_routines() RETURNS pg_catalog.text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE '
		'SET search_path = pg_catalog, pg_temp AS %L',
		pg_catalog.format('SELECT %L::pg_catalog.text[]', ARRAY(
			SELECT p.oid::pg_catalog.regprocedure::pg_catalog.text FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
			WHERE n.nspname OPERATOR(pg_catalog.=) ANY ('{anon_auth,anon_auth_internal}')
			ORDER BY 1)));
END
$$;
COMMENT ON FUNCTION anon_auth_internal.own_definitions() IS
'Part of doctor(). Returns the SQL that creates the objects of own_attached_objects() again, by their names there.';
COMMENT ON FUNCTION anon_auth_internal.own_routines() IS
'Part of doctor(). Returns the functions that CREATE EXTENSION created.';

-- Set the owners first: otherwise pg_init_privs, and so dumps, would keep the
-- privileges that the installing role had as owner.  Revoke and grant all privileges:
-- default privileges of the role that runs CREATE EXTENSION may have granted some to
-- other roles, or revoked some from the owner.  An update script calls this function,
-- too.  It skips objects that existed before the update: privileges on them may have
-- been granted deliberately.
CREATE FUNCTION anon_auth_internal.set_owners_and_rights(extension name)
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	owner_role constant oid := 'anon_auth_owner'::regrole;
	new_objects text[] := '{}';
	o record;
	grantee text;
BEGIN
	FOR o IN SELECT e.extversion AS of_part, c.extversion AS of_core FROM pg_extension e, pg_extension c
			 WHERE e.extname = extension AND c.extname = 'anon_auth' AND e.extversion <> c.extversion
	LOOP
		RAISE EXCEPTION 'version % of extension % requires the same version of extension anon_auth', o.of_part, extension
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  DETAIL = format('Extension anon_auth is at version %s.', o.of_core),
				  HINT = 'First run ALTER EXTENSION anon_auth UPDATE.';
	END LOOP;
	FOR o IN
		SELECT e.object, e.of_superuser FROM anon_auth_internal.extension_objects(extension) e
		WHERE CASE WHEN e.of_superuser
			  THEN NOT EXISTS (SELECT FROM aclexplode(e.acl) a WHERE a.grantee = owner_role)
			  ELSE e.owner <> owner_role END
	LOOP
		new_objects := new_objects || o.object;
		IF NOT o.of_superuser THEN
			EXECUTE format('ALTER %s OWNER TO anon_auth_owner', o.object);
		END IF;
	END LOOP;
	FOR o IN
		SELECT * FROM anon_auth_internal.extension_objects(extension) e
		WHERE e.object = ANY (new_objects) AND NOT starts_with(e.object, 'EVENT TRIGGER ')
	LOOP
		FOR grantee IN
			SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END
			FROM aclexplode(o.acl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
			WHERE a.grantee <> o.owner
		LOOP
			EXECUTE format('REVOKE ALL ON %s FROM %s', o.object, grantee);
		END LOOP;
		EXECUTE format('GRANT ALL ON %s TO %I', o.object, pg_get_userbyid(o.owner));
		-- Code that runs as the owner can create the triggers again.
		IF o.of_superuser THEN
			EXECUTE format('GRANT ALL ON %s TO anon_auth_owner', o.object);
		END IF;
		-- Functions of the application can return the types of the extension.
		IF starts_with(o.object, 'TYPE ') THEN
			EXECUTE format('GRANT USAGE ON %s TO PUBLIC', o.object);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.set_owners_and_rights(name) IS
'Part of CREATE EXTENSION and of update scripts. Makes anon_auth_owner the owner of the new objects of an extension, and revokes all privileges of other roles on them. Triggers and their functions keep the superuser as their owner. Errors: 55000 the extension anon_auth has another version.';

SELECT anon_auth_internal.set_owners_and_rights('anon_auth');

-- These functions compute from their arguments and read no data.
GRANT EXECUTE ON FUNCTION anon_auth.jws_verify(text, jsonb, text[]), anon_auth.jwk_thumbprint(jsonb),
	anon_auth_internal.check_uri(text, text), anon_auth_internal.check_uris(text, text[]) TO PUBLIC;
