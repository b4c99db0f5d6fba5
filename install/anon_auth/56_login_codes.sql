-- ---------------------------------------------------------------------------
-- Login with a code
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.request_login_code(
	client_id text,
	login_id text,
	jwt text DEFAULT NULL,
	promotion_code text DEFAULT NULL,
	refresh_token text DEFAULT NULL,
	ui_locales text DEFAULT NULL,
	dpop text DEFAULT NULL)
	RETURNS timestamptz
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_request_login_code';
COMMENT ON FUNCTION anon_auth.request_login_code(text, text, text, text, text, text, text) IS
'Puts a message with a six-digit code, and a link if settings.code_link_uri is set, for an e-mail address or phone number into the outbox. Returns the time at which the code expires. A message is sent whether or not a user has the address, and the result and the errors are the same. Without a proof of a guest, the code is for authenticate_with_code(). With one (jwt signed by the device key, action promote; promotion_code; or refresh_token), it can only be used to promote that guest, and the message has the type promotion; the proof is not used up. Earlier codes remain valid. The language of the message is the first of ui_locales (language tags, separated by spaces), otherwise that of the guest''s locale. The call sends a NOTIFY, so PREPARE TRANSACTION fails after it (0A000). dpop is the proof of the key, if the session of refresh_token is bound to one. Errors: AA001 unknown client; AA002 client type not allowed; AA003 to AA008, AA013, AA016 and AA031 as for promote_anonymous_user(), for the proof; AA010 bad address, or no code can be sent to it; AA018 less than a minute after the last code for the same address and guest, three codes that can still be used, more than ten codes in an hour for the address or the guest, or beyond a limit of the settings; AA026 and AA027 bad proof in dpop, or none although it is needed; 22023 bad argument, or more than one proof.';

CREATE FUNCTION anon_auth.authenticate_with_code(
	client_id text,
	login_id text,
	code text,
	device_info jsonb DEFAULT NULL,
	dpop text DEFAULT NULL)
	RETURNS SETOF anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_authenticate_with_code';
COMMENT ON FUNCTION anon_auth.authenticate_with_code(text, text, text, jsonb, text) IS
'Logs in with a code of request_login_code() that was requested without a proof: the six digits, or the long code in the link. With the long code, login_id can be NULL. Returns one row, or no row if the code is wrong, expired or used, or if the user is disabled. A wrong code is not an error, so that the attempt counts. After 5 wrong ones, the six digits of the address''s codes no longer work; after 100 in 24 hours for the address, no six digits work, but the link does. The account that has verified the address is opened. An account that has the address unverified, and no verified one, is opened, too: the address becomes verified, and the password, all sessions and the other unverified addresses are removed. device_info, a JSON object, describes the device and is stored with the session. dpop, a DPoP proof, binds the new session to its key. Errors: AA001 unknown client; AA002 client type not allowed; AA017 no signing key; AA018 too many attempts from one address, or too many wrong six-digit codes for the address; AA020 a hook refuses; AA030 no account has the address, or the account has it unverified beside a verified one: pass the same code to sign_up(); AA026 and AA027 bad proof in dpop, or none although it is needed; 22023 missing argument.';
