\echo Use "CREATE EXTENSION anon_auth_http" to load this file. \quit

-- anon_auth_http: what PostgREST exposes of anon_auth.  This script is joined from
-- install/http/*.sql, with the texts and styles in src/http/pages.

-- ---------------------------------------------------------------------------
-- The HTTP face: functions that PostgREST exposes, one for each path.
--
-- Each takes the raw body of a request as its only, unnamed parameter, and
-- reads the rest of the request from PostgREST's settings; a reverse proxy
-- maps the paths (examples/postgrest/nginx.conf, and src/http/http_request.h for what
-- it must pass on).  The answer is the returned text with the status and
-- headers left in response.status and response.headers.
-- ---------------------------------------------------------------------------

CREATE SCHEMA anon_auth_http;
COMMENT ON SCHEMA anon_auth_http IS
'anon_auth over HTTP, for PostgREST behind a reverse proxy: Authgear''s endpoints and the sign-up page.';

-- PostgREST takes a function that returns this for any Accept header, and
-- leaves the Content-Type to the function.
CREATE DOMAIN anon_auth_http."*/*" AS text;
COMMENT ON DOMAIN anon_auth_http."*/*" IS 'A response body of any media type.';

CREATE FUNCTION anon_auth_http.openid_configuration(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_openid_configuration';
COMMENT ON FUNCTION anon_auth_http.openid_configuration(text) IS
'GET /.well-known/openid-configuration. The discovery document (OpenID Connect Discovery, section 3).';

CREATE FUNCTION anon_auth_http.jwks(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_jwks';
COMMENT ON FUNCTION anon_auth_http.jwks(text) IS
'GET /oauth2/jwks. The public signing keys (RFC 7517, section 5).';

CREATE FUNCTION anon_auth_http.challenge(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_challenge';
COMMENT ON FUNCTION anon_auth_http.challenge(text) IS
'POST /oauth2/challenge. JSON {"purpose"}: {"result": {"token", "expire_at"}}.';

CREATE FUNCTION anon_auth_http.token(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_token';
COMMENT ON FUNCTION anon_auth_http.token(text) IS
'POST /oauth2/token. Form, RFC 6749 section 4.1.3 and 6: grant_type authorization_code, refresh_token or urn:authgear:params:oauth:grant-type:anonymous-request. Tokens, or {"error", "error_description"}; x_code unknown_device_key where the device must send its public key.';

CREATE FUNCTION anon_auth_http.revoke(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_revoke';
COMMENT ON FUNCTION anon_auth_http.revoke(text) IS
'POST /oauth2/revoke. Form, RFC 7009: ends the session of a token. Always 200.';

CREATE FUNCTION anon_auth_http.userinfo(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_userinfo';
COMMENT ON FUNCTION anon_auth_http.userinfo(text) IS
'GET and POST /oauth2/userinfo. The claims of userinfo() for an access token, else for the session cookie; 401 without a live session.';

CREATE FUNCTION anon_auth_http.anonymous_user_signup(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_anonymous_user_signup';
COMMENT ON FUNCTION anon_auth_http.anonymous_user_signup(text) IS
'POST /api/anonymous_user/signup. JSON {"session_type", "client_id", "refresh_token"}: a guest without a device key, with tokens or with a session cookie.';

CREATE FUNCTION anon_auth_http.anonymous_user_promotion_code(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_anonymous_user_promotion_code';
COMMENT ON FUNCTION anon_auth_http.anonymous_user_promotion_code(text) IS
'POST /api/anonymous_user/promotion_code. JSON {"session_type", "refresh_token"}: {"result": {"promotion_code", "expire_at"}}.';

CREATE FUNCTION anon_auth_http.authorize(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_authorize';
COMMENT ON FUNCTION anon_auth_http.authorize(text) IS
'GET and POST /oauth2/authorize. Starts a promotion (RFC 6749, section 4.1.1; response_type code or none): checks client, redirect URI, PKCE and the guests proof in login_hint, and sends the browser to the page. Errors go to the redirect URI, or are shown where that is not known.';

CREATE FUNCTION anon_auth_http.promote_user(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_promote_user';
COMMENT ON FUNCTION anon_auth_http.promote_user(text) IS
'GET and POST /flows/promote_user. The page on which a guest becomes a regular user; sends the browser back with a code or with a session cookie.';

CREATE FUNCTION anon_auth_http.login(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_login';
COMMENT ON FUNCTION anon_auth_http.login(text) IS
'GET and POST /flows/login. The page on which a regular user logs in; sends the browser back with a code or with a session cookie.';

CREATE FUNCTION anon_auth_http.end_session(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_end_session';
COMMENT ON FUNCTION anon_auth_http.end_session(text) IS
'GET and POST /oauth2/end_session. Logout of a cookie session (OpenID Connect RP-Initiated Logout 1.0); asks first where another site sent the browser.';

CREATE FUNCTION anon_auth_http.resolve(text)
	RETURNS anon_auth_http."*/*"
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_http_resolve';
COMMENT ON FUNCTION anon_auth_http.resolve(text) IS
'GET /resolve. For nginx auth_request: X-Authgear-* headers about the session of the access token or cookie; always 200.';
