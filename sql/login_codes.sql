--
-- Login with a code that is sent to an address: request_login_code() and
-- authenticate_with_code().
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('web', 'spa') \g /dev/null
SELECT anon_auth.create_client('other', 'spa') \g /dev/null
SELECT anon_auth.create_client('machine', 'm2m') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, sms_requests_per_hour = NULL;
RESET client_min_messages;
CREATE SCHEMA login_codes;
SET search_path = login_codes;

-- the limits have their own test below, and are reset here
CREATE FUNCTION unlimited() RETURNS void LANGUAGE sql AS 'SELECT anon_auth.reset_counters()';
CREATE FUNCTION account(OUT sub uuid, OUT access_token text, OUT refresh_token text, email text DEFAULT NULL, username text DEFAULT NULL, phone_number text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	guest text := (SELECT g.refresh_token FROM anon_auth.authenticate_anonymously('web') g);
BEGIN
	SELECT p.sub, p.access_token, p.refresh_token INTO sub, access_token, refresh_token
		FROM anon_auth.promote_anonymous_user('web', email => email, username => username, phone_number => phone_number, password => 'correct horse', refresh_token => guest) p;
END $$;
CREATE FUNCTION wrong(code text) RETURNS text LANGUAGE sql RETURN lpad(((code::integer + 1) % 1000000)::text, 6, '0');

CREATE FUNCTION logins(login_id text, code text, attempts integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	logins integer := 0;
BEGIN
	FOR i IN 1..attempts LOOP
		logins := logins + (SELECT count(*) FROM anon_auth.authenticate_with_code('web', login_id, code));
	END LOOP;
	RETURN logins;
END $$;

SELECT * FROM account(email => 'Ada@Example.com', username => 'ada', phone_number => '+85221234567') \gset ada_
SELECT anon_auth.request_verification('email', :'ada_access_token') \g /dev/null
SELECT anon_auth.verify_login_id((SELECT code FROM anon_auth.take_outbox_messages()), 'email', :'ada_access_token');

-- ---- a message is sent to every address ----

SELECT date_trunc('minute', t - now() + interval '1 second') AS expires_in FROM anon_auth.request_login_code('web', 'ada@example.com') t;
SELECT date_trunc('minute', t - now() + interval '1 second') AS expires_in FROM anon_auth.request_login_code('web', 'Stranger@Example.com', ui_locales => 'zh-Hant-HK en') t;
SELECT type, login_id_type, recipient, code ~ '^[0-9]{6}$' AS six_digits, user_id, client_id, language, link FROM anon_auth.take_outbox_messages();
SELECT login_id_type, recipient, asker, client_id, link_code_hash FROM anon_auth.address_codes ORDER BY id;
SELECT count(*) AS messages_about_users FROM anon_auth.outbox WHERE user_id IS NOT NULL;

-- nothing but an address can get a code
SELECT anon_auth.request_login_code('web', 'ada');
SELECT anon_auth.request_login_code('web', 'not an @ address');
SELECT anon_auth.request_login_code('web', '+1');
SELECT anon_auth.request_login_code('web', '');
SELECT anon_auth.request_login_code('web', NULL);
SELECT anon_auth.request_login_code('nobody', 'ada@example.com');
SELECT anon_auth.request_login_code('machine', 'ada@example.com');
SELECT anon_auth.request_login_code('web', 'ada@example.com', ui_locales => 'not a list!');

-- ---- a login ----

SELECT unlimited();
SELECT anon_auth.request_login_code('web', 'ada@example.com') > now() AS sent;
SELECT code FROM anon_auth.take_outbox_messages() \gset
SELECT count(*) AS plain_hashes FROM anon_auth.address_codes WHERE code_hash = sha256(:'code'::bytea);
SELECT * FROM anon_auth.authenticate_with_code('web', 'ada@example.com', wrong(:'code'));
SELECT sub = :'ada_sub' AS is_ada, token_type, anon_auth.verify_jwt(access_token, 'http://localhost') -> 'amr' AS amr, anon_auth.userinfo(access_token) ->> 'email' AS email, refresh_token IS NOT NULL AS has_refresh_token
	FROM anon_auth.authenticate_with_code('web', ' ADA@example.COM ', overlay(:'code' placing ' ' from 4 for 0), '{"model": "phone"}');
SELECT device_info FROM anon_auth.sessions WHERE user_id = :'ada_sub' AND device_info IS NOT NULL;
-- the password still works, because the address was verified before
SELECT sub = :'ada_sub' AS is_ada FROM anon_auth.authenticate('web', 'ada', 'correct horse');
-- a code works once
SELECT * FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'code');
SELECT type, client_id, payload FROM anon_auth.events WHERE user_id = :'ada_sub' AND type ~ '^(authentication|user.authenticated)' ORDER BY id;
SELECT user_id, client_id, payload FROM anon_auth.events WHERE type = 'login_code.requested' ORDER BY id DESC LIMIT 1;
-- also if the login is rolled back: the tokens may have been seen
SELECT unlimited();
SELECT anon_auth.request_login_code('web', 'ada@example.com') > now() AS sent;
SELECT code FROM anon_auth.take_outbox_messages() \gset
BEGIN;
SELECT sub = :'ada_sub' AS is_ada FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'code');
ROLLBACK;
SELECT count(*) AS codes FROM anon_auth.address_codes WHERE recipient = 'Ada@example.com';
SELECT * FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'code');
-- a code that was made in the same transaction was not sent to anybody
SELECT unlimited();
BEGIN;
SELECT anon_auth.request_login_code('web', 'ada@example.com') > now() AS sent;
SELECT code FROM anon_auth.take_outbox_messages() \gset
SELECT * FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'code');
ROLLBACK;
-- a code expires
SELECT unlimited();
SELECT anon_auth.request_login_code('web', 'ada@example.com') > now() AS sent;
SELECT code FROM anon_auth.take_outbox_messages() \gset
BEGIN;
SET LOCAL ROLE anon_auth_owner;
UPDATE anon_auth.address_codes SET expires_at = now();
SELECT * FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'code');
SELECT address_codes > 0 AS purged FROM anon_auth.purge();
SELECT count(*) AS codes FROM anon_auth.address_codes;
ROLLBACK;
-- a code is for one address, and no row can be used in place of another
SELECT anon_auth.request_login_code('web', 'stranger@example.com') > now() AS sent;
SELECT code AS strangers_code FROM anon_auth.take_outbox_messages() \gset
SELECT * FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'strangers_code') WHERE :'strangers_code' <> :'code';
BEGIN;
SET LOCAL ROLE anon_auth_owner;
CREATE TEMPORARY TABLE moved ON COMMIT DROP AS SELECT * FROM anon_auth.address_codes WHERE recipient = 'stranger@example.com';
UPDATE moved SET route = (SELECT route FROM anon_auth.login_ids WHERE value = 'ada@example.com');
DELETE FROM anon_auth.address_codes WHERE recipient = 'stranger@example.com';
INSERT INTO anon_auth.address_codes SELECT * FROM moved;
SELECT * FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'strangers_code');
ROLLBACK;
-- a disabled user gets no row, as with a wrong code, and the code is not used up
SELECT anon_auth.disable_user(:'ada_sub');
SELECT * FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'code');
SELECT anon_auth.enable_user(:'ada_sub');
SELECT sub = :'ada_sub' AS is_ada FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'code');
-- what is no address and what is no code has no row
SELECT * FROM anon_auth.authenticate_with_code('web', 'ada', '123456');
SELECT * FROM anon_auth.authenticate_with_code('web', 'not an @ address', '123456');
SELECT * FROM anon_auth.authenticate_with_code('web', 'ada@example.com', 'abcdef');
SELECT * FROM anon_auth.authenticate_with_code('web', NULL, '123456');
SELECT * FROM anon_auth.authenticate_with_code('web', 'ada@example.com', NULL);
SELECT * FROM anon_auth.authenticate_with_code('machine', 'ada@example.com', '123456');

