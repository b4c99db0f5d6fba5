-- ---------------------------------------------------------------------------
-- The password and the login IDs of the caller's account
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.change_password(
	new_password text,
	old_password text DEFAULT NULL,
	access_token text DEFAULT NULL)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_change_password';
COMMENT ON FUNCTION anon_auth.change_password(text, text, text) IS
'Changes the password of the caller''s account. old_password can be NULL only if the account has no password. The caller is the user of access_token, or of use_access_token() if access_token is NULL. Returns true if the password was changed: all other sessions of the account end then, codes of request_password_reset() become invalid, a lockout ends, and the verified addresses of the account get a message. Returns false if old_password is wrong. That is not an error, so that it counts as an attempt at the password. If a message is sent, PREPARE TRANSACTION fails (0A000). Errors: AA011 new_password is too weak; AA014 bad access token or session; AA018 too many attempts at the password; AA019 account locked; AA022 the login of the session is older than settings.reauthentication_max_age; AA024 the user is a guest; 22023 no new_password, or no old_password although the account has a password.';

CREATE FUNCTION anon_auth.request_login_id_code(
	type text,
	value text,
	access_token text DEFAULT NULL,
	ui_locales text DEFAULT NULL)
	RETURNS timestamptz
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_request_login_id_code';
COMMENT ON FUNCTION anon_auth.request_login_id_code(text, text, text, text) IS
'Puts a message with a six-digit code, and a link if settings.code_link_uri is set, for an e-mail address or phone number into the outbox. Returns the time at which the code expires. With the code, the caller can add the address to the account: add_login_id(). Nobody else can use the code. type is email or phone_number. The caller is the user of access_token, or of use_access_token() if access_token is NULL. A message is sent whether or not a user has the address, and the result and the errors are the same. Earlier codes remain valid. The language of the message is the first of ui_locales (language tags, separated by spaces), otherwise that of the user''s locale. The call sends a NOTIFY, so PREPARE TRANSACTION fails after it (0A000). Errors: AA010 bad address, or no code can be sent to it; AA014 bad access token or session; AA018 less than a minute after the caller''s last code for the same address, three codes that can still be used, more than ten codes in an hour for the address or the caller, or beyond a limit of the settings; AA022 the login of the session is older than settings.reauthentication_max_age; AA024 the user is a guest; 22023 bad argument.';

CREATE FUNCTION anon_auth.add_login_id(
	type text,
	value text,
	code text DEFAULT NULL,
	access_token text DEFAULT NULL)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_add_login_id';
COMMENT ON FUNCTION anon_auth.add_login_id(text, text, text, text) IS
'Adds a login ID to the caller''s account. type is email, phone_number or username. code is that of request_login_id_code(): the six digits, or the long code in the link. With a code, the address is verified at once, and is taken from another account that has not verified it. Without, it is not verified, which settings.login_id_verification = ''required'' forbids. The caller is the user of access_token, or of use_access_token() if access_token is NULL. An account can have five login IDs of each type. userinfo() lists them. Returns true if the account has the login ID, also if it had it before; the code verifies it then. If the account has verified it before, the code is not checked, so the call can be repeated. Returns false if the code is wrong, expired or used. That is not an error, so that it counts as an attempt. The addresses that were verified before get a message. If a message is sent, PREPARE TRANSACTION fails (0A000). Errors: AA009 another account has the login ID: the code can still be used; AA010 the login ID is malformed, not allowed, not proven, or one too many, the detail says why; AA014 bad access token or session; AA018 too many attempts or look-ups from one address, or too many wrong six-digit codes for the address; AA022 the login of the session is older than settings.reauthentication_max_age; AA024 the user is a guest; 22023 bad argument.';

CREATE FUNCTION anon_auth.remove_login_id(
	type text,
	value text,
	access_token text DEFAULT NULL)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_remove_login_id';
COMMENT ON FUNCTION anon_auth.remove_login_id(text, text, text) IS
'Removes a login ID from the caller''s account. type is email, phone_number or username. The caller is the user of access_token, or of use_access_token() if access_token is NULL. Returns true if the account had it. If it was verified, all other sessions of the account end, because they may have begun with a code that was sent to it. Codes of request_verification() and request_password_reset() become invalid. The verified addresses of the account get a message, the removed one too. The claim of the type then names another login ID of the type, or none. To change an address, add the new one first. If a message is sent, PREPARE TRANSACTION fails (0A000). Errors: AA014 bad access token or session; AA022 the login of the session is older than settings.reauthentication_max_age; AA023 without it, nobody could log in to the account; AA024 the user is a guest; 22023 bad argument.';
