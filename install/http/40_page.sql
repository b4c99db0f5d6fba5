-- ---------------------------------------------------------------------------
-- The pages: HTML from a model that the C code makes.  All decisions are made in C.
--
-- Except for page(), the functions take the model as extended by page_context().
-- Only page_text() and html_escape() convert text to HTML.
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_internal.page_strings(value jsonb)
	RETURNS text[]
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE jsonb_typeof(value)
		WHEN 'string' THEN ARRAY[value #>> '{}']
		WHEN 'array' THEN ARRAY(SELECT e #>> '{}' FROM jsonb_array_elements(value) AS a (e)
									WHERE jsonb_typeof(e) = 'string')
		ELSE '{}' END
$$;
COMMENT ON FUNCTION anon_auth_internal.page_strings(jsonb) IS
'Converts a JSON string or an array of strings to a text array. Ignores other elements.';

CREATE FUNCTION anon_auth_internal.page_url(url text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.html_escape(url)
		WHERE url !~ '[[:cntrl:][:space:]]' AND url ~ '^([A-Za-z][A-Za-z0-9+.-]*:.|[?]|/([^/\\]|$))'
			AND url !~* '^(javascript|vbscript|data|blob|file|about|view-source):' COLLATE "C"
$$;
COMMENT ON FUNCTION anon_auth_internal.page_url(text) IS
'Escapes a URL for an attribute. Returns NULL if a browser would not navigate to the URL but run or show it.';

CREATE FUNCTION anon_auth_internal.page_text(page jsonb, key text, html jsonb DEFAULT '{}')
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	-- Replace all placeholders in one pass: a value may look like a placeholder.
	SELECT string_agg(coalesce(filled ->> substring(part[1] FROM '^\{(.*)\}$'), part[1]), '' ORDER BY n)
		FROM (SELECT jsonb_build_object('app', anon_auth_internal.html_escape(coalesce(page ->> 'app', '')))
					 || html AS filled,
				 coalesce(CASE WHEN page ->> 'app' IS NULL THEN page -> 'texts' ->> (key || '_without_app') END,
						  page -> 'texts' ->> key, '') AS template) AS t,
			regexp_matches(anon_auth_internal.html_escape(template), '\{[a-z_]+\}|[^{]+|\{', 'g')
				WITH ORDINALITY AS m (part, n)
$$;
COMMENT ON FUNCTION anon_auth_internal.page_text(jsonb, text, jsonb) IS
'Returns a text of the page as HTML. Replaces placeholders by the name of the site and by the given HTML. NULL: there is no such text, or it is empty.';

-- ---------------------------------------------------------------------------
-- Parts
-- ---------------------------------------------------------------------------

-- The message about a weak password does not name the rules that are in the list
-- below the field: the list marks them.
CREATE FUNCTION anon_auth_internal.page_password_rule(code text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE code WHEN 'too_short' THEN 'length' ELSE substring(code FROM '^(.*)_required$') END
$$;
COMMENT ON FUNCTION anon_auth_internal.page_password_rule(text) IS
'Returns the rule in page_rules() that an error code of a password names; NULL: none.';

CREATE FUNCTION anon_auth_internal.page_errors(page jsonb)
	RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH password (code, in_list, n) AS (
		SELECT code, page -> 'broken_rules' ? anon_auth_internal.page_password_rule(code), n
			FROM unnest(anon_auth_internal.page_strings(page #> '{errors,password}')) WITH ORDINALITY AS u (code, n)
	), sentences (text, n) AS (
		SELECT anon_auth_internal.page_text(page, 'password_weak'), 0 FROM password WHERE in_list HAVING count(*) > 0
		UNION ALL
		SELECT coalesce(anon_auth_internal.page_text(page, 'password_' || code),
						anon_auth_internal.page_text(page, 'password_error')), n
			FROM password WHERE in_list IS NOT TRUE
	)
	SELECT jsonb_strip_nulls(jsonb_build_object(
		'form', CASE WHEN page #>> '{errors,form}' IS NOT NULL THEN
			coalesce(CASE WHEN substring(page ->> 'wait_minutes' FROM '^[0-9]{1,6}$')::integer > 120 THEN
						 anon_auth_internal.page_text(page, 'form_' || (page #>> '{errors,form}') || '_hours',
							jsonb_build_object('hours', ceil((page ->> 'wait_minutes')::numeric / 60)::integer)) END,
					 CASE WHEN substring(page ->> 'wait_minutes' FROM '^[0-9]{1,6}$')::integer > 1 THEN
						 anon_auth_internal.page_text(page, 'form_' || (page #>> '{errors,form}') || '_minutes',
							jsonb_build_object('minutes', page ->> 'wait_minutes')) END,
					 anon_auth_internal.page_text(page, 'form_' || (page #>> '{errors,form}')),
					 anon_auth_internal.page_text(page, 'form_failed')) END,
		'code', CASE WHEN page #>> '{errors,code}' IS NOT NULL THEN
			coalesce(anon_auth_internal.page_text(page, 'code_' || (page #>> '{errors,code}')),
					 anon_auth_internal.page_text(page, 'code_wrong')) END,
		'login_id', CASE WHEN page #>> '{errors,login_id}' IS NOT NULL THEN
			coalesce(anon_auth_internal.page_text(page, (page ->> 'kinds') || '_' || (page #>> '{errors,login_id}')),
					 anon_auth_internal.page_text(page, 'login_id_' || (page #>> '{errors,login_id}')),
					 anon_auth_internal.page_text(page, 'login_id_error')) END,
		'password', (SELECT string_agg(text, anon_auth_internal.page_text(page, 'sentence_separator') ORDER BY n)
						 FROM sentences)))
		|| coalesce((SELECT jsonb_object_agg(name, coalesce(anon_auth_internal.page_text(page, name || '_' || code),
															anon_auth_internal.page_text(page, 'field_' || code),
															anon_auth_internal.page_text(page, 'field_error')))
			FROM jsonb_each_text(CASE jsonb_typeof(page -> 'errors') WHEN 'object' THEN page -> 'errors' ELSE '{}' END) AS e (name, code)
			WHERE name NOT IN ('form', 'code', 'login_id', 'password')), '{}')
$$;
COMMENT ON FUNCTION anon_auth_internal.page_errors(jsonb) IS
'Returns the messages, as HTML, for the codes in errors: {"form", "login_id", "code", "password"} and other fields. A member without an error is missing.';

CREATE FUNCTION anon_auth_internal.page_error_summary(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($html$@src/http/pages/error_summary.html@$html$, jsonb_build_object(
			'title', anon_auth_internal.page_text(page, 'error_summary'),
			'focus', CASE WHEN page ->> 'focus' = 'error_summary' THEN ' tabindex="-1" autofocus' END,
			'items', string_agg(format(CASE field WHEN 'form' THEN E'<li>%2$s</li>\n' ELSE E'<li><a href="#%1$s">%2$s</a></li>\n' END,
									   field, message), '' ORDER BY field)))
		FROM jsonb_each_text(page -> 'messages') AS m (field, message) HAVING count(*) > 0
$$;
COMMENT ON FUNCTION anon_auth_internal.page_error_summary(jsonb) IS
'Returns the list of all errors, each with a link to its field; NULL if there is none.';

CREATE FUNCTION anon_auth_internal.page_link(url text, text text, class text DEFAULT NULL)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('<a%s href="%s">%s</a>', ' class="' || class || '"', anon_auth_internal.page_url(url), text)
		WHERE anon_auth_internal.page_url(url) IS NOT NULL
$$;
COMMENT ON FUNCTION anon_auth_internal.page_link(text, text, text) IS
'Returns a link whose text is HTML; NULL if the URL is missing or not allowed by page_url().';

-- Label, hint, error and control are in reading order.
CREATE FUNCTION anon_auth_internal.page_field(
	page jsonb,
	name text,
	label text,
	attributes text,
	hint text DEFAULT NULL,
	beside text DEFAULT NULL,
	described_by text DEFAULT NULL,
	is_optional boolean DEFAULT false,
	lines text DEFAULT NULL)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($html$@src/http/pages/field.html@$html$, jsonb_build_object(
			'element', CASE WHEN lines IS NULL THEN 'input' ELSE 'textarea' END,
			-- Browsers drop the first line break.
			'content', E'\n' || anon_auth_internal.html_escape(lines) || '</textarea>',
			'name', name,
			'label', coalesce(anon_auth_internal.page_text(page, label), anon_auth_internal.html_escape(label)),
			'required', CASE WHEN NOT is_optional THEN ' required' END,
			'hint', hint,
			'message', message,
			'class', CASE WHEN beside IS NOT NULL THEN ' peek' END,
			'attributes', attributes,
			'invalid', message IS NOT NULL,
			'described_by', ' aria-describedby="' || described || '"',
			'autofocus', CASE WHEN page ->> 'focus' = name THEN ' autofocus' END,
			'beside', beside))
		FROM (SELECT page -> 'messages' ->> name AS message) AS m,
			LATERAL (SELECT nullif(concat_ws(' ', CASE WHEN message IS NOT NULL THEN name || '_error' END,
				CASE WHEN hint IS NOT NULL THEN name || '_hint' END, described_by), '') AS described) AS d
$$;
COMMENT ON FUNCTION anon_auth_internal.page_field(jsonb, text, text, text, text, text, text, boolean, text) IS
'Returns an input with its label (the key of a text, or else the label itself) and its error. Optional: a hint, HTML beside the input, ids of elements that describe it, whether the input may stay empty, and the text of one with several lines.';

CREATE FUNCTION anon_auth_internal.page_show_password(page jsonb, name text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT rtrim(anon_auth_internal.page_fill($html$@src/http/pages/show_password.html@$html$, jsonb_build_object(
			'name', name,
			'label', anon_auth_internal.page_text(page, 'show_password'))), E'\n')
$$;
COMMENT ON FUNCTION anon_auth_internal.page_show_password(jsonb, text) IS
'Returns the button that shows the password in the input of this name.';

CREATE FUNCTION anon_auth_internal.page_login_id_links(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($html$@src/http/pages/links.html@$html$, jsonb_build_object(
			'items', string_agg('<li>' || link || E'</li>\n', '' ORDER BY n)))
		FROM (SELECT page ->> 'view' <> 'sign_up') AS v (is_chosen),
			unnest(anon_auth_internal.page_strings(page -> 'login_id_types')) WITH ORDINALITY AS u (other, n),
			LATERAL anon_auth_internal.page_link((page ->> 'action') || '&login_id_type=' || other,
				anon_auth_internal.page_text(page, CASE WHEN is_chosen THEN 'another_' ELSE 'use_' END || other)) AS l (link)
		WHERE other IN ('email', 'phone_number', 'username') AND (other = page ->> 'type') = is_chosen
		HAVING count(link) > 0
$$;
COMMENT ON FUNCTION anon_auth_internal.page_login_id_links(jsonb) IS
'Returns links from a sign-up to the other types of login ID, and from the later pages back to the first one, for another login ID of the same type; NULL if there are none.';

CREATE FUNCTION anon_auth_internal.page_login_id(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($html$@src/http/pages/login_id.html@$html$, jsonb_build_object(
			'field', anon_auth_internal.page_field(page, 'login_id', 'label_' || kinds,
				concat('type="', CASE kinds WHEN 'email' THEN 'email' WHEN 'phone_number' THEN 'tel' ELSE 'text' END,
					CASE WHEN kinds IN ('email', 'phone_number') THEN '" dir="ltr' END,
					'" inputmode="', CASE WHEN kinds = 'phone_number' THEN 'tel'
										  WHEN kinds IN ('username', 'phone_number_or_username') THEN 'text' ELSE 'email' END,
					'" autocomplete="', CASE WHEN logging_in THEN 'username' WHEN type = 'email' THEN 'email'
										WHEN type = 'phone_number' THEN 'tel' ELSE 'username' END,
					'" autocapitalize="none" autocorrect="off" spellcheck="false"',
					' value="' || anon_auth_internal.html_escape(page ->> 'login_id') || '"',
					CASE WHEN is_fixed THEN ' readonly' END),
				CASE WHEN NOT is_fixed THEN anon_auth_internal.page_text(page, 'hint_' || kinds) END),
			'links', concat('<p class="hint">' || CASE WHEN page ->> 'method' = 'code' OR page -> 'sends_code' = 'true' THEN anon_auth_internal.page_text(page, 'code_note') END || E'</p>\n',
				anon_auth_internal.page_login_id_links(page))))
		FROM (SELECT page ->> 'type', page ->> 'kinds', page ->> 'view' = 'log_in', (page -> 'fixed')::boolean)
			AS t (type, kinds, logging_in, is_fixed)
$$;
COMMENT ON FUNCTION anon_auth_internal.page_login_id(jsonb) IS
'Returns the login ID field, with links to the other types of login ID.';

CREATE FUNCTION anon_auth_internal.page_code(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($html$@src/http/pages/code.html@$html$, jsonb_build_object(
			'username', CASE WHEN page ->> 'purpose' <> 'reauthenticate' THEN anon_auth_internal.page_username(page) END,
			'links', CASE WHEN NOT page ? 'link_code' THEN anon_auth_internal.page_login_id_links(page) END,
			'field', CASE WHEN NOT page ? 'link_code' THEN anon_auth_internal.page_field(page, 'code', 'label_code',
				'type="text" dir="ltr" inputmode="' || CASE WHEN is_reset THEN 'text' ELSE 'numeric' END || '" autocomplete="one-time-code" autocapitalize="none" autocorrect="off" spellcheck="false"'
					|| coalesce(' value="' || anon_auth_internal.html_escape(page ->> 'code') || '"', ''),
				anon_auth_internal.page_text(page, CASE WHEN is_reset THEN 'hint_reset_code' ELSE 'hint_code' END || CASE WHEN (page ->> 'code_minutes')::integer > 1 THEN '_minutes' ELSE '' END,
					jsonb_build_object('minutes', page ->> 'code_minutes'))) END))
		FROM (SELECT page ->> 'purpose' = 'reset_password') AS p (is_reset)
$$;
COMMENT ON FUNCTION anon_auth_internal.page_code(jsonb) IS
'Returns the field for a code that was sent to the login ID, with a link to use another login ID. With the code of a link, returns only the login ID, for password managers.';

CREATE FUNCTION anon_auth_internal.page_rules(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($html$@src/http/pages/rules.html@$html$, jsonb_build_object(
			'met', anon_auth_internal.page_text(page, 'rule_met'),
			'unmet', anon_auth_internal.page_text(page, 'rule_unmet'),
			'count', anon_auth_internal.page_text(page, 'rules_met'),
			'title', anon_auth_internal.page_text(page, 'rules'),
			'items', string_agg(format(E'<li data-rule="%s"%s%s>%s<span class="sr">%s</span></li>\n', rule,
				CASE rule WHEN 'length' THEN format(' data-min="%s"', page #>> '{numbers,min_length}') END,
				CASE WHEN is_broken THEN ' class="broken"' END,
				anon_auth_internal.page_text(page, 'rule_' || rule, page -> 'numbers'),
				CASE WHEN is_broken THEN ' (' || anon_auth_internal.page_text(page, 'rule_unmet') || ')' END), '' ORDER BY n)))
		FROM unnest(anon_auth_internal.page_strings(page -> 'rules')) WITH ORDINALITY AS u (rule, n),
			LATERAL (SELECT page -> 'broken_rules' ? rule) AS b (is_broken)
		HAVING count(*) > 0
$$;
COMMENT ON FUNCTION anon_auth_internal.page_rules(jsonb) IS
'Returns the rules for a new password, with those marked that the last one broke; NULL if there are none. The script marks the rules that are met.';

CREATE FUNCTION anon_auth_internal.page_password(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($html$@src/http/pages/password.html@$html$, jsonb_build_object(
			'field', anon_auth_internal.page_field(page, 'password', CASE WHEN is_new THEN 'label_new_password' ELSE 'label_password' END,
				concat('type="password" autocomplete="', CASE WHEN is_new THEN 'new-password' ELSE 'current-password' END,
					'" autocapitalize="none" autocorrect="off" spellcheck="false"'),
				NULL,
				anon_auth_internal.page_show_password(page, 'password'),
				CASE WHEN rules IS NOT NULL THEN 'password_rules' END),
			'rules', rules,
			'forgot', CASE WHEN NOT is_new THEN '<p>' || anon_auth_internal.page_link(page ->> 'forgot_password_uri', anon_auth_internal.page_text(page, 'forgot_password'), 'other') || E'</p>\n' END))
		FROM (SELECT page ->> 'view' NOT IN ('log_in', 'reauthenticate')) AS v (is_new),
			LATERAL (SELECT CASE WHEN is_new THEN anon_auth_internal.page_rules(page) END) AS r (rules)
$$;
COMMENT ON FUNCTION anon_auth_internal.page_password(jsonb) IS
'Returns the password field; for a new password, with the rules.';

CREATE FUNCTION anon_auth_internal.page_username(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($html$@src/http/pages/username.html@$html$, jsonb_build_object(
			'login_id', anon_auth_internal.html_escape(page ->> 'login_id')))
		WHERE page ->> 'login_id' <> ''
$$;
COMMENT ON FUNCTION anon_auth_internal.page_username(jsonb) IS
'Returns an input that nobody sees, with the login ID, for password managers; NULL if the login ID is not known.';

CREATE FUNCTION anon_auth_internal.page_addresses(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN count(*) > 1 THEN
			anon_auth_internal.page_fill($html$@src/http/pages/choices.html@$html$, jsonb_build_object(
				'legend', anon_auth_internal.page_text(page, 'addresses'),
				'items', string_agg(anon_auth_internal.page_fill($html$@src/http/pages/choice.html@$html$, jsonb_build_object(
					'name', 'address',
					'value', n - 1,
					'checked', CASE WHEN n = 1 THEN ' checked' END,
					'label', anon_auth_internal.html_escape(address))), '' ORDER BY n)))
			ELSE '<p>' || anon_auth_internal.page_text(page, 'address_note', jsonb_build_object('address',
				'<b dir="ltr">' || anon_auth_internal.html_escape(min(address)) || '</b>')) || E'</p>\n' END
		FROM unnest(anon_auth_internal.page_strings(page -> 'addresses')) WITH ORDINALITY AS u (address, n)
$$;
COMMENT ON FUNCTION anon_auth_internal.page_addresses(jsonb) IS
'Returns a choice among the addresses that a code can be sent to, by their number from 0, or a sentence that names the only one.';

CREATE FUNCTION anon_auth_internal.page_account_link(page jsonb, name text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '<p class="center">' || anon_auth_internal.page_text(page, name || '_sentence', jsonb_build_object('link', link)) || E'</p>\n'
		FROM anon_auth_internal.page_link(page ->> (name || '_uri'), anon_auth_internal.page_text(page, name || '_link')) AS l (link)
		WHERE link IS NOT NULL
$$;
COMMENT ON FUNCTION anon_auth_internal.page_account_link(jsonb, text) IS
'Returns a sentence with a link between log-in and sign-up: name is sign_up or have_account. NULL if the model has no such address.';

CREATE FUNCTION anon_auth_internal.page_legal(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	-- Open a new tab, so that the typed input is not lost.
	SELECT '<p class="legal">' || string_agg(anon_auth_internal.page_text(page, name || '_sentence', jsonb_build_object(name,
				format('<a href="%s" target="_blank" rel="noopener">%s<span class="sr"> (%s)</span></a>', url,
					   anon_auth_internal.page_text(page, name), anon_auth_internal.page_text(page, 'new_tab')))),
			anon_auth_internal.page_text(page, 'sentence_separator') ORDER BY n)
			|| E'</p>\n'
		FROM (VALUES ('terms', anon_auth_internal.page_url(page ->> 'tos_uri'), 1),
					 ('privacy', anon_auth_internal.page_url(page ->> 'policy_uri'), 2)) AS v (name, url, n)
		WHERE url IS NOT NULL
$$;
COMMENT ON FUNCTION anon_auth_internal.page_legal(jsonb) IS
'Returns sentences with links to the terms of service and the privacy policy; NULL if there are none.';

CREATE FUNCTION anon_auth_internal.page_hidden(inputs jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(format(E'<input type="hidden" name="%s" value="%s">\n', anon_auth_internal.html_escape(name),
							 anon_auth_internal.html_escape(value #>> '{}')), '' ORDER BY name)
		FROM jsonb_each(inputs) AS h (name, value) WHERE jsonb_typeof(value) = 'string'
$$;
COMMENT ON FUNCTION anon_auth_internal.page_hidden(jsonb) IS
'Returns hidden inputs for the strings in an object.';

-- The script shows the button if the browser has WebAuthn.
CREATE FUNCTION anon_auth_internal.page_passkey(page jsonb, passkey jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($html$@src/http/pages/passkey.html@$html$, jsonb_build_object(
			'method', CASE passkey ->> 'method' WHEN 'create' THEN 'create' ELSE 'get' END,
			'options', anon_auth_internal.html_escape((passkey -> 'options')::text),
			'name_field', ' data-name-field="' || anon_auth_internal.html_escape(passkey ->> 'name_field') || '"',
			'autofills', CASE WHEN passkey -> 'autofills' = 'true' THEN ' data-autofills' END,
			'unknown_id', ' data-unknown-id="' || anon_auth_internal.html_escape(passkey ->> 'unknown_id') || '"',
			'exists', anon_auth_internal.page_text(page, coalesce(passkey ->> 'exists', 'passkey_exists')),
			'failed', anon_auth_internal.page_text(page, 'passkey_failed'),
			'class', CASE WHEN passkey -> 'is_only_way' IS DISTINCT FROM 'true' THEN ' plain' END,
			'busy', anon_auth_internal.page_text(page, 'busy'),
			'button', anon_auth_internal.page_text(page, passkey ->> 'text'),
			'unavailable', CASE WHEN passkey -> 'is_only_way' = 'true' THEN anon_auth_internal.page_text(page, 'passkey_unavailable') END))
		WHERE jsonb_typeof(passkey -> 'options') = 'object'
$$;
COMMENT ON FUNCTION anon_auth_internal.page_passkey(jsonb, jsonb) IS
'Returns a button for a form, hidden until the script finds that the browser has passkeys: {"method": "get" or "create", "options" for the browser, "text", the key of the text on it, "name_field", whose value names the user of a new passkey, "autofills": also offer passkeys in the autofill of the login ID, "is_only_way": a text says so in browsers without passkeys, "exists": the key of the text if the authenticator has one already, "unknown_id": a passkey that the authenticator can forget}. NULL if there are no options. The form then has "use" = "passkey", and the response in "passkey_response".';

-- What it leads to needs the script, which shows it if the browser has WebAuthn.
CREATE FUNCTION anon_auth_internal.page_passkey_way(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format(E'<div class="passkey-way" hidden><button class="button plain" type="submit" name="use" value="passkey" data-busy="%s">%s</button></div>\n',
			anon_auth_internal.page_text(page, 'busy'), anon_auth_internal.page_text(page, 'use_passkey'))
		WHERE page -> 'offers_passkey' = 'true'
$$;
COMMENT ON FUNCTION anon_auth_internal.page_passkey_way(jsonb) IS
'Returns a button for a form that leads to the form of a new passkey; NULL if the page offers none.';

-- novalidate: a browser would report missing input in its own language, and not
-- beside the field.
CREATE FUNCTION anon_auth_internal.page_form(page jsonb, button text, cancel text, fields text DEFAULT NULL, legal text DEFAULT NULL)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($html$@src/http/pages/form.html@$html$, jsonb_build_object(
			'action', ' action="' || anon_auth_internal.page_url(page ->> 'action') || '"',
			'hidden', anon_auth_internal.page_hidden(page -> 'hidden'),
			'fields', fields,
			'busy', anon_auth_internal.page_text(page, 'busy'),
			'class', CASE WHEN page -> 'can_sign_up' = 'true' THEN ' plain' END,
			'button', anon_auth_internal.page_text(page, button),
			'other', anon_auth_internal.page_text(page, 'use_' || (page ->> 'other')),
			'use', page ->> 'other',
			-- The button of a form that has no other comes before other ways.
			'only_passkey', CASE WHEN button IS NULL THEN anon_auth_internal.page_passkey(page, page -> 'passkey') END,
			'passkey', CASE WHEN button IS NOT NULL THEN coalesce(anon_auth_internal.page_passkey(page, page -> 'passkey'), anon_auth_internal.page_passkey_way(page)) END,
			'legal', legal,
			'cancel', CASE WHEN page ? 'log_in_uri' THEN anon_auth_internal.page_link(page ->> 'log_in_uri', anon_auth_internal.page_text(page, 'back_to_log_in'), 'other')
				ELSE anon_auth_internal.page_link(page ->> 'cancel_uri', anon_auth_internal.page_text(page, cancel), 'other') END))
$$;
COMMENT ON FUNCTION anon_auth_internal.page_form(jsonb, text, text, text, text) IS
'Returns a form with hidden members and with the given HTML of fields and legal sentences. button and cancel are keys of texts. If the model has another way to go on, a second button sends its name as "use". If it has a passkey, another button asks for that.';

-- ---------------------------------------------------------------------------
-- The page
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_internal.page_time(page jsonb, seconds bigint)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('<time datetime="%s">%s</time>', to_char(t, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
			anon_auth_internal.page_text(page, 'time', jsonb_build_object(
				'year', to_char(t, 'YYYY'), 'month_number', to_char(t, 'FMMM'), 'day', to_char(t, 'FMDD'),
				'month', anon_auth_internal.page_text(page, 'month_' || to_char(t, 'FMMM')), 'time', to_char(t, 'HH24:MI'))))
		FROM (SELECT timestamp '1970-01-01' + seconds * interval '1 second') AS s (t)
$$;
COMMENT ON FUNCTION anon_auth_internal.page_time(jsonb, bigint) IS
'Returns a time, given in seconds since 1970, in words and in UTC. The script converts it to the time zone of the browser.';

CREATE FUNCTION anon_auth_internal.page_guest(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($html$@src/http/pages/guest.html@$html$, jsonb_build_object(
			'guest', anon_auth_internal.page_text(page, 'guest_' || purpose, names),
			'warning', anon_auth_internal.page_text(page, 'guest_warning'),
			'merge', CASE WHEN page ->> 'view' = 'sign_up' AND page -> 'merges' = 'true' THEN anon_auth_internal.page_text(page, 'guest_merge') END))
		FROM (SELECT page ->> 'purpose', jsonb_build_object(
				'client', anon_auth_internal.html_escape(page #>> '{guest,client_name}'),
				'time', anon_auth_internal.page_time(page, substring(page #>> '{guest,since}' FROM '^[0-9]{1,11}$')::bigint))) AS v (purpose, names)
		WHERE jsonb_typeof(page -> 'guest') = 'object'
			AND (purpose = 'sign_up' OR page -> 'merges' = 'true')
$$;
COMMENT ON FUNCTION anon_auth_internal.page_guest(jsonb) IS
'Returns a notice that names the client and the start of the guest, and the effect on its data; NULL if the model has no guest, or the form leaves it unchanged.';

CREATE FUNCTION anon_auth_internal.page_digits(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($html$@src/http/pages/digits.html@$html$, jsonb_build_object(
			'digits', left(digits, length(digits) / 2) || ' ' || right(digits, -(length(digits) / 2))))
		FROM (SELECT substring(page ->> 'digits' FROM '^[0-9A-Z]{2,20}$')) AS d (digits)
		WHERE digits IS NOT NULL
$$;
COMMENT ON FUNCTION anon_auth_internal.page_digits(jsonb) IS
'Returns a code for the user to type, in two halves; NULL if the model has none.';

CREATE FUNCTION anon_auth_internal.page_code_request(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($html$@src/http/pages/code_request.html@$html$, jsonb_build_object(
			'request', request,
			'replaces', anon_auth_internal.page_text(page, 'link_replaces_' || (page ->> 'replaces')),
			'warning', warning))
		FROM (SELECT CASE WHEN page #>> '{request,time}' ~ '^[0-9]{1,11}$' THEN anon_auth_internal.page_time(page, (page #>> '{request,time}')::bigint) END,
				'<b dir="ltr">' || anon_auth_internal.html_escape(page #>> '{request,place}') || '</b>') AS v (time, place),
			LATERAL (SELECT CASE WHEN time IS NOT NULL THEN anon_auth_internal.page_text(page,
					CASE WHEN place IS NULL THEN 'link_request_time' ELSE 'link_request' END,
					jsonb_build_object('time', time, 'place', place)) END,
				anon_auth_internal.page_text(page, (page ->> 'view') || '_warning')) AS t (request, warning)
$$;
COMMENT ON FUNCTION anon_auth_internal.page_code_request(jsonb) IS
'Returns a notice that says when and where a code was requested, and what to do if the user did not request it.';

CREATE FUNCTION anon_auth_internal.page_log_out_guest(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($html$@src/http/pages/log_out_guest.html@$html$, jsonb_build_object(
		'text', anon_auth_internal.page_text(page, 'log_out_guest'),
		'sign_up', CASE WHEN page -> 'can_sign_up' = 'true' THEN anon_auth_internal.page_text(page, 'log_out_guest_sign_up') END,
		'action', ' action="' || anon_auth_internal.page_url(page ->> 'action') || '"',
		'hidden', anon_auth_internal.page_hidden(page -> 'hidden' || '{"mode": "sign_up"}'),
		'busy', anon_auth_internal.page_text(page, 'busy'),
		'button', anon_auth_internal.page_text(page, 'sign_up_button')))
$$;
COMMENT ON FUNCTION anon_auth_internal.page_log_out_guest(jsonb) IS
'Returns a warning for a guest who is about to log out, with a button that creates an account instead if the client allows it.';

CREATE FUNCTION anon_auth_internal.page_notice(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT nullif(concat(
		CASE WHEN view = 'sign_up' AND page -> 'taken' = 'true' THEN
			anon_auth_internal.page_fill($html$@src/http/pages/log_in_instead.html@$html$, jsonb_build_object(
				'title', anon_auth_internal.page_text(page, 'log_in_instead_title'),
				'text', anon_auth_internal.page_text(page, 'log_in_instead'),
				'guest', CASE WHEN page ? 'merges' THEN anon_auth_internal.page_text(page, 'notice_guest') END,
				'action', ' action="' || anon_auth_internal.page_url(page ->> 'action') || '"',
				'hidden', anon_auth_internal.page_hidden(page -> 'hidden' || jsonb_build_object('mode', 'choose_log_in', 'login_id', page -> 'login_id')),
				'busy', anon_auth_internal.page_text(page, 'busy'),
				'button', anon_auth_internal.page_text(page, 'log_in_instead_button'))) END,
		CASE WHEN ((view = 'log_in' AND page ->> 'type' IS NOT NULL)
				   OR (view IN ('code', 'proven') AND page ->> 'purpose' = 'log_in' AND page ? 'merges'))
				  AND coalesce(account, data) IS NOT NULL THEN
			anon_auth_internal.page_fill($html$@src/http/pages/notice.html@$html$, jsonb_build_object('account', account, 'guest', data)) END,
		CASE WHEN view = 'log_in' AND page ->> 'notice' = 'new_password' THEN
			anon_auth_internal.page_fill($html$@src/http/pages/notice.html@$html$, jsonb_build_object('account', anon_auth_internal.page_text(page, 'notice_new_password'))) END,
		CASE WHEN view = 'log_out' AND page -> 'loses_guest' = 'true' THEN anon_auth_internal.page_log_out_guest(page) END,
		CASE WHEN view = 'link_log_in' THEN anon_auth_internal.page_code_request(page) END,
		guest), '')
		FROM (SELECT page ->> 'view', anon_auth_internal.page_guest(page)) AS v (view, guest),
			LATERAL (SELECT CASE WHEN page -> 'taken' = 'true' THEN anon_auth_internal.page_text(page, 'notice_' || (page ->> 'type')) END,
				CASE WHEN page -> 'without_guest' = 'true' THEN NULL
					 WHEN page -> 'merges' IS DISTINCT FROM 'true' THEN anon_auth_internal.page_text(page, 'notice_guest')
					 WHEN guest IS NULL THEN anon_auth_internal.page_text(page, 'notice_merge') END) AS n (account, data)
$$;
COMMENT ON FUNCTION anon_auth_internal.page_notice(jsonb) IS
'Returns the notices above a form; NULL if there are none.';

CREATE FUNCTION anon_auth_internal.page_main(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($html$@src/http/pages/main.html@$html$, jsonb_build_object(
			'title', page -> 'title',
			'lead', lead,
			'error_summary', anon_auth_internal.page_error_summary(page),
			'notice', anon_auth_internal.page_notice(page),
			'detail', anon_auth_internal.html_escape(page ->> 'detail'),
			'content', CASE view
				WHEN 'sign_up' THEN anon_auth_internal.page_form(page, CASE WHEN asks_code THEN 'code_button' ELSE 'sign_up_button' END, 'not_now',
					anon_auth_internal.page_login_id(page) || CASE WHEN asks_code THEN '' ELSE anon_auth_internal.page_password(page) END,
					concat(anon_auth_internal.page_account_link(page, 'have_account'), anon_auth_internal.page_legal(page)))
				WHEN 'log_in' THEN anon_auth_internal.page_form(page, CASE WHEN asks_code THEN 'code_button' ELSE 'log_in_button' END, 'log_in_cancel',
					anon_auth_internal.page_login_id(page) || CASE WHEN asks_code THEN '' ELSE anon_auth_internal.page_password(page) END,
					anon_auth_internal.page_account_link(page, 'sign_up'))
				WHEN 'forgot_password' THEN anon_auth_internal.page_form(page, 'code_button', 'log_in_cancel', anon_auth_internal.page_login_id(page))
				WHEN 'reauthenticate' THEN anon_auth_internal.page_form(page, CASE WHEN only_passkey THEN NULL WHEN asks_code THEN 'code_button' ELSE 'reauthenticate_button' END, 'log_in_cancel',
					CASE WHEN only_passkey THEN anon_auth_internal.page_username(page) WHEN asks_code THEN anon_auth_internal.page_addresses(page) ELSE concat(anon_auth_internal.page_username(page), anon_auth_internal.page_password(page)) END)
				WHEN 'passkey' THEN anon_auth_internal.page_form(page, NULL, 'not_now', anon_auth_internal.page_username(page), anon_auth_internal.page_legal(page))
				WHEN 'code' THEN anon_auth_internal.page_form(page, CASE WHEN page #>> '{hidden,with}' = 'passkey' THEN 'code_continue' ELSE purpose || '_button' END, CASE purpose WHEN 'sign_up' THEN 'not_now' ELSE 'log_in_cancel' END,
					CASE WHEN page ? 'link_code' AND page -> 'asks_password' IS DISTINCT FROM 'true' THEN '' ELSE anon_auth_internal.page_code(page) END || CASE WHEN page -> 'asks_password' = 'true' THEN anon_auth_internal.page_password(page) ELSE '' END,
					CASE purpose WHEN 'sign_up' THEN anon_auth_internal.page_legal(page) END)
				WHEN 'proven' THEN anon_auth_internal.page_form(page, purpose || '_button', CASE purpose WHEN 'sign_up' THEN 'not_now' ELSE 'log_in_cancel' END,
					anon_auth_internal.page_login_id_links(page), CASE purpose WHEN 'sign_up' THEN anon_auth_internal.page_legal(page) END)
				WHEN 'log_out' THEN anon_auth_internal.page_form(page,
					CASE WHEN page -> 'loses_guest' = 'true' THEN 'log_out_guest_button' ELSE 'log_out_button' END, 'log_out_cancel')
				WHEN 'link_log_in' THEN anon_auth_internal.page_form(page, 'log_in_button', 'log_in_cancel', '')
					|| anon_auth_internal.page_fill($html$@src/http/pages/other_device.html@$html$, jsonb_build_object(
						'title', anon_auth_internal.page_text(page, 'other_device_title'),
						'text', anon_auth_internal.page_text(page, 'other_device'),
						'digits', anon_auth_internal.page_digits(page)))
				WHEN 'link_reset' THEN anon_auth_internal.page_form(page, 'link_reset_button', 'log_in_cancel', anon_auth_internal.page_login_id(page) || anon_auth_internal.page_password(page))
					|| anon_auth_internal.page_fill($html$@src/http/pages/other_device.html@$html$, jsonb_build_object(
						'title', anon_auth_internal.page_text(page, 'other_device_title'),
						'text', anon_auth_internal.page_text(page, 'link_reset_other_device'),
						'digits', anon_auth_internal.page_digits(page)))
				WHEN 'link_verify' THEN anon_auth_internal.page_form(page, 'link_verify_button', 'log_in_cancel', '')
				WHEN 'link_code' THEN concat(anon_auth_internal.page_digits(page), anon_auth_internal.page_code_request(page))
				ELSE '<p class="actions">' || anon_auth_internal.page_link(page ->> 'continue_uri', anon_auth_internal.page_text(page,
					CASE WHEN page ->> 'message' IN ('done', 'passkey_ready', 'logged_in', 'logged_out', 'link_logged_in') THEN 'continue' ELSE 'back' END), 'button') || E'</p>\n'
			END))
		FROM (SELECT page ->> 'view', page ->> 'purpose', page ->> 'method' = 'code' OR page -> 'sends_code' = 'true',
				coalesce(page #> '{passkey,is_only_way}' = 'true', false)) AS v (view, purpose, asks_code, only_passkey),
			LATERAL (SELECT anon_auth_internal.page_text(page, CASE
				WHEN view = 'code' AND page ? 'link_code' AND purpose = 'sign_up' AND page -> 'without_guest' = 'true' THEN 'link_create_account_lead'
				WHEN view = 'code' AND page ? 'link_code' THEN 'link_' || purpose || '_lead'
				-- A limit may have kept the message back.
				WHEN view = 'code' AND page -> 'messages' ? 'form' THEN 'code_lead_not_sent'
				WHEN view = 'code' AND purpose = 'reset_password' THEN 'reset_password_lead'
				WHEN view = 'code' THEN 'code_lead'
				WHEN view = 'sign_up' AND page -> 'without_guest' = 'true' THEN 'create_account_lead'
				WHEN view = 'reauthenticate' AND NOT page ? 'account' THEN 'reauthenticate_lead_without_account'
				WHEN view = 'link_code' THEN 'link_code_' || purpose
				WHEN view = 'proven' THEN 'proven_' || purpose || '_lead'
				WHEN view = 'message' THEN (page ->> 'message') || '_text'
				WHEN view = 'log_out' AND page -> 'can_log_in_again' IS DISTINCT FROM 'true' THEN NULL
				WHEN view <> 'log_in' OR page ->> 'type' IS NULL THEN view || '_lead'
				-- A notice replaces the lead.
				WHEN page -> 'taken' IS DISTINCT FROM 'true' THEN 'log_in_to_' || (page ->> 'type') END,
				jsonb_build_object('address', '<b dir="ltr">' || anon_auth_internal.html_escape(coalesce(page ->> 'account', page ->> 'login_id')) || '</b>'))) AS l (lead)
$$;
COMMENT ON FUNCTION anon_auth_internal.page_main(jsonb) IS
'Returns the main element of the page: heading, errors, and form or link.';

CREATE FUNCTION anon_auth_internal.page_texts_with(locale text, overrides jsonb)
	RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	-- jsonb_object_agg() keeps the last value of a key.
	SELECT jsonb_object_agg(key, value ORDER BY lower(name COLLATE "C") <> 'en', length(name), built_in DESC)
		FROM (SELECT l, true, anon_auth_http.page_texts(l) FROM unnest('{en,de,zh-Hant}'::text[]) AS u (l)
			  UNION ALL
			  SELECT key, false, value FROM jsonb_each(overrides) AS o (key, value)
				WHERE jsonb_typeof(value) = 'object') AS s (name, built_in, texts),
			jsonb_each(texts) AS t (key, value)
		WHERE jsonb_typeof(value) = 'string'
			AND (lower(name COLLATE "C") = 'en'
				 OR starts_with(lower(locale COLLATE "C") || '-', lower(name COLLATE "C") || '-'))
$$;
COMMENT ON FUNCTION anon_auth_internal.page_texts_with(text, jsonb) IS
'Returns the texts of a locale. Within a locale, settings.page_texts takes precedence over page_texts(). A text that is missing comes from a less specific locale, then from English.';

CREATE FUNCTION anon_auth_internal.page_context(model jsonb)
	RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	settings anon_auth.settings;
	page jsonb := CASE jsonb_typeof(model) WHEN 'object' THEN model ELSE '{}' END;
	view text := coalesce(substring(page ->> 'view' FROM '^(?:sign_up|log_in|reauthenticate|forgot_password|code|passkey|proven|link_log_in|link_reset|link_verify|link_code|log_out|settings|message)$'), 'message');
	type text := substring(page ->> 'login_id_type' FROM '^(?:email|phone_number|username)$');
	types text := array_to_string(ARRAY(
		SELECT t FROM unnest('{email,phone_number,username}'::text[]) AS u (t)
			WHERE t = ANY (anon_auth_internal.page_strings(page -> 'login_id_types'))), '_or_');
	min_length integer := substring(page #>> '{password_policy,min_length}' FROM '^[0-9]{1,4}$');
	rules text[];
	locale text;
BEGIN
	SELECT s.* INTO settings FROM anon_auth.settings AS s;
	locale := anon_auth_internal.page_locale(page ->> 'ui_locales', page ->> 'accept_language',
		'{en,de,zh-Hant}'::text[] || ARRAY(SELECT key FROM jsonb_each(settings.page_texts) AS t (key, value)
			WHERE jsonb_typeof(value) = 'object' AND key ~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$'),
		settings.default_locale);

	IF view = 'sign_up' AND type IS NULL THEN
		type := coalesce(substring(page #>> '{login_id_types,0}' FROM '^(?:email|phone_number|username)$'), 'email');
	END IF;
	-- A minimum length of one character needs no rule.
	rules := ARRAY(SELECT r FROM unnest('{length,uppercase,lowercase,alphabet,digit,symbol}'::text[]) WITH ORDINALITY AS u (r, n)
		WHERE CASE r WHEN 'length' THEN min_length > 1 ELSE page -> 'password_policy' -> r = 'true' END ORDER BY n);
	page := page || jsonb_build_object(
		'view', view,
		'purpose', CASE WHEN view = 'sign_up' THEN 'sign_up'
			ELSE coalesce(substring(page ->> 'purpose' FROM '^(?:sign_up|reauthenticate|verify|reset_password)$'), 'log_in') END,
		'method', CASE page ->> 'method' WHEN 'code' THEN 'code' ELSE 'password' END,
		'other', CASE WHEN page ? 'link_code' THEN NULL ELSE substring(page ->> 'other' FROM '^(?:password|code|another_code)$') END,
		'code_minutes', CASE page ->> 'purpose' WHEN 'reset_password' THEN settings.password_reset_code_lifetime_seconds ELSE settings.login_code_lifetime_seconds END / 60,
		'type', type,
		-- The types that the field accepts, as the end of a text's key.
		'kinds', coalesce(type, CASE WHEN types IN ('', 'email_or_phone_number_or_username') THEN 'login_id' ELSE types END),
		'rules', rules,
		'broken_rules', ARRAY(SELECT anon_auth_internal.page_password_rule(c) FROM unnest(anon_auth_internal.page_strings(page #> '{errors,password}')) AS u (c)
			WHERE anon_auth_internal.page_password_rule(c) = ANY (rules)),
		'locale', locale,
		'texts', anon_auth_internal.page_texts_with(locale, settings.page_texts),
		'app', coalesce(nullif(btrim(settings.brand_name), ''), nullif(btrim(page ->> 'client_name'), '')),
		'color', settings.brand_color,
		'logo', settings.brand_logo_uri,
		'policy_uri', settings.policy_uri,
		'tos_uri', settings.tos_uri,
		'numbers', CASE WHEN min_length > 1 THEN jsonb_build_object('min_length', min_length) ELSE '{}' END,
		'hidden', CASE jsonb_typeof(page -> 'hidden') WHEN 'object' THEN page -> 'hidden' ELSE '{}' END
			|| CASE WHEN type IS NULL OR view NOT IN ('sign_up', 'log_in', 'code', 'passkey', 'proven') THEN '{}'
					ELSE jsonb_build_object('login_id_type', type) END
			|| CASE WHEN type IS NULL OR view <> 'log_in' THEN '{}' ELSE jsonb '{"mode": "log_in"}' END
			|| CASE WHEN view IN ('sign_up', 'log_in', 'reauthenticate', 'code', 'passkey') AND page ->> 'method' = 'code' THEN jsonb '{"method": "code"}' ELSE '{}' END
			|| CASE WHEN view = 'code' THEN jsonb '{"step": "code"}' ELSE '{}' END
			|| CASE WHEN page ? 'form_owner' THEN jsonb_build_object('x_user', page -> 'form_owner') ELSE '{}' END
			|| CASE WHEN view = 'code' AND page ? 'link_code'
					THEN jsonb_build_object('code', page -> 'link_code')
						|| CASE WHEN page -> 'asks_password' = 'true' THEN '{}' ELSE jsonb_build_object('login_id', page -> 'login_id') END
					ELSE '{}' END);

	IF view = 'message' AND (page -> 'texts' ? ((page ->> 'message') || '_title')) IS NOT TRUE THEN
		page := page || '{"message": "failed"}';
	END IF;
	page := page || jsonb_build_object(
		'title', anon_auth_internal.page_text(page, CASE WHEN view = 'message' THEN page ->> 'message'
			WHEN view = 'settings' THEN 'settings_' || (page ->> 'subject')
			WHEN view = 'proven' THEN 'proven_' || (page ->> 'purpose')
			WHEN view = 'code' AND page ? 'link_code' THEN 'link_' || (page ->> 'purpose')
			WHEN view = 'code' AND page ->> 'purpose' = 'reset_password' THEN 'reset_password' ELSE view END || '_title'),
		'messages', anon_auth_internal.page_errors(page));
	RETURN page || jsonb_build_object(
		'fixed', coalesce(view = 'log_in' AND type IS NOT NULL AND page ->> 'login_id' <> ''
						  AND NOT page -> 'messages' ? 'login_id', false),
		'focus', CASE
					  WHEN view = 'settings' THEN coalesce((SELECT f ->> 'name'
						FROM jsonb_path_query(page, '$.parts[*].fields[*]') WITH ORDINALITY AS q (f, n)
						WHERE page -> 'messages' ? (f ->> 'name') ORDER BY n LIMIT 1), page ->> 'first_field')
					  -- A field far below would scroll the offer to log in out of sight.
					  WHEN view = 'sign_up' AND page -> 'taken' = 'true' THEN 'error_summary'
					  WHEN view = 'reauthenticate' THEN 'password'
					  WHEN view = 'code' THEN CASE WHEN page ? 'link_code' OR (page -> 'messages' ? 'password' AND NOT page -> 'messages' ? 'code') THEN 'password' ELSE 'code' END
					  WHEN page ->> 'method' = 'code' OR page -> 'sends_code' = 'true' THEN 'login_id'
					  WHEN page -> 'messages' ? 'login_id' THEN 'login_id'
					  WHEN page -> 'messages' ? 'password' OR page ->> 'login_id' <> '' THEN 'password'
					  ELSE 'login_id' END);
END
$$;
COMMENT ON FUNCTION anon_auth_internal.page_context(jsonb) IS
'Adds texts, the name of the site, messages and settings to the model of page(), for the functions that make its parts.';

-- A host-source cannot name an IPv6 address, so its scheme must do.  Applications on
-- this machine have such redirect URIs (RFC 8252, section 7.3).
CREATE FUNCTION anon_auth_internal.page_source(uri text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN uri ~ '^https?:' THEN coalesce(
			substring(uri FROM '^(https?://[a-z0-9._-]+(?::[0-9]{1,5})?)(?:[/?]|$)'),
			substring(uri FROM '^(https?:)//\[[0-9a-f:]+\](?::[0-9]{1,5})?(?:[/?]|$)'))
		WHEN uri !~* '^(https?|javascript|vbscript|data|blob|file|about):' COLLATE "C"
			THEN substring(uri FROM '^([A-Za-z][A-Za-z0-9+.-]*:)') END
$$;
COMMENT ON FUNCTION anon_auth_internal.page_source(text) IS
'Returns the source expression that matches a URI (Content Security Policy 3, section 2.3.1): its origin, or its scheme if it has no origin or its host is an IPv6 address. NULL if the URI is not allowed on a page.';

CREATE FUNCTION anon_auth_internal.page_policy(page jsonb, style text, script text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat('default-src ''none''',
		'; style-src ''sha256-', encode(sha256(convert_to(style, 'UTF8')), 'base64'), '''',
		'; script-src ''sha256-', encode(sha256(convert_to(script, 'UTF8')), 'base64'), '''',
		-- The browser asks the site for its icon (favicon.ico) by itself.
		'; img-src ''self''', ' ' || anon_auth_internal.page_source(page ->> 'logo'),
		'; form-action ''self''',
		(SELECT string_agg(DISTINCT ' ' || anon_auth_internal.page_source(u.uri), '')
			FROM unnest(anon_auth_internal.page_strings(page -> 'form_action_sources')) AS u (uri)),
		-- The script asks this page for new options when those of a passkey are too old.
		CASE WHEN page ? 'passkey' OR jsonb_path_exists(page, '$.parts[*].passkey') THEN '; connect-src ''self''' END,
		'; base-uri ''none''; frame-ancestors ''none''')
$$;
COMMENT ON FUNCTION anon_auth_internal.page_policy(jsonb, text, text) IS
'Returns the Content-Security-Policy of a page with this style and script.';

CREATE FUNCTION anon_auth_internal.page(
	model jsonb,
	OUT html text,
	OUT content_security_policy text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	page jsonb := anon_auth_internal.page_context(model);
	style text := anon_auth_internal.page_style(page ->> 'color');
	script text := anon_auth_internal.page_script();
	app text := anon_auth_internal.html_escape(page ->> 'app');
	title text := anon_auth_internal.page_text(page, 'page_title', jsonb_build_object('title', page -> 'title'));
	brand text;
BEGIN
	IF page -> 'messages' <> '{}' THEN
		title := anon_auth_internal.page_text(page, 'page_title_error', jsonb_build_object('title', title));
	END IF;
	IF page ->> 'logo' ~ '^https?:' AND anon_auth_internal.page_source(page ->> 'logo') IS NOT NULL THEN
		brand := format('<img class="logo" src="%s" alt="%s">', anon_auth_internal.page_url(page ->> 'logo'), app);
	ELSE
		brand := app;
	END IF;

	html := anon_auth_internal.page_fill($html$@src/http/pages/page.html@$html$, jsonb_build_object(
		'locale', page ->> 'locale',
		'dir', CASE WHEN page ->> 'locale' ~* '^(ar|dv|fa|he|ku|ps|sd|ug|ur|yi)(-|$)' THEN ' dir="rtl"' END,
		'title', title,
		'style', style,
		'brand', brand,
		'main', CASE page ->> 'view' WHEN 'settings' THEN anon_auth_internal.settings_main(page) ELSE anon_auth_internal.page_main(page) END,
		'forgotten_rp_id', anon_auth_internal.html_escape(page #>> '{forgotten_passkey,rp_id}'),
		'forgotten_id', anon_auth_internal.html_escape(page #>> '{forgotten_passkey,id}'),
		'script', script));
	content_security_policy := anon_auth_internal.page_policy(page, style, script);
END
$$;
COMMENT ON FUNCTION anon_auth_internal.page(jsonb) IS
'Makes a page as HTML, with the Content-Security-Policy that it needs. Model: {"view": "sign_up", "log_in", "reauthenticate", "forgot_password", "code", "passkey", "proven", "link_log_in", "link_reset", "link_verify", "link_code", "log_out", "settings" or "message", "ui_locales", "accept_language", "action", "hidden": {}, "client_name", "login_id_types": [], "login_id_type", "login_id", "account", "addresses": [], "without_guest", "log_in_uri", "sign_up_uri", "have_account_uri", "forgot_password_uri", "notice", "method", "other", "sends_code", "purpose", "asks_password", "code", "taken", "merges", "guest": {"client_name", "since"}, "errors": {"form", "login_id", "code", "password": []}, "wait_minutes", "can_log_in_again", "loses_guest", "can_sign_up", "password_policy": {"min_length", "uppercase", "lowercase", "alphabet", "digit", "symbol"}, "cancel_uri", "message", "detail", "continue_uri", "form_action_sources": [], "form_owner", "passkey", "offers_passkey", "forgotten_passkey": {"rp_id", "id"}}. Without login_id_type, a log-in accepts the login_id_types. With it, the log-in is to the account that has the login ID given at sign-up; merges says whether the guest is merged into that account, taken that the user was just found to have typed the login ID of an account. method is "code" if the form is for codes, and other is the way that a second button leads to ("password", "code" or "another_code"). sends_code says that the form has a code sent, and has no password field. The views code (a code was sent to login_id) and proven (it was right; the user is asked whether to go on) have the purpose "sign_up" or "log_in"; code also "reauthenticate" and "reset_password". A reauthentication names the account and, for codes, its addresses. without_guest says that the user of a sign-up is no guest. asks_password says that the form of the code also asks for a new password. can_log_in_again says that the user of a log-out is not a guest; loses_guest that it is one, who is warned; can_sign_up that the guest can create an account instead. guest is shown so that the user can tell whether it is theirs; since is in seconds since 1970. form_owner names the user whom a form is for, and is sent with it. passkey is the button of page_passkey(). offers_passkey says that another button leads to the view passkey, which has the passkey of a new account made. forgotten_passkey is one that the authenticator has made in vain, and can forget. A settings page has members of its own: see settings_main().';
