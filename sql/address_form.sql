--
-- One form for an address on a device that has a guest: which code to request, and what
-- each answer means.  docs/guide.md, "One form for the address", is this recipe.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/}') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, phone_country_code_allowlist = '{852}',
	code_link_uri = 'https://app.example/{type}#{code}';
RESET client_min_messages;

CREATE FUNCTION guest(OUT sub uuid, OUT refresh_token text) LANGUAGE sql AS $$ SELECT g.sub, g.refresh_token FROM anon_auth.authenticate_anonymously('web') g $$;
CREATE FUNCTION request_code(address text, guest text DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.reset_counters();
	PERFORM anon_auth.request_login_code('web', address, refresh_token => guest);
END $$;
CREATE FUNCTION message(OUT type text, OUT code text, OUT long_code text, OUT link_type text) LANGUAGE sql AS $$
	SELECT m.type, m.code, substring(m.link FROM '#(.*)'), substring(m.link FROM '^https://app.example/(.*)#') FROM anon_auth.take_outbox_messages() m ORDER BY created_at DESC LIMIT 1 $$;
-- an account that has verified its address
CREATE PROCEDURE make_account(address text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM request_code(address);
	COMMIT;
	PERFORM FROM message() m, LATERAL anon_auth.sign_up('web', code => m.long_code);
END $$;

-- ---- the message says whether a guest has asked ----
SELECT * FROM guest() \gset ada_
SELECT request_code('ada@form.example'); SELECT type, link_type FROM message();
SELECT request_code('+85221234567'); SELECT type, link_type FROM message();
SELECT request_code('ada@form.example', :'ada_refresh_token'); SELECT type, link_type FROM message();
-- a link needs a long code, which a code made without the setting does not have
UPDATE anon_auth.settings SET code_link_uri = NULL;
SELECT request_code('ada@form.example', :'ada_refresh_token');
UPDATE anon_auth.settings SET code_link_uri = 'https://app.example/{type}#{code}';
SELECT type, code ~ '^[0-9]{6}$' AS has_code, long_code FROM message();

-- ---- the long code of a link names its address ----
SELECT request_code('Ada@Form.example', :'ada_refresh_token'); SELECT long_code AS code FROM message() \gset
SELECT count(*) AS without_the_guest FROM anon_auth.sign_up('web', code => :'code');
SELECT refresh_token AS other FROM guest() \gset
SELECT count(*) AS another_guest FROM anon_auth.promote_anonymous_user('web', code => :'code', refresh_token => :'other');
SELECT count(*) AS another_address FROM anon_auth.promote_anonymous_user('web', email => 'bob@form.example', code => :'code', refresh_token => :'ada_refresh_token');
SELECT count(*) AS wrong FROM anon_auth.promote_anonymous_user('web', code => translate(:'code', 'abcdefgh', 'bcdefgha'), refresh_token => :'ada_refresh_token');
SELECT sub = :'ada_sub' AS promoted FROM anon_auth.promote_anonymous_user('web', username => 'ada', code => :'code', refresh_token => :'ada_refresh_token');
SELECT type, value, original_value, verified_at IS NOT NULL AS verified FROM anon_auth.login_ids WHERE user_id = :'ada_sub' ORDER BY type;
SELECT request_code('+85221234567'); SELECT long_code AS code FROM message() \gset
SELECT count(*) AS signed_up FROM anon_auth.sign_up('web', code => :'code');
SELECT type, value, verified_at IS NOT NULL AS verified FROM anon_auth.login_ids WHERE type = 'phone_number';
SELECT count(*) AS used FROM anon_auth.sign_up('web', code => :'code');
-- six digits do not
SELECT anon_auth.sign_up('web', code => '123456');
SELECT anon_auth.sign_up('web', code => 'an unreadable one');
SELECT anon_auth.sign_up('web', username => 'bob', code => '123456');
-- an address that is not allowed is refused, also if the code names it
SELECT request_code('+85291234567'); SELECT long_code AS code FROM message() \gset
UPDATE anon_auth.settings SET login_id_types = '{email}';
SELECT anon_auth.sign_up('web', code => :'code');
UPDATE anon_auth.settings SET login_id_types = '{email,phone_number,username}';

-- ---- AA030 tells programs which case it is, and people what to do ----
CREATE FUNCTION refusal(statement text, OUT sqlstate_ text, OUT members jsonb, OUT hint text) LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS sqlstate_ = RETURNED_SQLSTATE, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	members := detail::jsonb;
END $$;
SELECT request_code('new@form.example'); SELECT code FROM message() \gset
\x on
SELECT * FROM refusal(format('SELECT anon_auth.authenticate_with_code(%L, %L, %L)', 'web', 'new@form.example', :'code'));
-- the hint is right: the same code makes an account, and does not promote a guest
SELECT count(*) AS promoted FROM anon_auth.promote_anonymous_user('web', email => 'new@form.example', code => :'code', refresh_token => :'other');
SELECT count(*) AS signed_up FROM anon_auth.sign_up('web', email => 'new@form.example', code => :'code');
SELECT request_code('new@form.example'); SELECT code FROM message() \gset
SELECT * FROM refusal(format('SELECT anon_auth.sign_up(%L, email => %L, code => %L)', 'web', 'new@form.example', :'code'));
SELECT count(*) AS logged_in FROM anon_auth.authenticate_with_code('web', 'new@form.example', :'code');
\x off

-- ---- the form: the guest asks for the code, whichever promotion_conflict ----
SELECT * FROM guest() \gset bob_
CALL make_account('carl@form.example');
SELECT user_id AS carl_sub FROM anon_auth.login_ids WHERE value = 'carl@form.example' \gset
-- error: AA009 for an address that has an account.  Nobody logs in with the guest's code
SELECT request_code('carl@form.example', :'bob_refresh_token'); SELECT code FROM message() \gset
SELECT sqlstate_, members FROM refusal(format('SELECT anon_auth.promote_anonymous_user(%L, email => %L, code => %L, refresh_token => %L)', 'web', 'carl@form.example', :'code', :'bob_refresh_token'));
SELECT count(*) AS logged_in FROM anon_auth.authenticate_with_code('web', 'carl@form.example', :'code');
SELECT request_code('carl@form.example'); SELECT code FROM message() \gset
SELECT sub = :'carl_sub' AS is_carl, access_token AS carl_access_token FROM anon_auth.authenticate_with_code('web', 'carl@form.example', :'code') \gset
SELECT :'is_carl' AS is_carl, count(*) AS tables FROM anon_auth.claim_anonymous_user('web', access_token => :'carl_access_token', refresh_token => :'bob_refresh_token', dry_run => true);
-- login: the one code logs in to the account; the guest stays and can be claimed
UPDATE anon_auth.settings SET promotion_conflict = 'login';
SELECT request_code('carl@form.example', :'bob_refresh_token'); SELECT code FROM message() \gset
SELECT sub = :'carl_sub' AS is_carl, access_token AS carl_access_token FROM anon_auth.promote_anonymous_user('web', email => 'carl@form.example', code => :'code', refresh_token => :'bob_refresh_token') \gset
SELECT :'is_carl' AS is_carl, (SELECT count(*) FROM anon_auth.users WHERE id = :'bob_sub') AS guests;
SELECT count(*) AS tables FROM anon_auth.claim_anonymous_user('web', access_token => :'carl_access_token', refresh_token => :'bob_refresh_token');
SELECT count(*) AS guests FROM anon_auth.users WHERE id = :'bob_sub';
-- merge: the guest is merged at once
UPDATE anon_auth.settings SET promotion_conflict = 'merge';
SELECT * FROM guest() \gset dan_
SELECT request_code('carl@form.example', :'dan_refresh_token'); SELECT code FROM message() \gset
SELECT sub = :'carl_sub' AS is_carl FROM anon_auth.promote_anonymous_user('web', email => 'carl@form.example', code => :'code', refresh_token => :'dan_refresh_token');
SELECT count(*) AS guests FROM anon_auth.users WHERE id = :'dan_sub';
-- all: a new address promotes the guest
UPDATE anon_auth.settings SET promotion_conflict = 'login';
SELECT * FROM guest() \gset eve_
SELECT request_code('eve@form.example', :'eve_refresh_token'); SELECT code FROM message() \gset
SELECT sub = :'eve_sub' AS promoted FROM anon_auth.promote_anonymous_user('web', email => 'eve@form.example', code => :'code', refresh_token => :'eve_refresh_token');

-- ---- an own account that never verified its address loses it to such a promotion ----
SELECT sub AS fay_sub FROM anon_auth.sign_up('web', email => 'fay@form.example', password => 'correct horse') \gset
SELECT * FROM guest() \gset gus_
SELECT request_code('fay@form.example', :'gus_refresh_token'); SELECT code FROM message() \gset
SELECT sub = :'gus_sub' AS promoted FROM anon_auth.promote_anonymous_user('web', email => 'fay@form.example', code => :'code', refresh_token => :'gus_refresh_token');
SELECT count(*) AS fay_logs_in FROM anon_auth.authenticate('web', 'fay@form.example', 'correct horse');
-- with the password, too, the account keeps the address
SELECT sub AS hal_sub FROM anon_auth.sign_up('web', email => 'hal@form.example', password => 'correct horse') \gset
SELECT * FROM guest() \gset ivy_
SELECT request_code('hal@form.example', :'ivy_refresh_token'); SELECT code FROM message() \gset
SELECT sub = :'hal_sub' AS is_hal FROM anon_auth.promote_anonymous_user('web', email => 'hal@form.example', password => 'correct horse', code => :'code', refresh_token => :'ivy_refresh_token');
-- a login with the code first keeps it as well
SELECT sub AS joe_sub FROM anon_auth.sign_up('web', email => 'joe@form.example', password => 'correct horse') \gset
SELECT request_code('joe@form.example'); SELECT code FROM message() \gset
SELECT sub = :'joe_sub' AS is_joe FROM anon_auth.authenticate_with_code('web', 'joe@form.example', :'code');

SET client_min_messages = warning;
DROP FUNCTION guest, request_code, message, refusal;
DROP PROCEDURE make_account;
DROP EXTENSION anon_auth;
