-- ---------------------------------------------------------------------------
-- Texts and languages of the pages
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_internal.html_escape(text)
	RETURNS text
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT replace(replace(replace(replace(replace($1, '&', '&amp;'), '<', '&lt;'),
		'>', '&gt;'), '"', '&quot;'), '''', '&#39;')
$$;
COMMENT ON FUNCTION anon_auth_internal.html_escape(text) IS
'Escapes a text for HTML, both between tags and in a quoted attribute.';

-- {app} is the name of the site.  If the name is not known, the page uses the text
-- whose key ends in _without_app.
CREATE FUNCTION anon_auth_http.page_texts(locale text)
	RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE locale
		WHEN 'en' THEN jsonb $texts$@src/http/pages/en.json@$texts$
		WHEN 'de' THEN jsonb $texts$@src/http/pages/de.json@$texts$
		WHEN 'zh-Hant' THEN jsonb $texts$@src/http/pages/zh-Hant.json@$texts$
	END
$$;
COMMENT ON FUNCTION anon_auth_http.page_texts(text) IS
'Returns the built-in texts of the pages in one language (en, de, zh-Hant), as a JSON object of plain text by key; NULL for another language. Names in braces are placeholders. Texts in settings.page_texts take precedence.';

-- Find the locale that a language tag names (RFC 4647, section 3.4), or else a more
-- specific one, such as pt-BR for pt.  Chinese without a script is traditional
-- Chinese in regions that write it.
CREATE FUNCTION anon_auth_internal.page_locale_named(tag text, available text[])
	RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wanted text := lower(tag COLLATE "C");
	match text;
BEGIN
	WHILE wanted <> '' LOOP
		SELECT a INTO match FROM unnest(available) WITH ORDINALITY AS u (a, n)
			WHERE lower(a COLLATE "C") = wanted ORDER BY n LIMIT 1;
		EXIT WHEN FOUND;
		IF wanted ~ '^zh-(tw|hk|mo)$' THEN
			wanted := 'zh-hant';
		ELSE
			wanted := substring(wanted FROM '^(.*)-');
		END IF;
	END LOOP;
	IF match IS NULL AND lower(tag COLLATE "C") <> 'zh' THEN
		SELECT a INTO match FROM unnest(available) WITH ORDINALITY AS u (a, n)
			WHERE starts_with(lower(a COLLATE "C"), lower(tag COLLATE "C") || '-') ORDER BY n LIMIT 1;
	END IF;
	RETURN match;
END
$$;
COMMENT ON FUNCTION anon_auth_internal.page_locale_named(text, text[]) IS
'Returns the element of available that a language tag (BCP 47) names; NULL if there is none.';

CREATE FUNCTION anon_auth_internal.page_locale(
	ui_locales text,
	accept_language text,
	available text[],
	default_locale text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH wanted (tag, rank, q, n) AS (
		SELECT part, 1, 1.0, n
			FROM regexp_split_to_table(left(ui_locales, 1000), '\s+') WITH ORDINALITY AS u (part, n)
		UNION ALL
		SELECT btrim(split_part(part, ';', 1), E' \t'), 2,
			CASE WHEN part !~ ';' THEN 1.0
				 ELSE substring(part FROM ';\s*[qQ]\s*=\s*([01](?:\.[0-9]{0,3})?)\s*$')::numeric END, n
			FROM regexp_split_to_table(left(accept_language, 1000), ',') WITH ORDINALITY AS a (part, n)
	), tags AS (
		SELECT tag, row_number() OVER (ORDER BY rank, q DESC, n) AS place FROM wanted
			WHERE tag ~ '^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$' AND q > 0
	), named AS (
		SELECT anon_auth_internal.page_locale_named(tag, available) AS locale, 1 AS rank, place FROM tags
		UNION ALL
		-- Prefer another variant of a wanted language to another language.
		SELECT a, 2, place FROM tags, unnest(available) AS u (a)
			WHERE split_part(lower(a COLLATE "C"), '-', 1) = split_part(lower(tag COLLATE "C"), '-', 1)
		UNION ALL
		SELECT anon_auth_internal.page_locale_named(default_locale, available), 3, 0
	)
	SELECT coalesce((SELECT locale FROM named WHERE locale IS NOT NULL
						ORDER BY rank, place, locale LIMIT 1), 'en')
$$;
COMMENT ON FUNCTION anon_auth_internal.page_locale(text, text, text[], text) IS
'Returns the best of the available locales for ui_locales (OpenID Connect Core, section 3.1.2.1), then for Accept-Language (RFC 9110, section 12.5.4), then the default, then en. Ignores malformed parts.';
