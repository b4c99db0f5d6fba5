-- ---------------------------------------------------------------------------
-- Administration functions: only the owner can execute them
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.create_signing_key(alg text DEFAULT 'ES256')
	RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_create_signing_key';
COMMENT ON FUNCTION anon_auth.create_signing_key(text) IS
'Creates a key (ES256, EdDSA, RS256 or PS256), and returns its kid. jwks() lists the key as soon as the transaction commits. It signs after settings.signing_key_lead_time, counted from the call, or at once if no other key can sign. Earlier active keys still verify. The call sends a NOTIFY, so PREPARE TRANSACTION fails after it (0A000). Errors: 22023 other algorithm; F0000 no master key.';

CREATE FUNCTION anon_auth.import_signing_key(jwk jsonb)
	RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_import_signing_key';
COMMENT ON FUNCTION anon_auth.import_signing_key(jsonb) IS
'Imports a private JWK or an HS256 secret, and returns its kid: the "kid" of the JWK, otherwise its thumbprint. The key signs after settings.signing_key_lead_time, counted from the call, or at once if no other key can sign. The call sends a NOTIFY, so PREPARE TRANSACTION fails after it (0A000). Errors: AA016 bad JWK; 22023 no JWK; 42710 kid exists; F0000 no master key.';

CREATE FUNCTION anon_auth.rotate_signing_key(alg text DEFAULT NULL, immediately boolean DEFAULT false)
	RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_rotate_signing_key';
COMMENT ON FUNCTION anon_auth.rotate_signing_key(text, boolean) IS
'Creates a key that replaces the others, and returns its kid. If alg is NULL, uses the algorithm of the newest active key. jwks() lists the new key as soon as the transaction commits. After settings.signing_key_lead_time, counted from the call, it signs without another call; until then, the former key signs. Former keys still verify, and stay in jwks() until their last token has expired. With immediately, the new key signs at once: for a former key that somebody else may have, which you then retire with retire_signing_key(). Verifiers that cache jwks() may refuse the first tokens then. The call sends a NOTIFY, so PREPARE TRANSACTION fails after it (0A000). Errors: 22023 other algorithm, or immediately is NULL; F0000 no master key.';

CREATE FUNCTION anon_auth.retire_signing_key(kid text)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_retire_signing_key';
COMMENT ON FUNCTION anon_auth.retire_signing_key(text) IS
'Retires a key immediately: tokens that it signed no longer verify. Use it for a key that somebody else may have. If the key signs now, the one that rotate_signing_key() created to replace it signs at once. If the key was to replace one that signs now, that one remains in use. The call sends a NOTIFY, so PREPARE TRANSACTION fails after it (0A000). Errors: 42704 no such key; 55000 no other key could sign: call rotate_signing_key(immediately => true) first; 22023 no kid.';

CREATE FUNCTION anon_auth.rotate_master_key()
	RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_rotate_master_key';
COMMENT ON FUNCTION anon_auth.rotate_master_key() IS
'Puts a new master key in front of the others in the master key file, seals the signing keys of this database with it, and returns its id. Tokens and codes made under the former key remain valid until retire_master_key(). A rollback does not undo the change of the file; that does no harm. Afterwards, copy the file to the standby servers and to its backup, and call reseal_signing_keys() in the other databases of the server. If Citus distributes the tables, a WARNING says that the other nodes cannot open tokens until they have the file. Errors: F0000 no master key, it does not open a signing key, or the server may not write the file (the hint says what to do by hand); 54000 the file has 8 keys; 53100 the disk is full; 25006 on a standby.';

CREATE FUNCTION anon_auth.reseal_signing_keys()
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_reseal_signing_keys';
COMMENT ON FUNCTION anon_auth.reseal_signing_keys() IS
'Seals the signing keys of this database with the current master key if a former one seals them, and returns their number. Call it in the other databases of a server after rotate_master_key(), and after the file was changed by hand. Errors: F0000 no master key, or the file does not have the master key of a signing key; 25006 on a standby.';

