-- ---------------------------------------------------------------------------
-- Verification of addresses, and password reset
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.request_verification(
	login_id_type text DEFAULT 'email',
	access_token text DEFAULT NULL,
	ui_locales text DEFAULT NULL)
	RETURNS timestamptz
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_request_verification';
COMMENT ON FUNCTION anon_auth.request_verification(text, text, text) IS
'Puts a verification code for the caller''s e-mail address or phone number into the outbox. Returns the time at which the code expires, or NULL if the address is already verified. Earlier codes become invalid. The caller is the user of access_token, or of use_access_token() if access_token is NULL. The message has the client of the caller, and the first language of ui_locales (language tags, separated by spaces) or of the user''s locale. The call sends a NOTIFY, so PREPARE TRANSACTION fails after it (0A000). Errors: AA010 settings.phone_country_code_allowlist does not have the country of the phone number; AA014 bad token or session; AA018 less than a minute after the last code, more than ten codes in an hour, or beyond a limit of the settings; 22023 unknown type, bad ui_locales, or the user has no such address.';

CREATE FUNCTION anon_auth.verify_login_id(
	code text,
	login_id_type text DEFAULT 'email',
	access_token text DEFAULT NULL)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_verify_login_id';
COMMENT ON FUNCTION anon_auth.verify_login_id(text, text, text) IS
'Checks a verification code. Returns true if it is the code that was sent: the caller''s address is then verified, and new tokens say so. Returns false for a wrong, expired or used code. A wrong code is not an error, so that the attempt counts; after 5 wrong codes, a new code is needed. Errors: AA014 bad token or session; 22023 unknown type, no code.';

CREATE FUNCTION anon_auth.request_password_reset(
	login_id text,
	ui_locales text DEFAULT NULL,
	client_id text DEFAULT NULL)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_request_password_reset';
COMMENT ON FUNCTION anon_auth.request_password_reset(text, text, text) IS
'Puts a password reset code for an e-mail address or phone number into the outbox if it belongs to a user who is not disabled. The caller cannot see whether it does: the result and the errors are the same. A username has no address, so the call has no effect. ui_locales (language tags, separated by spaces) and client_id are for the message; the language is that of the user''s locale without ui_locales. The call sends a NOTIFY, so PREPARE TRANSACTION fails after it (0A000). Errors: AA001 unknown client; AA010 settings.phone_country_code_allowlist does not have the country of the phone number; AA018 less than a minute after the last code, more than ten codes in an hour, or beyond a limit of the settings; 22023 no login_id, bad ui_locales.';

CREATE FUNCTION anon_auth.reset_password(
	login_id text,
	code text,
	new_password text)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_reset_password';
COMMENT ON FUNCTION anon_auth.reset_password(text, text, text) IS
'Sets a new password with a password reset code. Returns true if it is the code that was sent to this address. The call then sets the password, ends all sessions of the user, ends a lockout, and marks the address as verified. Returns false for a wrong, expired or used code, and for an unknown login ID. A wrong code is not an error, so that the attempt counts; after 100 wrong codes, a new code is needed. If a message is sent, PREPARE TRANSACTION fails (0A000). Errors: AA011 the password is too weak, whether or not the code is right, which then remains valid; AA018 too many attempts from one address; 22023 missing argument.';

CREATE FUNCTION anon_auth.take_outbox_messages(batch_size integer DEFAULT 100)
	RETURNS TABLE (
		user_id uuid,
		id uuid,
		type text,
		login_id_type text,
		recipient text,
		code text,
		client_id text,
		language text,
		link text,
		created_at timestamptz,
		expires_at timestamptz)
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_take_outbox_messages';
COMMENT ON FUNCTION anon_auth.take_outbox_messages(integer) IS
'Deletes the oldest messages from the outbox and returns them, at most batch_size. Skips messages that another worker has locked. Drops expired messages, which do not count towards batch_size. language is a language tag (BCP 47). link is settings.code_link_uri with the code filled in; a login code has a longer code there than in code. user_id is NULL for a code that proves an address before it belongs to the user, and code for a notice. client_id, language and link can be NULL. Also drops, with a WARNING, messages whose code cannot be decrypted because their master key was retired. Send the messages before you commit: a rollback puts them back. To let a role call it: GRANT USAGE ON SCHEMA anon_auth, and EXECUTE on this function. Errors: 22023 bad batch_size; F0000 no master key.';