-- ---- an address without an account ----

SELECT unlimited();
SELECT anon_auth.request_login_code('web', 'nobody@example.com') > now() AS sent;
SELECT code FROM anon_auth.take_outbox_messages() \gset
SELECT * FROM anon_auth.authenticate_with_code('web', 'nobody@example.com', wrong(:'code'));
-- whoever proves the address is told, and can still use the code
SELECT * FROM anon_auth.authenticate_with_code('web', 'nobody@example.com', :'code');
SELECT * FROM anon_auth.authenticate_with_code('web', 'nobody@example.com', :'code');
SELECT * FROM account(email => 'nobody@example.com') \gset nobody_
SELECT sub = :'nobody_sub' AS is_nobody FROM anon_auth.authenticate_with_code('web', 'nobody@example.com', :'code');

-- ---- an address that an account claims without proof ----

-- Mallory opens an account with Bob's address
SELECT * FROM account(email => 'BOB@example.com', username => 'mallory', phone_number => '+85229999999') \gset bob_
SELECT unlimited();
SELECT anon_auth.request_password_reset('+85229999999');
SELECT code AS reset_code FROM anon_auth.take_outbox_messages() \gset
SELECT anon_auth.request_verification('phone_number', :'bob_access_token') > now() AS sent;
SELECT anon_auth.request_login_code('web', 'Bob@example.com') > now() AS sent;
SELECT code, recipient FROM anon_auth.take_outbox_messages() WHERE type = 'login_code' \gset bob_
-- Bob takes it over
SELECT * FROM anon_auth.authenticate_with_code('web', 'bob@example.com', :'bob_code') \gset owner_
SELECT :'owner_sub' = :'bob_sub' AS same_sub;
SELECT u ->> 'email' AS email, u ->> 'email_verified' AS verified, u ? 'phone_number' AS has_phone_number, u ->> 'preferred_username' AS username, u -> 'https://authgear.com/claims/user/authenticators' AS authenticators
	FROM anon_auth.userinfo(:'owner_access_token') u;