CREATE FUNCTION anon_auth.master_key_ids()
	RETURNS text[]
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_master_key_ids';
COMMENT ON FUNCTION anon_auth.master_key_ids() IS
'Returns the ids of the keys in the master key file, the current one first. Errors: F0000 no master key.';

CREATE FUNCTION anon_auth.retire_master_key(key_id text, force boolean DEFAULT false)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_retire_master_key';
COMMENT ON FUNCTION anon_auth.retire_master_key(text, boolean) IS
'Removes a former master key from the master key file, immediately and permanently: a rollback does not bring it back. Copy the file first. Backups from before need the key: keep it with them. Invalidates session cookies from before the rotation, refresh tokens that were not refreshed since, unused codes, challenges and open sign-up pages; these users must log in again. Fails while the key seals signing keys of this database, or of another one that the file records (master_key_users()): call reseal_signing_keys() there. With force, removes the key even if other databases still need it; they can then no longer sign. Errors: 42704 the file has no such key; 55000 it is the current key, or still needed, or this transaction has changed signing keys; 22023 no key id; F0000 no master key, or the server may not write the file; 25006 on a standby.';

CREATE FUNCTION anon_auth.master_key_users(
	OUT database_name text,
	OUT database_id uuid,
	OUT key_ids text[],
	OUT is_of_this_server boolean,
	OUT is_this_database boolean)
	RETURNS SETOF record
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_master_key_users';
COMMENT ON FUNCTION anon_auth.master_key_users() IS
'Returns one row per database that has used a signing key: its settings.database_id and the ids of the master keys that it needs, as recorded in the master key file. A database that was restored and not used since is missing. If the server may not write the file, nothing is recorded. Returns no rows if there is no file. Errors: F0000 the file is damaged, or readable by others.';

CREATE FUNCTION anon_auth_internal.master_key_in_data_directory(
	OUT copy_commands text,
	OUT new_path text)
	RETURNS SETOF record
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_master_key_in_data_directory';
COMMENT ON FUNCTION anon_auth_internal.master_key_in_data_directory() IS
'Part of doctor(). If the master key file is in the data directory, so that pg_basebackup copies it, returns a path elsewhere and the shell commands by which root copies the file there. No row otherwise.';

CREATE FUNCTION anon_auth.renew_database_id()
	RETURNS uuid
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_renew_database_id';
COMMENT ON FUNCTION anon_auth.renew_database_id() IS
'Gives this database another random settings.database_id, seals its signing keys again, and returns the id. Call it in a copy made by CREATE DATABASE ... TEMPLATE or from a dump: the copy has the id of the original, so each accepts the tokens of the other. Invalidates all refresh tokens, session cookies, challenges, promotion codes, one-time codes and open pages of this database. Access tokens remain valid until their signing key is retired: call rotate_signing_key() and retire_signing_key() as well. Errors: 55000 the isolation level is not READ COMMITTED; F0000 no master key, or it does not open a signing key; 25006 on a standby.';

CREATE FUNCTION anon_auth.ensure_signing_key()
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_ensure_signing_key';
COMMENT ON FUNCTION anon_auth.ensure_signing_key() IS
'Creates the first signing key (ES256) if the database has none. create_client() calls it. The call sends a NOTIFY, so PREPARE TRANSACTION fails after it (0A000). Errors: F0000 no master key.';

