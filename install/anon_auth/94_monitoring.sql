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
	PERFORM anon_auth_internal.grant_functions(role_name, ARRAY[
		'anon_auth.doctor()'::regprocedure,
		'anon_auth_internal.estimated_rows(regclass)'::regprocedure,
		'anon_auth_internal.counter_statistics()'::regprocedure]);
	EXECUTE format('GRANT SELECT ON anon_auth.stats TO %s', role_name);
END
$$;
COMMENT ON FUNCTION anon_auth.grant_monitoring(regrole) IS
'Lets a role read stats and call doctor(), and nothing else. Do not use a role that has the client API: doctor() names roles, tables and settings. Errors: 22023 no role; 42704 unknown role; 42501 caller may not grant.';
