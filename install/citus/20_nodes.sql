-- ---------------------------------------------------------------------------
-- Grants and checks on the nodes of a Citus cluster
--
-- Citus installs the extension on every node, but does not copy grants on the
-- objects of an extension.
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_internal.grants()
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
							AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = ANY (anon_auth_internal.part_extensions()))
		  UNION ALL
		  SELECT 'ROUTINE ' || p.oid::regprocedure, p.proowner, COALESCE(p.proacl, acldefault('f', p.proowner)) FROM pg_proc p
			WHERE EXISTS (SELECT FROM pg_depend d
						  WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
							AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = ANY (anon_auth_internal.part_extensions()))
		  UNION ALL
		  SELECT 'TABLE ' || c.oid::regclass, c.relowner, c.relacl FROM pg_class c
			WHERE c.oid = 'anon_auth.stats'::regclass) o (object, owner, acl),
		LATERAL aclexplode(o.acl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
	WHERE a.grantee <> o.owner;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.grants() IS
'Part of distribute(). Returns the privileges on the schemas, functions and the view of anon_auth and its parts that roles other than their owner have, as GRANT expects them. Citus copies the grants on tables.';

CREATE FUNCTION anon_auth_internal.set_grants(wanted jsonb)
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	g record;
BEGIN
	FOR g IN SELECT * FROM anon_auth_internal.grants()
			 EXCEPT SELECT * FROM jsonb_to_recordset(wanted) w (object text, grantee text, privilege text, is_grantable boolean)
	LOOP
		EXECUTE format('REVOKE %s ON %s FROM %s CASCADE', g.privilege, g.object, g.grantee);
	END LOOP;
	FOR g IN SELECT * FROM jsonb_to_recordset(wanted) w (object text, grantee text, privilege text, is_grantable boolean)
			 EXCEPT SELECT * FROM anon_auth_internal.grants()
	LOOP
		EXECUTE format('GRANT %s ON %s TO %s%s', g.privilege, g.object, g.grantee,
					   CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END);
	END LOOP;
	-- REVOKE only revokes privileges that the owner granted.
	FOR g IN SELECT * FROM anon_auth_internal.grants()
			 EXCEPT SELECT * FROM jsonb_to_recordset(wanted) w (object text, grantee text, privilege text, is_grantable boolean)
	LOOP
		RAISE EXCEPTION 'privilege % on % of % was not granted by the owner', g.privilege, g.object, g.grantee
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = 'A role with the grant option granted it on this node. SET ROLE to that role, and revoke it.';
	END LOOP;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.set_grants(jsonb) IS
'Part of distribute(). Grants and revokes privileges on this node until they equal wanted, an array of objects with the columns of grants(). Errors: 55000 another role than the owner has granted a privilege here.';

CREATE FUNCTION anon_auth_internal.copy_grants_to_workers()
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	worker record;
BEGIN
	FOR worker IN
		SELECT w.* FROM run_command_on_workers(format('SELECT anon_auth_internal.set_grants(%L)',
			(SELECT COALESCE(jsonb_agg(g), '[]') FROM anon_auth_internal.grants() g))) w
		WHERE NOT w.success
	LOOP
		RAISE EXCEPTION 'could not copy the grants of the coordinator to worker %:%', worker.nodename, worker.nodeport
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = worker.result;
	END LOOP;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.copy_grants_to_workers() IS
'Part of distribute(). Sets the grants of all workers to those of this node. Errors: 55000 a worker cannot be reached, or has no such role.';

CREATE FUNCTION anon_auth_internal.doctor_citus()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF to_regclass('pg_catalog.pg_dist_partition') IS NULL OR pg_is_in_recovery() THEN
		RETURN;
	END IF;
	IF NOT anon_auth_internal.is_distributed('users') OR NOT citus_is_coordinator() THEN
		RETURN;
	END IF;
	IF NOT EXISTS (SELECT FROM anon_auth.settings) THEN
		RETURN;  -- doctor_settings() reports it
	END IF;
	RETURN QUERY
	SELECT 'error', 'worker_cannot_serve', format('worker %s does not have the coordinator''s master key', w.worker),
		'A node cannot open tokens and keys that the other node sealed. ' || w.detail, '-- copy the coordinator''s master key file to this worker, with its owner and mode'
	FROM anon_auth_internal.workers_with_other_master_key() w;
	RETURN QUERY
	SELECT 'error', 'node_is_not_guarded', format('%s cannot serve distributed tables safely', u.node),
		'Clients could change the statements that are sent to other nodes. ' || u.detail,
		'ALTER SYSTEM SET shared_preload_libraries = citus, anon_auth;  -- and standard_conforming_strings = on; then restart'
	FROM anon_auth_internal.unguarded_nodes() u;
	RETURN QUERY
	SELECT 'error', 'table_of_another_owner', format('distributed table %s does not belong to the owner of anon_auth', r.oid::regclass),
		'Within a transaction, Citus accesses a shard as one role. Users cannot be deleted, merged or purged.',
		format('ALTER TABLE %s OWNER TO %s;', r.oid::regclass, u.relowner::regrole)
	FROM pg_class u JOIN pg_constraint c ON c.confrelid = u.oid AND c.contype = 'f' JOIN pg_class r ON r.oid = c.conrelid
	WHERE u.oid = 'anon_auth.users'::regclass AND r.relowner <> u.relowner AND c.conparentid = 0
	  AND EXISTS (SELECT FROM pg_catalog.pg_dist_partition p WHERE p.logicalrelid = r.oid)
	ORDER BY r.oid::regclass::text;
	RETURN QUERY
	SELECT 'warning', 'grants_differ', format('worker %s:%s does not have the coordinator''s grants', w.nodename, w.nodeport),
		'Clients that connect to this worker have fewer or more privileges.', 'SELECT anon_auth.distribute();'
	FROM run_command_on_workers('SELECT COALESCE(pg_catalog.jsonb_agg(g ORDER BY g::pg_catalog.text COLLATE pg_catalog."C"), ''[]'') FROM anon_auth_internal.grants() g') w
	WHERE w.success AND w.result::jsonb <> (SELECT COALESCE(jsonb_agg(g ORDER BY g::text COLLATE "C"), '[]') FROM anon_auth_internal.grants() g);
END
$$;
COMMENT ON FUNCTION anon_auth_internal.doctor_citus() IS
'Part of doctor(). Checks on the coordinator that all nodes of a Citus cluster are set up alike.';

-- ---------------------------------------------------------------------------
-- Functions that the extension anon_auth calls if its tables are distributed
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_internal.estimated_rows_on_all_nodes(relation regclass)
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
	-- Qualify all names: the connection to the shard has another search_path.
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
COMMENT ON FUNCTION anon_auth_internal.estimated_rows_on_all_nodes(regclass) IS
'Part of estimated_rows(). Returns the estimate for a distributed table or its index.';

CREATE FUNCTION anon_auth_internal.own_attached_objects_of_distribute()
	RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ARRAY['index anon_auth.device_keys_user_id_idx of table anon_auth.device_keys',
				 'default of column database_id of table anon_auth.settings']
$$;
COMMENT ON FUNCTION anon_auth_internal.own_attached_objects_of_distribute() IS
'Part of doctor(). Returns the objects that distribute() attaches to the tables of the extension anon_auth.';