SELECT type, value, original_value, verified_at IS NOT NULL AS verified FROM anon_auth.login_ids WHERE user_id = :'bob_sub' ORDER BY type;
SELECT cardinality(login_id_routes) AS routes FROM anon_auth.users WHERE id = :'bob_sub';
-- nothing of Mallory's opens it
SELECT * FROM anon_auth.authenticate('web', 'mallory', 'correct horse');
SELECT * FROM anon_auth.authenticate('web', 'bob@example.com', 'correct horse');
SELECT * FROM anon_auth.refresh_session('web', :'bob_refresh_token');
SELECT anon_auth.reset_password('+85229999999', :'reset_code', 'battery staple');
SELECT anon_auth.userinfo(:'bob_access_token');
SELECT type, payload FROM anon_auth.events WHERE user_id = :'bob_sub' ORDER BY id OFFSET 3;
-- Bob's next login changes nothing
SELECT anon_auth.set_password(:'bob_sub', 'battery staple');
SELECT unlimited();
SELECT anon_auth.request_login_code('web', 'bob@example.com') > now() AS sent;
SELECT code FROM anon_auth.take_outbox_messages() WHERE code IS NOT NULL \gset
SELECT sub = :'bob_sub' AS is_bob FROM anon_auth.authenticate_with_code('web', 'bob@example.com', :'code');
SELECT sub = :'bob_sub' AS is_bob FROM anon_auth.authenticate('web', 'bob@example.com', 'battery staple');

-- an account that has proven another address is not opened, and the code stays good
SELECT * FROM account(email => 'carol@example.com', phone_number => '+85228888888') \gset carol_
SELECT unlimited();
SELECT anon_auth.request_verification('phone_number', :'carol_access_token') > now() AS sent;
SELECT anon_auth.verify_login_id((SELECT code FROM anon_auth.take_outbox_messages()), 'phone_number', :'carol_access_token');
SELECT anon_auth.request_login_code('web', 'carol@example.com') > now() AS sent;
SELECT code FROM anon_auth.take_outbox_messages() \gset
SELECT * FROM anon_auth.authenticate_with_code('web', 'carol@example.com', :'code');
SELECT count(*) AS codes FROM anon_auth.address_codes WHERE recipient = 'carol@example.com';
SELECT sub = :'carol_sub' AS is_carol FROM anon_auth.authenticate('web', 'carol@example.com', 'correct horse');

-- ---- a link ----

