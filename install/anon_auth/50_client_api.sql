-- ---------------------------------------------------------------------------
-- Client functions: called by an application, or by PostgREST on its behalf.
--
-- They run as the extension's owner with a fixed search_path, and take secrets as
-- parameters only.  Until grant_client_api() is called, only the owner can execute
-- them.
-- ---------------------------------------------------------------------------

CREATE TYPE anon_auth.token_response AS (
	sub uuid,
	token_type text,
	access_token text,
	expires_in integer,
	refresh_token text,
	id_token text
);
COMMENT ON TYPE anon_auth.token_response IS
'Result of a login: the user id (sub), "Bearer" or "DPoP", a JWT access token, its lifetime in seconds, the refresh token to use next, and an ID token.';

CREATE FUNCTION anon_auth.create_challenge(
	purpose text DEFAULT 'anonymous_request',
	OUT token text,
	OUT expire_at timestamptz)
	RETURNS record
	LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'anon_auth_create_challenge';
COMMENT ON FUNCTION anon_auth.create_challenge(text) IS
'Creates a challenge: with purpose anonymous_request for a guest''s device to sign, with biometric_request for a device with a key of an account (see add_device_key()), with id_token for the nonce of an ID token (see authenticate_with_id_token()), with dpop_nonce for the nonce of a DPoP proof. Returns the challenge and the time at which it expires. It is valid for 5 minutes, and once for each device key or identity. Writes no rows, and works on a standby. Errors: 22023 unknown purpose; F0000 no master key.';

CREATE FUNCTION anon_auth.authenticate_anonymously(
	client_id text,
	jwt text DEFAULT NULL,
	refresh_token text DEFAULT NULL,
	device_info jsonb DEFAULT NULL,
	dpop text DEFAULT NULL)
	RETURNS anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_authenticate_anonymously';
COMMENT ON FUNCTION anon_auth.authenticate_anonymously(text, text, text, jsonb, text) IS
'Signs a guest up or logs a guest in, and returns tokens. With jwt, a request signed by the device key (typ vnd.authgear.anonymous-request, action auth), logs in the guest of that key; an unknown key creates a guest from the jwk in the header of the request. With refresh_token, returns to the same guest without a device key. With neither, creates a guest without a device key. device_info, a JSON object, is stored with a new session. Call it in FROM: (authenticate_anonymously(..)).* calls it once for each column and creates six guests. dpop, a DPoP proof, binds the new session to its key; with refresh_token, it is the proof of the key of that session. Errors: AA001 unknown client; AA002 client type or setting does not allow guests; AA003 bad request JWT; AA004 unknown key and no jwk; AA005 challenge expired or used; AA006 bad refresh token, or of another client; AA007 user disabled; AA008 refresh token or device key of a regular user; AA015 sign-up disabled; AA016 bad key; AA017 no signing key; AA018 too many sign-ups; AA020 a hook refuses; AA031 the guest of the key was promoted or merged, and no jwk; AA026 and AA027 bad proof in dpop, or none although it is needed; 22023 bad argument.';

CREATE FUNCTION anon_auth.refresh_session(
	client_id text,
	refresh_token text,
	dpop text DEFAULT NULL)
	RETURNS SETOF anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_refresh_session';
COMMENT ON FUNCTION anon_auth.refresh_session(text, text, text) IS
'Returns one row: new tokens for a session. With rotation (clients.refresh_token_rotation_enabled), each call returns a new refresh token; during the grace period, the previous one still works and returns the same successor. Without rotation, the refresh token stays the same until the master key is rotated: the next call returns a new one, and the former one works until retire_master_key(). So always store the refresh token of the result. Returns no row if an older refresh token is used: the call then ends the session and writes the event refresh_token.reused. dpop is the proof of the key, if the session is bound to one. Errors: AA001 unknown client; AA006 bad refresh token, or of another client; AA007 user disabled; AA017 no signing key; AA018 no room for a counter; AA026 and AA027 bad proof in dpop, or none although it is needed; 22023 no client ID or no refresh token.';

CREATE FUNCTION anon_auth.create_promotion_code(
	refresh_token text,
	dpop text DEFAULT NULL,
	OUT promotion_code text,
	OUT expire_at timestamptz)
	RETURNS record
	LANGUAGE c VOLATILE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_create_promotion_code';
