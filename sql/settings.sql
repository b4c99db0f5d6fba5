--
-- Settings and clients: invalid values are refused, and changes take effect at
-- once.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
RESET client_min_messages;

SELECT count(*) FROM anon_auth.settings;

-- an invalid value violates a constraint that names it
\set VERBOSITY terse
UPDATE anon_auth.settings SET issuer = 'https://example.com/';
UPDATE anon_auth.settings SET issuer = 'example.com';
UPDATE anon_auth.settings SET issuer = 'https://example.com?x';
UPDATE anon_auth.settings SET audience = '';
UPDATE anon_auth.settings SET token_role = '';
UPDATE anon_auth.settings SET promotion_conflict = 'whatever';
UPDATE anon_auth.settings SET login_id_types = '{}';
UPDATE anon_auth.settings SET login_id_types = '{email,fax}';
UPDATE anon_auth.settings SET email_domain_blocklist = '{a.com}', email_domain_allowlist = '{b.com}';
UPDATE anon_auth.settings SET email_domain_blocklist = '{a.com,"b .com"}';
UPDATE anon_auth.settings SET email_domain_blocklist = '{@a.com}';
UPDATE anon_auth.settings SET email_domain_allowlist = '{""}';
UPDATE anon_auth.settings SET phone_country_code_allowlist = '{852,Germany}';
UPDATE anon_auth.settings SET password_min_length = 0;
UPDATE anon_auth.settings SET password_hash_memory_kib = 1;
UPDATE anon_auth.settings SET password_hash_concurrency = 0;
UPDATE anon_auth.settings SET event_types = '{NULL}';
UPDATE anon_auth.settings SET event_types = '{user.craeted}';
-- now() minus a longer time could be out of range
UPDATE anon_auth.settings SET guest_retention = '101 years';
UPDATE anon_auth.settings SET event_retention = '9999 years';
UPDATE anon_auth.settings SET login_id_conflicts_per_minute_per_ip = 0;
UPDATE anon_auth.settings SET singleton = false;

\set VERBOSITY default
-- INSERT replaces the row, which restoring a dump needs
UPDATE anon_auth.settings SET issuer = 'https://old.example';
INSERT INTO anon_auth.settings (issuer) VALUES ('https://auth.example.com/v1');
SELECT issuer FROM anon_auth.settings;

-- the next statement sees a change, and so does the statement that makes it
SELECT anon_auth.openid_configuration() ->> 'jwks_uri' AS jwks_uri;
UPDATE anon_auth.settings SET issuer = 'https://auth.example.com';
SELECT anon_auth.openid_configuration() ->> 'jwks_uri' AS jwks_uri;
DO $$
BEGIN
	RAISE INFO '%', anon_auth.openid_configuration() ->> 'issuer';
	UPDATE anon_auth.settings SET issuer = 'https://do.example.com';
	RAISE INFO '%', anon_auth.openid_configuration() ->> 'issuer';
END
$$;

-- a change that is rolled back within the statement is not seen after it
DO $$
BEGIN
	BEGIN
		UPDATE anon_auth.settings SET issuer = 'https://undone.example.com';
		RAISE INFO '%', anon_auth.openid_configuration() ->> 'issuer';
		RAISE EXCEPTION 'undo';
	EXCEPTION WHEN OTHERS THEN
	END;
	RAISE INFO '%', anon_auth.openid_configuration() ->> 'issuer';
END
$$;

-- a missing row is an error that says so
DELETE FROM anon_auth.settings;
SELECT anon_auth.openid_configuration();
INSERT INTO anon_auth.settings DEFAULT VALUES;
SELECT jsonb_pretty(anon_auth.openid_configuration());
BEGIN;
UPDATE anon_auth.settings SET page_sign_up = true;
SELECT anon_auth.openid_configuration() -> 'prompt_values_supported' AS with_page_sign_up;
ROLLBACK;

