--
-- Users write their profile.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
DROP ROLE IF EXISTS regress_visitor;
CREATE ROLE regress_visitor;
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/}') \g /dev/null
SELECT anon_auth.grant_client_api('regress_visitor') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
CREATE FUNCTION new_account(username text) RETURNS SETOF anon_auth.token_response LANGUAGE sql AS $$
	SELECT p.* FROM anon_auth.authenticate_anonymously('web') g,
		anon_auth.promote_anonymous_user('web', username => username, password => 'correct horse', refresh_token => g.refresh_token) p
$$;
-- what userinfo says of the profile alone
CREATE FUNCTION shown(userinfo jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_object_agg(key, value) FROM jsonb_each(userinfo) WHERE key !~ '^https:|^(sub|updated_at|x_web3)$'
$$;
-- the reasons of AA032, or another error
CREATE FUNCTION problems(attributes jsonb, token text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	message text;
BEGIN
	RETURN 'accepted: ' || coalesce((SELECT jsonb_object_agg(key, value) FROM jsonb_each(anon_auth.update_profile(attributes, token)) WHERE attributes ? key)::text, 'nothing');
EXCEPTION WHEN SQLSTATE 'AA032' THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN (SELECT string_agg((r ->> 'member') || ' ' || (r ->> 'reason'), ', ' ORDER BY r ->> 'member') FROM jsonb_array_elements(detail::jsonb -> 'reasons') r);
WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
	RETURN SQLSTATE || ' ' || message;
END $$;
GRANT EXECUTE ON FUNCTION shown, problems TO regress_visitor;
SELECT anon_auth.reset_counters() \g /dev/null
RESET client_min_messages;

SELECT * FROM new_account('jo') \gset jo_
SELECT * FROM anon_auth.authenticate_anonymously('web') \gset guest_

SET ROLE regress_visitor;
-- the profile is what userinfo shows
SELECT jsonb_pretty(shown(anon_auth.update_profile('{"name": "Jo Doe", "birthdate": "1990-12-31", "zoneinfo": "Europe/Paris", "locale": "zh_Hant_HK",
	"picture": "https://Cdn.Example:443/ä.png", "address": {"street_address": "1 Rue\nde la Paix", "country": "FR", "region": ""}}', :'jo_access_token')));
SELECT shown(anon_auth.userinfo(:'jo_access_token')) - 'address' AS the_same;
-- other members stay; null and an empty text remove one; address is replaced
SELECT shown(anon_auth.update_profile('{"nickname": "J", "birthdate": null, "zoneinfo": "", "address": {"country": "CH"}}', :'jo_access_token'));
SELECT shown(anon_auth.update_profile('{"address": {"country": ""}, "locale": null, "picture": null}', :'jo_access_token'));
-- of the caller, who can be a guest
BEGIN;
SELECT anon_auth.use_access_token(:'guest_access_token') = :'guest_sub' AS guest;
SELECT shown(anon_auth.update_profile('{"name": "A guest"}'));
COMMIT;

-- a change is an event that has the names, and no values; no change is none
SELECT anon_auth.update_profile('{"nickname": "J", "middle_name": null, "address": null}', :'jo_access_token') ->> 'nickname' AS unchanged;
RESET ROLE;
SELECT client_id, payload FROM anon_auth.events WHERE user_id = :'jo_sub' AND type = 'profile.updated' ORDER BY id;
SET ROLE regress_visitor;

-- each value that breaks a rule is reported, and nothing is stored
SELECT jsonb_pretty(anon_auth.update_profile('{"name": 1, "website": "http://jo.example", "gender": "x"}', :'jo_access_token'));
SELECT shown(anon_auth.userinfo(:'jo_access_token'));
SELECT value, problems(value::jsonb, :'jo_access_token') FROM unnest(ARRAY[
	'{"name": null}', '{"name": ["Jo"]}', '{"name": {"a": 1}}', '{"name": true}',
	'{"name": "two\nlines"}', '{"name": "right\u202Eleft"}', '{"name": "\u200Da joiner"}', '{"name": "a\u200Fb"}', '{"name": "a\u061Cb"}', '{"name": "a\uFEFFb"}', '{"name": "a\uDB40\uDC41b"}', '{"family_name": "\u007f"}',
	'{"picture": "https://"}', '{"picture": "https://jo:secret@jo.example/"}', '{"picture": "javascript:alert(1)"}', '{"website": "https://jo.example"}', '{"profile": "//jo.example"}',
	'{"birthdate": "1990"}', '{"birthdate": "0000-02-29"}', '{"birthdate": "1900-02-29"}', '{"birthdate": "1990-13-01"}', '{"birthdate": "1990-1-1"}', '{"birthdate": "0000"}', '{"birthdate": "9999-01-01"}', '{"birthdate": "1990/12/31"}', '{"birthdate": "199O-12-31"}',
	'{"zoneinfo": "UTC"}', '{"zoneinfo": "America/Argentina/Buenos_Aires"}', '{"zoneinfo": "Mars/Olympus"}', '{"zoneinfo": "PST"}', '{"zoneinfo": "GMT+3"}', '{"zoneinfo": "Etc/../passwd"}',
	'{"locale": "en-GB"}', '{"locale": "en--GB"}', '{"locale": "English please"}',
	'{"address": "Paris"}', '{"address": ["Paris"]}', '{"address": {"planet": "Mars"}}', '{"address": {"country": 33}}', '{"address": {"country": "F\nR"}}', '{"address": {"formatted": "A\r\nB"}}',
	'{"sub": "x"}', '{"email": "jo@example.com"}', '{"preferred_username": "root"}', '{"phone_number": null}', '{"email_verified": true}', '{"updated_at": 1}', '{"https://authgear.com/claims/user/roles": ["admin"]}', '{"delete_at": null}',
	'{"custom_attributes": {"color": "red"}}', '{"custom_attributes": {"plan": null}}', '{"custom_attributes": 1}', '{"custom_attributes": null}', '{"custom_attributes": {}}',
	'[]', '[{"name": "Jo"}]', '"name"', '{}']) AS v (value);
SELECT problems(jsonb_build_object('name', repeat('ä', 500)), :'jo_access_token') ~ '^accepted' AS longest, problems(jsonb_build_object('name', repeat('ä', 501)), :'jo_access_token') AS longer;
SELECT problems(jsonb_build_object('picture', 'https://jo.example/' || repeat('a', 2000)), :'jo_access_token');
SELECT problems(NULL, :'jo_access_token');
SELECT problems('{"name": "Jo"}', :'guest_refresh_token');

-- custom attributes: those that the settings name, of any JSON type
RESET ROLE;
UPDATE anon_auth.settings SET user_writable_attributes = '{color,tags}';
UPDATE anon_auth.users SET custom_attributes = '{"plan": "free"}' WHERE id = :'jo_sub';
SET ROLE regress_visitor;
SELECT anon_auth.update_profile('{"custom_attributes": {"color": "red", "tags": [{"a": 1}, 2.5]}}', :'jo_access_token') -> 'custom_attributes' AS custom_attributes;
SELECT anon_auth.update_profile('{"custom_attributes": {"color": null}}', :'jo_access_token') -> 'custom_attributes' AS custom_attributes;
SELECT problems('{"custom_attributes": {"tags": 1, "plan": "paid"}}', :'jo_access_token');
SELECT problems(jsonb_build_object('custom_attributes', jsonb_build_object('tags', v)), :'jo_access_token') FROM unnest(ARRAY[to_jsonb(repeat('a', 8191)), '1e100000']) AS u (v);
SELECT problems(jsonb_build_object('custom_attributes', jsonb_build_object('tags', repeat('a', 8190))), :'jo_access_token') ~ '^accepted' AS longest;
RESET ROLE;
SELECT payload FROM anon_auth.events WHERE user_id = :'jo_sub' AND type = 'profile.updated' AND payload::text ~ 'custom' ORDER BY id;

-- a session that has ended writes nothing; an old login does
UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 day' WHERE user_id = :'jo_sub';
SELECT anon_auth.update_profile('{"name": "Jo"}', :'jo_access_token') ->> 'name' AS name;
SELECT anon_auth.revoke_sessions(:'jo_sub');
SELECT problems('{"name": "Thief"}', :'jo_access_token');
SELECT standard_attributes ->> 'name' AS name FROM anon_auth.users WHERE id = :'jo_sub';

SET client_min_messages = warning;
DROP FUNCTION new_account, shown, problems;
DROP EXTENSION anon_auth CASCADE;
DROP OWNED BY regress_visitor;
DROP ROLE regress_visitor;
