-- ---------------------------------------------------------------------------
-- Device keys of accounts (Authgear's biometric login)
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.authenticate_with_device_key(
	client_id text,
	jwt text,
	device_info jsonb DEFAULT NULL,
	dpop text DEFAULT NULL)
	RETURNS SETOF anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_authenticate_with_device_key';
COMMENT ON FUNCTION anon_auth.authenticate_with_device_key(text, text, jsonb, text) IS
'Logs in to the account whose device key has signed jwt, a request of typ vnd.authgear.biometric-request with action authenticate and a challenge from create_challenge(''biometric_request''). The header of jwt names the key by kid, or has it as jwk. Returns one row, or no row if the user is disabled. The session that the key has opened before with this client ends. device_info, a JSON object, describes the device and is stored with the session; without it, that of jwt is. dpop, a DPoP proof, binds the new session to its key. Errors: AA001 unknown client; AA002 client type not allowed; AA003 bad request JWT; AA004 no account has the key; AA005 challenge expired or used; AA016 bad key in the jwt; AA017 no signing key; AA018 too many logins with this key; AA020 a hook refuses; AA024 the key is that of a guest; AA026 and AA027 bad proof in dpop, or none although it is needed; AA031 the key was removed from its account; 22023 missing argument; 40001 try again.';

CREATE FUNCTION anon_auth.add_device_key(
	jwt text,
	name text DEFAULT NULL,
	access_token text DEFAULT NULL)
	RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_add_device_key';
COMMENT ON FUNCTION anon_auth.add_device_key(text, text, text) IS
'Adds the key of a device to the caller''s account, which can then log in with authenticate_with_device_key(). jwt is a request of typ vnd.authgear.biometric-request with action setup, the public key in the header (jwk), and a challenge from create_challenge(''biometric_request''); the key has signed it. name is shown to the user in lists of devices. The caller is the user of access_token, or of use_access_token() if access_token is NULL; its session must belong to a client of type spa, traditional_webapp or native. Returns the kid. If the account has the key already, only its name and its device_info change, unless they are NULL or absent. The verified addresses of the account get a message. If a message is sent, PREPARE TRANSACTION fails (0A000). Errors: AA002 client type not allowed; AA003 bad request JWT; AA005 challenge expired or used; AA014 bad access token or session; AA016 bad key, or the key or its kid is taken, or the account has 20 keys, the detail says why; AA022 the login of the session is older than settings.reauthentication_max_age; AA024 the user is a guest; 22023 no jwt, or bad name.';

CREATE FUNCTION anon_auth.list_device_keys(access_token text DEFAULT NULL)
	RETURNS TABLE (
		kid text,
		is_current boolean,
		name text,
		device_info jsonb,
		created_at timestamptz,
		last_used_at timestamptz)
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER ROWS 10
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_list_device_keys';
COMMENT ON FUNCTION anon_auth.list_device_keys(text) IS
'Returns the device keys of the caller''s account, the oldest first. The caller is the user of access_token, or of use_access_token() if access_token is NULL. is_current marks the key that opened the session of that token. name and device_info can be NULL: see add_device_key(). last_used_at is the time of the last login, or of the addition. Works on a standby. Errors: AA014 bad access token or session; AA024 the user is a guest; 22023 as for uid().';

CREATE FUNCTION anon_auth.remove_device_key(
	kid text,
	access_token text DEFAULT NULL)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_remove_device_key';
COMMENT ON FUNCTION anon_auth.remove_device_key(text, text) IS
'Removes a device key from the caller''s account. The caller is the user of access_token, or of use_access_token() if access_token is NULL. Returns true if the account had the key. The sessions that the key has opened end, also that of the call. Requests of the key get AA031 from then on. The verified addresses of the account get a message. If a message is sent, PREPARE TRANSACTION fails (0A000). Errors: AA014 bad access token or session; AA022 the login of the session is older than settings.reauthentication_max_age; AA023 the account has no other credential; AA024 the user is a guest; 22023 no kid.';
