-- ---------------------------------------------------------------------------
-- For postgrest.conf
-- ---------------------------------------------------------------------------

-- Not SECURITY DEFINER, which could not switch the role.
CREATE FUNCTION anon_auth.postgrest_pre_request()
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'anon_auth_postgrest_pre_request';
COMMENT ON FUNCTION anon_auth.postgrest_pre_request() IS
'PostgREST''s db-pre-request. A request without a token but with a session cookie gets the role and the claims of that session; a cookie whose session has ended is refused, and so is a token where settings.check_session_on_request says so. Errors: PT400 (status 400) headers, cookies or claims of the request cannot be read; PT401 (status 401) the session has ended or the user is disabled; PT403 a change that a page of another site asks for with the cookie.';

CREATE FUNCTION anon_auth.postgrest_pre_config()
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	keys jsonb := anon_auth.jwks();
BEGIN
	-- Without any key PostgREST keeps what its own configuration says.
	IF jsonb_array_length(keys -> 'keys') > 0 THEN
		PERFORM set_config('pgrst.jwt_secret', keys::text, true);
	END IF;
	PERFORM set_config('pgrst.jwt_aud', coalesce(audience, issuer), true)
		FROM anon_auth.settings;
END
$$;
COMMENT ON FUNCTION anon_auth.postgrest_pre_config() IS
'PostgREST''s db-pre-config: tells it the public signing keys and the audience of access tokens. A new key makes PostgREST ask again, without a restart.';

-- What grant_http_api() grants, and doctor() does not wonder at.
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
		'anon_auth_http.authorize(text)'::regprocedure,
		'anon_auth_http.promote_user(text)'::regprocedure,
		'anon_auth_http.login(text)'::regprocedure,
		'anon_auth_http.end_session(text)'::regprocedure,
		'anon_auth_http.resolve(text)'::regprocedure];
END
$$;
COMMENT ON FUNCTION anon_auth.http_api() IS
'The functions of the HTTP face, as grant_http_api() grants them.';

-- Runs as the caller, who must be able to grant: the owner or a superuser.
CREATE FUNCTION anon_auth.grant_http_api(role_name regrole)
	RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	api regprocedure;
BEGIN
	IF role_name IS NULL OR role_name::oid = 0 THEN
		RAISE EXCEPTION 'role_name is required' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	-- A regrole may be the OID of no role, which prints as a number.
	IF NOT EXISTS (SELECT FROM pg_roles WHERE oid = role_name) THEN
		RAISE EXCEPTION 'role with OID % does not exist', role_name::oid USING ERRCODE = 'undefined_object';
	END IF;
	EXECUTE format('GRANT USAGE ON SCHEMA anon_auth, anon_auth_http TO %s', role_name);
	FOREACH api IN ARRAY anon_auth.http_api() LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %s', api, role_name);
	END LOOP;
END
$$;
COMMENT ON FUNCTION anon_auth.grant_http_api(regrole) IS
'Lets a role use the HTTP face. Call it for PostgREST''s authenticator, its db-anon-role and the role of access tokens. Errors: 22023 no role; 42704 unknown role; 42501 caller may not grant.';
