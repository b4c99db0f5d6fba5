-- ---------------------------------------------------------------------------
-- Keeping the nodes of a Citus cluster alike
--
-- Citus installs the extension on every node, but leaves alone what is granted
-- on the objects of an extension.
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.grants()
	RETURNS TABLE (object text, grantee text, privilege text, is_grantable boolean)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT o.object, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END, a.privilege_type, a.is_grantable
	FROM (SELECT 'SCHEMA ' || n.oid::regnamespace, n.nspowner, n.nspacl FROM pg_namespace n
			WHERE EXISTS (SELECT FROM pg_depend d
						  WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e'
							AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = ANY (anon_auth.part_extensions()))
		  UNION ALL
		  SELECT 'ROUTINE ' || p.oid::regprocedure, p.proowner, COALESCE(p.proacl, acldefault('f', p.proowner)) FROM pg_proc p
			WHERE EXISTS (SELECT FROM pg_depend d
						  WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
							AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = ANY (anon_auth.part_extensions()))
		  UNION ALL
		  SELECT 'TABLE ' || c.oid::regclass, c.relowner, c.relacl FROM pg_class c
			WHERE c.oid = 'anon_auth.stats'::regclass) o (object, owner, acl),
		LATERAL aclexplode(o.acl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
	WHERE a.grantee <> o.owner;
END
$$;
COMMENT ON FUNCTION anon_auth.grants() IS
'Part of distribute(): what is granted on the schemas, functions and the view of anon_auth and its parts to others than their owner, in the words of GRANT. Grants on its tables Citus copies.';

CREATE FUNCTION anon_auth.set_grants(wanted jsonb)
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	g record;
BEGIN
	FOR g IN SELECT * FROM anon_auth.grants()
			 EXCEPT SELECT * FROM jsonb_to_recordset(wanted) w (object text, grantee text, privilege text, is_grantable boolean)
	LOOP
		EXECUTE format('REVOKE %s ON %s FROM %s CASCADE', g.privilege, g.object, g.grantee);
	END LOOP;
	FOR g IN SELECT * FROM jsonb_to_recordset(wanted) w (object text, grantee text, privilege text, is_grantable boolean)
			 EXCEPT SELECT * FROM anon_auth.grants()
	LOOP
		EXECUTE format('GRANT %s ON %s TO %s%s', g.privilege, g.object, g.grantee,
					   CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
	END LOOP;
	-- REVOKE takes back what the owner has granted.
	FOR g IN SELECT * FROM anon_auth.grants()
			 EXCEPT SELECT * FROM jsonb_to_recordset(wanted) w (object text, grantee text, privilege text, is_grantable boolean)
	LOOP
		RAISE EXCEPTION '% on % of % is not the owner''s to revoke', g.privilege, g.object, g.grantee
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = 'Somebody with the grant option has granted it on this node: SET ROLE to whom, and revoke it.';
	END LOOP;
END
$$;
COMMENT ON FUNCTION anon_auth.set_grants(jsonb) IS
'Part of distribute(): makes the grants of this node what grants() was on another, an array of objects with its columns. Errors: 55000 another role than the owner has granted something here.';

CREATE FUNCTION anon_auth.copy_grants_to_workers()
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	worker record;
BEGIN
	FOR worker IN
		SELECT w.* FROM run_command_on_workers(format('SELECT anon_auth.set_grants(%L)',
			(SELECT COALESCE(jsonb_agg(g), '[]') FROM anon_auth.grants() g))) w
		WHERE NOT w.success
	LOOP
		RAISE EXCEPTION 'worker %:% does not take the grants of the coordinator', worker.nodename, worker.nodeport
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = worker.result;
	END LOOP;
END
$$;
COMMENT ON FUNCTION anon_auth.copy_grants_to_workers() IS
'Part of distribute(). Errors: 55000 a worker cannot be reached, or has no such role.';

CREATE FUNCTION anon_auth.doctor_citus()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF to_regclass('pg_catalog.pg_dist_partition') IS NULL OR pg_is_in_recovery() THEN
		RETURN;
	END IF;
	IF NOT anon_auth.is_distributed('users') OR NOT citus_is_coordinator() THEN
		RETURN;
	END IF;
	RETURN QUERY
	SELECT 'error', 'worker_cannot_serve', format('worker %s does not have the coordinator''s master key', w.worker),
		'What one node has sealed the other cannot open. ' || w.detail, '-- copy the coordinator''s file there, with its owner and mode'
	FROM anon_auth.workers_with_other_master_key() w;
	RETURN QUERY
	SELECT 'error', 'node_is_not_guarded', format('%s cannot serve distributed tables safely', u.node),
		'Clients could change what is sent to other nodes. ' || u.detail,
		'ALTER SYSTEM SET shared_preload_libraries = citus, anon_auth;  -- and standard_conforming_strings = on; then restart'
	FROM anon_auth.unguarded_nodes() u;
	RETURN QUERY
	SELECT 'error', 'table_of_another_owner', format('distributed table %s does not belong to the owner of anon_auth', r.oid::regclass),
		'Citus reaches a shard as one role within a transaction: users cannot be deleted, merged or purged.',
		format('ALTER TABLE %s OWNER TO %s;', r.oid::regclass, u.relowner::regrole)
	FROM pg_class u JOIN pg_constraint c ON c.confrelid = u.oid AND c.contype = 'f' JOIN pg_class r ON r.oid = c.conrelid
	WHERE u.oid = 'anon_auth.users'::regclass AND r.relowner <> u.relowner AND c.conparentid = 0
	  AND EXISTS (SELECT FROM pg_catalog.pg_dist_partition p WHERE p.logicalrelid = r.oid)
	ORDER BY r.oid::regclass::text;
	RETURN QUERY
	SELECT 'warning', 'grants_differ', format('worker %s:%s does not have the coordinator''s grants', w.nodename, w.nodeport),
		'Clients that enter there may do less, or more.', 'SELECT anon_auth.distribute();'
	FROM run_command_on_workers('SELECT COALESCE(pg_catalog.jsonb_agg(g ORDER BY g::pg_catalog.text COLLATE pg_catalog."C"), ''[]'') FROM anon_auth.grants() g') w
	WHERE w.success AND w.result::jsonb <> (SELECT COALESCE(jsonb_agg(g ORDER BY g::text COLLATE "C"), '[]') FROM anon_auth.grants() g);
END
$$;
COMMENT ON FUNCTION anon_auth.doctor_citus() IS
'Part of doctor(): whether the nodes of a Citus cluster are alike; asked on the coordinator.';

-- ---------------------------------------------------------------------------
-- What the extension anon_auth looks for where its tables are distributed
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.estimated_rows_on_all_nodes(relation regclass)
	RETURNS bigint
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted record;
	n bigint;
BEGIN
	SELECT c.relname, c.relkind, COALESCE(i.indrelid, c.oid)::regclass AS table_id INTO wanted
		FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid
		WHERE c.oid = relation;
	-- The search_path of that connection is not this one.
	SELECT sum(NULLIF(s.result, '')::bigint) INTO n FROM run_command_on_shards(wanted.table_id, format(
		'SELECT pg_catalog.sum(c.reltuples)::pg_catalog.int8 FROM pg_catalog.pg_class c '
		'LEFT JOIN pg_catalog.pg_index i ON i.indexrelid OPERATOR(pg_catalog.=) c.oid '
		'WHERE COALESCE(i.indrelid, c.oid) OPERATOR(pg_catalog.=) ''%%s''::pg_catalog.regclass '
		'AND pg_catalog.starts_with(c.relname, %L) AND c.relkind OPERATOR(pg_catalog.=) %L '
		'AND c.reltuples OPERATOR(pg_catalog.>=) 0', wanted.relname || '_', wanted.relkind)) s
		WHERE s.success;
	RETURN n;
END
$$;
COMMENT ON FUNCTION anon_auth.estimated_rows_on_all_nodes(regclass) IS
'Part of estimated_rows(), where the tables are distributed.';

CREATE FUNCTION anon_auth.own_attached_objects_of_distribute()
	RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ARRAY['index anon_auth.device_keys_user_id_idx of table anon_auth.device_keys']
$$;
COMMENT ON FUNCTION anon_auth.own_attached_objects_of_distribute() IS
'Part of doctor(): what distribute() attaches to the tables of the extension anon_auth.';
