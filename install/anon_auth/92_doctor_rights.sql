-- ---------------------------------------------------------------------------
-- doctor(): roles with too many privileges
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_internal.doctor_rights()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	allowed oid[] := '{}';
	list text;
	listed regprocedure[];
	-- Read first: a query on a table of Citus reads pg_roles with the rights of the owner,
	-- who cannot read the table below this view.
	role_of_tokens text := (SELECT token_role FROM anon_auth.settings);
	api_schemas text := (SELECT string_agg(quote_ident(n.nspname), ', ' ORDER BY n.nspname) FROM pg_namespace n JOIN pg_depend d ON d.objid = n.oid
						 WHERE d.classid = 'pg_namespace'::regclass AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
						   AND d.refobjid = ANY (anon_auth_internal.part_extensions()) AND n.nspname <> 'anon_auth_internal');
BEGIN
	-- client_api(), and the lists of the other parts.
	FOR list IN SELECT p FROM anon_auth_internal.part_functions('%\_api', 'regprocedure[]') p LOOP
		EXECUTE format('SELECT %s', list) INTO listed;
		allowed := allowed || listed::oid[];
	END LOOP;
	RETURN QUERY
	SELECT 'warning', 'references_privilege', format('%s has REFERENCES on anon_auth.users', g.grantee),
		'Any role that can create a table can prevent users from being deleted, and make deletions slow.',
		'REVOKE REFERENCES ON anon_auth.users FROM PUBLIC; REVOKE REFERENCES (id) ON anon_auth.users FROM PUBLIC;  -- then grant REFERENCES (id) to the role of your migrations'
	FROM (SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
		  FROM (SELECT relacl AS acl, relowner FROM pg_class WHERE oid = 'anon_auth.users'::regclass
				UNION ALL
				SELECT t.attacl, c.relowner FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid WHERE c.oid = 'anon_auth.users'::regclass) u,
			   aclexplode(u.acl) a
		  WHERE a.privilege_type = 'REFERENCES' AND a.grantee = 0) g;
	-- MEMBER: PostgREST can switch to each role of which its login role is a member.
	RETURN QUERY
	SELECT 'error', 'client_address_privilege', format('role %I, which PostgREST uses, can execute use_client_address()', r.rolname),
		'A client that calls the function has any number of addresses, so that the limits per address do not hold.',
		format('REVOKE ALL ON FUNCTION anon_auth.use_client_address(inet, boolean) FROM %s;',
			   string_agg(quote_ident(pg_get_userbyid(a.grantee)), ', ' ORDER BY a.grantee))
	FROM pg_roles r, pg_proc f, aclexplode(f.proacl) a
	WHERE f.oid = 'anon_auth.use_client_address(inet, boolean)'::regprocedure AND a.grantee NOT IN (0, f.proowner)
	  AND pg_has_role(r.oid, a.grantee, 'MEMBER') AND NOT r.rolsuper AND r.oid <> f.proowner
	  AND (r.rolname = role_of_tokens
		   OR EXISTS (SELECT FROM pg_proc p, aclexplode(p.proacl) h
					  WHERE p.oid = ANY (allowed) AND p.oid <> ALL (anon_auth.client_api()::oid[]) AND h.grantee = r.oid))
	GROUP BY r.rolname;
	-- A client could read codes, or set a key of its own, and then log in as any user.  A
	-- step is a grant to the role itself, or a membership that leads to a grant.  A step
	-- by another role that has both is reported for that role.  MEMBER: SET ROLE suffices.
	RETURN QUERY
	WITH grants AS (
		SELECT a.grantee, string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.proname) AS functions
		FROM pg_proc p, aclexplode(p.proacl) a
		WHERE p.oid = ANY (anon_auth_internal.worker_functions()::oid[]) AND a.grantee NOT IN (0, p.proowner)
		GROUP BY a.grantee
	), api AS (
		SELECT DISTINCT a.grantee FROM pg_proc p, aclexplode(p.proacl) a
		WHERE p.oid = ANY (allowed) AND a.grantee NOT IN (0, p.proowner)
		UNION SELECT r.oid FROM pg_roles r WHERE r.rolname = role_of_tokens
	), clients AS (
		-- Since PostgreSQL 16, a member cannot always use the rights of the other role.
		SELECT r.oid, r.rolname FROM pg_roles r
		WHERE NOT r.rolsuper
		  AND (r.oid IN (SELECT grantee FROM api)
			   OR EXISTS (SELECT FROM api WHERE pg_has_role(r.oid, api.grantee, 'USAGE')
						  OR pg_has_role(r.oid, api.grantee, CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END))
				  AND NOT EXISTS (SELECT FROM pg_proc u WHERE u.oid = 'anon_auth.uid()'::regprocedure AND pg_has_role(r.oid, u.proowner, 'MEMBER')))
	), steps AS (
		SELECT c.oid, c.rolname, NULL::name AS via, NULL::name AS grantor, g.functions
		FROM clients c JOIN grants g ON g.grantee = c.oid
		UNION ALL
		SELECT c.oid, c.rolname, v.rolname, b.rolname, g.functions
		FROM clients c JOIN pg_auth_members m ON m.member = c.oid JOIN pg_roles v ON v.oid = m.roleid
		LEFT JOIN pg_roles b ON b.oid = m.grantor
		JOIN grants g ON pg_has_role(v.oid, g.grantee, 'MEMBER')
		WHERE NOT v.rolsuper
		  AND NOT EXISTS (SELECT FROM clients x WHERE pg_has_role(v.oid, x.oid, 'MEMBER') AND pg_has_role(x.oid, g.grantee, 'MEMBER'))
	)
	SELECT 'error', 'worker_privilege',
		format('role %I, which has the client API, can execute %s', s.rolname,
			   string_agg(DISTINCT s.functions || CASE WHEN s.via IS NULL THEN '' ELSE format(' as a member of %I', s.via) END, ', and ')),
		'A client that can make your API call these functions can log in as any user: it can read codes, or set a key of its own for an identity provider.',
		concat_ws(' ',
			(SELECT format('REVOKE ALL ON FUNCTION %s FROM %I;', o.functions, s.rolname) FROM steps o WHERE o.oid = s.oid AND o.via IS NULL),
			string_agg(DISTINCT format('REVOKE %I FROM %I%s;', s.via, s.rolname,
				CASE WHEN current_setting('server_version_num')::integer < 160000 THEN '' ELSE format(' GRANTED BY %I', s.grantor) END), ' ')
				FILTER (WHERE s.via IS NOT NULL))
			|| '  -- and let your worker use a role that has nothing else: grant_worker()'
	FROM steps s GROUP BY s.oid, s.rolname;
	-- references_privilege reports REFERENCES on users.  stats contains only counts.
	RETURN QUERY
	SELECT 'error', 'table_privilege',
		format('%s has %s on %s', g.grantee, string_agg(g.privileges, ', ' ORDER BY g.privileges COLLATE "C"),
			   CASE g.relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' ELSE 'table ' END || g.relation),
		CASE WHEN g.relkind = 'S' THEN 'The extension uses the sequence itself.'
			 WHEN bool_and(g.privilege_type IN ('SELECT', 'UPDATE', 'DELETE')) THEN 'Without a policy, row-level security hides all rows from the role. With a policy or BYPASSRLS, the role could read or change the rows of all users. Grant it a view or function of anon_auth_owner instead.'
			 ELSE 'Without a policy, row-level security refuses new rows of the role, but it does not restrict TRUNCATE, REFERENCES and TRIGGER. With a policy or BYPASSRLS, the role could read or change the rows of all users. Grant it a function of anon_auth_owner instead.' END,
		format('REVOKE %s ON %s%s FROM %s;', string_agg(g.privileges, ', ' ORDER BY g.privileges COLLATE "C"),
			   CASE g.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END, g.relation, g.grantee)
	FROM (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee,
				 a.privilege_type, c.relkind, c.oid::regclass AS relation,
				 a.privilege_type || coalesce(' (' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname) || ')', '') AS privileges
		  FROM pg_class c, LATERAL (
				SELECT p.grantee, p.privilege_type, NULL::name AS attname FROM aclexplode(c.relacl) p
				UNION ALL
				SELECT p.grantee, p.privilege_type, t.attname FROM pg_attribute t, aclexplode(t.attacl) p
				WHERE t.attrelid = c.oid AND NOT t.attisdropped) a
		  WHERE c.relnamespace = 'anon_auth'::regnamespace AND c.relkind <> 'i' AND a.grantee <> c.relowner
			AND NOT (c.relname = 'users' AND a.privilege_type = 'REFERENCES' AND (a.grantee = 0 OR coalesce(a.attname, 'id') = 'id'))
			AND NOT (c.relname = 'stats' AND a.privilege_type = 'SELECT')
		  GROUP BY c.oid, a.grantee, a.privilege_type, a.attname IS NULL) g
	GROUP BY g.grantee, g.relation, g.relkind;
	RETURN QUERY
	SELECT 'error', 'function_privilege', format('%s can execute %s', g.grantee, g.function),
		'The function acts on any user, or on the whole database. Grant a SECURITY DEFINER function of anon_auth_owner that does only what the role needs.', format('REVOKE ALL ON FUNCTION %s FROM %s;', g.function, g.grantee)
	FROM (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee, p.oid::regprocedure AS function
		  FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
		  WHERE a.grantee <> p.proowner
			AND p.pronamespace IN (SELECT d.objid FROM pg_depend d
								   WHERE d.classid = 'pg_namespace'::regclass AND d.deptype = 'e'
									 AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = ANY (anon_auth_internal.part_extensions()))
			AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = a.grantee AND r.rolname = 'anon_auth_owner')
			AND p.oid <> ALL (allowed)
			AND NOT (p.oid = 'anon_auth.use_client_address(inet, boolean)'::regprocedure AND a.grantee <> 0)
			-- A worker, a scheduler or a monitoring role may have these.
			AND NOT (p.oid IN ('anon_auth.take_outbox_messages(integer)'::regprocedure, 'anon_auth.purge(integer, boolean)'::regprocedure,
							   'anon_auth_internal.estimated_rows(regclass)'::regprocedure, 'anon_auth_internal.counter_statistics()'::regprocedure,
							   'anon_auth.take_rate_limit(text, integer, interval)'::regprocedure,
							   'anon_auth.due_identity_providers()'::regprocedure, 'anon_auth.set_identity_provider_keys(text, jsonb)'::regprocedure)
					 AND a.grantee <> 0)
			-- Clients must not read the findings.
			AND NOT (p.oid = 'anon_auth.doctor()'::regprocedure AND a.grantee <> 0
					 AND NOT EXISTS (SELECT FROM pg_proc u, aclexplode(u.proacl) c
									 WHERE u.oid = 'anon_auth.uid()'::regprocedure AND c.grantee = a.grantee))
			-- Everybody may have these.
			AND p.oid NOT IN ('anon_auth.jws_verify(text, jsonb, text[])'::regprocedure, 'anon_auth.jwk_thumbprint(jsonb)'::regprocedure,
							  'anon_auth_internal.check_uri(text, text)'::regprocedure, 'anon_auth_internal.check_uris(text, text[])'::regprocedure)) g;
	-- The owner of your functions needs only a few of them.
	RETURN QUERY
	SELECT 'notice', 'incomplete_client_api',
		format('role %I can execute %s of the %s functions of the client API, not %s', g.rolname, cardinality(g.granted), cardinality(api.functions),
			   (SELECT string_agg(m::regprocedure::text, ', ' ORDER BY m::regprocedure::text) FROM unnest(api.functions) m WHERE m <> ALL (g.granted))),
		'The other calls fail with SQLSTATE 42501. An update of the extension may have added the functions.',
		format('SELECT anon_auth.grant_client_api(%L);  -- unless you have revoked them on purpose', g.rolname)
	FROM (SELECT anon_auth.client_api()::oid[] AS functions) api,
		LATERAL (SELECT r.rolname, array_agg(p.oid) AS granted FROM pg_proc p, aclexplode(p.proacl) a JOIN pg_roles r ON r.oid = a.grantee
				 WHERE p.oid = ANY (api.functions) AND a.grantee <> p.proowner GROUP BY r.rolname) g
	WHERE cardinality(g.granted) < cardinality(api.functions) AND cardinality(g.granted) > cardinality(api.functions) / 2;
	RETURN QUERY
	SELECT 'error', 'schema_privilege', format('%s can create objects in schema %I', g.grantee, g.nspname),
		'Such objects can make an upgrade fail, or be mistaken for objects of the extension.',
		format('REVOKE CREATE ON SCHEMA %I FROM %s;', g.nspname, g.grantee)
	FROM (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee, n.nspname
		  FROM pg_namespace n, aclexplode(n.nspacl) a
		  WHERE a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner
			AND EXISTS (SELECT FROM pg_depend d
						WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e'
						  AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = ANY (anon_auth_internal.part_extensions()))) g;
	-- MEMBER: SET ROLE gives the attributes of the other role, too.  The fix never takes
	-- SUPERUSER from a role: it could be the only superuser of the server.
	RETURN QUERY
	SELECT 'error', 'powerful_client_role',
		format('role %I, which has the client API, %s', r.rolname,
			   CASE WHEN r.rolsuper THEN 'is a superuser' ELSE string_agg(
				   CASE WHEN p.oid = r.oid THEN p.power ELSE format('is a member of %I, which %s', p.rolname, p.power) END, ', and ' ORDER BY p.oid <> r.oid, p.rolname) END),
		'A client that can make your API run its own SQL has all privileges of that role.',
		CASE WHEN r.rolsuper THEN
				concat_ws(' ',
					CASE WHEN r.has_api THEN format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %s FROM %I;', api_schemas, r.rolname) END,
					CASE WHEN r.rolname = role_of_tokens THEN
						format('UPDATE anon_auth.settings SET token_role = %L;', CASE r.rolname WHEN 'authenticated' THEN 'app_user' ELSE 'authenticated' END) END)
				|| '  -- and let your application use a role without these privileges, with grant_client_api(). Do not take SUPERUSER from the only superuser'
			 ELSE concat_ws(' ',
				string_agg(format('ALTER ROLE %I NO%s;', r.rolname, p.attribute), ' ' ORDER BY p.attribute) FILTER (WHERE p.oid = r.oid),
				-- The first steps on the way to the other roles.
				(SELECT string_agg(format('REVOKE %I FROM %I;', g.rolname, r.rolname), ' ' ORDER BY g.rolname)
				 FROM pg_roles g
				 WHERE EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid AND m.roleid = g.oid)
				   AND EXISTS (SELECT FROM unnest(array_agg(p.oid)) t WHERE t <> r.oid AND pg_has_role(g.oid, t, 'MEMBER'))))
				|| format('  -- or, if the role needs this for another purpose, let your application use another role: REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %s FROM %I;', api_schemas, r.rolname) END
	FROM (SELECT c.*, h.has_api
		  FROM pg_roles c, pg_proc u,
			   LATERAL (SELECT EXISTS (SELECT FROM aclexplode(u.proacl) a WHERE a.grantee = c.oid)) h (has_api)
		  WHERE u.oid = 'anon_auth.uid()'::regprocedure AND c.oid <> u.proowner AND (h.has_api OR c.rolname = role_of_tokens)) r
	JOIN (SELECT o.oid, o.rolname, w.power, w.attribute
		  FROM pg_roles o, pg_proc u, LATERAL (VALUES
			('is a superuser', 'SUPERUSER', o.rolsuper),
			('bypasses row-level security', 'BYPASSRLS', o.rolbypassrls),
			('can copy the whole server (REPLICATION)', 'REPLICATION', o.rolreplication),
			-- Since PostgreSQL 16, only roles with ADMIN OPTION can be granted.
			('can grant itself other roles (CREATEROLE)', 'CREATEROLE', o.rolcreaterole AND current_setting('server_version_num')::integer < 160000),
			('owns the extension''s objects', NULL, o.oid = u.proowner),
			('can read files of the server, such as the master key', NULL, o.rolname = 'pg_read_server_files'),
			('can write files of the server, such as the master key', NULL, o.rolname = 'pg_write_server_files'),
			('can run programs as the server''s user', NULL, o.rolname = 'pg_execute_server_program'))
			AS w (power, attribute, applies)
		  WHERE u.oid = 'anon_auth.uid()'::regprocedure AND w.applies) p
		ON p.oid = r.oid OR NOT r.rolsuper AND pg_has_role(r.oid, p.oid, 'MEMBER')
	GROUP BY r.oid, r.rolname, r.rolsuper, r.has_api;
	RETURN QUERY
	SELECT 'error', 'no_row_security', format('row-level security of %s is disabled', c.oid::regclass),
		'Row-level security protects the rows if a privilege is granted by mistake.',
		format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY;', c.oid::regclass)
	FROM pg_class c
	WHERE c.relnamespace = 'anon_auth'::regnamespace AND c.relkind = 'r' AND NOT c.relrowsecurity
	  AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e');
END
$$;
COMMENT ON FUNCTION anon_auth_internal.doctor_rights() IS 'Part of doctor(). Checks the privileges of all roles.';
