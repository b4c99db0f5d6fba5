-- ---------------------------------------------------------------------------
-- Login with the ID token of another provider, and the identities of an account
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.authenticate_with_id_token(
	client_id text,
	id_token text,
	nonce text DEFAULT NULL,
	device_info jsonb DEFAULT NULL,
	dpop text DEFAULT NULL)
	RETURNS SETOF anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_authenticate_with_id_token';
COMMENT ON FUNCTION anon_auth.authenticate_with_id_token(text, text, text, jsonb, text) IS
'Logs in to the account that has the identity (issuer and subject) of an ID token of a provider that create_identity_provider() has registered. Returns one row, or no row if the token was used before or the user is disabled. nonce is a challenge from create_challenge(''id_token''); the nonce claim of the token must be the challenge or its SHA-256, in lower-case hex or base64url. Without nonce, the claim must be the challenge itself. Only a SHA-256 in the token prevents that somebody who has stolen the token can use it. device_info, a JSON object, describes the device and is stored with the session. dpop, a DPoP proof, binds the new session to its key. Errors: AA001 unknown client; AA002 client type not allowed; AA017 no signing key; AA020 a hook refuses; AA025 the provider''s keys do not include that of the token: try again in a minute; AA028 bad token, the detail says why; AA030 no account has the identity, the token can still be used: the reason in the DETAIL is no_account (sign up, or promote a guest) or account_exists (an account has verified the address in the token: log in to it in another way and call add_identity()); AA018 no room for a counter; AA026 and AA027 bad proof in dpop, or none although it is needed; 22023 missing argument.';

CREATE FUNCTION anon_auth.add_identity(
	id_token text,
	nonce text DEFAULT NULL,
	access_token text DEFAULT NULL)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_add_identity';
COMMENT ON FUNCTION anon_auth.add_identity(text, text, text) IS
'Adds the identity of an ID token to the caller''s account, which can then log in with authenticate_with_id_token(). id_token and nonce are as there. The caller is the user of access_token, or of use_access_token() if access_token is NULL. Returns true if the account has the identity, also if it had it before. Returns false if the token was used before. The verified addresses of the account get a message. If a message is sent, PREPARE TRANSACTION fails (0A000). Errors: AA014 bad access token or session; AA022 the login of the session is older than settings.reauthentication_max_age; AA024 the user is a guest; AA025 the provider''s keys do not include that of the token: try again in a minute; AA028 bad ID token, the detail says why; AA030 another account has the identity; 22023 missing argument.';

CREATE FUNCTION anon_auth.remove_identity(
	issuer text,
	access_token text DEFAULT NULL)
	RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_remove_identity';
COMMENT ON FUNCTION anon_auth.remove_identity(text, text) IS
'Removes the identities at a provider from the caller''s account. The caller is the user of access_token, or of use_access_token() if access_token is NULL. Returns true if the account had one. All other sessions of the account end, because they may have begun with the identity. The verified addresses of the account get a message. If a message is sent, PREPARE TRANSACTION fails (0A000). Errors: AA014 bad access token or session; AA022 the login of the session is older than settings.reauthentication_max_age; AA023 the account has no other credential; AA024 the user is a guest; 22023 no issuer.';
