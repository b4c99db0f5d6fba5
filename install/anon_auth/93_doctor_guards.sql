-- ---------------------------------------------------------------------------
-- doctor(): the triggers of 75_foreign_keys.sql
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_internal.doctor_guards()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	enabled "char";
BEGIN
	-- The parameter exists since PostgreSQL 17.
	IF current_setting('event_triggers', true) = 'off' THEN
		RETURN QUERY SELECT 'error', 'foreign_keys_unchecked', 'event triggers are disabled (parameter event_triggers)',
			'Roles with REFERENCES on users can create foreign keys that run casts with the privileges of the owner of users.',
			'ALTER SYSTEM RESET event_triggers; SELECT pg_reload_conf();';
	END IF;
	SELECT t.tgenabled INTO enabled FROM pg_trigger t
		WHERE t.tgrelid = 'anon_auth.users'::regclass AND t.tgname = 'users_refuse_change';
	-- Citus does not support triggers on distributed tables.
	IF enabled IS DISTINCT FROM 'O' AND anon_auth_internal.tables_are_local() THEN
		RETURN QUERY SELECT 'error', 'users_trigger_changed',
			CASE WHEN enabled IS NULL THEN 'the trigger users_refuse_change of users is missing'
				 WHEN enabled = 'D' THEN 'the trigger users_refuse_change of users is disabled'
				 ELSE 'the trigger users_refuse_change of users fires under session_replication_role = replica' END,
			CASE WHEN enabled IS NULL OR enabled = 'D' THEN 'A DELETE runs the triggers of referencing tables with the privileges of the role that runs it.'
				 ELSE 'delete_user(), purge(), merges and logical replication cannot delete users.' END,
			CASE WHEN enabled IS NULL THEN 'CREATE TRIGGER users_refuse_change BEFORE DELETE OR TRUNCATE OR UPDATE OF id ON anon_auth.users FOR EACH STATEMENT EXECUTE FUNCTION anon_auth_internal.refuse_user_change();'
				 ELSE 'ALTER TABLE anon_auth.users ENABLE TRIGGER users_refuse_change;' END;
	END IF;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.doctor_guards() IS
'Part of doctor(). Checks the triggers that guard users and the foreign keys to it.';
