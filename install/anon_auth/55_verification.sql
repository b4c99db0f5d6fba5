-- ---------------------------------------------------------------------------
-- Proving that one reads an address, and passwords anew
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.request_verification(
	login_id_type text DEFAULT 'email',
	access_token text DEFAULT NULL)
	RETURNS timestamptz
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_request_verification';
COMMENT ON FUNCTION anon_auth.request_verification(text, text) IS
'Puts a code for the e-mail address or phone number of the caller into the outbox, and returns when it expires; NULL where the address is verified already. An earlier code is void. The caller is the user of the access token, or of use_access_token(). The call sends a NOTIFY, so PREPARE TRANSACTION fails after it (0A000). Errors: AA014 bad token or session; AA018 sooner than a minute after the last one, or the tenth in an hour; 22023 unknown type, or the user has no such address.';

CREATE FUNCTION anon_auth.verify_login_id(
	code text,
	login_id_type text DEFAULT 'email',
	access_token text DEFAULT NULL)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_verify_login_id';
COMMENT ON FUNCTION anon_auth.verify_login_id(text, text, text) IS
'True: the code is the one that was sent, and the caller''s address is verified from now on; new tokens say so. False, never an error, for a wrong, expired or used code, so that the attempt counts; after 5 of them a new code is needed. Errors: AA014 bad token or session; 22023 unknown type, no code.';

CREATE FUNCTION anon_auth.request_password_reset(login_id text)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_request_password_reset';
COMMENT ON FUNCTION anon_auth.request_password_reset(text) IS
'Puts a code for an e-mail address or phone number into the outbox, if it belongs to a user who is not disabled; the caller does not learn whether. A username has no address, so nothing happens. The call sends a NOTIFY, so PREPARE TRANSACTION fails after it (0A000). Errors, whether there is such a user or not: AA018 sooner than a minute after the last one, the tenth in an hour, or too many from one address; 22023 no login_id.';

CREATE FUNCTION anon_auth.reset_password(
	login_id text,
	code text,
	new_password text)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_reset_password';
COMMENT ON FUNCTION anon_auth.reset_password(text, text, text) IS
'True: the code is the one that was sent to this address. The user has the new password, all its sessions have ended, a lockout is over, and the address is verified. False, never an error, for a wrong, expired or used code and for a login ID that nobody has; after 100 of them a new code is needed. Errors: AA011 the password is too weak, whatever the code, which stays good; AA018 too many attempts from one address; 22023 missing argument.';

CREATE FUNCTION anon_auth.take_outbox_messages(batch_size integer DEFAULT 100)
	RETURNS TABLE (
		user_id uuid,
		id uuid,
		type text,
		login_id_type text,
		recipient text,
		code text,
		created_at timestamptz,
		expires_at timestamptz)
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_take_outbox_messages';
COMMENT ON FUNCTION anon_auth.take_outbox_messages(integer) IS
'Takes the oldest messages out of the outbox, at most batch_size, skipping those that another worker is about to take; expired ones are dropped, and so are, with a WARNING, those whose code cannot be opened, because its master key was retired. Send them before you commit: a rollback puts them back. For a worker''s role: GRANT USAGE ON SCHEMA anon_auth, and EXECUTE on this function. Errors: 22023 bad batch_size; F0000 no master key.';