COMMENT ON FUNCTION anon_auth.create_promotion_code(text, text) IS
'Creates a code that lets its bearer promote the guest of this session once. Returns the code and the time at which it expires, after at most 5 minutes. Writes no rows. dpop is the proof of the key, if the session is bound to one. Errors: AA006 bad refresh token; AA007 user disabled; AA008 not a guest; AA018 no room for a counter; AA026 and AA027 bad proof in dpop, or none although it is needed; 22023 no refresh token.';

CREATE FUNCTION anon_auth.promote_anonymous_user(
	client_id text,
	email text DEFAULT NULL,
	phone_number text DEFAULT NULL,
	username text DEFAULT NULL,
	password text DEFAULT NULL,
	jwt text DEFAULT NULL,
	promotion_code text DEFAULT NULL,
	refresh_token text DEFAULT NULL,
	code text DEFAULT NULL,
	id_token text DEFAULT NULL,
	nonce text DEFAULT NULL,
	passkey jsonb DEFAULT NULL,
	device_info jsonb DEFAULT NULL,
	dpop text DEFAULT NULL)
	RETURNS SETOF anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_promote_anonymous_user';
COMMENT ON FUNCTION anon_auth.promote_anonymous_user(text, text, text, text, text, text, text, text, text, text, text, jsonb, jsonb, text) IS
'Turns a guest into a regular user with the same sub. Stores the login IDs, the password and the identity, deletes the device key and all sessions of the guest (by promotion_code also its passkeys), and returns one row with new tokens. With jwt, settings.device_key_after_promotion = ''keep'' keeps the key that signed it as a device key of the account. The promotion is atomic. Requires exactly one proof of being the guest: jwt (signed by the device key, action promote), promotion_code or refresh_token. code proves the e-mail address or phone number: request_login_code() sent it for this guest; the long code of a link adds its address if neither is given. id_token is an ID token of an identity provider, with nonce as for authenticate_with_id_token(); if the provider is trusted, its verified address becomes a login ID. passkey is a browser''s response: for passkey_creation_options() of this guest, it adds a passkey; for passkey_request_options(), it only proves the account of the passkey in a conflict. Without code, id_token and passkey, a password and a login ID are required. An address that is proven is taken from an account that has not verified it. If a login ID, the identity or the passkey belongs to another user, settings.promotion_conflict decides: the call fails, or logs in to that account with its code, identity, passkey or password, or merges the guest into it. Returns no row if the code or the password is wrong or used, the ID token was used before, or passkey belongs to a disabled user or its counter has not increased. device_info, a JSON object, is stored with the new session; without it, that of the guest''s session is kept (with jwt, of the newest session that has one). dpop, a DPoP proof, binds the new session to its key. If a message is sent, PREPARE TRANSACTION fails (0A000). Errors: AA001 to AA008 as for authenticate_anonymously(); AA009 login ID taken; AA010 bad login ID; AA011 weak password; AA013 bad promotion code; AA016 bad key in the jwt; AA017 no signing key; AA018 too many password attempts, or too many login IDs of other users from one address; AA019 account locked; AA020 a hook refuses; AA021 a table refuses the merge; AA025 and AA028 as for authenticate_with_id_token(); AA029 the passkey is refused; AA031 the guest of the key in the jwt was promoted or merged already; AA026 and AA027 bad proof in dpop, or none although it is needed; 22023 bad argument.';

CREATE FUNCTION anon_auth.sign_up(
	client_id text,
	email text DEFAULT NULL,
	phone_number text DEFAULT NULL,
	username text DEFAULT NULL,
	password text DEFAULT NULL,
	code text DEFAULT NULL,
	id_token text DEFAULT NULL,
	nonce text DEFAULT NULL,
	passkey jsonb DEFAULT NULL,
	device_info jsonb DEFAULT NULL,
	dpop text DEFAULT NULL)
	RETURNS SETOF anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_sign_up';
