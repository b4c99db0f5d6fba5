-- ---------------------------------------------------------------------------
-- Rights of a monitoring role
-- ---------------------------------------------------------------------------

-- Runs as the caller, who must be allowed to grant: the owner or a superuser.  A view
-- calls its functions with the rights of the role that reads it, so the role needs EXECUTE
-- on those of stats.  It cannot call them by name without USAGE on their schema.
CREATE FUNCTION anon_auth.grant_monitoring(role_name regrole)
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF role_name IS NULL OR role_name::oid = 0 THEN
		RAISE EXCEPTION 'role_name is required' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	-- A regrole can contain the OID of a role that does not exist.
	IF NOT EXISTS (SELECT FROM pg_roles WHERE oid = role_name) THEN
		RAISE EXCEPTION 'role with OID % does not exist', role_name::oid USING ERRCODE = 'undefined_object';
	END IF;
	EXECUTE format('GRANT USAGE ON SCHEMA anon_auth TO %s', role_name);
	EXECUTE format('GRANT SELECT ON anon_auth.stats TO %s', role_name);
	EXECUTE format('GRANT EXECUTE ON FUNCTION anon_auth.doctor(), anon_auth_internal.estimated_rows(regclass), '
				   'anon_auth_internal.counter_statistics() TO %s', role_name);
END
$$;
COMMENT ON FUNCTION anon_auth.grant_monitoring(regrole) IS
'Lets a role read stats and call doctor(), and nothing else. Do not use a role that has the client API: doctor() names roles, tables and settings. Errors: 22023 no role; 42704 unknown role; 42501 caller may not grant.';
