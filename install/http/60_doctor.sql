-- ---------------------------------------------------------------------------
-- doctor(): the requirements of PostgREST and the pages
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_internal.doctor_http()
	RETURNS SETOF anon_auth.finding
	LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- Read first: see doctor_rights().
	role_of_tokens text := (SELECT token_role FROM anon_auth.settings);
BEGIN
	RETURN QUERY
	SELECT 'warning', 'unknown_page_text', format('settings.page_texts has a text %L for locale %L, but no page has a text of that name', k.key, l.locale),
		'No page shows the text.', format('UPDATE anon_auth.settings SET page_texts = page_texts #- %L;', ARRAY[l.locale, k.key])
	FROM anon_auth.settings s, jsonb_each(s.page_texts) AS l (locale, texts),
		LATERAL jsonb_object_keys(CASE jsonb_typeof(l.texts) WHEN 'object' THEN l.texts ELSE '{}' END) AS k (key)
	WHERE NOT anon_auth_http.page_texts('en') ? k.key
	  AND NOT (starts_with(k.key, 'settings_attribute_') AND substr(k.key, length('settings_attribute_') + 1) = ANY (s.user_writable_attributes));
	-- The texts of a less specific locale, such as de for de-AT, are in the same language.
	RETURN QUERY
	SELECT 'warning', 'missing_page_texts', format('settings.page_texts lacks texts for locale %L, such as %L', l.locale, min(e.key COLLATE "C")),
		'Pages in this language are partly in English.',
		format('UPDATE anon_auth.settings SET page_texts = page_texts - %L;  -- or translate what this query shows: SELECT * FROM jsonb_each_text(anon_auth_http.page_texts(''en'') - ARRAY(SELECT jsonb_object_keys(page_texts -> %1$L) FROM anon_auth.settings))', l.locale)
	FROM anon_auth.settings s, jsonb_each(s.page_texts) AS l (locale, texts), jsonb_object_keys(anon_auth_http.page_texts('en')) AS e (key)
	WHERE jsonb_typeof(l.texts) = 'object'
	  AND NOT EXISTS (SELECT FROM (SELECT b, anon_auth_http.page_texts(b) FROM unnest('{en,de,zh-Hant}'::text[]) AS u (b)
								   UNION ALL SELECT * FROM jsonb_each(s.page_texts)) AS o (name, texts)
					  WHERE starts_with(lower(l.locale COLLATE "C") || '-', lower(o.name COLLATE "C") || '-')
						AND jsonb_typeof(o.texts -> e.key) = 'string')
	GROUP BY l.locale
	ORDER BY l.locale COLLATE "C";
	RETURN QUERY
	SELECT 'warning', 'no_texts_of_locale', format('settings.default_locale is %L, and the pages have no texts in this language', s.default_locale),
		'Users whose browsers ask for no available language see English.',
		'UPDATE anon_auth.settings SET default_locale = DEFAULT;  -- or add texts in this language to page_texts'
	FROM anon_auth.settings s
	WHERE anon_auth_internal.page_locale_named(s.default_locale,
			ARRAY['en', 'de', 'zh-Hant'] || ARRAY(SELECT jsonb_object_keys(s.page_texts))) IS NULL;
	RETURN QUERY
	SELECT 'warning', 'sessions_not_checked', 'settings.check_session_on_request is off',
		'PostgREST accepts an access token until it expires, also after a logout, after revoke_sessions(), and after the user was disabled.',
		'UPDATE anon_auth.settings SET check_session_on_request = true;'
	FROM anon_auth.settings s
	WHERE NOT s.check_session_on_request
	  AND EXISTS (SELECT FROM pg_proc p, aclexplode(p.proacl) a
				  WHERE p.oid = 'anon_auth.postgrest_pre_request()'::regprocedure AND a.grantee <> p.proowner);
	RETURN QUERY
	SELECT 'warning', 'no_token_role', format('role %L, which access tokens name (settings.token_role), does not exist', role_of_tokens),
		'PostgREST cannot switch to the role, and rejects every access token.', format('CREATE ROLE %I NOLOGIN; GRANT %I TO authenticator;', role_of_tokens, role_of_tokens)
	WHERE role_of_tokens IS NOT NULL AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = role_of_tokens)
	  AND EXISTS (SELECT FROM pg_proc p, aclexplode(p.proacl) a
				  WHERE p.oid = 'anon_auth.postgrest_pre_request()'::regprocedure AND a.grantee <> p.proowner);
	RETURN QUERY
	SELECT 'warning', 'issuer_has_path', format('settings.issuer %L has a path', s.issuer),
		'The HTTP endpoints are at the root of the origin (/oauth2/..., /.well-known/...). Clients look for them below the issuer and do not find them.',
		format('UPDATE anon_auth.settings SET issuer = %L;', substring(s.issuer FROM '^[a-z]+://[^/]+'))
	FROM anon_auth.settings s
	WHERE s.issuer ~ '^[a-z]+://[^/]+/'
	  AND EXISTS (SELECT FROM pg_proc p, aclexplode(p.proacl) a
				  WHERE p.oid = 'anon_auth_http.openid_configuration(text)'::regprocedure AND a.grantee <> p.proowner);
	RETURN QUERY
	SELECT 'warning', 'no_page_client', format('settings.page_client_id %L is no client of type traditional_webapp', s.page_client_id),
		'People who open a settings page without being logged in cannot log in there.',
		'UPDATE anon_auth.settings SET page_client_id = NULL;  -- or name a client of that type'
	FROM anon_auth.settings s
	WHERE s.page_client_id IS NOT NULL
	  AND NOT EXISTS (SELECT FROM anon_auth.clients c WHERE c.client_id = s.page_client_id AND c.application_type = 'traditional_webapp');
	RETURN QUERY
	SELECT 'warning', 'pages_without_codes', 'settings.login_id_verification is required, and settings.page_login_methods has no code',
		'The sign-up page cannot prove an e-mail address or phone number, so it refuses all of them.',
		'UPDATE anon_auth.settings SET page_login_methods = ''{code}'';  -- and run the worker that sends the codes'
	FROM anon_auth.settings s
	WHERE s.login_id_verification = 'required' AND s.login_id_types && '{email,phone_number}' AND NOT 'code' = ANY (s.page_login_methods)
	  AND EXISTS (SELECT FROM pg_proc p, aclexplode(p.proacl) a
				  WHERE p.oid = 'anon_auth_http.promote_user(text)'::regprocedure AND a.grantee <> p.proowner);
	RETURN QUERY
	SELECT 'notice', 'passkey_origins_without_issuer', format('settings.passkey_origins does not have the origin of the issuer, %s', i.origin),
		'The pages of the issuer cannot use passkeys.',
		format('UPDATE anon_auth.settings SET passkey_origins = array_append(passkey_origins, %L);', i.origin)
	FROM anon_auth.settings s, LATERAL (SELECT substring(s.issuer FROM '^[a-z]+://[^/]+')) AS i (origin)
	WHERE cardinality(s.passkey_origins) > 0 AND i.origin <> ALL (s.passkey_origins)
	  AND EXISTS (SELECT FROM pg_proc p, aclexplode(p.proacl) a
				  WHERE p.oid = 'anon_auth_http.promote_user(text)'::regprocedure AND a.grantee <> p.proowner);
	RETURN QUERY
	SELECT 'warning', 'cookie_tossing',
		CASE WHEN s.cookie_domain IS NULL THEN format('settings.cookie_prefix %L does not begin with __Host-', s.cookie_prefix)
			ELSE format('settings.cookie_domain shares the cookies with all hosts of %s', s.cookie_domain) END,
		CASE WHEN s.cookie_domain IS NULL THEN 'A page of another host of the same site can replace the session cookie, so that the user acts as another user. Users with a cookie must log in again after the fix.'
			ELSE 'Each of these hosts receives the session cookie and can replace it, so that the user acts as another user. Users with a cookie must log in again after the fix, and an application on another host can no longer use the cookie.' END,
		format('UPDATE anon_auth.settings SET cookie_prefix = %s, cookie_domain = NULL;',
			CASE WHEN coalesce(s.cookie_prefix, '') = '' THEN 'NULL' ELSE quote_literal('__Host-' || left(regexp_replace(s.cookie_prefix, '^__(Secure|Host)-', '', 'i'), 57)) END)
	FROM anon_auth.settings s
	WHERE s.issuer ~ '^https:' AND (s.cookie_domain IS NOT NULL OR s.cookie_prefix !~* '^__Host-');
END
$$;
COMMENT ON FUNCTION anon_auth_internal.doctor_http() IS
'Part of doctor(). Checks the texts of the pages, their client, the path of the issuer, what PostgREST does with access tokens, the names of the cookies, and the origins of passkeys.';