COMMENT ON FUNCTION anon_auth.sign_up(text, text, text, text, text, text, text, text, jsonb, jsonb, text) IS
'Makes an account that was never a guest, logs in to it, and returns one row with its tokens. The arguments are as for promote_anonymous_user(), except that code is one that request_login_code() sent without a proof of a guest, and passkey the response for passkey_creation_options() without a caller. With a passkey, no login ID is required. Without email and phone_number, the long code of a link adds its address. Returns no row if the code is wrong or used, or the ID token was used before. Calls the hook before_sign_up. dpop, a DPoP proof, binds the new session to its key. If a message is sent, PREPARE TRANSACTION fails (0A000). Errors: AA001 unknown client; AA002 client type not allowed; AA009 login ID taken; AA010 bad login ID, or not proven although settings.login_id_verification is required; AA011 weak password; AA015 sign-up disabled; AA017 no signing key; AA018 too many sign-ups, or too many login IDs of other users from one address; AA020 a hook refuses; AA025 and AA028 as for authenticate_with_id_token(); AA029 the passkey is refused; AA030 an account has the address, identity or passkey that is proven (reason account_exists in the DETAIL): log in with the same code or ID token or, if authenticate_with_id_token() raises AA030 as well, log in in another way and call add_identity(); AA026 and AA027 bad proof in dpop, or none although it is needed; 22023 bad argument.';

CREATE FUNCTION anon_auth.authorize_promotion(
	client_id text,
	redirect_uri text,
	code_challenge text,
	code_challenge_method text DEFAULT 'S256',
	email text DEFAULT NULL,
	phone_number text DEFAULT NULL,
	username text DEFAULT NULL,
	password text DEFAULT NULL,
	jwt text DEFAULT NULL,
	promotion_code text DEFAULT NULL,
	refresh_token text DEFAULT NULL,
	nonce text DEFAULT NULL,
	login_code text DEFAULT NULL,
	id_token text DEFAULT NULL,
	id_token_nonce text DEFAULT NULL,
	passkey jsonb DEFAULT NULL,
	device_info jsonb DEFAULT NULL,
	dpop text DEFAULT NULL,
	OUT code text,
	OUT expire_at timestamptz)
	RETURNS SETOF record
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_authorize_promotion';
COMMENT ON FUNCTION anon_auth.authorize_promotion(text, text, text, text, text, text, text, text, text, text, text, text, text, text, text, jsonb, jsonb, text) IS
'Promotes a guest on the web: works like promote_anonymous_user(), but returns an authorization code for exchange_authorization_code() instead of tokens. Returns no row in the cases in which promote_anonymous_user() returns none. redirect_uri must be one of the client''s redirect URIs, and code_challenge a PKCE challenge of method S256. nonce is that of the ID token which the client will get. login_code, id_token, id_token_nonce and passkey are code, id_token, nonce and passkey of promote_anonymous_user(). dpop, a DPoP proof, is that of the session of refresh_token if this is bound to a key; the exchange of the code then needs a proof of the same key. If a message is sent, PREPARE TRANSACTION fails (0A000). Errors: as promote_anonymous_user(); AA018 no room for a counter; AA026 and AA027 bad proof in dpop, or none although it is needed; 22023 bad redirect URI or code challenge.';

CREATE FUNCTION anon_auth.claim_anonymous_user(
	client_id text,
	access_token text DEFAULT NULL,
	jwt text DEFAULT NULL,
	promotion_code text DEFAULT NULL,
	refresh_token text DEFAULT NULL,
	dry_run boolean DEFAULT false,
	dpop text DEFAULT NULL)
	RETURNS TABLE (table_name regclass, rows bigint)
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_claim_anonymous_user';
COMMENT ON FUNCTION anon_auth.claim_anonymous_user(text, text, text, text, text, boolean, text) IS
'Merges a guest into the account that the caller is logged in to: moves the guest''s rows in your tables to the account, deletes the guest and ends its sessions. The account is that of access_token or, without it, of the caller. Requires exactly one proof of being the guest: jwt (signed by its device key, action promote), promotion_code or refresh_token. Accept a proof only from the device of the guest, never from a link: whoever makes users claim another guest gives them that guest''s rows. Returns one row per table, with the number of rows moved. With dry_run, performs the merge, including the merge hook and triggers, returns the rows, and rolls back; the proof can be used again. Can be repeated after a lost response: returns no rows if the guest was merged into this account in the last 30 days, or by jwt, if the device key belonged to a guest that is part of this account. dpop is the proof of the key, if the session of refresh_token is bound to one. Errors: AA001 unknown client; AA002 client type does not allow guests; AA003 bad request JWT; AA004 unknown device key; AA005 challenge expired or used; AA006 bad refresh token, or of another client; AA007 guest disabled; AA008 the proof is that of a regular user; AA013 bad promotion code; AA014 bad access token, or of another client; AA016 bad key in the jwt; AA018 too many claims by this account; AA020 the merge hook refuses; AA021 a table refuses; AA024 the caller is a guest; AA031 the guest of the key in the jwt was promoted, or merged into another account; 40001 try again; 0A000 and 55000 as merge_anonymous_user(); AA026 and AA027 bad proof in dpop, or none although it is needed; 22023 bad argument.';