UPDATE anon_auth.settings SET code_link_uri = 'https://app.example/{type}?client={client_id}&language={language}#{code}';
SELECT unlimited();
SELECT anon_auth.request_login_code('web', 'ada@example.com', ui_locales => 'de') > now() AS sent;
SELECT code, split_part(link, '#', 1) AS link, split_part(link, '#', 2) AS long_code, recipient FROM anon_auth.take_outbox_messages() \gset
SELECT :'link' AS link, :'recipient' AS recipient, length(:'long_code') AS long_code, :'code' ~ '^[0-9]{6}$' AS six_digits;
SELECT * FROM anon_auth.authenticate_with_code('web', 'ada@example.com', left(:'long_code', 63) || CASE right(:'long_code', 1) WHEN 'A' THEN 'B' ELSE 'A' END);
SELECT * FROM anon_auth.authenticate_with_code('web', 'nobody@example.com', :'long_code');
-- the link tells the address
SELECT sub = :'ada_sub' AS is_ada FROM anon_auth.authenticate_with_code('web', NULL, :'long_code');
-- the two forms are one code
SELECT * FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'long_code');
SELECT * FROM anon_auth.authenticate_with_code('web', NULL, :'long_code');
SELECT * FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'code');
SELECT unlimited();
SELECT anon_auth.request_login_code('web', 'ada@example.com') > now() AS sent;
SELECT code, split_part(link, '#', 2) AS long_code FROM anon_auth.take_outbox_messages() \gset
SELECT sub = :'ada_sub' AS is_ada FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'code');
SELECT * FROM anon_auth.authenticate_with_code('web', NULL, :'long_code');
-- a message that was put into the outbox without a long code has no link
UPDATE anon_auth.settings SET code_link_uri = NULL;
SELECT unlimited();
SELECT anon_auth.request_login_code('web', 'ada@example.com') > now() AS sent;
UPDATE anon_auth.settings SET code_link_uri = 'https://app.example/#{code}';
SELECT code ~ '^[0-9]{6}$' AS six_digits, link FROM anon_auth.take_outbox_messages();

-- ---- attempts ----

-- five wrong ones, and the six digits no longer work; the link does
SELECT unlimited();
DELETE FROM anon_auth.address_codes;
SELECT anon_auth.request_login_code('web', 'ada@example.com') > now() AS sent;
SELECT code, split_part(link, '#', 2) AS long_code FROM anon_auth.take_outbox_messages() \gset
SELECT logins('ada@example.com', wrong(:'code'), 5);
SELECT * FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'code');
SELECT sub = :'ada_sub' AS is_ada FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'long_code');
-- attempts that are rolled back count
SELECT unlimited();
SELECT anon_auth.request_login_code('web', 'ada@example.com') > now() AS sent;
SELECT code, split_part(link, '#', 2) AS long_code FROM anon_auth.take_outbox_messages() \gset
DO $$
BEGIN
	FOR i IN 1..5 LOOP
		BEGIN
			PERFORM anon_auth.authenticate_with_code('web', 'ada@example.com', wrong((SELECT '1')));
			RAISE division_by_zero;
		EXCEPTION WHEN division_by_zero THEN
		END;
	END LOOP;
END $$;
SELECT * FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'code') WHERE :'code' <> '000002';
-- right ones that raise an error do not count
SELECT unlimited();
SELECT anon_auth.request_login_code('web', 'new@example.com') > now() AS sent;
SELECT code FROM anon_auth.take_outbox_messages() \gset
SET my.code = :'code';
DO $$
BEGIN
	FOR i IN 1..20 LOOP
		BEGIN
			PERFORM anon_auth.authenticate_with_code('web', 'new@example.com', current_setting('my.code'));
		EXCEPTION WHEN SQLSTATE 'AA030' THEN
		END;
	END LOOP;
END $$;
SELECT * FROM account(email => 'new@example.com') \gset new_
SELECT sub = :'new_sub' AS is_new FROM anon_auth.authenticate_with_code('web', 'new@example.com', :'code');
-- texts that cannot be a code do not count
SELECT unlimited();
SELECT anon_auth.request_login_code('web', 'ada@example.com') > now() AS sent;
SELECT code FROM anon_auth.take_outbox_messages() \gset
SELECT logins('ada@example.com', '12345', 10);
SELECT sub = :'ada_sub' AS is_ada FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'code');
-- a hundred wrong ones in a day for one address: then only links work
SELECT unlimited();
-- on Citus, all statements of a transaction must be those of one role
DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO anon_auth_owner', current_schema()); END $$;
CREATE FUNCTION guess(attempts integer) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
	detail text;
	fresh anon_auth.address_codes;
