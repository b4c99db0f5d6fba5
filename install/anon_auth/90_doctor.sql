-- ---------------------------------------------------------------------------
-- doctor(): finds configuration problems
--
-- doctor() calls each function doctor_*() without arguments that returns a set of
-- findings and belongs to one of part_extensions().  Each function checks one
-- subject.  It reads catalogs and indexes only.  It must not fail if an object is
-- missing: doctor() is called when the configuration is broken.
-- ---------------------------------------------------------------------------

CREATE TYPE anon_auth.finding AS (
	severity text,
	finding text,
	what text,
	why text,
	fix text
);
COMMENT ON TYPE anon_auth.finding IS
'A finding of doctor(): severity (error, warning, notice), a code that does not change, the problem, its consequence, and the SQL that fixes it.';

CREATE FUNCTION anon_auth_internal.doctor_tables()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key record;
	cascades boolean := (SELECT purge_policy = 'cascade' FROM anon_auth.settings);
BEGIN
	FOR key IN
		SELECT c.conname, c.conrelid, c.conrelid::regclass AS table_name, c.confdeltype, c.convalidated,
			   -- The clauses that a new constraint keeps.
			   CASE c.confmatchtype WHEN 'f' THEN ' MATCH FULL' ELSE '' END AS match,
			   CASE c.confupdtype WHEN 'r' THEN ' ON UPDATE RESTRICT' WHEN 'c' THEN ' ON UPDATE CASCADE'
								  WHEN 'n' THEN ' ON UPDATE SET NULL' WHEN 'd' THEN ' ON UPDATE SET DEFAULT' ELSE '' END AS on_update,
			   CASE WHEN c.condeferred THEN ' DEFERRABLE INITIALLY DEFERRED' WHEN c.condeferrable THEN ' DEFERRABLE' ELSE '' END AS deferrable,
			   (SELECT string_agg(format('ALTER COLUMN %I DROP NOT NULL', a.attname), ', ' ORDER BY k.place)
				FROM unnest(c.conkey) WITH ORDINALITY k(num, place)
				JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num
				WHERE a.attnotnull AND NOT (c.confdeltype = 'd' AND a.atthasdef)) AS drop_not_null,
			   (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)
				FROM unnest(c.conkey) WITH ORDINALITY k(num, place)
				JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num) AS columns,
			   (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place)
				FROM unnest(c.confkey) WITH ORDINALITY k(num, place)
				JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num) AS user_columns,
			   EXISTS (SELECT FROM pg_index i
					   WHERE i.indrelid = c.conrelid AND i.indisvalid AND i.indpred IS NULL
						 AND (SELECT array_agg(n ORDER BY n) FROM unnest((i.indkey::int2[])[0:cardinality(c.conkey) - 1]) n)
							 = (SELECT array_agg(n ORDER BY n) FROM unnest(c.conkey) n)) AS indexed,
			   r.relkind = 'p' AS partitioned,
			   cardinality(c.conkey) = 1
				   AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attnum = c.conkey[1] AND a.atttypid = 'uuid'::regtype)
				   AND EXISTS (SELECT FROM pg_attribute u WHERE u.attrelid = c.confrelid AND u.attnum = c.confkey[1] AND u.attname = 'id') AS plain
		FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
		WHERE c.contype = 'f' AND c.confrelid = 'anon_auth.users'::regclass AND c.conparentid = 0
		  AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
						  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.conrelid AND d.deptype = 'e'
							AND d.refclassid = 'pg_extension'::regclass AND e.extname = 'anon_auth')
		ORDER BY c.conrelid::regclass::text, c.conname
	LOOP
		IF NOT key.indexed THEN
			RETURN QUERY SELECT 'warning', 'unindexed_foreign_key',
				format('foreign key %I of table %s has no index', key.conname, key.table_name),
				'Deleting, purging or merging a user reads the whole table.',
				format('CREATE INDEX %sON %s (%s);', CASE WHEN key.partitioned THEN '' ELSE 'CONCURRENTLY ' END,
					   key.table_name, key.columns);
		END IF;
		IF key.confdeltype IN ('a', 'r') THEN
			RETURN QUERY SELECT CASE WHEN cascades THEN 'warning' ELSE 'notice' END, 'restricting_foreign_key',
				format('foreign key %I of table %s prevents users from being deleted', key.conname, key.table_name),
				'delete_user() fails for users with rows in this table, and purge() never deletes guests with rows in it.',
				format('ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %I FOREIGN KEY (%s) REFERENCES anon_auth.users (%s)%s%s ON DELETE CASCADE%s;  -- a deleted user''s rows are then deleted, too. To keep them without a user, write SET NULL%s. Locks the table while it checks all rows',
					   key.table_name, key.conname, key.conname, key.columns, key.user_columns, key.match, key.on_update, key.deferrable,
					   CASE WHEN key.drop_not_null IS NULL THEN '' ELSE ', and add ' || key.drop_not_null END);
		END IF;
		IF key.confdeltype IN ('n', 'd') AND key.drop_not_null IS NOT NULL THEN
			RETURN QUERY SELECT 'warning', 'foreign_key_of_not_null',
				format('foreign key %I of table %s sets a column that is NOT NULL to %s', key.conname, key.table_name,
					   CASE key.confdeltype WHEN 'n' THEN 'NULL' ELSE 'its default, which is NULL' END),
				'delete_user() fails for users with rows in this table (23502), and purge() never deletes guests with rows in it.',
				format('ALTER TABLE %s %s;', key.table_name, key.drop_not_null);
		END IF;
		IF NOT key.plain THEN
			RETURN QUERY SELECT 'error', 'foreign_key_not_uuid',
				format('foreign key %I of table %s does not reference the id of users by one column of type uuid', key.conname, key.table_name),
				'PostgreSQL runs casts to uuid with the privileges of the owner of users. No user can be deleted, purged or merged.',
				format('ALTER TABLE %s DROP CONSTRAINT %I;  -- the rows stay when their user is deleted; then create the foreign key again with a column of type uuid', key.table_name, key.conname);
		END IF;
		IF NOT key.convalidated THEN
			RETURN QUERY SELECT 'warning', 'unvalidated_foreign_key',
				format('foreign key %I of table %s is not validated', key.conname, key.table_name),
				'The table may have rows of users that no longer exist. No user can see these rows, and purge() does not delete them.',
				format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', key.table_name, key.conname)
				|| CASE WHEN key.plain THEN format('  -- if it fails, look at the rows of missing users, and delete them: SELECT * FROM %s t WHERE NOT EXISTS (SELECT FROM anon_auth.users u WHERE u.id = t.%s) AND t.%s IS NOT NULL',
					key.table_name, key.columns, key.columns) ELSE '' END;
		END IF;
	END LOOP;

	RETURN QUERY
	SELECT 'warning', 'trigger_on_users', format('trigger %I on anon_auth.users does not fire when a user is deleted', t.tgname),
		'delete_user(), purge() and merges delete users with session_replication_role = replica.',
		format('ALTER TABLE anon_auth.users ENABLE ALWAYS TRIGGER %I;', t.tgname)
	FROM pg_trigger t
	WHERE t.tgrelid = 'anon_auth.users'::regclass AND NOT t.tgisinternal AND t.tgtype & 8 <> 0 AND t.tgenabled = 'O'
	  AND t.tgfoid <> 'anon_auth_internal.refuse_user_change()'::regprocedure;
	-- users_trigger_changed reports users_refuse_change.
	RETURN QUERY
	SELECT 'error', 'foreign_key_disabled',
		format('foreign key %I of table %s is not enforced: its triggers are disabled on %s', c.conname, c.conrelid::regclass,
			   string_agg(DISTINCT t.tgrelid::regclass::text, ' and ')),
		'Rows of users that do not exist can appear.',
		string_agg(format('ALTER TABLE %s ENABLE TRIGGER %I;', t.tgrelid::regclass, t.tgname), ' ' ORDER BY t.oid)
			|| '  -- then look for rows without a user'
	FROM pg_constraint c JOIN pg_trigger t ON t.tgconstraint = c.oid
	WHERE c.contype = 'f' AND t.tgenabled IN ('D', 'R')
	  AND (c.confrelid = 'anon_auth.users'::regclass
		   OR EXISTS (SELECT FROM pg_class r WHERE r.oid IN (c.conrelid, c.confrelid) AND r.relnamespace = 'anon_auth'::regnamespace))
	GROUP BY c.oid, c.conname, c.conrelid;
	RETURN QUERY
	SELECT 'error', 'trigger_disabled', format('trigger %I of table %s is %s', t.tgname, t.tgrelid::regclass,
			   CASE t.tgenabled WHEN 'D' THEN 'disabled' ELSE 'not enabled as the extension created it' END),
		'Changes of the table are not checked, or have no effect in other connections.',
		format('ALTER TABLE %s ENABLE %sTRIGGER %I;', t.tgrelid::regclass,
			   CASE t.tgname WHEN 'settings_changed' THEN '' ELSE 'ALWAYS ' END, t.tgname)
	FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
	WHERE t.tgrelid IN (SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'anon_auth'::regnamespace)
	  AND p.pronamespace = 'anon_auth_internal'::regnamespace AND NOT t.tgisinternal AND t.tgname <> 'users_refuse_change'
	  AND t.tgenabled <> CASE t.tgname WHEN 'settings_changed' THEN 'O' ELSE 'A' END;
	-- The owner of the function controls its search_path setting, and a DBA may run
	-- the fix.  So the fix quotes the setting only if it is a plain list of names.
	RETURN QUERY
	SELECT 'error', 'temporary_tables_searched_first',
		format('the trigger function %s of table %s searches temporary tables first', p.oid::regprocedure, t.tgrelid::regclass),
		'A client that can run its own SQL can create temporary tables and start a merge. Code attached to these tables then runs with the privileges of the table''s owner.',
		format('ALTER FUNCTION %s SET search_path TO %s, pg_temp;', p.oid::regprocedure, coalesce(substring(s.setting FROM '^search_path=(("[^"]*"|[a-z0-9_$]+)(, *("[^"]*"|[a-z0-9_$]+))*)$'), 'its_schema'))
	FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid, unnest(p.proconfig) AS s(setting)
	WHERE t.tgrelid IN (SELECT c.conrelid FROM pg_constraint c
						WHERE c.contype = 'f' AND c.confrelid = 'anon_auth.users'::regclass)
	  AND NOT t.tgisinternal AND s.setting LIKE 'search\_path=%' AND s.setting !~ '[=, "]pg_temp("|,| |$)';
	RETURN QUERY
	SELECT 'notice', 'table_without_row_security',
		format('%s can read table %s, which has no row-level security', string_agg(DISTINCT role.rolname, ', '), c.conrelid::regclass),
		'Each user can read the rows of all users.',
		format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY; CREATE POLICY own_rows ON %s USING (%s);',
			   c.conrelid::regclass, c.conrelid::regclass,
			   string_agg(DISTINCT format('%I = (SELECT anon_auth.uid())', a.attname), ' OR '))
	FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
	JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1], pg_roles role
	WHERE c.contype = 'f' AND c.confrelid = 'anon_auth.users'::regclass AND c.conparentid = 0
	  AND r.relnamespace <> 'anon_auth'::regnamespace AND NOT r.relrowsecurity
	  AND NOT role.rolsuper AND role.oid <> r.relowner
	  AND role.oid IN (SELECT g.grantee FROM pg_proc p, aclexplode(p.proacl) g
					   WHERE p.oid = 'anon_auth.uid()'::regprocedure AND g.grantee <> p.proowner)
	  AND has_table_privilege(role.oid, c.conrelid, 'SELECT')
	GROUP BY c.conrelid;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.doctor_tables() IS 'Part of doctor(). Checks your tables that reference users.';

