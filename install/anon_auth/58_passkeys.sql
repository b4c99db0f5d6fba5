-- ---------------------------------------------------------------------------
-- Passkeys (WebAuthn Level 3)
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.passkey_creation_options(access_token text DEFAULT NULL)
	RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_passkey_creation_options';
COMMENT ON FUNCTION anon_auth.passkey_creation_options(text) IS
'Returns PublicKeyCredentialCreationOptionsJSON (WebAuthn Level 3) for navigator.credentials.create(): with them, a browser makes a passkey for the caller. The caller, who may be a guest, is the user of access_token, or of use_access_token() if access_token is NULL. If nobody is logged in, the options are for the account that sign_up() makes: their challenge has the id that the account will get, and the application should replace user.name and user.displayName by what the person has entered. The challenge is valid for 5 minutes, once, and for that user only. Give the browser''s response to add_passkey(), promote_anonymous_user() or sign_up(). Writes no rows, and works on a standby. Errors: AA014 bad access token or session; AA015 nobody is logged in and sign-up is disabled; AA022 the login of the session is older than settings.reauthentication_max_age; 22023 as for uid().';

CREATE FUNCTION anon_auth.add_passkey(
	response jsonb,
	name text DEFAULT NULL,
	access_token text DEFAULT NULL)
	RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_add_passkey';
COMMENT ON FUNCTION anon_auth.add_passkey(jsonb, text, text) IS
'Adds a passkey to the caller, who can then log in with authenticate_with_passkey(). response is the browser''s RegistrationResponseJSON for passkey_creation_options() of the same user. The attestation is not verified. name, 1 to 100 characters without control characters, is for the user. The caller, who may be a guest, is as there. Returns the id of the passkey in base64url. A user can have 20. The verified addresses of an account get a message. If a message is sent, PREPARE TRANSACTION fails (0A000). Errors: AA014 bad access token or session; AA018 no room for a counter; AA022 the login of the session is older than settings.reauthentication_max_age; AA029 the response is refused, the detail has the reason; 22023 bad argument.';

CREATE FUNCTION anon_auth.passkey_request_options(client_id text)
	RETURNS jsonb
	LANGUAGE c VOLATILE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_passkey_request_options';
COMMENT ON FUNCTION anon_auth.passkey_request_options(text) IS
'Returns PublicKeyCredentialRequestOptionsJSON (WebAuthn Level 3) for navigator.credentials.get(): with them, a browser lets its user choose a passkey. They name no user and no passkey, and so fit the autofill of a form, too (mediation "conditional"). The challenge is valid for 5 minutes, and once. Writes no rows, and works on a standby. Errors: AA001 unknown client; AA002 client type not allowed; 22023 no client ID.';

CREATE FUNCTION anon_auth.authenticate_with_passkey(
	client_id text,
	response jsonb,
	device_info jsonb DEFAULT NULL,
	dpop text DEFAULT NULL)
	RETURNS SETOF anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_authenticate_with_passkey';
COMMENT ON FUNCTION anon_auth.authenticate_with_passkey(text, jsonb, jsonb, text) IS
'Logs a guest or a regular user in with a passkey. response is the browser''s AuthenticationResponseJSON for passkey_request_options(). Returns one row, or no row if the user is disabled, or if the counter of the authenticator has not increased: somebody may then have a copy of the passkey, which stays usable, and the event is passkey.counter_not_increased. A response works once, also if the transaction is rolled back. device_info, a JSON object, describes the device and is stored with the session. dpop, a DPoP proof, binds the new session to its key. Errors: AA001 unknown client; AA002 client type not allowed; AA017 no signing key; AA018 too many logins with the passkey (settings.device_key_logins_per_minute), or no room for a counter; AA020 a hook refuses; AA029 the response is refused, the detail has the reason: for example unknown_credential; AA026 and AA027 bad proof in dpop, or none although it is needed; 22023 missing argument.';

CREATE FUNCTION anon_auth.list_passkeys(access_token text DEFAULT NULL)
	RETURNS TABLE (
		credential_id text,
		name text,
		alg text,
		is_backup_eligible boolean,
		is_backed_up boolean,
		transports text[],
		created_at timestamptz,
		last_used_at timestamptz)
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER ROWS 2
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_list_passkeys';
COMMENT ON FUNCTION anon_auth.list_passkeys(text) IS
'Returns the caller''s passkeys, the oldest first. credential_id is in base64url. is_backup_eligible is true if the passkey can be on several devices, is_backed_up if it was copied when it was used last. name and transports can be NULL. last_used_at is the time of the last login with it. The caller, who may be a guest, is the user of access_token, or of use_access_token() if access_token is NULL. Works on a standby. Errors: AA014 bad access token or session; 22023 as for uid().';

CREATE FUNCTION anon_auth.remove_passkey(
	credential_id text,
	access_token text DEFAULT NULL)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_remove_passkey';
COMMENT ON FUNCTION anon_auth.remove_passkey(text, text) IS
'Removes a passkey of the caller. credential_id is as in list_passkeys(). Returns true if the caller had it, and false otherwise, also if another user has it. All other sessions of the user end, because they may have begun with the passkey. The authenticator still shows the passkey, but it gets AA029 with the reason unknown_credential. The verified addresses of an account get a message. If a message is sent, PREPARE TRANSACTION fails (0A000). The caller, who may be a guest, is as for list_passkeys(). Errors: AA014 bad access token or session; AA022 the login of the session is older than settings.reauthentication_max_age; AA023 without it, nobody could log in to the account; 22023 no credential_id.';
