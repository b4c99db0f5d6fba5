-- ---------------------------------------------------------------------------
-- doctor(): the extension's owner
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.doctor_ownership()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	owner_role oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = 'anon_auth_owner');
BEGIN
	IF owner_role IS NULL THEN
		RETURN QUERY SELECT 'error', 'no_owner_role', 'role anon_auth_owner does not exist',
			'It is to own the objects of the extension.', 'CREATE ROLE anon_auth_owner NOLOGIN;';
	END IF;
	-- REASSIGN OWNED moves many at once.
	RETURN QUERY
	SELECT 'error', 'wrong_owner',
		format('%s %s to role %I, not to anon_auth_owner',
			   CASE count(*) WHEN 1 THEN min(o.object) ELSE format('%s objects of the extension', count(*)) END,
			   CASE count(*) WHEN 1 THEN 'belongs' ELSE 'belong' END, pg_get_userbyid(o.owner)),
		'Functions run with the rights of their owner, and need the tables to be their owner''s.',
		string_agg(format('ALTER %s OWNER TO anon_auth_owner;', o.object), ' ' ORDER BY o.object)
	FROM anon_auth.extension_objects() o
	WHERE NOT o.of_superuser AND o.owner IS DISTINCT FROM owner_role
	GROUP BY o.owner;
	RETURN QUERY
	SELECT 'error', 'trigger_not_of_superuser', format('%s belongs to role %I, who is no superuser', o.object, pg_get_userbyid(o.owner)),
		'Superusers run it, and its owner can replace it: the owner can become a superuser.',
		format('ALTER %s OWNER TO CURRENT_USER;  -- as a superuser', o.object)
	FROM anon_auth.extension_objects() o
	WHERE o.of_superuser AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = o.owner AND r.rolsuper);
	RETURN QUERY
	SELECT 'error', 'event_trigger_off', format('event trigger %I does not fire always', t.evtname),
		'It refuses what would let others act as the extension''s owner or as a superuser.',
		format('ALTER EVENT TRIGGER %I ENABLE ALWAYS;', t.evtname)
	FROM pg_event_trigger t
	WHERE t.evtenabled <> 'A'
	  AND EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
				  WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'e'
					AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'anon_auth');
	RETURN QUERY
	SELECT 'error', 'owner_has_too_much', format('role anon_auth_owner %s', p.problem),
		'An attacker who finds a hole in a function of the extension has these rights, too.', p.fix
	FROM anon_auth.owner_role_problems() p;
	RETURN QUERY
	SELECT 'notice', 'owner_member',
		format('role %I is a member of anon_auth_owner%s', m.rolname, ', and with it: ' || (
			SELECT string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname) FROM pg_roles r
			WHERE r.oid <> m.oid AND NOT r.rolsuper AND pg_has_role(r.oid, m.oid, 'MEMBER'))),
		'Members can read all accounts and impersonate any user. Only administrators should be members.',
		format('REVOKE anon_auth_owner FROM %I;', m.rolname)
	FROM pg_roles m
	WHERE NOT m.rolsuper
	  AND EXISTS (SELECT FROM pg_auth_members a WHERE a.roleid = owner_role AND a.member = m.oid);
	RETURN QUERY
	SELECT 'warning', 'owner_can_be_granted', format('role %I can grant itself the role anon_auth_owner', r.rolname),
		'Before PostgreSQL 16 a role with CREATEROLE can grant every role that is no superuser.',
		format('ALTER ROLE %I NOCREATEROLE;', r.rolname)
	FROM pg_roles r
	WHERE current_setting('server_version_num')::integer < 160000
	  AND r.rolcreaterole AND NOT r.rolsuper AND r.oid IS DISTINCT FROM owner_role;
END
$$;
COMMENT ON FUNCTION anon_auth.doctor_ownership() IS 'Part of doctor(): the role anon_auth_owner, its members, and what it owns.';