BEGIN
	FOR i IN 1..attempts LOOP
		IF i % 5 = 1 THEN
			-- of the limits, only the number of guesses is of interest here
			SELECT * INTO fresh FROM kept_code;
			fresh.id := gen_random_uuid();
			DELETE FROM anon_auth.address_codes;
			INSERT INTO anon_auth.address_codes SELECT (fresh).*;
		END IF;
		PERFORM anon_auth.authenticate_with_code('web', 'ada@example.com', '000000');
	END LOOP;
	RETURN 'no limit';
EXCEPTION WHEN SQLSTATE 'AA018' THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN detail::jsonb - 'retry_after';
END $$;
ALTER FUNCTION guess OWNER TO anon_auth_owner;
SELECT anon_auth.request_login_code('web', 'ada@example.com') > now() AS sent;
SELECT code, split_part(link, '#', 2) AS long_code FROM anon_auth.take_outbox_messages() \gset
CREATE TABLE kept_code AS SELECT * FROM anon_auth.address_codes WHERE recipient = 'Ada@example.com';
GRANT SELECT ON kept_code TO anon_auth_owner;
SELECT guess(100);
SELECT guess(1)::jsonb - 'description' AS hundred_and_first;
DELETE FROM anon_auth.address_codes;
INSERT INTO anon_auth.address_codes SELECT * FROM kept_code;
\set VERBOSITY sqlstate
SELECT * FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'code');
\set VERBOSITY default
SELECT sub = :'ada_sub' AS is_ada FROM anon_auth.authenticate_with_code('web', 'ada@example.com', :'long_code');
-- the guesses for another address are counted separately, and without a code there is no guess
SELECT logins('other@example.com', '000000', 101);

-- ---- two who ask for one address ----

SELECT unlimited();
DELETE FROM anon_auth.address_codes;
SELECT * FROM anon_auth.authenticate_anonymously('web') \gset guest_
SELECT * FROM anon_auth.authenticate_anonymously('web') \gset rival_
UPDATE anon_auth.users SET standard_attributes = '{"locale": "fr"}' WHERE id = :'guest_sub';
SELECT anon_auth.request_login_code('web', 'shared@example.com', refresh_token => :'guest_refresh_token') > now() AS sent;
SELECT code AS guest_code, language, split_part(link, '#', 2) AS guest_link FROM anon_auth.take_outbox_messages() \gset
SELECT :'language' AS language;
SELECT anon_auth.request_login_code('web', 'shared@example.com', refresh_token => :'rival_refresh_token') > now() AS sent;
SELECT code AS rival_code FROM anon_auth.take_outbox_messages() \gset
SELECT anon_auth.request_login_code('web', 'shared@example.com') > now() AS sent;
SELECT code AS code FROM anon_auth.take_outbox_messages() \gset
SELECT count(*) AS codes, count(DISTINCT asker) AS guests FROM anon_auth.address_codes;
-- a guest's code is for that guest only
SELECT * FROM account(email => 'shared@example.com') \gset shared_
SELECT * FROM anon_auth.authenticate_with_code('web', 'shared@example.com', :'guest_code') WHERE :'guest_code' <> :'code';
SELECT * FROM anon_auth.authenticate_with_code('web', 'shared@example.com', :'guest_link');
SELECT * FROM anon_auth.authenticate_with_code('web', NULL, :'guest_link');
SELECT sub = :'shared_sub' AS is_shared FROM anon_auth.authenticate_with_code('web', 'shared@example.com', :'code');
-- the proof is checked, and is not used up
SELECT anon_auth.request_login_code('other', 'x@example.com', refresh_token => :'guest_refresh_token');
SELECT anon_auth.request_login_code('web', 'x@example.com', refresh_token => :'ada_refresh_token');
SELECT anon_auth.request_login_code('web', 'x@example.com', refresh_token => 'x');
SELECT anon_auth.request_login_code('web', 'x@example.com', promotion_code => 'x');
SELECT anon_auth.request_login_code('web', 'x@example.com', jwt => 'x');
SELECT anon_auth.request_login_code('web', 'x@example.com', promotion_code => 'x', refresh_token => 'x');
SELECT promotion_code FROM anon_auth.create_promotion_code(:'guest_refresh_token') \gset
SELECT anon_auth.request_login_code('web', 'y@example.com', promotion_code => :'promotion_code') > now() AS sent;
SELECT count(*) AS promoted FROM anon_auth.promote_anonymous_user('web', username => 'newcomer', password => 'correct horse', promotion_code => :'promotion_code');

