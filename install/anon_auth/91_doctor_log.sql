-- ---------------------------------------------------------------------------
-- doctor(): parameters of calls in the server's log
-- ---------------------------------------------------------------------------

-- A setting of a role in a database precedes that of the role, of the database, of
-- all roles, and of the server.  SET ROLE does not change the settings, so those of
-- the roles that can switch to a role with the client API count, too.
CREATE FUNCTION anon_auth_internal.doctor_log()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- Read first: see doctor_rights().
	role_of_tokens text := (SELECT token_role FROM anon_auth.settings);
	level record;
	own jsonb;
	s jsonb;
	found_here text[];
	found_for_all text[];
BEGIN
	FOR level IN
		-- First everybody: PostgreSQL has applied the levels of the server to this session.
		SELECT NULL::oid AS role, NULL::text AS rolname, NULL::text AS target, 0 AS place
		UNION ALL
		SELECT r.oid, r.rolname::text, NULL, 1
		FROM pg_roles r
		WHERE NOT r.rolsuper
		  AND EXISTS (SELECT FROM pg_db_role_setting d WHERE d.setrole = r.oid)
		  AND EXISTS (SELECT FROM pg_roles c
					  WHERE (c.rolname = role_of_tokens
							 OR EXISTS (SELECT FROM pg_proc p, aclexplode(p.proacl) a
										WHERE p.oid = ANY (anon_auth.client_api()::oid[]) AND a.grantee = c.oid AND c.oid <> p.proowner))
						AND pg_has_role(r.oid, c.oid, 'MEMBER'))
		ORDER BY 4, 2
	LOOP
		-- The most specific setting last: jsonb_object_agg() keeps it.
		SELECT coalesce(jsonb_object_agg(split_part(c.setting, '=', 1), jsonb_build_object(
					'value', substr(c.setting, strpos(c.setting, '=') + 1),
					'level', CASE WHEN d.setrole <> 0 AND d.setdatabase <> 0 THEN format('ROLE %I IN DATABASE %I', level.rolname, current_database())
								  WHEN d.setrole <> 0 THEN format('ROLE %I', level.rolname)
								  WHEN d.setdatabase <> 0 THEN format('DATABASE %I', current_database())
								  ELSE 'ROLE ALL' END)
					ORDER BY d.setrole <> 0, d.setdatabase <> 0), '{}')
			INTO own
			FROM pg_db_role_setting d, unnest(d.setconfig) AS c (setting)
			WHERE d.setrole IN (0, coalesce(level.role, 0))
			  AND d.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()));
		SELECT jsonb_object_agg(n, coalesce(own -> n ->> 'value', current_setting(n, true)))
			INTO s
			FROM unnest('{log_statement,log_min_duration_statement,log_min_duration_sample,log_transaction_sample_rate,log_parameter_max_length,log_parameter_max_length_on_error,debug_print_plan,auto_explain.log_min_duration,auto_explain.log_verbose,auto_explain.log_parameter_max_length}'::text[]) n;
		found_here := '{}';
		IF s ->> 'log_parameter_max_length' <> '0'
		   AND (s ->> 'log_statement' = 'all' OR s ->> 'log_min_duration_statement' <> '-1'
				OR s ->> 'log_min_duration_sample' <> '-1' OR s ->> 'log_transaction_sample_rate' <> '0') THEN
			found_here := found_here || 'log_parameter_max_length'::text;
		END IF;
		IF s ->> 'log_parameter_max_length_on_error' <> '0' THEN
			found_here := found_here || 'log_parameter_max_length_on_error'::text;
		END IF;
		IF s ->> 'debug_print_plan' IN ('on', 'true', 'yes', '1') THEN
			found_here := found_here || 'debug_print_plan'::text;
		END IF;
		IF s ->> 'auto_explain.log_min_duration' <> '-1' THEN
			IF s ->> 'auto_explain.log_verbose' IN ('on', 'true', 'yes', '1') THEN
				found_here := found_here || 'auto_explain.log_verbose'::text;
			END IF;
			-- The parameter exists since PostgreSQL 16.
			IF s ->> 'auto_explain.log_parameter_max_length' <> '0' THEN
				found_here := found_here || 'auto_explain.log_parameter_max_length'::text;
			END IF;
		END IF;
		found_for_all := coalesce(found_for_all, CASE WHEN level.role IS NULL THEN found_here END);
		RETURN QUERY
		SELECT 'warning', k.code,
			CASE WHEN level.role IS NOT NULL THEN format('for role %I, %s', level.rolname, k.what) ELSE k.what END
				|| coalesce((
					SELECT ' (settings of ' || string_agg(DISTINCT o.value ->> 'level', ', ') || ')' FROM jsonb_each(own) o
					WHERE o.key = ANY (k.causes) AND (level.role IS NULL OR o.value ->> 'level' LIKE 'ROLE %' AND o.value ->> 'level' <> 'ROLE ALL')), ''),
			'Clients pass passwords and tokens as parameters.',
			-- A setting of a level has no effect where a more specific one exists.
			format(CASE WHEN t.target = 'SYSTEM' THEN 'ALTER SYSTEM SET %2$s = %3$s; SELECT pg_reload_conf();' ELSE 'ALTER %s SET %s = %s;  -- in effect for new connections' END,
				   t.target, k.parameter, k.safe)
		FROM (VALUES
			('log_parameter_max_length', '0', 'parameters_in_log', 'statements are logged with their parameters',
			 '{log_statement,log_min_duration_statement,log_min_duration_sample,log_transaction_sample_rate,log_parameter_max_length}'::text[]),
			('log_parameter_max_length_on_error', '0', 'parameters_in_log_on_error', 'failed statements are logged with their parameters', '{log_parameter_max_length_on_error}'),
			('debug_print_plan', 'off', 'parameters_in_log', 'plans are logged with the parameters of their statements', '{debug_print_plan}'),
			('auto_explain.log_verbose', 'off', 'parameters_in_log', 'auto_explain logs verbose plans, which show parameters', '{auto_explain.log_min_duration,auto_explain.log_verbose}'),
			('auto_explain.log_parameter_max_length', '0', 'parameters_in_log', 'auto_explain logs the parameters of statements', '{auto_explain.log_min_duration,auto_explain.log_parameter_max_length}'))
			AS k (parameter, safe, code, what, causes),
			LATERAL (SELECT coalesce(
				-- Only this role has the problem: leave the others alone.
				(SELECT max(o.value ->> 'level') FROM jsonb_each(own) o
				 WHERE level.role IS NOT NULL AND o.key = ANY (k.causes) AND o.value ->> 'level' LIKE 'ROLE % IN DATABASE %'),
				CASE WHEN level.role IS NOT NULL THEN format('ROLE %I', level.rolname) END,
				own -> k.parameter ->> 'level',
				(SELECT min(o.value ->> 'level') FROM jsonb_each(own) o WHERE o.key = ANY (k.causes)),
				'SYSTEM') AS target) t
		WHERE k.parameter = ANY (found_here) AND (level.role IS NULL OR k.parameter <> ALL (found_for_all));
	END LOOP;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.doctor_log() IS
'Part of doctor(). Checks whether the settings of the server, the database and the roles of clients write parameters to the log.';
