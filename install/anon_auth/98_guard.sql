-- ---------------------------------------------------------------------------
-- Only superusers can change the extension's objects
--
-- Superusers call functions of the extension and write to its tables.  If the owner
-- could attach code to them, the code would run as that superuser, and the owner
-- could become a superuser.  Such code is another body of a function, a trigger, a
-- rule, a default, or an expression of an index or of statistics.
-- ---------------------------------------------------------------------------

-- The library checks each object when it is created, altered or dropped.  The event
-- trigger only has to load the library before any DDL.
CREATE FUNCTION anon_auth_internal.guard_objects() RETURNS event_trigger
	LANGUAGE c
AS 'MODULE_PATHNAME', 'anon_auth_guard_objects';
COMMENT ON FUNCTION anon_auth_internal.guard_objects() IS
'Event trigger. Loads the library, which checks DDL. Errors of these commands: 42501 a role that is not a superuser changes an object of the extension, attaches an object to its tables, or references a table other than users; 42804 a foreign key to users of another type than uuid, also of a domain over uuid; 0A000 a foreign key to another column of users than id, or of several columns.';

CREATE EVENT TRIGGER anon_auth_guard_objects ON ddl_command_start
	EXECUTE FUNCTION anon_auth_internal.guard_objects();
ALTER EVENT TRIGGER anon_auth_guard_objects ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER anon_auth_guard_objects IS
'Prevents roles that are not superusers from changing objects of the extension, and foreign keys to anon_auth.users from running casts. See anon_auth_internal.guard_objects().';

-- PostgreSQL does not call the library's hook for a change of row-level security,
-- replica identity or the index for CLUSTER.
CREATE FUNCTION anon_auth_internal.guard_altered_tables() RETURNS event_trigger
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	changed text;
BEGIN
	IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = current_user AND r.rolsuper) THEN
		RETURN;
	END IF;
	SELECT c.object_identity INTO changed FROM pg_event_trigger_ddl_commands() c
	WHERE EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
				  WHERE d.classid = c.classid AND d.objid = c.objid AND d.deptype = 'e'
					AND d.refclassid = 'pg_extension'::regclass
					-- The condition of part_extensions(), which other roles cannot call.
					AND (e.extname = 'anon_auth' OR starts_with(e.extname, 'anon_auth_')))
	LIMIT 1;
	IF changed IS NOT NULL THEN
		RAISE EXCEPTION 'only superusers may change objects of extension anon_auth'
			USING ERRCODE = 'insufficient_privilege',
				  DETAIL = format('The command would change table %s.', changed),
				  HINT = 'Members of anon_auth_owner may call its functions, write to its tables, and grant rights on them.';
	END IF;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.guard_altered_tables() IS
'Event trigger. Rejects ALTER TABLE on tables of the extension by roles that are not superusers, in the cases that guard_objects() cannot see. Errors: 42501.';

CREATE EVENT TRIGGER anon_auth_guard_altered_tables ON ddl_command_end WHEN TAG IN ('ALTER TABLE')
	EXECUTE FUNCTION anon_auth_internal.guard_altered_tables();
ALTER EVENT TRIGGER anon_auth_guard_altered_tables ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER anon_auth_guard_altered_tables IS
'Prevents roles that are not superusers from altering tables of the extension. See anon_auth_internal.guard_altered_tables().';