CREATE FUNCTION anon_auth.create_client(
	client_id text,
	application_type text,
	redirect_uris text[] DEFAULT '{}',
	name text DEFAULT NULL,
	post_logout_redirect_uris text[] DEFAULT '{}',
	access_token_lifetime_seconds integer DEFAULT 1800,
	refresh_token_lifetime_seconds integer DEFAULT 31449600,
	refresh_token_idle_timeout_enabled boolean DEFAULT true,
	refresh_token_idle_timeout_seconds integer DEFAULT 2592000,
	refresh_token_rotation_enabled boolean DEFAULT false,
	refresh_token_rotation_grace_seconds integer DEFAULT 30,
	max_concurrent_sessions integer DEFAULT 0,
	refresh_token_without_offline_access boolean DEFAULT false,
	dpop text DEFAULT 'optional',
	id_token text DEFAULT 'openid')
	RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	IF client_id IS NULL OR client_id !~ '^[[:graph:]]{1,255}$' THEN
		RAISE EXCEPTION 'invalid client ID'
			USING ERRCODE = 'invalid_parameter_value',
				  DETAIL = 'A client ID has 1 to 255 characters and contains no white space.';
	END IF;
	IF application_type IS NULL OR application_type <> ALL
		('{spa,traditional_webapp,native,confidential,third_party_app,m2m}'::text[]) THEN
		RAISE EXCEPTION 'unknown application type "%"', application_type
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = 'Valid types are spa, traditional_webapp, native, confidential, third_party_app and m2m.';
	END IF;

	IF EXISTS (SELECT FROM anon_auth.settings s WHERE coalesce(s.audience, s.issuer) = client_id) THEN
		RAISE EXCEPTION 'client ID "%" is the audience of access tokens', client_id
			USING ERRCODE = 'invalid_parameter_value',
				  DETAIL = 'The aud claim of an ID token is the client ID, so that ID tokens of this client could be taken for access tokens.',
				  HINT = 'Choose another client ID, or change settings.audience.';
	END IF;

	-- The constraint on NULLs would report one with the whole row.
	PERFORM anon_auth_internal.check_uris('redirect_uris', redirect_uris),
		anon_auth_internal.check_uris('post_logout_redirect_uris', post_logout_redirect_uris);
	INSERT INTO anon_auth.clients
		(client_id, name, application_type, redirect_uris, post_logout_redirect_uris,
		 access_token_lifetime_seconds, refresh_token_lifetime_seconds,
		 refresh_token_idle_timeout_enabled, refresh_token_idle_timeout_seconds,
		 refresh_token_rotation_enabled, refresh_token_rotation_grace_seconds,
		 max_concurrent_sessions, refresh_token_without_offline_access, dpop, id_token)
		VALUES (client_id, coalesce(name, client_id), application_type,
				redirect_uris, post_logout_redirect_uris,
				access_token_lifetime_seconds, refresh_token_lifetime_seconds,
				refresh_token_idle_timeout_enabled, refresh_token_idle_timeout_seconds,
				refresh_token_rotation_enabled, refresh_token_rotation_grace_seconds,
				max_concurrent_sessions, refresh_token_without_offline_access, dpop, id_token)
		ON CONFLICT ON CONSTRAINT clients_pkey DO NOTHING;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'client "%" already exists', client_id
			USING ERRCODE = 'duplicate_object';
	END IF;
	PERFORM anon_auth.ensure_signing_key();
	RETURN client_id;
END
$$;
COMMENT ON FUNCTION anon_auth.create_client(text, text, text[], text, text[], integer, integer, boolean, integer, boolean, integer, integer, boolean, text, text) IS
'Registers an application and returns its client_id. The columns of clients describe the arguments. name defaults to client_id. The first call also creates the first signing key and sends a NOTIFY, so PREPARE TRANSACTION fails after it (0A000). Errors: 22023 bad id, type or URI, or the id is the audience of access tokens; 23502 a NULL; 23514 a number out of bounds, or an unknown value of dpop or id_token; 42710 client exists.';

CREATE FUNCTION anon_auth.disable_user(user_id uuid)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_disable_user';
COMMENT ON FUNCTION anon_auth.disable_user(uuid) IS
'Prevents a user from logging in, and ends all sessions of the user. Errors: 42704 unknown user; 22023 no user_id.';

