-- ---------------------------------------------------------------------------
-- Functions named in postgrest.conf
-- ---------------------------------------------------------------------------

-- Not SECURITY DEFINER: such a function cannot set the role.
CREATE FUNCTION anon_auth.postgrest_pre_request()
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'anon_auth_postgrest_pre_request';
COMMENT ON FUNCTION anon_auth.postgrest_pre_request() IS
'PostgREST''s db-pre-request. Gives a request with a session cookie and no token the role and the claims of that session. Does the same for an access token that is bound to a key: it must have the scheme DPoP and come with a DPoP proof for the request. Rejects a cookie whose session has ended. Rejects a token with sub that is not an access token of this database: typ at+jwt, iss and aud of the settings, exp, client_id and sid. A token without sub gives a role and no identity; its iss and aud, if present, must be those of the settings. If settings.check_session_on_request is on, also rejects an access token whose session has ended; if it is off, that of a guest who has been promoted since. Errors: PT400 (status 400) headers, cookies or claims of the request cannot be read; PT401 (status 401) such a token, the session has ended, or the user is disabled; PGRST (status 401) a bad DPoP proof, or none although it is needed; PT403 a page of another site requests a change with the cookie.';

CREATE FUNCTION anon_auth.postgrest_pre_config()
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	keys jsonb := anon_auth.jwks();
BEGIN
	-- Without a key, PostgREST keeps the value in its own configuration.
	IF jsonb_array_length(keys -> 'keys') > 0 THEN
		PERFORM set_config('pgrst.jwt_secret', keys::text, true);
	END IF;
END
$$;
COMMENT ON FUNCTION anon_auth.postgrest_pre_config() IS
'PostgREST''s db-pre-config. Sets the public signing keys for PostgREST. After a key was added, PostgREST calls it again without a restart. Does not set the audience of tokens (jwt-aud): postgrest_pre_request() checks it, so that a changed setting counts at once.';

-- grant_http_api() grants these functions; doctor() does not report these grants.
CREATE FUNCTION anon_auth.http_api()
	RETURNS regprocedure[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN ARRAY[
		'anon_auth.postgrest_pre_request()'::regprocedure,
		'anon_auth.postgrest_pre_config()'::regprocedure,
		'anon_auth_http.openid_configuration(text)'::regprocedure,
		'anon_auth_http.jwks(text)'::regprocedure,
		'anon_auth_http.challenge(text)'::regprocedure,
		'anon_auth_http.token(text)'::regprocedure,
		'anon_auth_http.revoke(text)'::regprocedure,
		'anon_auth_http.userinfo(text)'::regprocedure,
		'anon_auth_http.anonymous_user_signup(text)'::regprocedure,
		'anon_auth_http.anonymous_user_promotion_code(text)'::regprocedure,
		'anon_auth_http.anonymous_user_claim(text)'::regprocedure,
		'anon_auth_http.app_session_token(text)'::regprocedure,
		'anon_auth_http.login_code(text)'::regprocedure,
		'anon_auth_http.passkey(text)'::regprocedure,
		'anon_auth_http.account(text)'::regprocedure,
		'anon_auth_http.authorize(text)'::regprocedure,
		'anon_auth_http.promote_user(text)'::regprocedure,
		'anon_auth_http.login(text)'::regprocedure,
		'anon_auth_http.forgot_password(text)'::regprocedure,
		'anon_auth_http.sign_up(text)'::regprocedure,
		'anon_auth_http.code_link(text)'::regprocedure,
		'anon_auth_http.settings(text)'::regprocedure,
		'anon_auth_http.reauthenticate(text)'::regprocedure,
		'anon_auth_http.end_session(text)'::regprocedure,
		'anon_auth_http.resolve(text)'::regprocedure];
END
$$;
COMMENT ON FUNCTION anon_auth.http_api() IS
'Returns the functions of the HTTP interface: those that grant_http_api() grants.';

-- Runs as the caller, who must be allowed to grant: the owner or a superuser.
CREATE FUNCTION anon_auth.grant_http_api(role_name regrole)
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM anon_auth_internal.grant_functions(role_name, anon_auth.http_api());
END
$$;
COMMENT ON FUNCTION anon_auth.grant_http_api(regrole) IS
'Lets a role call the functions of the HTTP interface. Call it for PostgREST''s authenticator, its db-anon-role and the role of access tokens. Errors: 22023 no role; 42704 unknown role; 42501 caller may not grant.';
