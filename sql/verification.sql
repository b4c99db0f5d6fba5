--
-- One-time codes through the outbox: verifying an address, and setting a new
-- password.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('web', 'spa') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
RESET client_min_messages;

-- the limits have their own test, and are reset here
CREATE FUNCTION unlimited() RETURNS void LANGUAGE sql AS 'SELECT anon_auth.reset_counters()';
CREATE FUNCTION account(OUT sub uuid, OUT access_token text, OUT refresh_token text, email text DEFAULT NULL, username text DEFAULT NULL, phone_number text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	guest text := (SELECT g.refresh_token FROM anon_auth.authenticate_anonymously('web') g);
BEGIN
	SELECT p.sub, p.access_token, p.refresh_token INTO sub, access_token, refresh_token
		FROM anon_auth.promote_anonymous_user('web', email => email, username => username, phone_number => phone_number, password => 'correct horse', refresh_token => guest) p;
END $$;

SELECT * FROM account(email => 'Ada@Example.com', username => 'ada', phone_number => '+85221234567') \gset ada_
SELECT * FROM account(username => 'bob') \gset bob_

-- ---- verification ----

SELECT date_trunc('minute', t - now() + interval '1 second') AS expires_in FROM anon_auth.request_verification('email', :'ada_access_token') t;
BEGIN;
SELECT type, login_id_type, recipient, code ~ '^[0-9]{6}$' AS six_digits, user_id = :'ada_sub' AS is_ada FROM anon_auth.take_outbox_messages();
ROLLBACK;
-- the code is stored sealed for its row and address, neither as plain text nor
-- as a plain hash
CREATE TEMPORARY TABLE sealed AS SELECT * FROM anon_auth.outbox;
BEGIN;
SET LOCAL ROLE anon_auth_owner;
UPDATE anon_auth.outbox SET recipient = 'mallory@example.com';
SELECT count(*) AS taken_for_mallory FROM anon_auth.take_outbox_messages();
ROLLBACK;
SELECT gen_random_uuid() AS another_id \gset
BEGIN;
SET LOCAL ROLE anon_auth_owner;
UPDATE anon_auth.outbox SET id = :'another_id';
SELECT count(*) AS taken_for_another_row FROM anon_auth.take_outbox_messages();
ROLLBACK;
BEGIN;
SET LOCAL ROLE anon_auth_owner;
CREATE TEMPORARY TABLE moved ON COMMIT DROP AS SELECT * FROM anon_auth.outbox;
UPDATE moved SET route = :'bob_sub', user_id = :'bob_sub';
DELETE FROM anon_auth.outbox;
INSERT INTO anon_auth.outbox SELECT * FROM moved;
SELECT count(*) AS taken_for_bob FROM anon_auth.take_outbox_messages();
ROLLBACK;
SELECT code AS code FROM anon_auth.take_outbox_messages() \gset
SELECT position(:'code'::bytea IN sealed_code) AS in_the_clear FROM sealed;
SELECT count(*) AS plain_hashes FROM anon_auth.one_time_codes WHERE code_hash = sha256(:'code'::bytea);
SELECT count(*) AS in_the_outbox FROM anon_auth.outbox;
-- a wrong code, the code of another kind of address, and another user's code
-- are refused
SELECT anon_auth.verify_login_id(:'code', 'phone_number', :'ada_access_token') AS other_address;
SELECT anon_auth.verify_login_id(:'code', access_token => :'bob_access_token') AS somebody_else;
SELECT anon_auth.verify_login_id(lpad(((:'code'::int + 1) % 1000000)::text, 6, '0'), access_token => :'ada_access_token') AS wrong;
SELECT anon_auth.userinfo(:'ada_access_token') -> 'email_verified' AS before;
-- the right code is accepted in any spelling, and once
SELECT anon_auth.verify_login_id(substr(:'code', 1, 3) || ' ' || substr(:'code', 4), access_token => :'ada_access_token') AS verified;
SELECT anon_auth.verify_login_id(:'code', access_token => :'ada_access_token') AS again;
SELECT anon_auth.userinfo(:'ada_access_token') -> 'email_verified' AS email, anon_auth.userinfo(:'ada_access_token') -> 'phone_number_verified' AS phone_number,
	   anon_auth.userinfo(:'ada_access_token') -> 'https://authgear.com/claims/user/is_verified' AS is_verified;
SELECT anon_auth.verify_jwt(access_token) -> 'https://authgear.com/claims/user/is_verified' AS in_new_tokens FROM anon_auth.refresh_session('web', :'ada_refresh_token');
SELECT anon_auth.request_verification('email', :'ada_access_token') IS NULL AS nothing_to_do;
SELECT type, payload FROM anon_auth.events WHERE user_id = :'ada_sub' AND type IN ('verification.requested', 'login_id.verified') ORDER BY id;

-- a code allows five attempts, whatever they are
SELECT anon_auth.request_verification('phone_number', :'ada_access_token') IS NOT NULL AS sent;
SELECT code FROM anon_auth.take_outbox_messages() \gset
SELECT anon_auth.verify_login_id('x' || n, 'phone_number', :'ada_access_token') FROM generate_series(1, 5) n;
SELECT anon_auth.verify_login_id(:'code', 'phone_number', :'ada_access_token') AS dead;
-- a new code voids the old one; one code a minute can be requested
\set VERBOSITY terse
SELECT anon_auth.request_verification('phone_number', :'ada_access_token');
\set VERBOSITY default
SELECT unlimited();
SELECT anon_auth.request_verification('phone_number', :'ada_access_token') IS NOT NULL AS sent;
SELECT code AS old_code FROM anon_auth.take_outbox_messages() \gset
SELECT unlimited();
SELECT anon_auth.request_verification('phone_number', :'ada_access_token') IS NOT NULL AS sent;
SELECT code AS new_code FROM anon_auth.take_outbox_messages() \gset
SELECT anon_auth.verify_login_id(:'old_code', 'phone_number', :'ada_access_token') AS old_code;
-- an expired code is refused
UPDATE anon_auth.one_time_codes SET expires_at = now();
SELECT anon_auth.verify_login_id(:'new_code', 'phone_number', :'ada_access_token') AS expired;
SELECT one_time_codes FROM anon_auth.purge();

-- the caller is identified by use_access_token(), not identified, or by a
-- session that has ended
SELECT unlimited();
SELECT anon_auth.use_access_token(:'ada_access_token', false) IS NOT NULL AS identified;
BEGIN;
SELECT anon_auth.request_verification('phone_number') IS NOT NULL AS sent;
-- the code is refused in the transaction that creates it
SELECT code, anon_auth.verify_login_id(code, 'phone_number') AS verified FROM anon_auth.take_outbox_messages() \gset
\echo :verified
COMMIT;
SELECT anon_auth.verify_login_id(:'code', 'phone_number') AS verified;
RESET anon_auth.verified_claims;
\set VERBOSITY terse
SELECT anon_auth.request_verification();
SELECT anon_auth.request_verification('email', 'nonsense');
SELECT anon_auth.request_verification('email', :'bob_access_token');
SELECT anon_auth.request_verification('username', :'bob_access_token');
SELECT anon_auth.request_verification(NULL, :'bob_access_token');
SELECT anon_auth.verify_login_id(NULL, 'email', :'bob_access_token');
SELECT anon_auth.revoke(:'bob_refresh_token');
SELECT anon_auth.verify_login_id('123456', 'email', :'bob_access_token');
\set VERBOSITY default

-- ---- password reset ----

SELECT * FROM account(email => 'cy@example.com') \gset cy_
UPDATE anon_auth.settings SET lockout_max_attempts = 1;
SELECT count(*) FROM anon_auth.authenticate('web', 'cy@example.com', 'forgotten');
-- a known address, an unknown one, a username and an invalid one get the same
-- answer
SELECT anon_auth.request_password_reset(l) FROM unnest('{CY@Example.com,nobody@example.com,ada,"no login ID"}'::text[]) l;
BEGIN;
SELECT type, login_id_type, recipient, code ~ '^[0-9A-HJKMNP-TV-Z]{10}$' AS ten_characters FROM anon_auth.take_outbox_messages();
ROLLBACK;
SELECT user_id = :'cy_sub' AS is_cy, user_id = '00000000-0000-0000-0000-000000000000' AS is_nobody, count(*) FROM anon_auth.events WHERE type = 'password_reset.requested' GROUP BY user_id ORDER BY 1;
-- they have the same limit
\set VERBOSITY terse
SELECT anon_auth.request_password_reset('cy@EXAMPLE.com');
SELECT anon_auth.request_password_reset('NOBODY@example.com');
\set VERBOSITY default
SELECT code FROM anon_auth.take_outbox_messages() \gset
SELECT anon_auth.reset_password('cy@example.com', 'WRONGCODE0', 'a new password') AS wrong;
SELECT anon_auth.reset_password('nobody@example.com', :'code', 'a new password') AS unknown;
SELECT anon_auth.reset_password('ada@example.com', :'code', 'a new password') AS somebody_else;
-- a weak password leaves the code valid, and the error does not reveal whether
-- the code was right
SELECT anon_auth.reset_password('cy@example.com', :'code', 'short');
SELECT anon_auth.reset_password('cy@example.com', 'wrong', 'short');
SELECT anon_auth.reset_password('cy@example.com', lower(:'code'), 'a new password') AS reset;
SELECT anon_auth.reset_password('cy@example.com', :'code', 'another password') AS again;
SELECT count(*) AS sessions FROM anon_auth.sessions WHERE user_id = :'cy_sub';
SELECT count(*) AS old_password FROM anon_auth.authenticate('web', 'cy@example.com', 'correct horse');
SELECT anon_auth.reset_counters();
SELECT sub = :'cy_sub' AS new_password, anon_auth.verify_jwt(access_token) -> 'https://authgear.com/claims/user/is_verified' AS is_verified FROM anon_auth.authenticate('web', 'cy@example.com', 'a new password');
UPDATE anon_auth.settings SET lockout_max_attempts = 0;

-- Somebody creates an account with another person's address, and that person
-- resets the password with it. Afterwards the other address can no longer reset
-- the password, and all earlier codes are void.
SELECT unlimited();
SELECT * FROM account(email => 'eve@example.com', phone_number => '+85229876543') \gset eve_
SELECT anon_auth.request_verification('phone_number', :'eve_access_token') IS NOT NULL AS sent;
SELECT anon_auth.request_password_reset(l) FROM unnest('{+85229876543,eve@example.com}'::text[]) l;
SELECT max(code) FILTER (WHERE recipient = 'eve@example.com') AS mail, max(code) FILTER (WHERE recipient <> 'eve@example.com' AND type = 'password_reset') AS phone
	FROM anon_auth.take_outbox_messages() \gset
SELECT anon_auth.reset_password('eve@example.com', :'mail', 'her own password') AS reset;
SELECT count(*) AS codes FROM anon_auth.one_time_codes WHERE user_id = :'eve_sub';
SELECT anon_auth.reset_password('+85229876543', :'phone', 'his own password') AS by_the_other_address;
SELECT unlimited();
SELECT anon_auth.request_password_reset('+85229876543');
SELECT count(*) AS sent FROM anon_auth.outbox WHERE sealed_code IS NOT NULL;
-- it is no longer a login ID of the account
SELECT type FROM anon_auth.login_ids WHERE user_id = :'eve_sub';
SELECT anon_auth.delete_user(:'eve_sub');

-- failed attempts at a password reset do not lock its user out soon
SELECT unlimited();
SELECT anon_auth.request_password_reset('cy@example.com');
SELECT code FROM anon_auth.take_outbox_messages() WHERE code IS NOT NULL \gset
SELECT unlimited();
UPDATE anon_auth.settings SET password_attempts_per_minute_per_ip = NULL;
SELECT count(*) AS attempts, bool_or(anon_auth.reset_password('cy@example.com', 'WRONGCODE0', 'a new password')) AS reset FROM generate_series(1, 99);
SELECT anon_auth.reset_password('cy@example.com', :'code', 'a new password') AS reset;
SELECT unlimited();
SELECT anon_auth.request_password_reset('cy@example.com');
SELECT code FROM anon_auth.take_outbox_messages() WHERE code IS NOT NULL \gset
SELECT count(*) AS attempts, bool_or(anon_auth.reset_password('cy@example.com', 'WRONGCODE0', 'a new password')) AS reset FROM generate_series(1, 100);
SELECT anon_auth.reset_password('cy@example.com', :'code', 'a new password') AS too_late;

-- attempts count for the caller's address, whichever user they name
SELECT unlimited();
UPDATE anon_auth.settings SET trusted_proxy_hops = 1, password_attempts_per_minute_per_ip = 2;
BEGIN;
SELECT set_config('request.headers', '{"x-forwarded-for": "192.0.2.1"}', true);
SELECT anon_auth.request_password_reset('nobody1@example.com');
SELECT anon_auth.reset_password('nobody2@example.com', 'WRONGCODE0', 'a new password');
SAVEPOINT before;
\set VERBOSITY sqlstate
SELECT anon_auth.request_password_reset('nobody3@example.com');
\set VERBOSITY default
ROLLBACK TO before;
SELECT set_config('request.headers', '{"x-forwarded-for": "192.0.2.2"}', true);
SELECT anon_auth.request_password_reset('nobody3@example.com');
COMMIT;
UPDATE anon_auth.settings SET trusted_proxy_hops = 0, password_attempts_per_minute_per_ip = NULL;

-- a code goes to the normalised address, which is the one that is then called
-- verified
SELECT unlimited();
SELECT * FROM account(email => 'Ｇｕｓ@Ｅxample.com') \gset gus_
SELECT anon_auth.request_verification('email', :'gus_access_token') IS NOT NULL AS sent;
SELECT recipient, anon_auth.userinfo(:'gus_access_token') ->> 'email' AS claimed FROM anon_auth.take_outbox_messages();
SELECT anon_auth.delete_user(:'gus_sub');
SELECT * FROM account(email => 'Straße@Example.com') \gset gus_
SELECT anon_auth.request_verification('email', :'gus_access_token') IS NOT NULL AS sent;
SELECT recipient, anon_auth.userinfo(:'gus_access_token') ->> 'email' AS claimed FROM anon_auth.take_outbox_messages();
SELECT anon_auth.delete_user(:'gus_sub');

-- messages have the client, a language and a link
SELECT unlimited();
SELECT * FROM account(email => 'lea@example.com') \gset lea_
SELECT anon_auth.request_verification('email', :'lea_access_token') IS NOT NULL AS sent;
SELECT client_id, language, link FROM anon_auth.take_outbox_messages();
UPDATE anon_auth.settings SET code_link_uri = 'https://app.example/a?t={type}&l={language}&c={client_id}#{code}';
SELECT anon_auth.create_client('b&b', 'native') \g /dev/null
UPDATE anon_auth.users SET standard_attributes = standard_attributes || '{"locale": "de_AT"}' WHERE id = :'lea_sub';
SELECT unlimited();
SELECT anon_auth.request_verification('email', :'lea_access_token') IS NOT NULL AS sent;
SELECT anon_auth.request_password_reset('lea@example.com', client_id => 'b&b', ui_locales => 'zh-Hant-HK en');
SELECT type, client_id, language, replace(link, code, 'CODE') AS link FROM anon_auth.take_outbox_messages();
SELECT unlimited();
SELECT anon_auth.request_password_reset('lea@example.com');
SELECT client_id, language, replace(link, code, 'CODE') AS link FROM anon_auth.take_outbox_messages();
-- an empty field of a form is no language; some write an underscore
SELECT unlimited();
SELECT anon_auth.request_password_reset('lea@example.com', ui_locales => '');
SELECT unlimited();
SELECT anon_auth.request_password_reset('lea@example.com', ui_locales => 'pt_BR en');
SELECT language FROM anon_auth.take_outbox_messages() ORDER BY created_at;
-- a locale that is no language tag, and no locale
UPDATE anon_auth.users SET standard_attributes = standard_attributes || '{"locale": "de; DROP"}' WHERE id = :'lea_sub';
SELECT unlimited();
SELECT anon_auth.request_password_reset('lea@example.com');
SELECT language, replace(link, code, 'CODE') AS link FROM anon_auth.take_outbox_messages();
SELECT anon_auth.request_password_reset('lea@example.com', client_id => 'nobody');
DO LANGUAGE plpgsql $$
DECLARE
	locales text;
BEGIN
	FOREACH locales IN ARRAY ARRAY[' en', 'en  de', 'en-', '-en', 'en,de;q=0.5', 'en_', 'abcdefghi', repeat('en ', 100) || 'en'] LOOP
		BEGIN
			PERFORM anon_auth.request_password_reset('lea@example.com', locales);
			RAISE NOTICE '% is accepted', locales;
		EXCEPTION WHEN invalid_parameter_value THEN
			NULL;
		END;
	END LOOP;
	FOREACH locales IN ARRAY ARRAY['https://app.example/', 'https://{code}.example/', 'https://app.example/{code}{user}', 'app.example/{code}', 'https://app.example/{code} ', 'javascript://x/{code}'] LOOP
		BEGIN
			UPDATE anon_auth.settings SET code_link_uri = locales;
			RAISE NOTICE '% is accepted', locales;
		EXCEPTION WHEN check_violation THEN
			NULL;
		END;
	END LOOP;
END
$$;
UPDATE anon_auth.settings SET code_link_uri = NULL;
SELECT anon_auth.delete_user(:'lea_sub');

-- refused: a guest's session, an expired code, a disabled user
SELECT unlimited();
SELECT anon_auth.request_password_reset('cy@example.com');
UPDATE anon_auth.outbox SET expires_at = now();
SELECT count(*) AS expired_messages FROM anon_auth.take_outbox_messages();
SELECT count(*) AS left FROM anon_auth.outbox;
-- messages that are dropped do not count towards batch_size
DO $$
BEGIN
	FOR i IN 1 .. 4 LOOP
		PERFORM unlimited();
		PERFORM anon_auth.request_password_reset('cy@example.com');
	END LOOP;
END
$$;
UPDATE anon_auth.outbox SET expires_at = now() WHERE id IN (SELECT id FROM anon_auth.outbox ORDER BY id LIMIT 1);
UPDATE anon_auth.outbox SET recipient = 'mallory@example.com' WHERE id IN (SELECT id FROM anon_auth.outbox ORDER BY id OFFSET 1 LIMIT 1);
SELECT recipient AS first FROM anon_auth.take_outbox_messages(1);
SELECT count(*) AS left FROM anon_auth.outbox;
SELECT recipient AS second FROM anon_auth.take_outbox_messages(2);
SELECT unlimited();
SELECT anon_auth.disable_user(:'cy_sub');
SELECT anon_auth.request_password_reset('cy@example.com');
SELECT count(*) AS messages FROM anon_auth.outbox;
SELECT anon_auth.enable_user(:'cy_sub');
SELECT unlimited();
SELECT anon_auth.request_password_reset('cy@example.com');
SELECT code FROM anon_auth.take_outbox_messages() WHERE code IS NOT NULL \gset
SELECT anon_auth.disable_user(:'cy_sub');
SELECT anon_auth.reset_password('cy@example.com', :'code', 'a new password') AS disabled;
SELECT anon_auth.delete_user(:'cy_sub');
SELECT (SELECT count(*) FROM anon_auth.outbox) AS messages, (SELECT count(*) FROM anon_auth.one_time_codes) AS codes;

\set VERBOSITY terse
SELECT anon_auth.request_password_reset('');
SELECT anon_auth.reset_password('a', 'b', NULL);
SELECT anon_auth.take_outbox_messages(0);

SET client_min_messages = warning;
DROP FUNCTION unlimited, account;
DROP EXTENSION anon_auth CASCADE;