CREATE FUNCTION anon_auth.enable_user(user_id uuid)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_enable_user';
COMMENT ON FUNCTION anon_auth.enable_user(uuid) IS
'Lets a disabled user log in again. If settings.lockout_type is per_user, also ends a lockout of the user on this server, whether or not the user was disabled. Errors: 42704 unknown user; 22023 no user_id.';

CREATE FUNCTION anon_auth.set_password(
	user_id uuid,
	new_password text)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_set_password';
COMMENT ON FUNCTION anon_auth.set_password(uuid, text) IS
'Sets a new password for an account. Also ends all sessions of the account, makes codes that were sent to it invalid, ends a lockout as enable_user() does, and writes the event password.set. A disabled account stays disabled. Bind the password as a parameter: a literal may be logged. If a message is sent, PREPARE TRANSACTION fails (0A000). Errors: AA011 the password is too weak; AA024 the user is a guest; 42704 unknown user; 22023 missing argument.';

CREATE FUNCTION anon_auth.create_user(
	email text DEFAULT NULL,
	phone_number text DEFAULT NULL,
	username text DEFAULT NULL,
	password text DEFAULT NULL,
	verified boolean DEFAULT false,
	roles text[] DEFAULT NULL,
	standard_attributes jsonb DEFAULT NULL,
	custom_attributes jsonb DEFAULT NULL)
	RETURNS uuid
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_create_user';
COMMENT ON FUNCTION anon_auth.create_user(text, text, text, text, boolean, text[], jsonb, jsonb) IS
'Makes an account, writes the event user.created, and returns the id. At least one login ID is required. verified says that the e-mail address and the phone number are known to be the user''s; then they are taken from accounts that claim them without proof. Without a password, the user logs in with a code or an ID token, or sets a password by request_password_reset(). The rules of sign_up() for login IDs and passwords apply; settings.public_sign_up_enabled, the limits of sign-ups and the hook before_sign_up do not, because they are there for strangers. Attributes are not held to the rules of update_profile(). To keep the id or the password hash of another system, use import_user(). If a message is sent, PREPARE TRANSACTION fails (0A000). Errors: AA009 another account has a login ID; AA010 a login ID is malformed, not allowed, or not verified although settings.login_id_verification is required; AA011 the password breaks the policy; 22023 no login ID, attributes that are no JSON object, a bad role, or verified is NULL.';

CREATE FUNCTION anon_auth.find_user(login_id text)
	RETURNS uuid
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_find_user';
COMMENT ON FUNCTION anon_auth.find_user(text) IS
'Returns the id of the account that has a login ID, verified or not; NULL if no account has it. login_id is an e-mail address, a phone number with + and the country calling code, or a username, in any spelling with which its user can log in. Works on a standby. Errors: 22023 no login ID.';

CREATE FUNCTION anon_auth.set_roles(user_id uuid, roles text[])
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_set_roles';
COMMENT ON FUNCTION anon_auth.set_roles(uuid, text[]) IS
'Gives a user these roles instead of those it has, and writes the event user.roles_set. Roles are names of your application, at most 32, each of 1 to 64 letters, digits and characters _ . : / -; an empty array removes all. They have no meaning for the extension. Access tokens have them in the claims roles and https://authgear.com/claims/user/roles, from the next login or refresh on. To make a change take effect at once, also call revoke_sessions(). Guests can have roles, and keep them when they are promoted; a merge does not give them to the account. Errors: 42704 no such user; 22023 no roles, a bad name, or too many.';

CREATE FUNCTION anon_auth.export_user(user_id uuid)
	RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_export_user';
COMMENT ON FUNCTION anon_auth.export_user(uuid) IS
'Returns what export_account() returns, and in the member linked_tables the user''s rows of each of your tables with a foreign key to users, as {"schema.table": [rows]}. Each table is read as its owner, with all rows whatever row-level security says, but only rows that refer to the user directly. Writes the event account.exported, without a client. Errors: 42704 no such user; 42501 the owner of a table may not read it; 0A000 there is a foreign key that is not allowed; 55000 a table has another owner than before; 22023 no user id.';