CREATE FUNCTION anon_auth.authenticate(
	client_id text,
	login_id text,
	password text,
	device_info jsonb DEFAULT NULL,
	dpop text DEFAULT NULL)
	RETURNS SETOF anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_authenticate';
COMMENT ON FUNCTION anon_auth.authenticate(text, text, text, jsonb, text) IS
'Logs a regular user in with an e-mail address, phone number or username, and a password. Returns one row, or no row if the credentials are wrong or the user is disabled. All these cases cost the same work. device_info, a JSON object, describes the device and is stored with the session. dpop, a DPoP proof, binds the new session to its key. Errors: AA001 unknown client; AA002 client type not allowed; AA017 no signing key; AA018 too many attempts; AA019 account locked; AA026 and AA027 bad proof in dpop, or none although it is needed; 22023 missing argument.';

CREATE FUNCTION anon_auth.exchange_authorization_code(
	client_id text,
	code text,
	redirect_uri text,
	code_verifier text,
	device_info jsonb DEFAULT NULL,
	dpop text DEFAULT NULL)
	RETURNS SETOF anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_exchange_authorization_code';
COMMENT ON FUNCTION anon_auth.exchange_authorization_code(text, text, text, text, jsonb, text) IS
'Returns tokens for an authorization code (RFC 6749, section 4.1.3, with PKCE). A code works once, within 5 minutes; an error does not use it up. Returns no row if the code was used before. The session that it gave has then ended, unless both exchanges ran at the same time. A rollback does not undo either. refresh_token is NULL if the client did not request offline_access. device_info, a JSON object, describes the device and is stored with the session. It replaces that of the promotion. dpop, a DPoP proof, binds the new session to its key. Errors: AA001 unknown client; AA002 client type not allowed; AA007 user disabled; AA012 bad code or verifier; AA017 no signing key; AA018 no room for a counter; AA020 a hook refuses; AA026 and AA027 bad proof in dpop, or none although it is needed; 22023 bad argument, other redirect URI.';

CREATE FUNCTION anon_auth.revoke(token text)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_revoke';
COMMENT ON FUNCTION anon_auth.revoke(text) IS
'Ends the session of a refresh token or access token (RFC 7009). An unknown token or NULL is not an error.';

CREATE FUNCTION anon_auth.userinfo(access_token text DEFAULT NULL)
	RETURNS jsonb
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_userinfo';
COMMENT ON FUNCTION anon_auth.userinfo(text) IS
'Returns the claims about the user of the access token (OpenID Connect Core, section 5.3), with all login IDs and whether they are verified. email and phone_number name a verified address if there is one. Without access_token, uses the caller. The session must not have ended. Works on a standby. Errors: AA014 bad token or session; 22023 as for uid().';

CREATE FUNCTION anon_auth.jwks()
	RETURNS jsonb
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_jwks';
COMMENT ON FUNCTION anon_auth.jwks() IS
'Returns the public keys that verify the tokens of this database, as a JWK Set (RFC 7517). HS256 secrets are not in it. Works on a standby.';

CREATE FUNCTION anon_auth.openid_configuration()
	RETURNS jsonb
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_openid_configuration';
COMMENT ON FUNCTION anon_auth.openid_configuration() IS
'Returns the discovery document (OpenID Connect Discovery 1.0, section 4). Its endpoints are below settings.issuer.';
