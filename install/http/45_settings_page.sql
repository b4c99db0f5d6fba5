-- ---------------------------------------------------------------------------
-- The settings pages: lists of rows, and forms
--
-- The functions take the model as extended by page_context().
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_internal.settings_text(page jsonb, item jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_text(page, 'settings_' || (item ->> 'text'),
		coalesce((SELECT jsonb_object_agg(name, '<bdi>' || anon_auth_internal.html_escape(value) || '</bdi>')
			FROM jsonb_each_text(item) AS e (name, value)
			WHERE name IN ('client', 'address', 'browser', 'system', 'count', 'issuer')), '{}')
		|| CASE WHEN item ->> 'time' ~ '^[0-9]{1,11}$'
				THEN jsonb_build_object('time', anon_auth_internal.page_time(page, (item ->> 'time')::bigint)) ELSE '{}' END)
$$;
COMMENT ON FUNCTION anon_auth_internal.settings_text(jsonb, jsonb) IS
'Returns the text whose key is settings_ and the member text, as HTML. Replaces placeholders by the other members.';

CREATE FUNCTION anon_auth_internal.settings_way(page jsonb, way jsonb, about text)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	-- Several rows have the same text, so the name for screen readers says which row it is.
	SELECT CASE WHEN way ? 'action' THEN
			rtrim(anon_auth_internal.page_fill($html$@src/http/pages/settings_button.html@$html$, jsonb_build_object(
				'action', ' action="' || anon_auth_internal.page_url(way ->> 'action') || '"',
				'hidden', rtrim(anon_auth_internal.page_hidden(page -> 'hidden' || (way -> 'hidden')), E'\n'),
				'label', label,
				'busy', anon_auth_internal.page_text(page, 'busy'),
				'text', text)), E'\n')
			ELSE format('<a class="way" href="%s"%s>%s</a>', anon_auth_internal.page_url(way ->> 'uri'), label, text) END
		FROM (SELECT anon_auth_internal.settings_text(page, way)) AS t (text),
			LATERAL (SELECT ' aria-label="' || text || ': ' || about || '"') AS l (label)
$$;
COMMENT ON FUNCTION anon_auth_internal.settings_way(jsonb, jsonb, text) IS
'Returns a link, or a button that sends hidden members. about, which may be NULL, is a text without tags that names the row.';

CREATE FUNCTION anon_auth_internal.settings_row(page jsonb, item jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($html$@src/http/pages/settings_row.html@$html$, jsonb_build_object(
			'label', label,
			'value', value || CASE WHEN item -> 'is_current' = 'true' THEN
				' <span class="tag">' || anon_auth_internal.page_text(page, 'settings_this_session') || '</span>' ELSE '' END,
			'facts', (SELECT string_agg('<p class="hint">' || anon_auth_internal.settings_text(page, f) || E'</p>\n', '' ORDER BY n)
				FROM jsonb_array_elements(item -> 'facts') WITH ORDINALITY AS a (f, n)),
			'ways', (SELECT string_agg(anon_auth_internal.settings_way(page, w, about), '' ORDER BY n)
				FROM jsonb_array_elements(item -> 'ways') WITH ORDINALITY AS a (w, n))))
		FROM (SELECT anon_auth_internal.page_text(page, 'settings_label_' || (item ->> 'label')),
				CASE WHEN item ? 'value' THEN '<bdi>' || anon_auth_internal.html_escape(item ->> 'value') || '</bdi>'
					 ELSE anon_auth_internal.settings_text(page, item) END) AS v (label, value),
			LATERAL (SELECT CASE WHEN label IS NULL OR item ? 'value' THEN replace(replace(value, '<bdi>', ''), '</bdi>', '') END) AS a (about)
$$;
COMMENT ON FUNCTION anon_auth_internal.settings_row(jsonb, jsonb) IS
'Returns a row of a list: {"label", "value" or "text", "is_current", "facts": [], "ways": []}.';

CREATE FUNCTION anon_auth_internal.settings_field(page jsonb, field jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN type = 'button' THEN NULL
		WHEN type = 'hidden' THEN anon_auth_internal.page_hidden(jsonb_build_object(name, field -> 'value'))
		WHEN type = 'check' THEN
			anon_auth_internal.page_fill($html$@src/http/pages/settings_check.html@$html$, jsonb_build_object(
				'name', name,
				'message', page -> 'messages' ->> name,
				'invalid', page -> 'messages' ? name,
				'described_by', CASE WHEN page -> 'messages' ? name THEN ' aria-describedby="' || name || '_error"' END,
				'checked', CASE WHEN field ->> 'value' = 'yes' THEN ' checked' END,
				'autofocus', CASE WHEN page ->> 'focus' = name THEN ' autofocus' END,
				'label', anon_auth_internal.page_text(page, 'settings_label_' || name)))
		ELSE
			anon_auth_internal.page_fill($html$@src/http/pages/settings_field.html@$html$, jsonb_build_object(
				'field', anon_auth_internal.page_field(page, name,
					CASE WHEN type = 'new_password' THEN 'settings_label_new_password'
						 WHEN name = 'login_id' THEN 'label_' || (page ->> 'kinds')
						 WHEN name = 'code' THEN 'label_code'
						 -- A site can name its custom attributes in settings.page_texts.
						 WHEN field ? 'label' THEN CASE WHEN page -> 'texts' ? ('settings_attribute_' || (field ->> 'label')) THEN 'settings_attribute_' || (field ->> 'label') ELSE field ->> 'label' END
						 ELSE 'settings_label_' || name END,
					CASE WHEN type = 'lines' THEN concat('rows="3" autocomplete="', coalesce(anon_auth_internal.html_escape(field ->> 'autocomplete'), 'off'), '"')
						 ELSE concat('type="', CASE type WHEN 'email' THEN 'email' WHEN 'phone_number' THEN 'tel'
											   WHEN 'current_password' THEN 'password' WHEN 'new_password' THEN 'password' ELSE 'text' END,
						'" autocomplete="', CASE type WHEN 'email' THEN 'email" dir="ltr' WHEN 'phone_number' THEN 'tel" dir="ltr'
							WHEN 'username' THEN 'username' WHEN 'code' THEN 'one-time-code" dir="ltr" inputmode="numeric'
							WHEN 'current_password' THEN 'current-password' WHEN 'new_password' THEN 'new-password'
							ELSE coalesce(anon_auth_internal.html_escape(field ->> 'autocomplete'), 'off') END,
						CASE WHEN type <> 'text' THEN '" autocapitalize="none" autocorrect="off" spellcheck="false' END,
						'"', ' maxlength="' || (field ->> 'max_length')::integer || '"', ' value="' || anon_auth_internal.html_escape(field ->> 'value') || '"') END,
					anon_auth_internal.page_text(page, CASE WHEN field ->> 'hint' = 'hint_code' AND (page ->> 'code_minutes')::integer > 1 THEN 'hint_code_minutes' ELSE field ->> 'hint' END,
						jsonb_build_object('minutes', page ->> 'code_minutes')),
					CASE WHEN type LIKE '%password' THEN anon_auth_internal.page_show_password(page, name) END,
					CASE WHEN rules IS NOT NULL THEN 'password_rules' END,
					field -> 'is_optional' = 'true',
					CASE WHEN type = 'lines' THEN coalesce(field ->> 'value', '') END),
				'rules', rules)) END
		FROM (SELECT field ->> 'name', field ->> 'type') AS v (name, type),
			LATERAL (SELECT CASE WHEN type = 'new_password' THEN anon_auth_internal.page_rules(page) END) AS r (rules)
$$;
COMMENT ON FUNCTION anon_auth_internal.settings_field(jsonb, jsonb) IS
'Returns a field of a form: {"type": "text", "lines" (several), "email", "phone_number", "username", "code", "current_password", "new_password", "check", "hidden" or "button" (a second one, with "text"), "name", "label", "value", "hint", "autocomplete", "is_optional", "max_length"}.';

CREATE FUNCTION anon_auth_internal.settings_part(page jsonb, part jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE part ->> 'kind'
		WHEN 'rows' THEN
			anon_auth_internal.page_fill($html$@src/http/pages/settings_rows.html@$html$, jsonb_build_object(
				'title', anon_auth_internal.page_text(page, 'settings_' || (part ->> 'title')),
				'rows', (SELECT string_agg(anon_auth_internal.settings_row(page, r), '' ORDER BY n)
					FROM jsonb_array_elements(part -> 'rows') WITH ORDINALITY AS a (r, n))))
		WHEN 'form' THEN
			anon_auth_internal.page_fill($html$@src/http/pages/settings_form.html@$html$, jsonb_build_object(
				'action', ' action="' || anon_auth_internal.page_url(part ->> 'action') || '"',
				'hidden', anon_auth_internal.page_hidden(page -> 'hidden'),
				'fields', (SELECT string_agg(anon_auth_internal.settings_field(page, f), '' ORDER BY n)
					FROM jsonb_array_elements(part -> 'fields') WITH ORDINALITY AS a (f, n)),
				'class', CASE WHEN part -> 'is_dangerous' = 'true' THEN ' danger' WHEN part -> 'is_plain' = 'true' THEN ' plain' END,
				'passkey', anon_auth_internal.page_passkey(page, part -> 'passkey'),
				'others', (SELECT string_agg(format(E'<button class="button plain" type="submit" name="use" value="%s" data-busy="%s">%s</button>\n',
						anon_auth_internal.html_escape(f ->> 'text'), anon_auth_internal.page_text(page, 'busy'), anon_auth_internal.settings_text(page, f)), '' ORDER BY n)
					FROM jsonb_array_elements(part -> 'fields') WITH ORDINALITY AS a (f, n) WHERE f ->> 'type' = 'button'),
				'busy', anon_auth_internal.page_text(page, 'busy'),
				'button', anon_auth_internal.page_text(page, 'settings_' || (part ->> 'button'))))
		WHEN 'links' THEN
			anon_auth_internal.page_fill($html$@src/http/pages/links.html@$html$, jsonb_build_object(
				'items', (SELECT string_agg('<li>' || anon_auth_internal.settings_way(page, l, NULL) || E'</li>\n', '' ORDER BY n)
					FROM jsonb_array_elements(part -> 'links') WITH ORDINALITY AS a (l, n))))
		WHEN 'accepted_passkeys' THEN
			format(E'<div class="accepted-passkeys" hidden data-accepted="%s"></div>\n', anon_auth_internal.html_escape((part -> 'accepted')::text))
		WHEN 'note' THEN
			format(E'<div class="box%s"><p>%s</p></div>\n', CASE WHEN part -> 'is_warning' = 'true' THEN ' bad' END,
				anon_auth_internal.settings_text(page, part)) END
$$;
COMMENT ON FUNCTION anon_auth_internal.settings_part(jsonb, jsonb) IS
'Returns a part of a settings page: {"kind": "rows", "title", "rows": []}, {"kind": "form", "action", "fields": [], "button", "is_dangerous", "is_plain", "passkey", the button of page_passkey()}, {"kind": "links", "links": []}, {"kind": "accepted_passkeys", "accepted": the passkeys that the script names to the authenticators} or {"kind": "note", "text", "is_warning"}.';

CREATE FUNCTION anon_auth_internal.settings_main(page jsonb)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT anon_auth_internal.page_fill($html$@src/http/pages/settings.html@$html$, jsonb_build_object(
			'back', anon_auth_internal.page_link(page ->> 'back_uri', anon_auth_internal.page_text(page, 'settings_back'), 'other'),
			'title', page -> 'title',
			'who', CASE WHEN page -> 'is_guest' = 'true' THEN anon_auth_internal.page_text(page, 'settings_guest')
						WHEN page ? 'account' THEN anon_auth_internal.page_text(page, 'settings_account', jsonb_build_object(
							'account', '<bdi>' || anon_auth_internal.html_escape(page ->> 'account') || '</bdi>')) END,
			'lead', anon_auth_internal.page_text(page, CASE WHEN page ->> 'subject' = 'code' AND page -> 'messages' ? 'form' THEN 'code_lead_not_sent' ELSE 'settings_' || (page ->> 'subject') || '_lead' END, jsonb_build_object(
				'address', '<bdi>' || anon_auth_internal.html_escape(page ->> 'login_id') || '</bdi>')),
			'notice', CASE WHEN page -> 'messages' = '{}' THEN anon_auth_internal.page_text(page, 'settings_notice_' || (page ->> 'notice')) END,
			'error_summary', anon_auth_internal.page_error_summary(page),
			'cancel', anon_auth_internal.page_link(page ->> 'cancel_uri', anon_auth_internal.page_text(page, 'log_in_cancel'), 'other'),
			'parts', (SELECT string_agg(anon_auth_internal.settings_part(page, p), '' ORDER BY n)
				FROM jsonb_array_elements(page -> 'parts') WITH ORDINALITY AS a (p, n))))
$$;
COMMENT ON FUNCTION anon_auth_internal.settings_main(jsonb) IS
'Returns the main element of a settings page. Its model has, beside the members that page() documents: {"subject", the name of its texts, "is_guest", "account", "notice", "back_uri", "first_field", "parts": []}; see settings_part().';
