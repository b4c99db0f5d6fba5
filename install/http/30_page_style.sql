-- ---------------------------------------------------------------------------
-- Templates, style sheet and script
-- ---------------------------------------------------------------------------

-- src/http/pages contains the HTML that is the same on all pages.  page_fill()
-- replaces the {{names}} in it.
CREATE FUNCTION anon_auth_internal.page_fill(template text, html jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	-- Replace all placeholders in one pass: a value may look like a placeholder.
	SELECT string_agg(CASE n WHEN 1 THEN piece
			ELSE coalesce(html ->> split_part(piece, '}}', 1), '') || substr(piece, strpos(piece, '}}') + 2) END, '' ORDER BY n)
		FROM string_to_table((
			SELECT string_agg(CASE WHEN condition IS NULL THEN line ELSE substr(line, length(condition) + 6) END, E'\n' ORDER BY n)
				FROM string_to_table(template, E'\n') WITH ORDINALITY AS l (line, n),
					LATERAL (SELECT substring(line FROM '^\{\{#([a-z_]+)\}\}')) AS c (condition)
				WHERE condition IS NULL OR html ->> condition IS NOT NULL), '{{') WITH ORDINALITY AS u (piece, n)
$$;
COMMENT ON FUNCTION anon_auth_internal.page_fill(text, jsonb) IS
'Replaces each {{name}} in a template by the member name of html, or by nothing if there is none. Omits a line that begins with {{#name}} if html has no member name.';

CREATE FUNCTION anon_auth_internal.color_contrast(color text, other text)
	RETURNS double precision
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH luminance (y) AS (
		SELECT sum(weight * CASE WHEN v <= 0.04045 THEN v / 12.92 ELSE ((v + 0.055) / 1.055) ^ 2.4 END)
			FROM unnest(ARRAY[color, other]) AS c (rgb),
				(VALUES (0, 0.2126::float8), (1, 0.7152), (2, 0.0722)) AS w (i, weight),
				LATERAL (SELECT get_byte(decode(substr(rgb, 2), 'hex'), i) / 255.0::float8) AS b (v)
			GROUP BY rgb
	)
	SELECT (max(y) + 0.05) / (min(y) + 0.05) FROM luminance
$$;
COMMENT ON FUNCTION anon_auth_internal.color_contrast(text, text) IS
'Returns the contrast ratio (WCAG 2.2) of two colors #rrggbb, from 1 to 21.';

CREATE FUNCTION anon_auth_internal.color_readable(color text, background text, towards text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT mixed FROM generate_series(0, 20) AS s (step),
			LATERAL (SELECT '#' || string_agg(lpad(to_hex(
				(get_byte(decode(substr(color, 2), 'hex'), i) * (20 - step)
				 + get_byte(decode(substr(towards, 2), 'hex'), i) * step) / 20), 2, '0'), '' ORDER BY i)
					FROM generate_series(0, 2) AS g (i)) AS m (mixed)
		WHERE step = 20 OR anon_auth_internal.color_contrast(mixed, background) >= 4.6
		ORDER BY step LIMIT 1
$$;
COMMENT ON FUNCTION anon_auth_internal.color_readable(text, text, text) IS
'Mixes a color #rrggbb with the color towards until it is readable on the background, and no further.';

CREATE FUNCTION anon_auth_internal.page_style(brand_color text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($css$
@src/http/pages/style.css@$css$, jsonb_build_object(
			'button', button,
			'button_text', CASE WHEN dark_text THEN '#000' ELSE '#fff' END,
			'shade', CASE WHEN dark_text THEN 'rgb(255 255 255/.25)' ELSE 'rgb(0 0 0/.16)' END,
			'accent', anon_auth_internal.color_readable(button, '#f0f2f6', '#000000'),
			'accent_dark', anon_auth_internal.color_readable(button, '#25282f', '#ffffff')))
		FROM (SELECT lower(coalesce(substring(brand_color FROM '^#[0-9A-Fa-f]{6}$'), '#2456d3'))) AS b (button),
			LATERAL (SELECT anon_auth_internal.color_contrast(button, '#000000')
							> anon_auth_internal.color_contrast(button, '#ffffff')) AS t (dark_text)
$$;
COMMENT ON FUNCTION anon_auth_internal.page_style(text) IS
'Returns the style sheet of the pages in the color of the brand, #rrggbb. NULL: a blue.';

-- The pages work without the script.  It shows the password, marks rules as met,
-- prevents a form from being sent twice, and asks authenticators for passkeys.
CREATE FUNCTION anon_auth_internal.page_script()
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT $js$
@src/http/pages/script.js@$js$
$$;
COMMENT ON FUNCTION anon_auth_internal.page_script() IS
'Returns the script of the pages.';

