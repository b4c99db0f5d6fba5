-- ---------------------------------------------------------------------------
-- Only superusers change the extension's objects
--
-- Superusers call functions of the extension and write to its tables.  What
-- the owner could put there - another body of a function, a trigger, a rule,
-- a default - would run as that superuser, so ownership alone would be a way
-- to become one.
-- ---------------------------------------------------------------------------

-- One function for both events, so that there is one rule.
CREATE FUNCTION anon_auth.guard_objects() RETURNS event_trigger
	LANGUAGE plpgsql VOLATILE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	command record;
	changed text;
BEGIN
	IF EXISTS (SELECT FROM pg_roles r WHERE r.rolname = current_user AND r.rolsuper) THEN
		RETURN;
	END IF;
	IF tg_event = 'sql_drop' THEN
		-- DROP EXTENSION drops the tables, too.
		SELECT o.object_identity INTO changed FROM pg_event_trigger_dropped_objects() o
		WHERE o.object_type = 'trigger' AND o.address_names[1] = 'anon_auth'
		  AND EXISTS (SELECT FROM anon_auth.extension_objects() e
					  WHERE e.object = format('TABLE anon_auth.%I', o.address_names[2]))
		LIMIT 1;
	ELSE
		-- GRANT and REVOKE name no object here.  What CREATE makes in another
		-- schema matters if it inherits from a table.  Triggers, rules and policies
		-- have no schema, and ALTER may have moved what was in ours.
		FOR command IN
			SELECT * FROM pg_event_trigger_ddl_commands() c
			WHERE c.objid IS NOT NULL AND c.command_tag NOT IN ('COMMENT', 'REINDEX', 'SECURITY LABEL')
			  AND (c.command_tag NOT LIKE 'CREATE %' OR c.schema_name IS NULL OR c.schema_name IN ('anon_auth', 'anon_auth_http')
				   OR c.classid = 'pg_class'::regclass AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.objid))
		LOOP
			-- Of a part of a table (index, trigger, rule, policy, child) the table
			-- counts.
			IF EXISTS (
				SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
				WHERE d.refclassid = 'pg_extension'::regclass AND e.extname = 'anon_auth' AND d.deptype = 'e'
				  AND d.classid = command.classid AND d.objid = command.objid)
			OR command.classid IN ('pg_class'::regclass, 'pg_trigger'::regclass, 'pg_rewrite'::regclass, 'pg_policy'::regclass)
			AND EXISTS (
				SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
				WHERE d.refclassid = 'pg_extension'::regclass AND e.extname = 'anon_auth' AND d.deptype = 'e'
				  AND d.classid = 'pg_class'::regclass AND d.objid = ANY (ARRAY(
					SELECT i.indrelid FROM pg_index i WHERE i.indexrelid = command.objid
					UNION ALL SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = command.objid
					UNION ALL SELECT t.tgrelid FROM pg_trigger t WHERE t.oid = command.objid
					UNION ALL SELECT r.ev_class FROM pg_rewrite r WHERE r.oid = command.objid
					UNION ALL SELECT p.polrelid FROM pg_policy p WHERE p.oid = command.objid)))
			-- A function of the same name with other arguments could be called
			-- in the place of ours.  Citus makes its shards there, which are tables.
			OR command.schema_name IN ('anon_auth', 'anon_auth_http')
			AND command.object_type NOT IN ('table', 'table column', 'table constraint', 'index', 'sequence', 'trigger')
			THEN
				changed := command.object_identity;
				EXIT;
			END IF;
		END LOOP;
	END IF;
	IF changed IS NOT NULL THEN
		RAISE EXCEPTION 'only superusers may change objects of extension anon_auth'
			USING ERRCODE = 'insufficient_privilege',
				  DETAIL = format('%s would change %s.', tg_tag, changed),
				  HINT = 'Members of anon_auth_owner may call its functions, write to its tables, and grant rights on them.';
	END IF;
END
$$;
COMMENT ON FUNCTION anon_auth.guard_objects() IS
'Event trigger: keeps roles that are no superusers, the owner included, from changing objects of the extension. Errors: 42501.';

CREATE EVENT TRIGGER anon_auth_guard_objects ON ddl_command_end
	EXECUTE FUNCTION anon_auth.guard_objects();
ALTER EVENT TRIGGER anon_auth_guard_objects ENABLE ALWAYS;

CREATE EVENT TRIGGER anon_auth_guard_triggers ON sql_drop WHEN TAG IN ('DROP TRIGGER')
	EXECUTE FUNCTION anon_auth.guard_objects();
ALTER EVENT TRIGGER anon_auth_guard_triggers ENABLE ALWAYS;
