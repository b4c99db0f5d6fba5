\echo Use "CREATE EXTENSION anon_auth_http" to load this file. \quit

-- anon_auth_http contains the functions that PostgREST exposes.  The build
-- concatenates this script from install/http/*.sql, and inserts files of
-- src/http/pages.

-- ---------------------------------------------------------------------------
-- The HTTP interface: functions that PostgREST exposes, one for each path.
--
-- Each takes the raw body of a request as its only, unnamed parameter, and reads the
-- rest of the request from the parameters that PostgREST sets.  A reverse proxy maps
-- the paths (examples/postgrest/nginx.conf); src/http/http_request.h lists the
-- headers that it must pass.  The response is the returned text, with the status in
-- response.status and the headers in response.headers.
-- ---------------------------------------------------------------------------

CREATE SCHEMA anon_auth_http;
COMMENT ON SCHEMA anon_auth_http IS
'anon_auth over HTTP, for PostgREST behind a reverse proxy: Authgear''s endpoints and the sign-up page.';

-- PostgREST calls a function that returns this domain for any Accept header, and
-- lets the function set the Content-Type.
CREATE DOMAIN anon_auth_http."*/*" AS text;
COMMENT ON DOMAIN anon_auth_http."*/*" IS 'A response body of any media type.';

CREATE FUNCTION anon_auth_http.openid_configuration(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_openid_configuration';
COMMENT ON FUNCTION anon_auth_http.openid_configuration(text) IS
'GET /.well-known/openid-configuration. Returns the discovery document (OpenID Connect Discovery, section 3).';

CREATE FUNCTION anon_auth_http.jwks(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_jwks';
COMMENT ON FUNCTION anon_auth_http.jwks(text) IS
'GET /oauth2/jwks. Returns the public signing keys (RFC 7517, section 5).';

CREATE FUNCTION anon_auth_http.challenge(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_challenge';
COMMENT ON FUNCTION anon_auth_http.challenge(text) IS
'POST /oauth2/challenge. Takes JSON {"purpose"}. Returns a challenge: {"result": {"token", "expire_at"}}.';

CREATE FUNCTION anon_auth_http.token(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_token';
COMMENT ON FUNCTION anon_auth_http.token(text) IS
'POST /oauth2/token. Takes a form (RFC 6749, sections 4.1.3 and 6) whose grant_type is authorization_code, refresh_token, urn:authgear:params:oauth:grant-type:anonymous-request, urn:authgear:params:oauth:grant-type:biometric-request, urn:authgear:params:oauth:grant-type:id-token, urn:authgear:params:oauth:grant-type:settings-action, urn:anon-auth:params:oauth:grant-type:login-code, urn:anon-auth:params:oauth:grant-type:id-token or urn:anon-auth:params:oauth:grant-type:passkey. biometric-request logs in with the device key of an account, or adds the key to the account of the access token, with an empty response. Authgear''s id-token returns {"id_token"} for the session of the access token or cookie, and settings-action {} for the code of a settings page. The last three log in; with a proof of being a guest (jwt, promotion_code or refresh_token) they promote it, and with prompt=create they sign up. Returns tokens, or {"error", "error_description"}. x_code unknown_device_key: the device must send its public key. x_code removed_device_key: its guest became an account, or the key was removed, and the user must log in. x_code no_account: sign up. x_code account_exists or identity_exists: log in to that account.';

CREATE FUNCTION anon_auth_http.revoke(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_revoke';
COMMENT ON FUNCTION anon_auth_http.revoke(text) IS
'POST /oauth2/revoke. Takes a form (RFC 7009), and ends the session of the token. The status is always 200.';

CREATE FUNCTION anon_auth_http.userinfo(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_userinfo';
COMMENT ON FUNCTION anon_auth_http.userinfo(text) IS
'GET and POST /oauth2/userinfo. Returns the claims of userinfo() for the access token or, without one, for the session cookie. The status is 401 if there is no live session.';

CREATE FUNCTION anon_auth_http.anonymous_user_signup(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_anonymous_user_signup';
COMMENT ON FUNCTION anon_auth_http.anonymous_user_signup(text) IS
'POST /api/anonymous_user/signup. Takes JSON {"session_type", "client_id", "refresh_token"}. Creates or returns to a guest without a device key, and returns tokens or sets a session cookie.';

CREATE FUNCTION anon_auth_http.anonymous_user_promotion_code(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_anonymous_user_promotion_code';
COMMENT ON FUNCTION anon_auth_http.anonymous_user_promotion_code(text) IS
'POST /api/anonymous_user/promotion_code. Takes JSON {"session_type", "refresh_token"}. Returns a promotion code: {"result": {"promotion_code", "expire_at"}}.';

CREATE FUNCTION anon_auth_http.anonymous_user_claim(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_anonymous_user_claim';
COMMENT ON FUNCTION anon_auth_http.anonymous_user_claim(text) IS
'POST /api/anonymous_user/claim. Takes JSON {"client_id", "dry_run"} and one proof of being a guest ("jwt", "promotion_code" or "refresh_token"). Merges the guest into the account of the access token or, without one, of the session cookie, as claim_anonymous_user(). Returns {"result": {"tables": [{"table", "rows"}]}}; tables that the role of access tokens cannot read are counted together, with the name null. The status is 401 without a live session.';

CREATE FUNCTION anon_auth_http.app_session_token(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_app_session_token';
COMMENT ON FUNCTION anon_auth_http.app_session_token(text) IS
'POST /oauth2/app_session_token. Takes JSON {"refresh_token"}. Returns a token with which a browser can open the settings pages in the session of the app, once and within five minutes: {"result": {"app_session_token", "expire_at"}}. A browser takes it to /oauth2/authorize as login_hint.';

CREATE FUNCTION anon_auth_http.login_code(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_login_code';
COMMENT ON FUNCTION anon_auth_http.login_code(text) IS
'POST /api/login_code. Takes JSON {"client_id", "login_id", "ui_locales"} and optionally one proof of being a guest ("jwt", "promotion_code" or "refresh_token"), who alone can use the code then. Has a code sent to the address, whether or not a user has it, as request_login_code(). Returns {"result": {"expire_at"}}.';

CREATE FUNCTION anon_auth_http.passkey(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_passkey';
COMMENT ON FUNCTION anon_auth_http.passkey(text) IS
'POST /api/passkey/request_options and /api/passkey/creation_options. Takes JSON {"client_id"}. Returns {"result": options} for a login, as passkey_request_options(), or for a sign-up, as passkey_creation_options() without a caller. The status is 404 for another name.';

CREATE FUNCTION anon_auth_http.account(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_account';
COMMENT ON FUNCTION anon_auth_http.account(text) IS
'POST /api/account/<function>. Calls a function of the same name for the user of the access token or, without one, of the session cookie: change_password, request_login_id_code, add_login_id, remove_login_id, request_verification, verify_login_id, add_identity, remove_identity, list_device_keys, remove_device_key, passkey_creation_options, add_passkey, list_passkeys, remove_passkey, list_sessions, end_session, end_other_sessions, update_profile, export_account, delete_account, cancel_account_deletion. Takes JSON with the arguments of that function except access_token. Returns {"result": ...}. The status is 401 without a live session or, with max_age in WWW-Authenticate, without a recent login, and 404 for another name.';

CREATE FUNCTION anon_auth_http.authorize(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_authorize';
COMMENT ON FUNCTION anon_auth_http.authorize(text) IS
'GET and POST /oauth2/authorize. Starts a promotion (RFC 6749, section 4.1.1; response_type code or none). Checks the client, the redirect URI, PKCE and the guest''s proof in login_hint, and redirects the browser to the page. Redirects errors to the redirect URI, or shows them if the redirect URI is not known.';

CREATE FUNCTION anon_auth_http.promote_user(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_promote_user';
COMMENT ON FUNCTION anon_auth_http.promote_user(text) IS
'GET and POST /flows/promote_user. Shows and handles the page on which a guest becomes a regular user. Then redirects the browser to the client with a code or with a session cookie.';

CREATE FUNCTION anon_auth_http.login(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_login';
COMMENT ON FUNCTION anon_auth_http.login(text) IS
'GET and POST /flows/login. Shows and handles the page on which a regular user logs in. Then redirects the browser to the client with a code or with a session cookie.';

CREATE FUNCTION anon_auth_http.reauthenticate(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_reauthenticate';
COMMENT ON FUNCTION anon_auth_http.reauthenticate(text) IS
'GET and POST /settings/reauthenticate. Shows and handles the page on which the user of the browser''s session logs in again, with the password or a code. A new session replaces the one of the cookie. Then redirects the browser to x_next, a settings page.';

CREATE FUNCTION anon_auth_http.forgot_password(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_forgot_password';
COMMENT ON FUNCTION anon_auth_http.forgot_password(text) IS
'GET and POST /flows/forgot_password. Shows and handles the pages on which a user who has forgotten the password chooses a new one, with a code that is sent to an address of the account. They look the same whether or not there is an account. Then redirects the browser to the login page.';

CREATE FUNCTION anon_auth_http.sign_up(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_sign_up';
COMMENT ON FUNCTION anon_auth_http.sign_up(text) IS
'GET and POST /flows/sign_up. Shows and handles the page on which somebody creates an account without having been a guest, if settings.page_sign_up is on. Then redirects the browser to the client with a code or with a session cookie.';

CREATE FUNCTION anon_auth_http.code_link(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_code_link';
COMMENT ON FUNCTION anon_auth_http.code_link(text) IS
'GET and POST /flows/code_link. Shows and handles the page behind the link in a message with a code (settings.code_link_uri): it logs in or continues the page on which the code was requested, or shows the code. GET uses nothing up, so that mail scanners can open the link.';

CREATE FUNCTION anon_auth_http.end_session(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_end_session';
COMMENT ON FUNCTION anon_auth_http.end_session(text) IS
'GET and POST /oauth2/end_session. Ends a cookie session (OpenID Connect RP-Initiated Logout 1.0). Asks the user first if another site sent the browser.';

CREATE FUNCTION anon_auth_http.settings(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_settings';
COMMENT ON FUNCTION anon_auth_http.settings(text) IS
'GET and POST /settings and the paths below it. Shows and handles the pages on which the user of the browser''s session looks after the account.';

CREATE FUNCTION anon_auth_http.resolve(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_resolve';
COMMENT ON FUNCTION anon_auth_http.resolve(text) IS
'GET /resolve. For nginx auth_request: returns X-Authgear-* headers about the session of the access token or cookie. The status is 200, or 403 if a page of another origin sends a change (X-Original-Method is not GET or HEAD) with the session cookie.';