-- settings of cookies and pages
\set VERBOSITY terse
UPDATE anon_auth.settings SET brand_color = 'red';
UPDATE anon_auth.settings SET brand_color = '#12345';
UPDATE anon_auth.settings SET brand_logo_uri = 'javascript:alert(1)';
UPDATE anon_auth.settings SET brand_logo_uri = 'https://a.example/x;script-src';
UPDATE anon_auth.settings SET policy_uri = 'data:text/html,x';
UPDATE anon_auth.settings SET tos_uri = '/terms';
UPDATE anon_auth.settings SET cookie_prefix = 'a;b';
UPDATE anon_auth.settings SET cookie_domain = 'example.com; Path=/x';
UPDATE anon_auth.settings SET cookie_domain = '.example.com';
UPDATE anon_auth.settings SET cookie_prefix = '__Host-';
UPDATE anon_auth.settings SET cookie_prefix = '__secure-app_';
UPDATE anon_auth.settings SET cookie_prefix = '__Host-', issuer = 'https://a.example', cookie_domain = 'a.example';
UPDATE anon_auth.settings SET cookie_prefix = '__hOST-x', issuer = 'https://a.example', cookie_domain = 'a.example';
BEGIN;
UPDATE anon_auth.settings SET cookie_prefix = '__Secure-app_', issuer = 'https://a.example', cookie_domain = 'a.example';
UPDATE anon_auth.settings SET cookie_prefix = '__Host-', issuer = 'https://a.example', cookie_domain = NULL;
SAVEPOINT http;
UPDATE anon_auth.settings SET issuer = 'http://a.example';
ROLLBACK TO http;
UPDATE anon_auth.settings SET cookie_domain = 'a.example';
ROLLBACK;
UPDATE anon_auth.settings SET default_locale = 'English (US)';
UPDATE anon_auth.settings SET page_texts = '[]';
UPDATE anon_auth.settings SET session_lifetime_seconds = 299;
UPDATE anon_auth.settings SET session_idle_timeout_seconds = 0;

-- clients
SELECT anon_auth.create_client('app', 'native', '{https://app.example/callback,com.example.app://callback}');
SELECT anon_auth.create_client('app', 'native');
SELECT anon_auth.create_client('x', 'browser');
SELECT anon_auth.create_client('x', NULL);
SELECT anon_auth.create_client('', 'spa');
SELECT anon_auth.create_client('a b', 'spa');
SELECT anon_auth.create_client(NULL, 'spa');
SELECT anon_auth.create_client('x', 'spa', '{/callback}');
SELECT anon_auth.create_client('x', 'spa', '{https://a.example/#fragment}');
SELECT anon_auth.create_client('x', 'spa', '{NULL}');
SELECT anon_auth.create_client('x', 'spa', '{javascript:alert(1)}');
SELECT anon_auth.create_client('x', 'spa', '{https:app}');
SELECT anon_auth.create_client('x', 'spa', post_logout_redirect_uris => '{"DATA:text/html,x"}');
SELECT anon_auth.create_client('x', 'spa', access_token_lifetime_seconds => 299);
SELECT anon_auth.create_client('x', 'spa', refresh_token_lifetime_seconds => 1000);
SELECT anon_auth.create_client('x', 'spa', max_concurrent_sessions => 2);
-- UPDATE is checked in the same way
UPDATE anon_auth.clients SET redirect_uris = redirect_uris || '{/callback}';
UPDATE anon_auth.clients SET redirect_uris = redirect_uris || '{https://a.example/#fragment}';
UPDATE anon_auth.clients SET redirect_uris = redirect_uris || '{JavaScript:alert(1)}';
UPDATE anon_auth.clients SET redirect_uris = '{https:app}';
UPDATE anon_auth.clients SET redirect_uris = '{""}';
UPDATE anon_auth.clients SET redirect_uris = ARRAY[E'https://a.example/\njavascript:alert(1)'];
UPDATE anon_auth.clients SET post_logout_redirect_uris = '{"data:text/html,x"}';
UPDATE anon_auth.clients SET post_logout_redirect_uris = '{https://app.example/bye,app:bye}';
SELECT client_id, name, application_type, redirect_uris, access_token_lifetime_seconds,
	   refresh_token_lifetime_seconds, refresh_token_idle_timeout_seconds, refresh_token_rotation_enabled
FROM anon_auth.clients;

-- settings of the kept events
UPDATE anon_auth.settings SET event_types = '{user.deleted}';
SELECT sub FROM anon_auth.authenticate_anonymously('app') \gset
SELECT anon_auth.delete_user(:'sub');
SELECT type, user_id = :'sub' AS of_the_user FROM anon_auth.events;
