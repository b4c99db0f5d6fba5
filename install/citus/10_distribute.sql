\echo Use "CREATE EXTENSION anon_auth_citus" to load this file. \quit

-- anon_auth_citus distributes the tables of anon_auth by Citus.  The build
-- concatenates this script from install/citus/*.sql.

-- ---------------------------------------------------------------------------
-- distribute() and undistribute(): for superusers, because no other role may change
-- the tables (install/anon_auth/98_guard.sql).  The extension can be created without
-- Citus.
--
-- Rows that are looked up by user are distributed by the user's id, others by route,
-- the hash of the value that they are looked up by (install/anon_auth/20_users.sql).
-- Tables that every node reads are reference tables, which Citus copies to all nodes.
-- ---------------------------------------------------------------------------

-- Tables are listed in the order in which most calls access them, because
-- distribute() locks them in this order.  users precedes the tables with foreign keys
-- to it.
CREATE FUNCTION anon_auth_internal.distributed_tables()
	RETURNS TABLE (table_name name, distribution_column name)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY VALUES
		('clients'::name, NULL::name),
		('settings', NULL),
		('signing_keys', NULL),
		('identity_providers', NULL),
		('users', 'id'),
		('passwords', 'user_id'),
		('sessions', 'user_id'),
		('events', 'user_id'),
		('one_time_codes', 'user_id'),
		('merged_guests', 'user_id'),
		('address_codes', 'route'),
		('outbox', 'route'),
		('device_keys', 'route'),
		('removed_device_keys', 'route'),
		('login_ids', 'route'),
		('user_identities', 'route'),
		('removed_identities', 'route'),
		('passkeys', 'route'),
		('authorization_codes', 'user_id');
END
$$;
COMMENT ON FUNCTION anon_auth_internal.distributed_tables() IS
'Returns the tables that distribute() distributes, with their distribution columns. NULL: a reference table, which every node has.';

CREATE FUNCTION anon_auth_internal.is_distributed(table_name name)
	RETURNS boolean
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN EXISTS (SELECT FROM pg_catalog.pg_dist_partition
				   WHERE logicalrelid = format('anon_auth.%I', is_distributed.table_name)::regclass);
END
$$;
COMMENT ON FUNCTION anon_auth_internal.is_distributed(name) IS
'Part of distribute(). Returns true if Citus distributes this table of anon_auth. Errors: 42P01 Citus is not installed.';

CREATE FUNCTION anon_auth_internal.require_citus_coordinator()
	RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
		RAISE EXCEPTION 'Citus is not installed in this database'
			USING ERRCODE = 'feature_not_supported',
				  HINT = 'Add citus to shared_preload_libraries, restart, and run CREATE EXTENSION citus. A single node does not need distribute().';
	END IF;
	IF NOT citus_is_coordinator() THEN
		RAISE EXCEPTION 'this is not the coordinator of the Citus cluster'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = 'Call the function on the coordinator: SELECT nodename, nodeport FROM pg_dist_node WHERE groupid = 0.';
	END IF;
	-- A snapshot taken before the locks would miss rows that were committed since.
	IF current_setting('transaction_isolation') <> 'read committed' THEN
		RAISE EXCEPTION 'tables can be moved only at isolation level READ COMMITTED'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = 'Call the function in a separate transaction with isolation level READ COMMITTED.';
	END IF;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.require_citus_coordinator() IS
'Part of distribute(). Fails if the tables cannot be moved from this node. Errors: 0A000 no Citus; 55000 another node is the coordinator, or the isolation level is not READ COMMITTED.';

CREATE FUNCTION anon_auth_internal.master_key_exists()
	RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'anon_auth_master_key_exists';
COMMENT ON FUNCTION anon_auth_internal.master_key_exists() IS
'Part of distribute() and doctor(). Returns true if this node has a master key file. Does not create one, unlike master_key_ids().';

-- master_key_ids() creates a missing key file, so check master_key_exists() first.
CREATE FUNCTION anon_auth_internal.workers_with_other_master_key()
	RETURNS TABLE (worker text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	own text := anon_auth.master_key_ids()::text;
BEGIN
	RETURN QUERY
	SELECT format('%s:%s', w.nodename, w.nodeport),
		   CASE WHEN w.success THEN format('Here: %s; there: %s.', own, w.result) ELSE w.result END
	FROM run_command_on_workers(
		'SELECT CASE WHEN anon_auth_internal.master_key_exists() THEN anon_auth.master_key_ids()::pg_catalog.text ELSE ''none'' END') w
	WHERE NOT w.success OR w.result <> own;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.workers_with_other_master_key() IS
'Part of distribute() and doctor(). Returns the workers whose master key ids differ from those of this node, with details.';

-- Check the assumptions of src/citus/citus_statement.c on connections that Citus
-- opens: the guard is active, and a node parses string constants as they are sent.
CREATE FUNCTION anon_auth_internal.unguarded_nodes()
	RETURNS TABLE (node text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	guarded constant text :=
		'SELECT CASE WHEN COALESCE(pg_catalog.current_setting(''anon_auth.guards_nodes'', true), ''off'') OPERATOR(pg_catalog.<>) ''on'' '
		'THEN ''anon_auth does not come after citus in shared_preload_libraries.'' '
		'WHEN pg_catalog.current_setting(''standard_conforming_strings'') OPERATOR(pg_catalog.<>) ''on'' '
		'THEN ''standard_conforming_strings is off.'' ELSE '''' END';
BEGIN
	node := 'this node';
	EXECUTE guarded INTO detail;
	IF detail <> '' THEN
		RETURN NEXT;
	END IF;
	RETURN QUERY SELECT format('worker %s:%s', w.nodename, w.nodeport), w.result
		FROM run_command_on_workers(guarded) w WHERE NOT w.success OR w.result <> '';
END
$$;
COMMENT ON FUNCTION anon_auth_internal.unguarded_nodes() IS
'Part of distribute() and doctor(). Returns the nodes on which a client could change the meaning of statements that are sent to other nodes, with the reason.';

CREATE FUNCTION anon_auth_internal.require_ready_nodes()
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	other record;
BEGIN
	FOR other IN SELECT * FROM anon_auth_internal.unguarded_nodes() LOOP
		RAISE EXCEPTION '% cannot serve distributed tables safely', other.node
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = other.detail,
				  HINT = 'On every node, set shared_preload_libraries = ''citus, anon_auth'' and standard_conforming_strings = on, and restart.';
	END LOOP;
	FOR other IN SELECT * FROM anon_auth_internal.workers_with_other_master_key() LOOP
		RAISE EXCEPTION 'worker % does not have the master key of the coordinator', other.worker
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = other.detail,
				  HINT = 'Copy the coordinator''s master key file to every worker, with its owner and mode.';
	END LOOP;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.require_ready_nodes() IS
'Part of distribute(). Fails if a node is not set up to serve clients. Errors: 55000 anon_auth is not preloaded on a node, its standard_conforming_strings is off, or the master key file of a worker is missing or differs.';

-- Report all objects that Citus would reject before anything is changed.
CREATE FUNCTION anon_auth_internal.require_distributable()
	RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found text;
BEGIN
	SELECT string_agg(format('%I on %s', c.conname, c.conrelid::regclass), ', ' ORDER BY c.conrelid::regclass::text, c.conname)
		INTO found
		FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
		WHERE c.contype = 'f' AND c.conparentid = 0
		  AND r.relnamespace <> 'anon_auth'::regnamespace
		  AND c.confrelid IN (SELECT format('anon_auth.%I', t.table_name)::regclass
							  FROM anon_auth_internal.distributed_tables() t
							  WHERE NOT anon_auth_internal.is_distributed(t.table_name));
	IF found IS NOT NULL THEN
		RAISE EXCEPTION 'foreign keys of your tables prevent the distribution of anon_auth: %', found
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = 'Drop them and call distribute(). Then distribute these tables by the column that references users, colocated with anon_auth.users, and add the foreign keys again.';
	END IF;

	SELECT string_agg(format('%I on %s', t.tgname, t.tgrelid::regclass), ', ' ORDER BY t.tgrelid::regclass::text, t.tgname)
		INTO found
		FROM pg_trigger t
		WHERE NOT t.tgisinternal
		  AND t.tgrelid IN (SELECT format('anon_auth.%I', d.table_name)::regclass FROM anon_auth_internal.distributed_tables() d)
		  AND (t.tgrelid <> 'anon_auth.settings'::regclass OR t.tgname NOT IN ('settings_replace', 'settings_changed', 'settings_notify', 'zz_explain_constraints', 'table_changed', 'table_truncated'))
		  AND (t.tgrelid <> 'anon_auth.clients'::regclass OR t.tgname NOT IN ('zz_explain_constraints', 'table_changed', 'table_truncated'))
		  AND (t.tgrelid <> 'anon_auth.signing_keys'::regclass OR t.tgname NOT IN ('table_changed', 'table_truncated'))
		  AND (t.tgrelid <> 'anon_auth.users'::regclass OR t.tgname <> 'users_refuse_change');
	IF found IS NOT NULL THEN
		RAISE EXCEPTION 'triggers prevent the distribution of anon_auth: %', found
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = 'Drop them: Citus does not support triggers on distributed tables. Hooks (see anon_auth.settings) run on every node.';
	END IF;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.require_distributable() IS
'Part of distribute(). Fails if an object prevents the distribution. Errors: 55000 one of your foreign keys or triggers prevents it.';

CREATE FUNCTION anon_auth.distribute(shard_count integer DEFAULT 32)
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET client_min_messages = warning
AS $$
DECLARE
	t record;
	fresh name[] := '{}';
BEGIN
	IF shard_count IS NULL OR shard_count NOT BETWEEN 1 AND 64000 THEN
		RAISE EXCEPTION 'shard_count must be between 1 and 64000'
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'Use a power of two up to 256 that is at least the maximum number of workers that you will ever have.';
	END IF;
	PERFORM anon_auth_internal.require_citus_coordinator();
	PERFORM anon_auth_internal.require_distributable();
	PERFORM anon_auth_internal.require_ready_nodes();

	-- Lock the tables in the order in which calls access them, before Citus sends
	-- commands to other nodes.  So concurrent sign-ups wait, without a deadlock.
	FOR t IN SELECT d.table_name FROM anon_auth_internal.distributed_tables() d WHERE NOT anon_auth_internal.is_distributed(d.table_name) LOOP
		EXECUTE format('LOCK TABLE anon_auth.%I IN ACCESS EXCLUSIVE MODE', t.table_name);
	END LOOP;

	-- Citus enforces uniqueness and foreign keys only within a shard, and does not
	-- support triggers.  The functions do not rely on these objects; undistribute()
	-- creates them again.
	IF NOT anon_auth_internal.is_distributed('device_keys') THEN
		ALTER TABLE anon_auth.device_keys
			DROP CONSTRAINT device_keys_user_id_fkey,
			DROP CONSTRAINT device_keys_user_id_key;
		CREATE INDEX device_keys_user_id_idx ON anon_auth.device_keys (user_id);
	END IF;
	IF NOT anon_auth_internal.is_distributed('removed_device_keys') THEN
		ALTER TABLE anon_auth.removed_device_keys DROP CONSTRAINT removed_device_keys_user_id_fkey;
	END IF;
	IF NOT anon_auth_internal.is_distributed('login_ids') THEN
		ALTER TABLE anon_auth.login_ids DROP CONSTRAINT login_ids_user_id_fkey;
	END IF;
	IF NOT anon_auth_internal.is_distributed('user_identities') THEN
		ALTER TABLE anon_auth.user_identities DROP CONSTRAINT user_identities_user_id_fkey;
	END IF;
	IF NOT anon_auth_internal.is_distributed('passkeys') THEN
		ALTER TABLE anon_auth.passkeys DROP CONSTRAINT passkeys_user_id_fkey;
	END IF;
	IF NOT anon_auth_internal.is_distributed('authorization_codes') THEN
		ALTER TABLE anon_auth.authorization_codes
			DROP CONSTRAINT authorization_codes_pkey,
			ADD CONSTRAINT authorization_codes_pkey PRIMARY KEY (route, code_hash, user_id);
	END IF;
	IF NOT anon_auth_internal.is_distributed('settings') THEN
		-- in place of settings_replace(), for a row that is inserted after a DELETE
		ALTER TABLE anon_auth.settings ALTER database_id SET DEFAULT gen_random_uuid();
		DROP TRIGGER settings_replace ON anon_auth.settings;
		DROP TRIGGER settings_changed ON anon_auth.settings;
		DROP TRIGGER settings_notify ON anon_auth.settings;
		DROP TRIGGER zz_explain_constraints ON anon_auth.settings;
		DROP TRIGGER table_changed ON anon_auth.settings;
		DROP TRIGGER table_truncated ON anon_auth.settings;
	END IF;
	IF NOT anon_auth_internal.is_distributed('clients') THEN
		DROP TRIGGER zz_explain_constraints ON anon_auth.clients;
		DROP TRIGGER table_changed ON anon_auth.clients;
		DROP TRIGGER table_truncated ON anon_auth.clients;
	END IF;
	IF NOT anon_auth_internal.is_distributed('signing_keys') THEN
		DROP TRIGGER table_changed ON anon_auth.signing_keys;
		DROP TRIGGER table_truncated ON anon_auth.signing_keys;
	END IF;
	IF NOT anon_auth_internal.is_distributed('users') THEN
		DROP TRIGGER users_refuse_change ON anon_auth.users;
	END IF;

	FOR t IN SELECT d.table_name, d.distribution_column AS key FROM anon_auth_internal.distributed_tables() d
			 WHERE NOT anon_auth_internal.is_distributed(d.table_name)
	LOOP
		IF t.key IS NULL THEN
			PERFORM create_reference_table(format('anon_auth.%I', t.table_name)::regclass);
		ELSIF t.table_name = 'users' THEN
			PERFORM create_distributed_table('anon_auth.users', t.key, colocate_with => 'none',
											 shard_count => distribute.shard_count);
		ELSE
			PERFORM create_distributed_table(format('anon_auth.%I', t.table_name)::regclass, t.key,
											 colocate_with => 'anon_auth.users');
		END IF;
		fresh := t.table_name || fresh;
	END LOOP;

	-- Citus copied the local rows to the shards, but did not delete them.
	FOR t IN SELECT unnest(fresh) AS table_name LOOP
		PERFORM truncate_local_data_after_distributing_table(format('anon_auth.%I', t.table_name)::regclass);
	END LOOP;

	PERFORM anon_auth_internal.copy_grants_to_workers();
END
$$;
COMMENT ON FUNCTION anon_auth.distribute(integer) IS
'Distributes the extension''s tables, with their rows, over the nodes of a Citus cluster. The rows of a user go to one of shard_count shards. Call it as a superuser on the coordinator, at a time with little load. Call it again after a node was added or a privilege on the extension was granted or revoked: it then gives all workers the coordinator''s grants, and changes nothing else. A ROLLBACK does not undo these grants. Every node must have the same master key file, and anon_auth in shared_preload_libraries. Errors: 0A000 no Citus; 55000 another node is the coordinator, the isolation level is not READ COMMITTED, anon_auth is not preloaded or standard_conforming_strings is off on a node, a master key file differs, or one of your foreign keys or triggers prevents it; 22023 bad shard_count.';

CREATE FUNCTION anon_auth.undistribute()
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET client_min_messages = warning
AS $$
DECLARE
	t record;
	found text;
	gathered name[];
BEGIN
	PERFORM anon_auth_internal.require_citus_coordinator();
	IF NOT EXISTS (SELECT FROM anon_auth_internal.distributed_tables() d WHERE anon_auth_internal.is_distributed(d.table_name)) THEN
		RETURN;
	END IF;
	SELECT string_agg(format('%I on %s', c.conname, c.conrelid::regclass), ', ' ORDER BY c.conrelid::regclass::text, c.conname)
		INTO found
		FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
		WHERE c.contype = 'f' AND c.conparentid = 0 AND r.relnamespace <> 'anon_auth'::regnamespace
		  AND EXISTS (SELECT FROM pg_catalog.pg_dist_partition p WHERE p.logicalrelid = c.conrelid)
		  AND c.confrelid IN (SELECT format('anon_auth.%I', d.table_name)::regclass FROM anon_auth_internal.distributed_tables() d);
	IF found IS NOT NULL THEN
		RAISE EXCEPTION 'foreign keys of your tables prevent undistribute(): %', found
			USING ERRCODE = 'object_not_in_prerequisite_state',
				  HINT = 'Drop them, call undistribute(), then undistribute_table() for your tables, and add the foreign keys again.';
	END IF;

	-- Prevent writes between copying the rows of a table and dropping its shards.
	FOR t IN SELECT d.table_name FROM anon_auth_internal.distributed_tables() d WHERE anon_auth_internal.is_distributed(d.table_name) LOOP
		EXECUTE format('LOCK TABLE anon_auth.%I IN ACCESS EXCLUSIVE MODE', t.table_name);
	END LOOP;
	-- Check again: a concurrent undistribute() may have held the locks.
	SELECT COALESCE(array_agg(d.table_name ORDER BY d.place), '{}') INTO gathered
		FROM anon_auth_internal.distributed_tables() WITH ORDINALITY AS d (table_name, key, place)
		WHERE anon_auth_internal.is_distributed(d.table_name);
	FOR t IN SELECT unnest(gathered) AS table_name LOOP
		EXECUTE format('CREATE TEMPORARY TABLE %I ON COMMIT DROP AS SELECT * FROM anon_auth.%I',
					   'anon_auth_' || t.table_name, t.table_name);
	END LOOP;

	-- undistribute_table() rejects tables of an extension.  These are the calls that
	-- Citus makes when a table is dropped.
	FOR t IN SELECT d.table_name, format('anon_auth.%I', d.table_name)::regclass AS id
			 FROM anon_auth_internal.distributed_tables() WITH ORDINALITY AS d (table_name, key, place)
			 WHERE anon_auth_internal.is_distributed(d.table_name) ORDER BY d.place DESC
	LOOP
		PERFORM master_remove_distributed_table_metadata_from_workers(t.id, 'anon_auth', t.table_name);
		PERFORM citus_drop_all_shards(t.id, 'anon_auth', t.table_name);
		PERFORM master_remove_partition_metadata(t.id, 'anon_auth', t.table_name);
	END LOOP;

	FOR t IN SELECT unnest(gathered) AS table_name LOOP
		EXECUTE format('INSERT INTO anon_auth.%I SELECT * FROM pg_temp.%I', t.table_name, 'anon_auth_' || t.table_name);
		EXECUTE format('DROP TABLE pg_temp.%I', 'anon_auth_' || t.table_name);
	END LOOP;

	IF 'device_keys' = ANY (gathered) THEN
		DROP INDEX anon_auth.device_keys_user_id_idx;
		ALTER TABLE anon_auth.device_keys
			ADD CONSTRAINT device_keys_user_id_fkey FOREIGN KEY (user_id)
				REFERENCES anon_auth.users (id) ON DELETE CASCADE,
			ADD CONSTRAINT device_keys_user_id_key UNIQUE (user_id, kid);
	END IF;
	IF 'removed_device_keys' = ANY (gathered) THEN
		ALTER TABLE anon_auth.removed_device_keys
			ADD CONSTRAINT removed_device_keys_user_id_fkey FOREIGN KEY (user_id)
				REFERENCES anon_auth.users (id) ON DELETE SET NULL;
	END IF;
	IF 'login_ids' = ANY (gathered) THEN
		ALTER TABLE anon_auth.login_ids
			ADD CONSTRAINT login_ids_user_id_fkey FOREIGN KEY (user_id)
				REFERENCES anon_auth.users (id) ON DELETE CASCADE;
	END IF;
	IF 'user_identities' = ANY (gathered) THEN
		ALTER TABLE anon_auth.user_identities
			ADD CONSTRAINT user_identities_user_id_fkey FOREIGN KEY (user_id)
				REFERENCES anon_auth.users (id) ON DELETE CASCADE;
	END IF;
	IF 'passkeys' = ANY (gathered) THEN
		ALTER TABLE anon_auth.passkeys
			ADD CONSTRAINT passkeys_user_id_fkey FOREIGN KEY (user_id)
				REFERENCES anon_auth.users (id) ON DELETE CASCADE;
	END IF;
	IF 'authorization_codes' = ANY (gathered) THEN
		ALTER TABLE anon_auth.authorization_codes
			DROP CONSTRAINT authorization_codes_pkey,
			ADD CONSTRAINT authorization_codes_pkey PRIMARY KEY (route, code_hash);
	END IF;
	IF 'settings' = ANY (gathered) THEN
		ALTER TABLE anon_auth.settings ALTER database_id DROP DEFAULT;
		CREATE TRIGGER settings_replace BEFORE INSERT ON anon_auth.settings
			FOR EACH ROW EXECUTE FUNCTION anon_auth_internal.settings_replace();
		ALTER TABLE anon_auth.settings ENABLE ALWAYS TRIGGER settings_replace;
		CREATE TRIGGER settings_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON anon_auth.settings
			FOR EACH STATEMENT EXECUTE FUNCTION anon_auth_internal.settings_changed();
		CREATE TRIGGER settings_notify AFTER INSERT OR UPDATE ON anon_auth.settings
			FOR EACH ROW EXECUTE FUNCTION anon_auth_internal.settings_notify();
		ALTER TABLE anon_auth.settings ENABLE ALWAYS TRIGGER settings_notify;
		CREATE TRIGGER zz_explain_constraints BEFORE INSERT OR UPDATE ON anon_auth.settings
			FOR EACH ROW EXECUTE FUNCTION anon_auth_internal.explain_constraints();
		ALTER TABLE anon_auth.settings ENABLE ALWAYS TRIGGER zz_explain_constraints;
		CREATE TRIGGER table_changed AFTER INSERT OR UPDATE OR DELETE ON anon_auth.settings
			FOR EACH ROW EXECUTE FUNCTION anon_auth_internal.table_changed();
		ALTER TABLE anon_auth.settings ENABLE ALWAYS TRIGGER table_changed;
		CREATE TRIGGER table_truncated AFTER TRUNCATE ON anon_auth.settings
			FOR EACH STATEMENT EXECUTE FUNCTION anon_auth_internal.table_changed();
		ALTER TABLE anon_auth.settings ENABLE ALWAYS TRIGGER table_truncated;
	END IF;
	IF 'clients' = ANY (gathered) THEN
		CREATE TRIGGER zz_explain_constraints BEFORE INSERT OR UPDATE ON anon_auth.clients
			FOR EACH ROW EXECUTE FUNCTION anon_auth_internal.explain_constraints();
		ALTER TABLE anon_auth.clients ENABLE ALWAYS TRIGGER zz_explain_constraints;
		CREATE TRIGGER table_changed AFTER INSERT OR UPDATE OR DELETE ON anon_auth.clients
			FOR EACH ROW EXECUTE FUNCTION anon_auth_internal.table_changed();
		ALTER TABLE anon_auth.clients ENABLE ALWAYS TRIGGER table_changed;
		CREATE TRIGGER table_truncated AFTER TRUNCATE ON anon_auth.clients
			FOR EACH STATEMENT EXECUTE FUNCTION anon_auth_internal.table_changed();
		ALTER TABLE anon_auth.clients ENABLE ALWAYS TRIGGER table_truncated;
	END IF;
	IF 'signing_keys' = ANY (gathered) THEN
		CREATE TRIGGER table_changed AFTER INSERT OR UPDATE OR DELETE ON anon_auth.signing_keys
			FOR EACH ROW EXECUTE FUNCTION anon_auth_internal.table_changed();
		ALTER TABLE anon_auth.signing_keys ENABLE ALWAYS TRIGGER table_changed;
		CREATE TRIGGER table_truncated AFTER TRUNCATE ON anon_auth.signing_keys
			FOR EACH STATEMENT EXECUTE FUNCTION anon_auth_internal.table_changed();
		ALTER TABLE anon_auth.signing_keys ENABLE ALWAYS TRIGGER table_truncated;
	END IF;
	IF 'users' = ANY (gathered) THEN
		CREATE TRIGGER users_refuse_change BEFORE DELETE OR TRUNCATE OR UPDATE OF id ON anon_auth.users
			FOR EACH STATEMENT EXECUTE FUNCTION anon_auth_internal.refuse_user_change();
	END IF;
END
$$;
COMMENT ON FUNCTION anon_auth.undistribute() IS
'Moves all rows of the extension''s tables back to the coordinator, and drops the shards. The coordinator needs room for these rows twice. Call it as a superuser, at a time with little load, and before DROP EXTENSION. A second call changes nothing. Errors: 0A000 no Citus; 55000 another node is the coordinator, the isolation level is not READ COMMITTED, or one of your foreign keys prevents it.';
