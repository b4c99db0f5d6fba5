-- ---------------------------------------------------------------------------
-- doctor(): the extension's owner
-- ---------------------------------------------------------------------------

-- PostgreSQL does not record these objects as members of the extension.  So
-- 99_ownership.sql creates a list of those that CREATE EXTENSION has created.
CREATE FUNCTION anon_auth_internal.attached_objects(
	OUT object text,
	OUT attached_to text,
	OUT fix text,
	OUT definition text)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	extension_ids oid[] := anon_auth_internal.part_extensions();
	tables oid[] := ARRAY(SELECT d.objid FROM pg_depend d WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = ANY (extension_ids)
						  AND d.deptype = 'e' AND d.classid = 'pg_class'::regclass);
	types oid[] := ARRAY(SELECT t.oid FROM pg_type t
						 WHERE t.typrelid = ANY (tables) OR EXISTS (
							SELECT FROM pg_depend d WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = ANY (extension_ids)
							   AND d.deptype = 'e' AND d.classid = 'pg_type'::regclass AND d.objid = t.oid));
	schemas oid[] := ARRAY(SELECT d.objid FROM pg_depend d WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = ANY (extension_ids)
						   AND d.deptype = 'e' AND d.classid = 'pg_namespace'::regclass);
	own_routines text[];
BEGIN
	-- CREATE EXTENSION calls this before own_routines() exists.
	IF to_regprocedure('anon_auth_internal.own_routines()') IS NOT NULL THEN
		own_routines := anon_auth_internal.own_routines();
	END IF;
	RETURN QUERY
	SELECT format('index %s', i.indexrelid::regclass), format('table %s', i.indrelid::regclass),
		format('DROP INDEX %s;', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid) || ';'
	FROM pg_index i
	WHERE i.indrelid = ANY (tables)
	  AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.conrelid = i.indrelid)
	UNION ALL
	SELECT format('statistics object %s.%I', s.stxnamespace::regnamespace, s.stxname), format('table %s', s.stxrelid::regclass),
		format('DROP STATISTICS %s.%I;', s.stxnamespace::regnamespace, s.stxname), NULL
	FROM pg_statistic_ext s WHERE s.stxrelid = ANY (tables)
	UNION ALL
	-- Since PostgreSQL 18, NOT NULL is a constraint, too.
	SELECT format('constraint %I', c.conname), format('table %s', c.conrelid::regclass),
		format('ALTER TABLE %s DROP CONSTRAINT %I;', c.conrelid::regclass, c.conname),
		format('ALTER TABLE %s ADD CONSTRAINT %I %s;', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
	FROM pg_constraint c WHERE c.conrelid = ANY (tables) AND c.contype NOT IN ('n', 't')
	UNION ALL
	SELECT format('constraint %I', c.conname), format('type %s', c.contypid::regtype),
		format('ALTER DOMAIN %s DROP CONSTRAINT %I;', c.contypid::regtype, c.conname), NULL
	FROM pg_constraint c WHERE c.contypid = ANY (types) AND c.contype <> 'n'
	UNION ALL
	SELECT format('foreign key %I of table %s', c.conname, c.conrelid::regclass), format('table %s', c.confrelid::regclass),
		format('ALTER TABLE %s DROP CONSTRAINT %I;', c.conrelid::regclass, c.conname), NULL
	FROM pg_constraint c
	WHERE c.contype = 'f' AND c.confrelid = ANY (tables) AND c.confrelid <> 'anon_auth.users'::regclass
	  AND c.conrelid <> ALL (tables) AND c.conparentid = 0
	UNION ALL
	SELECT format('trigger %I', t.tgname), format('table %s', t.tgrelid::regclass),
		format('DROP TRIGGER %I ON %s;', t.tgname, t.tgrelid::regclass),
		pg_get_triggerdef(t.oid) || ';' || CASE WHEN t.tgenabled = 'A' THEN format(' ALTER TABLE %s ENABLE ALWAYS TRIGGER %I;', t.tgrelid::regclass, t.tgname) ELSE '' END
	FROM pg_trigger t WHERE t.tgrelid = ANY (tables) AND NOT t.tgisinternal
	UNION ALL
	SELECT format('rule %I', r.rulename), format('table %s', r.ev_class::regclass),
		format('DROP RULE %I ON %s;', r.rulename, r.ev_class::regclass), NULL
	FROM pg_rewrite r WHERE r.ev_class = ANY (tables) AND r.rulename <> '_RETURN'
	UNION ALL
	SELECT format('policy %I', p.polname), format('table %s', p.polrelid::regclass),
		format('DROP POLICY %I ON %s;', p.polname, p.polrelid::regclass), NULL
	FROM pg_policy p WHERE p.polrelid = ANY (tables)
	UNION ALL
	SELECT format('table %s', i.inhrelid::regclass), format('table %s', i.inhparent::regclass),
		format('ALTER TABLE %s NO INHERIT %s;', i.inhrelid::regclass, i.inhparent::regclass), NULL
	FROM pg_inherits i WHERE i.inhparent = ANY (tables)
	UNION ALL
	SELECT format('table %s', i.inhparent::regclass), format('table %s', i.inhrelid::regclass),
		format('ALTER TABLE %s NO INHERIT %s;', i.inhrelid::regclass, i.inhparent::regclass), NULL
	FROM pg_inherits i WHERE i.inhrelid = ANY (tables)
	UNION ALL
	SELECT format('column %I', a.attname), format('table %s', a.attrelid::regclass),
		format('ALTER TABLE %s DROP COLUMN %I;  -- loses the data of the column', a.attrelid::regclass, a.attname), NULL
	FROM pg_attribute a WHERE a.attrelid = ANY (tables) AND a.attnum > 0 AND NOT a.attisdropped
	UNION ALL
	SELECT format('default of column %I', a.attname), format('table %s', a.attrelid::regclass),
		format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT;', a.attrelid::regclass, a.attname),
		CASE WHEN a.attgenerated = '' THEN format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s;', a.attrelid::regclass, a.attname, pg_get_expr(d.adbin, d.adrelid)) END
	FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE d.adrelid = ANY (tables)
	UNION ALL
	SELECT format('cast to type %s', c.casttarget::regtype), format('type %s', c.castsource::regtype),
		format('DROP CAST (%s AS %s);', c.castsource::regtype, c.casttarget::regtype), NULL
	FROM pg_cast c WHERE c.castsource = ANY (types)
	UNION ALL
	SELECT format('cast from type %s', c.castsource::regtype), format('type %s', c.casttarget::regtype),
		format('DROP CAST (%s AS %s);', c.castsource::regtype, c.casttarget::regtype), NULL
	FROM pg_cast c WHERE c.casttarget = ANY (types)
	UNION ALL
	SELECT format('routine %s', p.oid::regprocedure), format('schema %s', p.pronamespace::regnamespace),
		CASE WHEN p.oid::regprocedure::text = ANY (own_routines) THEN format('ALTER EXTENSION anon_auth ADD ROUTINE %s;', p.oid::regprocedure)
			 ELSE format('DROP ROUTINE %s;', p.oid::regprocedure) END, NULL
	FROM pg_proc p
	WHERE p.pronamespace = ANY (schemas)
	  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = ANY (extension_ids)
						AND d.deptype = 'e' AND d.classid = 'pg_proc'::regclass AND d.objid = p.oid)
	UNION ALL
	-- Sequences and row types of these tables follow them.
	SELECT format('%s %s', o.kind, c.oid::regclass), format('schema %s', c.relnamespace::regnamespace),
		format('ALTER %s %s SET SCHEMA public;', upper(o.kind), c.oid::regclass), NULL
	FROM pg_class c, LATERAL (VALUES (CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table'
										WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'type' ELSE 'table' END)) o (kind)
	WHERE c.relnamespace = ANY (schemas) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND NOT c.relispartition
	  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
						AND (d.deptype = 'e' OR d.deptype IN ('a', 'i') AND d.refclassid = 'pg_class'::regclass))
	  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = c.reltype AND d.deptype = 'e' AND c.relkind = 'c')
	UNION ALL
	SELECT format('type %s', t.oid::regtype), format('schema %s', t.typnamespace::regnamespace),
		format('ALTER TYPE %s SET SCHEMA public;', t.oid::regtype), NULL
	FROM pg_type t
	WHERE t.typnamespace = ANY (schemas) AND t.typrelid = 0
	  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype IN ('e', 'i'))
	  AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid);
