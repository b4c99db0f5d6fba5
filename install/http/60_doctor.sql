-- ---------------------------------------------------------------------------
-- doctor(): the requirements of PostgREST and the pages
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.doctor_http()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT 'warning', 'unknown_page_text', format('settings.page_texts has a text %L for locale %L, but no page has a text of that name', k.key, l.locale),
		'No page shows the text.', format('UPDATE anon_auth.settings SET page_texts = page_texts #- %L;', ARRAY[l.locale, k.key])
	FROM anon_auth.settings s, jsonb_each(s.page_texts) AS l (locale, texts),
		LATERAL jsonb_object_keys(CASE jsonb_typeof(l.texts) WHEN 'object' THEN l.texts ELSE '{}' END) AS k (key)
	WHERE NOT anon_auth_http.page_texts('en') ? k.key;
	RETURN QUERY
	SELECT 'warning', 'no_token_role', format('role %L, which access tokens name (settings.token_role), does not exist', s.token_role),
		'PostgREST cannot switch to the role, and rejects every access token.', format('CREATE ROLE %I NOLOGIN; GRANT %I TO authenticator;', s.token_role, s.token_role)
	FROM anon_auth.settings s
	WHERE NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = s.token_role)
	  AND EXISTS (SELECT FROM pg_proc p, aclexplode(p.proacl) a
				  WHERE p.oid = 'anon_auth.postgrest_pre_request()'::regprocedure AND a.grantee <> p.proowner);
END
$$;
COMMENT ON FUNCTION anon_auth.doctor_http() IS
'Part of doctor(). Checks the texts of the pages and the role of access tokens.';
