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
	-- references_privilege reports REFERENCES on users.  stats contains only counts.
	RETURN QUERY
	SELECT 'error', 'table_privilege',
		format('%s has %s on table %s', grantee, string_agg(privilege_type, ', ' ORDER BY privilege_type), relation),
		'Without a policy, row-level security hides all rows from the role. With a policy or BYPASSRLS, the role would see the rows of all users. Grant it a view or function of anon_auth_owner instead.',
		format('REVOKE ALL ON %s FROM %s;', relation, grantee)
	FROM (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee,
				 a.privilege_type, c.oid::regclass AS relation
		  FROM pg_class c, aclexplode(c.relacl) a
		  WHERE c.relnamespace = 'anon_auth'::regnamespace AND c.relkind IN ('r', 'v') AND a.grantee <> c.relowner
			AND NOT (c.relname = 'users' AND a.privilege_type = 'REFERENCES')
			AND NOT (c.relname = 'stats' AND a.privilege_type = 'SELECT')) g
	GROUP BY grantee, relation;
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
			AND NOT (a.grantee = 0 AND p.oid IN ('anon_auth.jws_verify(text, jsonb, text[])'::regprocedure, 'anon_auth.jwk_thumbprint(jsonb)'::regprocedure,
										   'anon_auth_internal.check_uri(text, text)'::regprocedure, 'anon_auth_internal.check_uris(text, text[])'::regprocedure))) g;
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
	RETURN QUERY
	SELECT 'error', 'powerful_client_role',
		format('role %I, which has the client API, %s', r.rolname,
			   CASE WHEN r.rolsuper THEN 'is a superuser' WHEN r.rolbypassrls THEN 'bypasses row-level security'
					ELSE 'is a member of the extension''s owner' END),
		'A client that can make your API run its own SQL has all privileges of that role.',
		CASE WHEN r.rolsuper THEN format('ALTER ROLE %I NOSUPERUSER;', r.rolname)
			 WHEN r.rolbypassrls THEN format('ALTER ROLE %I NOBYPASSRLS;', r.rolname)
			 ELSE format('REVOKE %I FROM %I;', pg_get_userbyid(o.proowner), r.rolname) END
	FROM pg_roles r, pg_proc o
	WHERE o.oid = 'anon_auth.uid()'::regprocedure AND r.oid <> o.proowner
	  AND (EXISTS (SELECT FROM aclexplode(o.proacl) a WHERE a.grantee = r.oid)
		   OR r.rolname = role_of_tokens)
	  AND (r.rolsuper OR r.rolbypassrls OR pg_has_role(r.oid, o.proowner, 'MEMBER'));
	RETURN QUERY
	SELECT 'error', 'no_row_security', format('row-level security of %s is disabled', c.oid::regclass),
		'Row-level security protects the rows if a privilege is granted by mistake.',
		format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY;', c.oid::regclass)
	FROM pg_class c WHERE c.relnamespace = 'anon_auth'::regnamespace AND c.relkind = 'r' AND NOT c.relrowsecurity;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.doctor_rights() IS 'Part of doctor(). Checks the privileges of all roles.';