-- ---- limits ----

CREATE FUNCTION request(login_id text, refresh_token text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	PERFORM anon_auth.request_login_code('web', login_id, refresh_token => refresh_token);
	RETURN 'sent';
EXCEPTION WHEN SQLSTATE 'AA018' THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN (detail::jsonb ->> 'limit') || ' ' || (detail::jsonb ->> 'description');
END $$;
-- one a minute for an address and guest
SELECT unlimited();
DELETE FROM anon_auth.address_codes;
SELECT request('limited@example.com');
SELECT regexp_replace(request('LIMITED@example.com'), '\d+ seconds?', 'N seconds');
SELECT request('limited@example.com', :'rival_refresh_token');
SELECT regexp_replace(request('limited@example.com', :'rival_refresh_token'), '\d+ seconds?', 'N seconds');
-- three that can still be used: until the oldest expires
SELECT unlimited();
SELECT request('limited@example.com');
SELECT unlimited();
SELECT request('limited@example.com');
SELECT unlimited();
SELECT regexp_replace(request('limited@example.com'), '1[12]\d\d seconds', 'about 1200 seconds');
-- a refused request counts nowhere; a code that is used up, or has no attempts left, makes room
SELECT logins('limited@example.com', '000000', 5);
SELECT request('limited@example.com');
SELECT count(*) AS codes FROM anon_auth.address_codes WHERE asker IS NULL;
-- ten an hour for an address, over all guests
CREATE FUNCTION ask_as_guests(login_id text, guests integer) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..guests LOOP
		RETURN NEXT regexp_replace(request(login_id, (SELECT g.refresh_token FROM anon_auth.authenticate_anonymously('web') g)), '\d+ seconds?', 'N seconds');
	END LOOP;
END $$;
SELECT unlimited();
SELECT ask, count(*) FROM ask_as_guests('popular@example.com', 12) ask GROUP BY ask ORDER BY ask COLLATE "C";
-- ten an hour for a guest, over all addresses
SELECT unlimited();
SELECT ask, count(*) FROM (SELECT regexp_replace(request('address' || i || '@example.com', :'rival_refresh_token'), '\d+ seconds?', 'N seconds') AS ask FROM generate_series(1, 12) i) s GROUP BY ask ORDER BY ask COLLATE "C";
-- settings: all requests, those to phone numbers, and those of one client address
SELECT unlimited();
UPDATE anon_auth.settings SET code_requests_per_hour = 3;
SELECT ask, count(*) FROM (SELECT regexp_replace(request('all' || i || '@example.com'), '\d+ seconds?', 'N seconds') AS ask FROM generate_series(1, 5) i) s GROUP BY ask ORDER BY ask COLLATE "C";
UPDATE anon_auth.settings SET code_requests_per_hour = NULL, sms_requests_per_hour = 3;
SELECT unlimited();
SELECT access_token AS ada_access_token FROM anon_auth.authenticate('web', 'ada', 'correct horse') \gset
SELECT ask, count(*) FROM (SELECT regexp_replace(request('+8522000000' || i), '\d+ seconds?', 'N seconds') AS ask FROM generate_series(1, 5) i) s GROUP BY ask ORDER BY ask COLLATE "C";
SELECT request('no-sms@example.com');
\set VERBOSITY terse
SELECT anon_auth.request_password_reset('+85221234567');
SELECT anon_auth.request_verification('phone_number', :'ada_access_token');
\set VERBOSITY default
UPDATE anon_auth.settings SET sms_requests_per_hour = NULL;
SELECT unlimited();
BEGIN;
SET LOCAL ROLE anon_auth_owner;
SELECT anon_auth.use_client_address('192.0.2.1');
SELECT ask, count(*) FROM (SELECT regexp_replace(request('ip' || i || '@example.com'), '\d+ seconds?', 'N seconds') AS ask FROM generate_series(1, 12) i) s GROUP BY ask ORDER BY ask COLLATE "C";
SELECT anon_auth.use_client_address('192.0.2.2');
SELECT request('ip@example.com');
SELECT recipient, client_address FROM anon_auth.address_codes WHERE client_address = '192.0.2.2';
UPDATE anon_auth.settings SET session_client_address = false;
SELECT request('no-ip@example.com');
SELECT recipient, client_address FROM anon_auth.address_codes WHERE recipient = 'no-ip@example.com';
ROLLBACK;

-- ---- phone numbers ----

-- doctor() reports messages to any country
SELECT unlimited();
SELECT finding FROM anon_auth.doctor() WHERE finding ~ 'sms';
SELECT request('+85221234567');
SELECT severity, finding, what FROM anon_auth.doctor() WHERE finding ~ 'sms';
SELECT unlimited();
UPDATE anon_auth.settings SET phone_country_code_allowlist = '{852}';
SELECT request('+85221234567');
SELECT type, login_id_type, recipient FROM anon_auth.take_outbox_messages() WHERE login_id_type = 'phone_number';
SELECT finding FROM anon_auth.doctor() WHERE finding ~ 'sms';
SELECT request('+447400123456');
SELECT anon_auth.request_password_reset('+447400123456');
UPDATE anon_auth.settings SET phone_country_code_allowlist = '{44}';
SELECT request('+85221234567');
SELECT anon_auth.request_verification('phone_number', :'ada_access_token');
UPDATE anon_auth.settings SET phone_country_code_allowlist = '{}', login_id_types = '{email,username}';
SELECT request('+85221234567');
UPDATE anon_auth.settings SET login_id_types = '{email,phone_number,username}';

-- ---- spellings that the settings equate ----

-- the message goes to the mailbox that its user has proven, not to another one
UPDATE anon_auth.settings SET email_ignore_dot_sign = true;
SELECT * FROM account(email => 'e.ve@example.com') \gset eve_
SELECT unlimited();
DELETE FROM anon_auth.outbox;
SELECT anon_auth.request_login_code('web', 'ev.e@example.com') > now() AS sent;
SELECT recipient, code FROM anon_auth.take_outbox_messages() \gset
SELECT :'recipient' AS recipient_before_proof;
-- and a code for another mailbox does not open an account that has proven none
SELECT sub = :'eve_sub' AS is_eve FROM anon_auth.authenticate_with_code('web', 'ev.e@example.com', :'code');
SELECT unlimited();
SELECT anon_auth.request_login_code('web', 'ev.e@example.com') > now() AS sent;
SELECT recipient, code FROM anon_auth.take_outbox_messages() \gset
SELECT anon_auth.request_verification('email', :'eve_access_token') > now() AS sent;
SELECT anon_auth.verify_login_id((SELECT code FROM anon_auth.take_outbox_messages()), 'email', :'eve_access_token');
-- a code that was sent to another spelling does not open the account
SELECT * FROM anon_auth.authenticate_with_code('web', 'e.ve@example.com', :'code');
SELECT unlimited();
SELECT anon_auth.request_login_code('web', 'ev.e@example.com') > now() AS sent;
SELECT recipient, code FROM anon_auth.take_outbox_messages() \gset
SELECT :'recipient' AS recipient_after_proof;
SELECT sub = :'eve_sub' AS is_eve FROM anon_auth.authenticate_with_code('web', 'ev.e@example.com', :'code');

-- ---- deletion ----

SELECT unlimited();
DELETE FROM anon_auth.address_codes;
SELECT anon_auth.request_login_code('web', 'ada@example.com') > now() AS sent;
SELECT anon_auth.request_login_code('web', 'stranger@example.com') > now() AS sent;
SELECT anon_auth.request_password_reset('ada@example.com');
SELECT type, recipient FROM anon_auth.outbox ORDER BY id;
SELECT anon_auth.delete_user(:'ada_sub');
SELECT type, recipient FROM anon_auth.outbox ORDER BY id;
SELECT recipient FROM anon_auth.address_codes;
SELECT (logins_total -> 'code')::int > 12 AS logins FROM anon_auth.stats;

SET client_min_messages = warning;
DROP SCHEMA login_codes CASCADE;
