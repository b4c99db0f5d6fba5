--
-- An administrator makes accounts, and finds them.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/}') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || SQLERRM || coalesce('. ' || nullif(detail, ''), '');
END $$;
SELECT anon_auth.reset_counters() \g /dev/null
RESET client_min_messages;

SELECT anon_auth.create_user('Jo@Example.com', '+852 2345 6789', 'jo', 'correct horse', verified => true, roles => '{editor,beta}',
	standard_attributes => '{"name": "Jo", "email": "other@example.com"}', custom_attributes => '{"plan": "free"}') AS jo \gset
SELECT is_anonymous, is_disabled, is_verified, has_password, created_at = last_seen_at AS fresh, standard_attributes, custom_attributes, roles FROM anon_auth.users;
SELECT type, value, original_value, verified_at IS NOT NULL AS verified FROM anon_auth.login_ids ORDER BY type;
SELECT sub = :'jo' AS jo, anon_auth.verify_jwt(access_token) -> 'roles' AS roles FROM anon_auth.authenticate('web', 'jo@example.com', 'correct horse');
SELECT type, client_id, payload FROM anon_auth.events WHERE user_id = :'jo' ORDER BY id LIMIT 1;

-- without a password: the user sets one
SELECT anon_auth.create_user(email => 'max@example.com') AS max \gset
SELECT is_verified, has_password, standard_attributes, custom_attributes, roles FROM anon_auth.users WHERE id = :'max';
SELECT anon_auth.request_password_reset('max@example.com');
SELECT anon_auth.reset_password('max@example.com', code, 'battery staple') FROM anon_auth.take_outbox_messages();
SELECT sub = :'max' AS max FROM anon_auth.authenticate('web', 'max@example.com', 'battery staple');

-- a closed sign-up, its limits and its hook are for strangers
UPDATE anon_auth.settings SET public_sign_up_enabled = false, guest_sign_ups_per_minute = 1;
CREATE ROLE regress_hook_owner LOGIN;
GRANT CREATE ON SCHEMA public TO regress_hook_owner;
SET ROLE regress_hook_owner;
CREATE FUNCTION public.refuse(user_id uuid, client_id text, device_info jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
RESET ROLE;
UPDATE anon_auth.settings SET before_sign_up = 'public.refuse';
SELECT anon_auth.create_user(username => 'user' || i) IS NOT NULL AS made FROM generate_series(1, 3) i;
UPDATE anon_auth.settings SET before_sign_up = NULL, public_sign_up_enabled = true;

-- a verified address is taken from an account that claims it without proof, otherwise it is in use
SELECT anon_auth.create_user('claimed@example.com', username => 'claimer') AS claimer \gset
SELECT attempt($$SELECT anon_auth.create_user('claimed@example.com')$$);
SELECT anon_auth.create_user('Claimed@Example.com', verified => true) AS owner \gset
SELECT user_id = :'owner' AS owner, verified_at IS NOT NULL AS verified FROM anon_auth.login_ids WHERE value = 'claimed@example.com';
SELECT attempt($$SELECT anon_auth.create_user('claimed@example.com', verified => true)$$);
SELECT attempt($$SELECT anon_auth.create_user(phone_number => '+85223456789', verified => true)$$);

-- the rules of a sign-up
SELECT arguments, attempt('SELECT anon_auth.create_user(' || arguments || ')') FROM unnest(ARRAY[
	'', $$password => 'correct horse'$$, $$'', username => ''$$, $$'jo'$$, $$phone_number => '12'$$, $$username => 'admin'$$, $$username => 'x', password => 'short'$$, $$username => 'x', password => ''$$,
	$$username => 'x', roles => '{a b}'$$, $$username => 'x', roles => '{NULL}'$$, $$username => 'x', standard_attributes => '[]'$$, $$username => 'x', custom_attributes => '1'$$, $$username => 'x', verified => NULL$$]) AS u (arguments);
UPDATE anon_auth.settings SET login_id_verification = 'required', login_id_types = '{email,username}';
SELECT attempt($$SELECT anon_auth.create_user('new@example.com', username => 'newcomer')$$) AS unproven, attempt($$SELECT anon_auth.create_user('new@example.com', verified => true)$$) AS proven, attempt($$SELECT anon_auth.create_user(username => 'newcomer')$$) AS username,
	attempt($$SELECT anon_auth.create_user(phone_number => '+85223456780', verified => true)$$) AS not_allowed;
UPDATE anon_auth.settings SET login_id_verification = 'optional', login_id_types = '{email,phone_number,username}';

-- find_user(): in every spelling with which the user can log in
SELECT login_id, anon_auth.find_user(login_id) = :'jo' AS jo FROM unnest('{jo@example.com,JO@EXAMPLE.COM,"+852-2345-6789",+85223456789,JO,jo,jo@example.org,+85223456788,85223456789,joe,"no such form","@"}'::text[]) AS u (login_id);
SELECT anon_auth.find_user('claimer') = :'claimer' AS unverified;
-- nobody has the login ID: the hint of the function that gets NULL says so
SELECT anon_auth.set_roles(anon_auth.find_user('nobody'), '{editor}');
SELECT attempt('SELECT anon_auth.find_user(NULL)'), attempt($$SELECT anon_auth.find_user('')$$);
BEGIN READ ONLY;
SELECT anon_auth.find_user('jo') = :'jo' AS read_only;
ROLLBACK;

SET client_min_messages = warning;
DROP FUNCTION attempt, refuse;
DROP EXTENSION anon_auth CASCADE;
DROP OWNED BY regress_hook_owner;
DROP ROLE regress_hook_owner;