CREATE FUNCTION anon_auth.delete_user(user_id uuid)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_delete_user';
COMMENT ON FUNCTION anon_auth.delete_user(uuid) IS
'Deletes a user and everything that the extension stores about the user, except events. Rows of your tables follow their foreign keys; they are changed with the privileges of the owner of the table. Your triggers on users fire only if they are ENABLE ALWAYS. Waits for concurrent DDL on these tables. Errors: 42704 unknown user, also one that another transaction has just deleted; 23503 one of your foreign keys forbids it; 40001 there are new rows that the transaction does not see: try again; 0A000 a foreign key to users that is not of type uuid (see doctor()); 55000 one of your triggers replaces tables or foreign keys during the deletion, or Citus distributes a table of another owner; 22023 no user_id.';

CREATE FUNCTION anon_auth.revoke_sessions(user_id uuid)
	RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_revoke_sessions';
COMMENT ON FUNCTION anon_auth.revoke_sessions(uuid) IS
'Ends all sessions of a user and returns their number. A device key can still log in. Errors: 42704 unknown user; 22023 no user_id.';

-- grant_client_api() grants these functions; doctor() does not report these grants.
CREATE FUNCTION anon_auth.client_api()
	RETURNS regprocedure[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN ARRAY[
		'anon_auth.create_challenge(text)'::regprocedure,
		'anon_auth.authenticate_anonymously(text, text, text, jsonb, text)'::regprocedure,
		'anon_auth.refresh_session(text, text, text)'::regprocedure,
		'anon_auth.create_promotion_code(text, text)'::regprocedure,
		'anon_auth.promote_anonymous_user(text, text, text, text, text, text, text, text, text, text, text, jsonb, jsonb, text)'::regprocedure,
		'anon_auth.sign_up(text, text, text, text, text, text, text, text, jsonb, jsonb, text)'::regprocedure,
		'anon_auth.authorize_promotion(text, text, text, text, text, text, text, text, text, text, text, text, text, text, text, jsonb, jsonb, text)'::regprocedure,
		'anon_auth.claim_anonymous_user(text, text, text, text, text, boolean, text)'::regprocedure,
		'anon_auth.authenticate(text, text, text, jsonb, text)'::regprocedure,
		'anon_auth.authenticate_with_id_token(text, text, text, jsonb, text)'::regprocedure,
		'anon_auth.add_identity(text, text, text)'::regprocedure,
		'anon_auth.remove_identity(text, text)'::regprocedure,
		'anon_auth.authenticate_with_device_key(text, text, jsonb, text)'::regprocedure,
		'anon_auth.add_device_key(text, text, text)'::regprocedure,
		'anon_auth.list_device_keys(text)'::regprocedure,
		'anon_auth.remove_device_key(text, text)'::regprocedure,
		'anon_auth.passkey_creation_options(text)'::regprocedure,
		'anon_auth.add_passkey(jsonb, text, text)'::regprocedure,
		'anon_auth.passkey_request_options(text)'::regprocedure,
		'anon_auth.authenticate_with_passkey(text, jsonb, jsonb, text)'::regprocedure,
		'anon_auth.list_passkeys(text)'::regprocedure,
		'anon_auth.remove_passkey(text, text)'::regprocedure,
		'anon_auth.request_login_code(text, text, text, text, text, text, text)'::regprocedure,
		'anon_auth.authenticate_with_code(text, text, text, jsonb, text)'::regprocedure,
		'anon_auth.exchange_authorization_code(text, text, text, text, jsonb, text)'::regprocedure,
		'anon_auth.request_verification(text, text, text)'::regprocedure,
		'anon_auth.verify_login_id(text, text, text)'::regprocedure,
		'anon_auth.request_password_reset(text, text, text)'::regprocedure,
		'anon_auth.reset_password(text, text, text)'::regprocedure,
		'anon_auth.list_sessions(text)'::regprocedure,
		'anon_auth.end_session(uuid, text)'::regprocedure,
		'anon_auth.end_other_sessions(text)'::regprocedure,
		'anon_auth.update_profile(jsonb, text)'::regprocedure,
		'anon_auth.export_account(text)'::regprocedure,
		'anon_auth.delete_account(text)'::regprocedure,
		'anon_auth.cancel_account_deletion(text)'::regprocedure,
		'anon_auth.change_password(text, text, text)'::regprocedure,
		'anon_auth.request_login_id_code(text, text, text, text)'::regprocedure,
		'anon_auth.add_login_id(text, text, text, text)'::regprocedure,
		'anon_auth.remove_login_id(text, text, text)'::regprocedure,
		'anon_auth.userinfo(text)'::regprocedure,
		'anon_auth.revoke(text)'::regprocedure,
		'anon_auth.jwks()'::regprocedure,
		'anon_auth.openid_configuration()'::regprocedure,
		'anon_auth.use_access_token(text, boolean, text, text, text)'::regprocedure,
		'anon_auth.key_bound()'::regprocedure,
		'anon_auth.uid()'::regprocedure,
		'anon_auth.is_anonymous()'::regprocedure,
		'anon_auth.has_role(text)'::regprocedure,
		'anon_auth.session_id()'::regprocedure,
		'anon_auth.claims()'::regprocedure,
		'anon_auth.session_alive()'::regprocedure,
		'anon_auth.verify_jwt(text, text)'::regprocedure];
END
$$;
COMMENT ON FUNCTION anon_auth.client_api() IS
'Returns the client functions: those that grant_client_api() grants.';

-- Runs as the caller, who must be allowed to grant: the owner or a superuser.
CREATE FUNCTION anon_auth_internal.grant_functions(role_name regrole, functions regprocedure[])
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	granted record;
BEGIN
	IF role_name IS NULL OR role_name::oid = 0 THEN
		RAISE EXCEPTION 'role_name is required' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	-- A regrole can contain the OID of a role that does not exist.
	IF NOT EXISTS (SELECT FROM pg_roles WHERE oid = role_name) THEN
		RAISE EXCEPTION 'role with OID % does not exist', role_name::oid USING ERRCODE = 'undefined_object';
	END IF;
	FOR granted IN
		SELECT p.oid::regprocedure AS function, p.pronamespace::regnamespace AS schema
		FROM unnest(functions) f (id) JOIN pg_proc p ON p.oid = f.id
	LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', granted.function, role_name);
		-- A view calls internal functions by their OIDs.
		IF granted.schema <> 'anon_auth_internal'::regnamespace THEN
			EXECUTE format('GRANT USAGE ON SCHEMA %s TO %s', granted.schema, role_name);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.grant_functions(regrole, regprocedure[]) IS
'Part of the functions grant_client_api(), grant_client_address(), grant_monitoring(), grant_worker() and grant_http_api(). Lets a role call functions, by name unless they are internal. Errors: 22023 no role; 42704 unknown role; 42501 caller may not grant.';

CREATE FUNCTION anon_auth.grant_client_api(role_name regrole)
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM anon_auth_internal.grant_functions(role_name, anon_auth.client_api());
END
$$;
COMMENT ON FUNCTION anon_auth.grant_client_api(regrole) IS
'Lets a role, such as PostgREST''s anon and authenticated, call the client functions and no others. Errors: 22023 no role; 42704 unknown role; 42501 caller may not grant.';

CREATE FUNCTION anon_auth.grant_client_address(role_name regrole)
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM anon_auth_internal.grant_functions(role_name, ARRAY['anon_auth.use_client_address(inet, boolean)'::regprocedure]);
END
$$;
COMMENT ON FUNCTION anon_auth.grant_client_address(regrole) IS
'Lets the role of an application server call use_client_address(). Do not grant it to a role whose SQL users can choose, or that PostgREST uses: the limits per address do not hold for such a role. Errors: 22023 no role; 42704 unknown role; 42501 caller may not grant.';