END
$$;
COMMENT ON FUNCTION anon_auth_internal.attached_objects() IS
'Part of doctor(). Returns the objects that PostgreSQL evaluates for the tables, types and schemas of the extension, with the SQL that removes each, and for some the SQL that creates it. Includes the objects that CREATE EXTENSION created: see own_attached_objects().';

CREATE FUNCTION anon_auth_internal.doctor_ownership()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	owner_role oid := (SELECT r.oid FROM pg_roles r WHERE r.rolname = 'anon_auth_owner');
	own_objects text[] := '{}';
	list text;
	listed text[];
	present text[];
BEGIN
	FOR list IN SELECT p FROM anon_auth_internal.part_functions('own\_attached\_objects%', 'text[]') p LOOP
		EXECUTE format('SELECT %s', list) INTO listed;
		own_objects := own_objects || listed;
	END LOOP;
	IF owner_role IS NULL THEN
		RETURN QUERY SELECT 'error', 'no_owner_role', 'role anon_auth_owner does not exist',
			'This role must own the objects of the extension.', 'CREATE ROLE anon_auth_owner NOLOGIN;';
	END IF;
	-- One finding per owner: REASSIGN OWNED can change the owner of many objects.
	RETURN QUERY
	SELECT 'error', 'wrong_owner',
		format('%s %s to role %I, not to anon_auth_owner',
			   CASE count(*) WHEN 1 THEN min(o.object) ELSE format('%s objects of the extension', count(*)) END,
			   CASE count(*) WHEN 1 THEN 'belongs' ELSE 'belong' END, pg_get_userbyid(o.owner)),
		'Functions run with the privileges of their owner, who must also own the tables.',
		string_agg(format('ALTER %s OWNER TO anon_auth_owner;', o.object), ' ' ORDER BY o.object)
	FROM anon_auth_internal.extension_objects() o
	WHERE NOT o.of_superuser AND o.owner IS DISTINCT FROM owner_role
	GROUP BY o.owner;
	RETURN QUERY
	SELECT 'error', 'trigger_not_of_superuser', format('%s belongs to role %I, which is not a superuser', o.object, pg_get_userbyid(o.owner)),
		'Superusers run it, and its owner can replace it. So the owner can become a superuser.',
		format('ALTER %s OWNER TO CURRENT_USER;  -- as a superuser', o.object)
	FROM anon_auth_internal.extension_objects() o
	WHERE o.of_superuser AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = o.owner AND r.rolsuper);
	RETURN QUERY
	SELECT 'error', 'event_trigger_off', format('event trigger %I is not enabled ALWAYS', t.evtname),
		'It rejects commands by which other roles could act as the extension''s owner or as a superuser.',
		format('ALTER EVENT TRIGGER %I ENABLE ALWAYS;', t.evtname)
	FROM pg_event_trigger t
	WHERE t.evtenabled <> 'A'
	  AND EXISTS (SELECT FROM pg_depend d
				  WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'e'
					AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = ANY (anon_auth_internal.part_extensions()));
	RETURN QUERY
	SELECT 'warning', 'attached_object', format('%s is attached to %s, and was not created by the extension', a.object, a.attached_to),
		CASE WHEN a.attached_to LIKE 'schema %' AND a.fix LIKE 'ALTER EXTENSION %' THEN 'DROP EXTENSION fails, and a dump cannot be restored, because it creates the function twice.'
			 WHEN a.attached_to LIKE 'schema %' AND a.object NOT LIKE 'routine %' THEN 'DROP EXTENSION fails while it exists, and an update may create an object of this name.'
			 WHEN a.object LIKE 'column %' THEN 'CREATE EXTENSION does not create it, so a dump of the table cannot be restored.'
			 ELSE 'PostgreSQL evaluates it with the privileges of any role that uses the extension, including superusers. A superuser created it, or event triggers were disabled at that time.' END,
		a.fix
	FROM anon_auth_internal.attached_objects() a
	WHERE format('%s of %s', a.object, a.attached_to) <> ALL (own_objects)
	  -- Dropping a column drops its default.
	  AND NOT (starts_with(a.object, 'default of ')
			   AND format('%s of %s', substr(a.object, length('default of ') + 1), a.attached_to) <> ALL (own_objects))
	ORDER BY a.attached_to, a.object;
	-- Citus lacks some of them.  93_doctor_guards.sql reports the trigger.
	IF anon_auth_internal.tables_are_local() THEN
		present := ARRAY(SELECT format('%s of %s', a.object, a.attached_to) FROM anon_auth_internal.attached_objects() a);
		RETURN QUERY
		SELECT 'error', 'missing_object', format('%s is missing', o),
			CASE WHEN o LIKE 'index %' THEN 'Calls read whole tables.' ELSE 'The extension relies on it.' END,
			coalesce(anon_auth_internal.own_definitions() ->> o, '-- Restore the database from a backup')
		FROM unnest(anon_auth_internal.own_attached_objects()) o
		WHERE o <> ALL (present) AND o <> 'trigger users_refuse_change of table anon_auth.users';
	END IF;
	RETURN QUERY
	SELECT 'error', 'owner_has_too_much', format('role anon_auth_owner %s', p.problem),
		'An attacker who exploits a function of the extension also has these privileges.', p.fix
	FROM anon_auth_internal.owner_role_problems() p;
	RETURN QUERY
	SELECT 'notice', 'owner_member',
		format('role %I is a member of anon_auth_owner%s', m.rolname, ', and so are its members: ' || (
			SELECT string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname) FROM pg_roles r
			WHERE r.oid <> m.oid AND NOT r.rolsuper AND pg_has_role(r.oid, m.oid, 'MEMBER'))),
		'Members can read all accounts and impersonate any user. Only administrators should be members.',
		format('REVOKE anon_auth_owner FROM %I;', m.rolname)
	FROM pg_roles m
	WHERE NOT m.rolsuper
	  AND EXISTS (SELECT FROM pg_auth_members a WHERE a.roleid = owner_role AND a.member = m.oid);
	RETURN QUERY
	SELECT 'warning', 'owner_can_be_granted', format('role %I can grant itself the role anon_auth_owner', r.rolname),
		'Before PostgreSQL 16, a role with CREATEROLE can grant every role that is not a superuser.',
		format('ALTER ROLE %I NOCREATEROLE;', r.rolname)
	FROM pg_roles r
	WHERE current_setting('server_version_num')::integer < 160000
	  AND r.rolcreaterole AND NOT r.rolsuper AND r.oid IS DISTINCT FROM owner_role;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.doctor_ownership() IS
'Part of doctor(). Checks the role anon_auth_owner, its members, and the owners of the extension''s objects.';
