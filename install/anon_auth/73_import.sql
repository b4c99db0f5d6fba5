-- ---------------------------------------------------------------------------
-- Users of another system
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.import_user(
	user_id uuid,
	email text DEFAULT NULL,
	phone_number text DEFAULT NULL,
	username text DEFAULT NULL,
	password_hash text DEFAULT NULL,
	verified boolean DEFAULT false,
	standard_attributes jsonb DEFAULT NULL,
	custom_attributes jsonb DEFAULT NULL,
	is_disabled boolean DEFAULT false,
	created_at timestamptz DEFAULT NULL,
	roles text[] DEFAULT NULL)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_import_user';
COMMENT ON FUNCTION anon_auth.import_user(uuid, text, text, text, text, boolean, jsonb, jsonb, boolean, timestamptz, text[]) IS
'Makes an account that keeps the id and the password of another system, and writes the event user.imported. verified says that the e-mail address and the phone number were proven there; then they are taken from accounts that claim them without proof. password_hash is bcrypt ($2a$, $2b$, $2y$), Authgear''s $bcrypt-sha512$, $scrypt$, Firebase''s scrypt as $fbscrypt$, $argon2id$ or $argon2i$; the first login replaces it by an Argon2id hash of the settings. No hook runs, and no limit of sign-ups or rule for passwords applies. NULL: no such login ID, no password, no attributes, no roles, created now. If a message is sent, PREPARE TRANSACTION fails (0A000). Errors: AA009 another account has a login ID; AA010 a login ID is malformed or not allowed; 22023 a hash whose format or cost cannot be imported, attributes that are no JSON object, a bad role, or a missing argument; 23505 the user exists.';

-- Runs as the caller, because it reads a relation of the caller's.
CREATE FUNCTION anon_auth.import_users(
	source regclass,
	dry_run boolean DEFAULT false,
	OUT user_id uuid,
	OUT error text,
	OUT message text,
	OUT detail text)
	RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	argument_types CONSTANT jsonb := '{"user_id": "uuid", "email": "text", "phone_number": "text", "username": "text",
		"password_hash": "text", "verified": "boolean", "standard_attributes": "jsonb", "custom_attributes": "jsonb",
		"is_disabled": "boolean", "created_at": "timestamptz", "roles": "text[]"}';
	column_name text;
	statement text;
	imported record;
BEGIN
	-- A dry run writes, too, and takes it back.
	IF current_setting('transaction_read_only')::boolean THEN
		RAISE EXCEPTION USING ERRCODE = 'read_only_sql_transaction', MESSAGE = 'cannot execute import_users() in a read-only transaction';
	END IF;
	IF source IS NULL OR dry_run IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = CASE WHEN source IS NULL THEN 'source' ELSE 'dry_run' END || ' is required';
	END IF;
	IF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = source AND c.relkind IN ('r', 'v', 'm', 'f', 'p')) THEN
		RAISE EXCEPTION USING ERRCODE = 'wrong_object_type', MESSAGE = format('%s is not a table or view', source);
	END IF;
	SELECT a.attname INTO column_name FROM pg_attribute a
	WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped AND NOT argument_types ? a.attname
	ORDER BY a.attnum LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_column', MESSAGE = format('import_user() has no argument "%s"', column_name),
			HINT = 'Columns of the source must have the names of arguments of import_user(). A view can rename or omit others.';
	END IF;
	SELECT format('SELECT %s FROM %s', string_agg(CASE WHEN a.attname IS NULL THEN format('NULL::%s AS %I', t.type, t.name)
			ELSE format('%I::%s', t.name, t.type) END, ', '), source)
	INTO statement
	FROM jsonb_each_text(argument_types) t (name, type)
	LEFT JOIN pg_attribute a ON a.attrelid = source AND a.attname = t.name AND NOT a.attisdropped;

	-- The block undoes a dry run: the error leaves it, and the rows that were returned remain.
	BEGIN
		FOR imported IN EXECUTE statement LOOP
			BEGIN
				PERFORM anon_auth.import_user(imported.user_id, imported.email, imported.phone_number, imported.username,
					imported.password_hash, coalesce(imported.verified, false), imported.standard_attributes,
					imported.custom_attributes, coalesce(imported.is_disabled, false), imported.created_at, imported.roles);
			EXCEPTION
				WHEN invalid_parameter_value OR unique_violation OR SQLSTATE 'AA009' OR SQLSTATE 'AA010' OR SQLSTATE 'AA030' THEN
					GET STACKED DIAGNOSTICS error = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
					user_id := imported.user_id;
					RETURN NEXT;
			END;
		END LOOP;
		IF dry_run THEN
			RAISE EXCEPTION USING ERRCODE = 'AADRY';
		END IF;
	EXCEPTION
		WHEN SQLSTATE 'AADRY' THEN NULL;
	END;
END
$$;
COMMENT ON FUNCTION anon_auth.import_users(regclass, boolean) IS
'Imports the rows of a table or view with import_user(): its columns have the names of that function''s arguments, and user_id is required. Returns a row for each that could not be imported, with the SQLSTATE, message and detail of the error; the others are imported. With dry_run, nothing is imported, but the result is the same. Reads the source with the rights of the caller, who needs SELECT on it. A user that exists already is reported with 23505. If a message is sent, PREPARE TRANSACTION fails (0A000). Errors: 42703 a column that is no argument of import_user(); 42809 the source is no table or view; 22023 missing argument.';
