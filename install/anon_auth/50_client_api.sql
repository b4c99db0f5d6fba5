-- ---------------------------------------------------------------------------
-- Client functions: what an application, or PostgREST for it, calls.
--
-- They run as the extension's owner with a pinned search_path, take secrets
-- as parameters only, and can be executed by nobody until grant_client_api().
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
'What a login gives: the user, "Bearer", a JWT access token, its lifetime in seconds, the refresh token to use next, and an ID token.';

CREATE FUNCTION anon_auth.create_challenge(
	purpose text DEFAULT 'anonymous_request',
	OUT token text,
	OUT expire_at timestamptz)
	RETURNS record
	LANGUAGE c VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'anon_auth_create_challenge';
COMMENT ON FUNCTION anon_auth.create_challenge(text) IS
'A challenge for a device to sign, good for 5 minutes and once for each device key. Writes nothing, works on a standby. Errors: 22023 unknown purpose; F0000 no master key.';

CREATE FUNCTION anon_auth.authenticate_anonymously(
	client_id text,
	jwt text DEFAULT NULL,
	refresh_token text DEFAULT NULL,
	device_info jsonb DEFAULT NULL)
	RETURNS anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_authenticate_anonymously';
COMMENT ON FUNCTION anon_auth.authenticate_anonymously(text, text, text, jsonb) IS
'Signs a guest up or in. With jwt, a request signed by the device key (typ vnd.authgear.anonymous-request, action auth): the key''s guest comes back, or a new one is made from the jwk in its header. With refresh_token: the same guest without a key comes back. With neither: a new guest without a key. Call it in FROM: (authenticate_anonymously(..)).* calls it once for each column and makes six guests. Errors: AA001 unknown client; AA002 client type or setting refuses guests; AA003 bad request JWT; AA004 unknown key and no jwk; AA005 challenge expired or used; AA006 bad refresh token; AA007 user disabled; AA008 refresh token of a regular user; AA015 sign-up closed; AA016 bad key; AA017 no signing key; AA018 too many sign-ups; AA020 a hook refuses; 22023 bad argument.';

CREATE FUNCTION anon_auth.refresh_session(
	client_id text,
	refresh_token text)
	RETURNS anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_refresh_session';
COMMENT ON FUNCTION anon_auth.refresh_session(text, text) IS
'New tokens for a session. With rotation (clients.refresh_token_rotation_enabled) the refresh token changes, and the one before answers with the same successor for the grace period. NULL when an older one is used again: the call ends the session and writes the event refresh_token.reused. Errors: AA001 unknown client; AA006 bad refresh token; AA007 user disabled; AA017 no signing key; 22023 token of another client.';

CREATE FUNCTION anon_auth.create_promotion_code(
	refresh_token text,
	OUT promotion_code text,
	OUT expire_at timestamptz)
	RETURNS record
	LANGUAGE c VOLATILE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_create_promotion_code';
COMMENT ON FUNCTION anon_auth.create_promotion_code(text) IS
'A code, good for 5 minutes, that lets its bearer promote the guest of this session once. Writes nothing. Errors: AA006 bad refresh token; AA007 user disabled; AA008 not a guest; 22023 no refresh token.';

CREATE FUNCTION anon_auth.promote_anonymous_user(
	client_id text,
	email text DEFAULT NULL,
	phone_number text DEFAULT NULL,
	username text DEFAULT NULL,
	password text DEFAULT NULL,
	jwt text DEFAULT NULL,
	promotion_code text DEFAULT NULL,
	refresh_token text DEFAULT NULL)
	RETURNS anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_promote_anonymous_user';
COMMENT ON FUNCTION anon_auth.promote_anonymous_user(text, text, text, text, text, text, text, text) IS
'Makes a guest a regular user with the same sub: adds the login IDs and the password, removes the device key, ends all sessions of the guest, and returns new tokens. Atomic. Needs a password, at least one login ID, and exactly one proof: jwt (signed by the device key, action promote), promotion_code or refresh_token. Where a login ID belongs to another user, settings.promotion_conflict decides: an error, a login to that account with its password (NULL when that password is wrong), or a merge of the guest into it. Errors: AA001 to AA008 as for authenticate_anonymously(); AA009 login ID taken; AA010 bad login ID; AA011 weak password; AA013 bad promotion code; AA016 bad key in the jwt; AA017 no signing key; AA018 too many password attempts; AA019 account locked; AA020 a hook refuses; AA021 a table refuses the merge; 22023 bad argument.';

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
	OUT code text,
	OUT expire_at timestamptz)
	RETURNS record
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_authorize_promotion';
COMMENT ON FUNCTION anon_auth.authorize_promotion(text, text, text, text, text, text, text, text, text, text, text, text) IS
'Promotion on the web: as promote_anonymous_user(), but gives an authorization code for exchange_authorization_code() instead of tokens. redirect_uri must be one of the client''s, code_challenge is PKCE S256. Errors: as promote_anonymous_user(); 22023 bad redirect URI or code challenge.';

CREATE FUNCTION anon_auth.authenticate(
	client_id text,
	login_id text,
	password text)
	RETURNS SETOF anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_authenticate';
COMMENT ON FUNCTION anon_auth.authenticate(text, text, text) IS
'Logs a regular user in with an e-mail address, phone number or username, and a password. One row, or none when the credentials are wrong or the user is disabled, always after the same work. Errors: AA001 unknown client; AA002 client type not allowed; AA017 no signing key; AA018 too many attempts; AA019 account locked; 22023 missing argument.';

CREATE FUNCTION anon_auth.exchange_authorization_code(
	client_id text,
	code text,
	redirect_uri text,
	code_verifier text)
	RETURNS anon_auth.token_response
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_exchange_authorization_code';
COMMENT ON FUNCTION anon_auth.exchange_authorization_code(text, text, text, text) IS
'Tokens for an authorization code (RFC 6749, section 4.1.3, with PKCE). A code works once and for 5 minutes; a failed exchange does not use it up. Errors: AA001 unknown client; AA002 client type not allowed; AA007 user disabled; AA012 bad code or verifier; AA017 no signing key; 22023 bad argument, other redirect URI.';

CREATE FUNCTION anon_auth.revoke(token text)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_revoke';
COMMENT ON FUNCTION anon_auth.revoke(text) IS
'Ends the session of a refresh token or access token (RFC 7009). An unknown token is no error.';

CREATE FUNCTION anon_auth.userinfo(access_token text DEFAULT NULL)
	RETURNS jsonb
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_userinfo';
COMMENT ON FUNCTION anon_auth.userinfo(text) IS
'Claims about the user of an access token, or of the caller when none is passed (OpenID Connect Core, section 5.3). The session must be alive. Works on a standby. Errors: AA014 bad token or session; 22023 as for uid().';

CREATE FUNCTION anon_auth.jwks()
	RETURNS jsonb
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_jwks';
COMMENT ON FUNCTION anon_auth.jwks() IS
'The public keys that verify our tokens, as a JWK Set (RFC 7517). Works on a standby.';

CREATE FUNCTION anon_auth.openid_configuration()
	RETURNS jsonb
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_openid_configuration';
COMMENT ON FUNCTION anon_auth.openid_configuration() IS
'The discovery document (OpenID Connect Discovery 1.0, section 4), with endpoints below settings.issuer.';
