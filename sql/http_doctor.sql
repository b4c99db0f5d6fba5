--
-- The findings that anon_auth_http adds to doctor(), and objects that are
-- attached to its objects. Each is provoked and shown, and its fix removes it.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
DROP SCHEMA IF EXISTS app CASCADE;
DROP ROLE IF EXISTS regress_doctor_visitor, regress_doctor_later;
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
CREATE SCHEMA app;
CREATE ROLE regress_doctor_visitor LOGIN;
SELECT anon_auth.create_client('web', 'spa') \g /dev/null
SELECT anon_auth.grant_client_api('regress_doctor_visitor') \g /dev/null
RESET client_min_messages;
-- findings about this server's own configuration are not tested
SET log_min_duration_statement = -1;
SET log_statement = 'none';
SET log_parameter_max_length_on_error = 0;
CREATE VIEW app.findings AS SELECT severity, finding, what, fix FROM anon_auth.doctor() WHERE finding NOT IN ('autovacuum_off', 'master_key_in_data_directory', 'default_issuer');
-- run the fixes of one kind of finding
CREATE FUNCTION app.mend(code text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	sql text;
	kid text := (SELECT kid FROM anon_auth.signing_keys ORDER BY created_at DESC LIMIT 1);
BEGIN
	FOR sql IN SELECT fix FROM app.findings WHERE finding = code LOOP
		EXECUTE replace(replace(sql, 'CONCURRENTLY ', ''), 'https://your.site', 'https://site.example');
	END LOOP;
	RETURN QUERY SELECT what FROM app.findings WHERE finding = code;
END $$;

-- ---- the role of access tokens ----
UPDATE anon_auth.settings SET token_role = 'regress_doctor_later';
SELECT * FROM app.findings;
SELECT anon_auth.grant_http_api('regress_doctor_visitor') \g /dev/null
SELECT * FROM app.findings;
CREATE ROLE regress_doctor_later;
SELECT * FROM app.findings;

-- ---- a role of PostgREST that can state any address ----
SELECT anon_auth.grant_client_address('regress_doctor_visitor') \g /dev/null
SELECT * FROM app.findings;
SELECT app.mend('client_address_privilege');

-- ---- the texts of the pages ----
UPDATE anon_auth.settings SET page_texts = '{"en": {"sign_up_title": "Join us", "sign_up_titel": "Join"}, "it": 1}';
SELECT * FROM app.findings;
SELECT app.mend('unknown_page_text');
SELECT page_texts FROM anon_auth.settings;
UPDATE anon_auth.settings SET page_texts = '{"de-AT": {"continue": "Weiter"}, "it": {"another_email": "x", "another_phone_number": 7}}';
SELECT * FROM app.findings;
SELECT count(*) > 50 AS left_to_translate FROM jsonb_each_text(anon_auth_http.page_texts('en') - ARRAY(SELECT jsonb_object_keys(page_texts -> 'it') FROM anon_auth.settings));
SELECT app.mend('missing_page_texts');
SELECT page_texts FROM anon_auth.settings;
UPDATE anon_auth.settings SET page_texts = (SELECT jsonb_build_object('it', anon_auth_http.page_texts('en')));
SELECT * FROM app.findings;
UPDATE anon_auth.settings SET page_texts = '{"en": {"settings_attribute_color": "Colour", "settings_attribute_size": "Size"}}', user_writable_attributes = '{color}';
SELECT * FROM app.findings;
UPDATE anon_auth.settings SET page_texts = '{}', user_writable_attributes = DEFAULT;

-- ---- the client of the settings pages ----
UPDATE anon_auth.settings SET page_client_id = 'web';
SELECT * FROM app.findings;
SELECT app.mend('no_page_client');
SELECT page_client_id FROM anon_auth.settings;

-- ---- cookies that another host can replace ----
UPDATE anon_auth.settings SET cookie_prefix = 'app_';
SELECT * FROM app.findings;
UPDATE anon_auth.settings SET issuer = 'https://site.example';
SELECT * FROM app.findings;
SELECT app.mend('cookie_tossing');
SELECT cookie_prefix, cookie_domain FROM anon_auth.settings;
UPDATE anon_auth.settings SET cookie_prefix = '__Secure-', cookie_domain = 'site.example';
SELECT * FROM app.findings;
SELECT app.mend('cookie_tossing');
UPDATE anon_auth.settings SET cookie_prefix = '';
SELECT app.mend('cookie_tossing');
SELECT cookie_prefix, cookie_domain FROM anon_auth.settings;

-- ---- an issuer with a path, where the endpoints are not ----
UPDATE anon_auth.settings SET issuer = 'https://site.example/auth';
SELECT * FROM app.findings;
SELECT app.mend('issuer_has_path');
SELECT issuer FROM anon_auth.settings;
UPDATE anon_auth.settings SET issuer = DEFAULT;

-- ---- passkeys on the pages ----
UPDATE anon_auth.settings SET issuer = 'https://auth.site.example:8443', passkey_rp_id = 'site.example', passkey_origins = '{https://app.site.example}';
SELECT * FROM app.findings;
SELECT app.mend('passkey_origins_without_issuer');
SELECT passkey_origins FROM anon_auth.settings;
UPDATE anon_auth.settings SET issuer = DEFAULT, passkey_rp_id = DEFAULT, passkey_origins = DEFAULT;

-- ---- a default language without texts ----
UPDATE anon_auth.settings SET default_locale = 'klingon';
SELECT * FROM app.findings;
UPDATE anon_auth.settings SET page_texts = '{"klingon": {"submit": "x"}}';
SELECT * FROM app.findings WHERE finding = 'no_texts_of_locale';
UPDATE anon_auth.settings SET page_texts = DEFAULT;
SELECT app.mend('no_texts_of_locale');
UPDATE anon_auth.settings SET default_locale = 'DE-at';
SELECT * FROM app.findings WHERE finding = 'no_texts_of_locale';
UPDATE anon_auth.settings SET default_locale = DEFAULT;

-- ---- rights on its functions ----
GRANT EXECUTE ON FUNCTION anon_auth_internal.page(jsonb) TO regress_doctor_visitor;
SELECT * FROM app.findings;
SELECT app.mend('function_privilege');

-- ---- objects that are attached to its objects ----
ALTER DOMAIN anon_auth_http."*/*" ADD CONSTRAINT more CHECK (VALUE <> 'x');
CREATE FUNCTION anon_auth_http.challenge(text, text) RETURNS text LANGUAGE sql AS 'SELECT $1';
SELECT * FROM app.findings;
SELECT app.mend('attached_object');

-- ---- another function with the same name ----
CREATE FUNCTION anon_auth_internal.doctor_of_mine() RETURNS SETOF anon_auth.finding LANGUAGE plpgsql AS $$BEGIN RAISE 'doctor() has called this'; END$$;
SELECT * FROM app.findings;
SELECT app.mend('attached_object');

SET client_min_messages = warning;
DROP SCHEMA app CASCADE;
DROP EXTENSION anon_auth CASCADE;
DROP ROLE regress_doctor_visitor, regress_doctor_later;