-- PARALLEL UNSAFE: a block with EXCEPTION cannot run in a parallel query.
CREATE FUNCTION anon_auth_internal.doctor_keys()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ids text[];
	message text;
	detail text;
	hint text;
	signer record;
	newest record;
	active_keys bigint := (SELECT count(*) FROM anon_auth.signing_keys WHERE state = 'active');
	lead_time interval := (SELECT signing_key_lead_time FROM anon_auth.settings);
BEGIN
	-- If no key is sealed, no master key file is needed, and reading it would create it.
	IF EXISTS (SELECT FROM anon_auth.settings) AND EXISTS (SELECT FROM anon_auth.signing_keys WHERE state <> 'retired') THEN
		BEGIN
			ids := anon_auth.master_key_ids();
			RETURN QUERY
			SELECT 'notice', 'master_key_in_data_directory', 'the master key file is in the data directory',
				'pg_basebackup copies the file, so the backup contains the key together with all data that the key seals.',
				format('/* First, as root: %s */ LOAD ''anon_auth''; ALTER SYSTEM SET anon_auth.master_key_file = %L; SELECT pg_reload_conf();  -- only if the command has printed "copied"; then remove the file from the data directory',
					   m.copy_commands, m.new_path)
			FROM anon_auth_internal.master_key_in_data_directory() m;
			RETURN QUERY
			SELECT 'warning', 'copied_database', format('database %I has the database_id of this one', u.database_name),
				'Each database accepts the tokens, cookies and codes that the other one issues.',
				'SELECT anon_auth.renew_database_id(); SELECT anon_auth.rotate_signing_key(immediately => true); SELECT anon_auth.retire_signing_key(kid) FROM anon_auth.signing_keys WHERE state = ''retiring'';  -- run this in the copy; all its users must log in again, and signing keys of both databases still verify until they are retired'
			FROM anon_auth.master_key_users() u
			WHERE u.is_of_this_server AND NOT u.is_this_database
			  AND u.database_id = (SELECT database_id FROM anon_auth.settings);
		EXCEPTION WHEN config_file_error OR insufficient_privilege THEN
			GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
			RETURN QUERY SELECT 'error', 'master_key_unusable', concat_ws('. ', message, nullif(rtrim(detail, '.'), '')),
				'No token can be signed, and no session can be refreshed.', hint;
		END;
	END IF;
	RETURN QUERY
	SELECT 'error', 'master_key_missing',
		format('signing key %L is sealed with master key %s, which is not in the master key file', k.kid, k.master_key_id),
		'The key cannot sign tokens.',
		'Restore the master key file that contains this master key, or add its line to the current file. Only if the master key is permanently lost: SELECT anon_auth.rotate_signing_key(immediately => true);'
	FROM anon_auth.signing_keys k
	WHERE (k.state = 'active' OR k.state = 'retiring' AND k.retiring_since > now()) AND k.master_key_id <> ALL (ids);
	RETURN QUERY
	SELECT 'warning', 'old_master_key', format('%s signing keys are sealed with a master key that is not the current one', count(*)),
		'The former master key cannot be retired.', 'SELECT anon_auth.reseal_signing_keys();'
	FROM anon_auth.signing_keys k WHERE k.state <> 'retired' AND k.master_key_id = ANY (ids[2:]) HAVING count(*) > 0;

	IF active_keys = 0 THEN
		RETURN QUERY SELECT 'warning', 'no_signing_key', 'there is no active signing key',
			'No token can be signed.', 'SELECT anon_auth.create_signing_key();';
		RETURN;
	END IF;
	-- The key that signs now, and the one that will sign after its lead time.
	SELECT kid, alg, created_at INTO newest FROM anon_auth.signing_keys
		WHERE state = 'active' ORDER BY signs_from DESC, kid LIMIT 1;
	FOR signer IN
		(SELECT kid, master_key_id FROM anon_auth.signing_keys
		 WHERE state = 'active' OR state = 'retiring' AND retiring_since > now()
		 ORDER BY signs_from > now(), greatest(signs_from - now(), now() - signs_from), kid LIMIT 1)
		UNION
		(SELECT kid, master_key_id FROM anon_auth.signing_keys
		 WHERE state = 'active' ORDER BY signs_from DESC, kid LIMIT 1)
		ORDER BY kid
	LOOP
		-- The master key exists, but may not open the private key.
		BEGIN
			IF signer.master_key_id = ANY (ids) THEN
				PERFORM anon_auth.sign_jwt('{}', signer.kid);
			END IF;
		EXCEPTION WHEN data_corrupted THEN
			GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
			RETURN QUERY SELECT 'error', 'signing_key_damaged', message,
				'No token can be signed: every login fails.',
				'SELECT * FROM anon_auth.master_key_users();  -- if settings.database_id differs from the id recorded for this database, the row of settings was lost, with all settings: restore it from a dump; otherwise SELECT anon_auth.rotate_signing_key(immediately => true);';
		END;
	END LOOP;
	-- A rotated key may be older: the new key has not begun to sign yet.
	IF newest.created_at < now() - interval '90 days' THEN
		RETURN QUERY SELECT 'warning', 'old_signing_key',
			format('signing key %L is %s days old', newest.kid, extract(day FROM now() - newest.created_at)),
			'Somebody who has obtained the key can sign tokens while it is in use.', 'SELECT anon_auth.rotate_signing_key();';
	END IF;
	IF (SELECT count(*) > 1 FROM anon_auth.signing_keys WHERE state = 'active' AND signs_from <= now()) THEN
		RETURN QUERY SELECT 'notice', 'several_active_signing_keys', format('%s signing keys are active', active_keys),
			'Only the newest signs tokens. The others sign only if sign_jwt() names them.', 'SELECT anon_auth.rotate_signing_key();';
	END IF;
	IF lead_time < interval '30 seconds' THEN
		RETURN QUERY SELECT 'notice', 'short_signing_key_lead_time',
			format('a new signing key signs %s after it is published (settings.signing_key_lead_time)', lead_time),
			'Programs that cache jwks() can refuse the first tokens of a new key. Many of them fetch the keys at most every 30 seconds.',
			'UPDATE anon_auth.settings SET signing_key_lead_time = DEFAULT;';
	END IF;
	RETURN QUERY
	SELECT 'warning', 'signing_key_verifies_too_short',
		format('signing key %L signs until %s and verifies until %s, and access tokens of a client live for %s seconds', k.kid, k.retiring_since, k.verify_until, c.lifetime),
		'Its last tokens are refused before they expire.',
		format('UPDATE anon_auth.signing_keys SET verify_until = %L WHERE kid = %L;',
			to_char(k.retiring_since + make_interval(secs => c.lifetime + 300), 'YYYY-MM-DD HH24:MI:SS.USTZH:TZM'), k.kid)
	FROM anon_auth.signing_keys k, (SELECT max(access_token_lifetime_seconds) AS lifetime FROM anon_auth.clients) c
	WHERE k.state = 'retiring' AND k.retiring_since > now() AND k.verify_until < k.retiring_since + make_interval(secs => c.lifetime);
	IF newest.alg = 'HS256' THEN
		RETURN QUERY SELECT 'notice', 'symmetric_signing_key', 'tokens are signed with HS256',
			'The key is not in jwks(), so no other program can verify them. PostgREST can only if you configure the secret there.',
			'SELECT anon_auth.rotate_signing_key(''ES256'');';
	ELSIF newest.alg = 'PS256' THEN
		RETURN QUERY SELECT 'notice', 'postgrest_without_ps256', 'tokens are signed with PS256',
			'PostgREST (tested with 14.17) does not verify them.', 'SELECT anon_auth.rotate_signing_key(''RS256'');';
	END IF;
	RETURN QUERY
	SELECT 'notice', 'signing_key_past_retirement', format('%s signing keys no longer verify tokens', count(*)),
		'Their state is still retiring.', 'SELECT anon_auth.purge();'
	FROM anon_auth.signing_keys WHERE state = 'retiring' AND verify_until < now() - interval '2 days' HAVING count(*) > 0;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.doctor_keys() IS
'Part of doctor(). Checks the master key and the signing keys.';
