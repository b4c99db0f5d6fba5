--
-- A user who is logged in to an account claims a guest, with a proof of being it.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
DROP SCHEMA IF EXISTS app CASCADE;
DROP ROLE IF EXISTS regress_shop, regress_visitor;
SELECT anon_auth.create_client('web', 'spa') \g /dev/null
SELECT anon_auth.create_client('other', 'native') \g /dev/null
SELECT anon_auth.create_client('partner', 'third_party_app', ARRAY['https://partner.example/cb']) \g /dev/null
CREATE ROLE regress_visitor;
CREATE ROLE regress_shop;
SELECT anon_auth.grant_client_api('regress_visitor') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1,
	password_attempts_per_minute_per_user = NULL, password_attempts_per_minute_per_user_per_ip = NULL;
CREATE SCHEMA app AUTHORIZATION regress_shop;
GRANT USAGE ON SCHEMA anon_auth TO regress_shop;
GRANT REFERENCES ON anon_auth.users TO regress_shop;
SET ROLE regress_shop;
CREATE TABLE app.notes (user_id uuid REFERENCES anon_auth.users ON DELETE CASCADE, note text);
CREATE TABLE app.carts (user_id uuid UNIQUE REFERENCES anon_auth.users ON DELETE CASCADE, items int);
RESET ROLE;
-- a guest with rows, and its code
CREATE FUNCTION app.new_guest(OUT id uuid, OUT token text, OUT code text) LANGUAGE plpgsql AS $$
BEGIN
	SELECT sub, refresh_token INTO id, token FROM anon_auth.authenticate_anonymously('web');
	SELECT promotion_code INTO code FROM anon_auth.create_promotion_code(token);
	INSERT INTO app.notes VALUES (id, 'a note'), (id, 'another note');
END $$;
CREATE FUNCTION app.new_account(username text, OUT id uuid, OUT access text, OUT token text) LANGUAGE sql AS $$
	SELECT p.sub, p.access_token, p.refresh_token FROM anon_auth.authenticate_anonymously('web') g,
		anon_auth.promote_anonymous_user('web', username => username, password => 'correct horse', refresh_token => g.refresh_token) p
$$;
-- what is left of a guest
CREATE FUNCTION app.look(guest uuid, account uuid, OUT users bigint, OUT guests_notes bigint, OUT accounts_notes bigint, OUT remembered bigint) LANGUAGE plpgsql AS $$
BEGIN
	SELECT count(*) INTO users FROM anon_auth.users WHERE id = guest;
	SELECT count(*) INTO guests_notes FROM app.notes WHERE user_id = guest;
	SELECT count(*) INTO accounts_notes FROM app.notes WHERE user_id = account;
	SELECT count(*) INTO remembered FROM anon_auth.merged_guests m WHERE m.guest_id = guest AND m.user_id = account;
END $$;
RESET client_min_messages;
SELECT id AS jo, access AS jo_access, token AS jo_token FROM app.new_account('jo') \gset
SELECT id AS max, access AS max_access FROM app.new_account('max') \gset
SELECT access_token AS jo_elsewhere FROM anon_auth.authenticate('other', 'jo', 'correct horse') \gset

-- a client with only the client functions claims a guest
SELECT id AS guest, token, code FROM app.new_guest() \gset
SET ROLE regress_visitor;
SELECT * FROM anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => :'token') ORDER BY table_name::text;
RESET ROLE;
SELECT * FROM app.look(:'guest', :'jo');
SELECT type, client_id, payload - 'anonymous_user_id' - 'merged_into' AS payload, payload ->> 'anonymous_user_id' = :'guest' AS tells_guest, payload ->> 'merged_into' = :'jo' AS tells_account
FROM anon_auth.events WHERE (user_id = :'jo' AND type = 'user.anonymous.merged') OR (user_id = :'guest' AND type = 'user.deleted') ORDER BY type;
-- the account's session stays, and those of the guest have ended
SELECT anon_auth.userinfo(:'jo_access') ->> 'sub' = :'jo' AS logged_in;
\set VERBOSITY terse
SELECT anon_auth.refresh_session('web', :'token');

-- a repeat returns no rows, also for another proof that the guest had
SELECT * FROM anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => :'token');
SELECT * FROM anon_auth.claim_anonymous_user('web', access_token => :'jo_access', promotion_code => :'code');
SELECT * FROM anon_auth.claim_anonymous_user('other', access_token => :'jo_elsewhere', refresh_token => :'token', dry_run => true);
SELECT count(*) AS merges FROM anon_auth.events WHERE type = 'user.anonymous.merged';
-- another account gets the error of a proof that was never valid
SELECT anon_auth.claim_anonymous_user('web', access_token => :'max_access', refresh_token => :'token');
SELECT anon_auth.claim_anonymous_user('web', access_token => :'max_access', promotion_code => :'code');
SELECT anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => overlay(:'token' PLACING 'AAAA' FROM 40));
SELECT anon_auth.claim_anonymous_user('web', access_token => :'jo_access', promotion_code => overlay(:'code' PLACING 'AAAA' FROM 40));
SELECT anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => :'code');
-- so does a guest that was deleted or promoted
SELECT anon_auth.reset_counters();
SELECT id AS gone, token AS gone_token, code AS gone_code FROM app.new_guest() \gset
SELECT anon_auth.delete_user(:'gone');
SELECT anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => :'gone_token');
SELECT anon_auth.claim_anonymous_user('web', access_token => :'jo_access', promotion_code => :'gone_code');
SELECT token AS gone_token, code AS gone_code FROM app.new_guest() \gset
SELECT sub AS promoted FROM anon_auth.promote_anonymous_user('web', username => 'promoted', password => 'correct horse', refresh_token => :'gone_token') \gset
SELECT anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => :'gone_token');
SELECT anon_auth.claim_anonymous_user('web', access_token => :'jo_access', promotion_code => :'gone_code');
SELECT anon_auth.reset_counters();

-- the caller can be the one of use_access_token(), and the proof a promotion code
SELECT id AS guest, token, code FROM app.new_guest() \gset
BEGIN;
SELECT anon_auth.use_access_token(:'jo_access') \g /dev/null
SELECT table_name, rows FROM anon_auth.claim_anonymous_user('web', promotion_code => :'code') WHERE rows > 0;
SELECT table_name, rows FROM anon_auth.claim_anonymous_user('web', promotion_code => :'code') WHERE rows > 0;
COMMIT;
SELECT * FROM app.look(:'guest', :'jo');

-- a dry run changes nothing, and both proofs can be used afterwards
SELECT id AS guest, token, code FROM app.new_guest() \gset
SELECT * FROM anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => :'token', dry_run => true) WHERE rows > 0;
SELECT * FROM app.look(:'guest', :'jo');
-- so does a rollback
BEGIN;
SELECT * FROM anon_auth.claim_anonymous_user('web', access_token => :'jo_access', promotion_code => :'code') WHERE rows > 0;
ROLLBACK;
SELECT * FROM app.look(:'guest', :'jo');

-- a table that refuses: the error names it, and everything can be used afterwards
INSERT INTO app.carts VALUES (:'guest', 1), (:'jo', 2);
\set VERBOSITY default
SELECT anon_auth.claim_anonymous_user('web', access_token => :'jo_access', promotion_code => :'code');
\set VERBOSITY terse
SELECT * FROM app.look(:'guest', :'jo');
-- the merge hook resolves it
CREATE FUNCTION app.merge(guest_id uuid, user_id uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM app.notes n WHERE n.user_id = $1 AND note = 'refuse') THEN
		RAISE EXCEPTION 'not this guest';
	END IF;
	UPDATE app.carts c SET items = c.items + g.items FROM app.carts g WHERE c.user_id = $2 AND g.user_id = $1;
	DELETE FROM app.carts c WHERE c.user_id = $1;
END $$;
ALTER FUNCTION app.merge OWNER TO regress_shop;
UPDATE anon_auth.settings SET merge = 'app.merge';
INSERT INTO app.notes VALUES (:'guest', 'refuse');
SELECT anon_auth.claim_anonymous_user('web', access_token => :'jo_access', promotion_code => :'code');
DELETE FROM app.notes WHERE note = 'refuse';
SELECT * FROM anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => :'token') ORDER BY table_name::text;
SELECT user_id = :'jo' AS of_account, items FROM app.carts;
UPDATE anon_auth.settings SET merge = NULL;
SELECT anon_auth.reset_counters();

-- who may call it
SELECT id AS guest, token, code FROM app.new_guest() \gset
SELECT access_token AS guest_access FROM anon_auth.refresh_session('web', :'token') \gset
SELECT * FROM anon_auth.authenticate_anonymously('web') \gset guest2_
SELECT anon_auth.claim_anonymous_user('web', refresh_token => :'token');
SELECT anon_auth.claim_anonymous_user('web', access_token => 'garbage', refresh_token => :'token');
\set VERBOSITY default
SELECT anon_auth.claim_anonymous_user('web', access_token => :'guest_access', refresh_token => :'token');
SELECT anon_auth.claim_anonymous_user('other', access_token => :'jo_access', refresh_token => :'token');
\set VERBOSITY terse
SELECT anon_auth.claim_anonymous_user('web', access_token => :'guest2_access_token', refresh_token => :'token');
SELECT anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => :'jo_token');
SELECT anon_auth.claim_anonymous_user('web', access_token => :'max_access', refresh_token => :'jo_token');
SELECT anon_auth.claim_anonymous_user('other', access_token => :'jo_elsewhere', refresh_token => :'token');
SELECT anon_auth.claim_anonymous_user('other', access_token => :'jo_elsewhere', promotion_code => :'code');
SELECT anon_auth.claim_anonymous_user('partner', access_token => :'jo_access', refresh_token => :'token');
SELECT anon_auth.claim_anonymous_user('nobody', access_token => :'jo_access', refresh_token => :'token');
SELECT anon_auth.claim_anonymous_user(NULL, access_token => :'jo_access', refresh_token => :'token');
SELECT anon_auth.claim_anonymous_user('web', access_token => :'jo_access');
SELECT anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => :'token', promotion_code => :'code');
SELECT anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => :'token', dry_run => NULL);
SELECT anon_auth.claim_anonymous_user('web', access_token => :'jo_access', jwt => 'garbage');
BEGIN READ ONLY;
SELECT anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => :'token');
ROLLBACK;
SELECT anon_auth.disable_user(:'max');
SELECT anon_auth.claim_anonymous_user('web', access_token => :'max_access', refresh_token => :'token');
SELECT anon_auth.enable_user(:'max');
SELECT * FROM app.look(:'guest', :'max');
SELECT anon_auth.disable_user(:'guest');
SELECT anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => :'token');
SELECT anon_auth.enable_user(:'guest');
SELECT * FROM app.look(:'guest', :'jo');

-- an account has ten claims a minute, whatever becomes of them
SELECT anon_auth.reset_counters();
CREATE FUNCTION app.try_to_claim(access text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM anon_auth.claim_anonymous_user('web', access_token => access, refresh_token => 'guess');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END $$;
SELECT count(*), answer FROM (SELECT app.try_to_claim(:'jo_access') AS answer FROM generate_series(1, 11) OFFSET 0) t GROUP BY answer ORDER BY answer;
SELECT anon_auth.reset_counters();

-- a merge by promotion or by an administrator is remembered, too
UPDATE anon_auth.settings SET promotion_conflict = 'merge';
SELECT id AS guest, token FROM app.new_guest() \gset
SELECT sub = :'jo' AS merged FROM anon_auth.promote_anonymous_user('web', username => 'jo', password => 'correct horse', refresh_token => :'token');
SELECT count(*) FROM anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => :'token');
SELECT id AS guest, token FROM app.new_guest() \gset
SELECT count(*) FROM anon_auth.merge_anonymous_user(:'guest', :'jo');
SELECT count(*) FROM anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => :'token');
UPDATE anon_auth.settings SET promotion_conflict = 'login';
SELECT id AS guest, token FROM app.new_guest() \gset
SELECT sub = :'jo' AS logged_in FROM anon_auth.promote_anonymous_user('web', username => 'jo', password => 'correct horse', refresh_token => :'token');
SELECT * FROM app.look(:'guest', :'jo');
SELECT * FROM anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => :'token') WHERE rows > 0;

-- for 30 days, or as long as the account exists
UPDATE anon_auth.merged_guests SET merged_at = now() - interval '29 days 23 hours' WHERE guest_id = :'guest';
SELECT merged_guests FROM anon_auth.purge();
SELECT count(*) FROM anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => :'token');
UPDATE anon_auth.merged_guests SET merged_at = now() - interval '30 days 1 second' WHERE guest_id = :'guest';
SELECT merged_guests FROM anon_auth.purge(dry_run => true);
SELECT merged_guests FROM anon_auth.purge();
SELECT count(*) FROM anon_auth.claim_anonymous_user('web', access_token => :'jo_access', refresh_token => :'token');
SELECT count(*) > 0 AS remembered FROM anon_auth.merged_guests;
SELECT anon_auth.delete_user(:'jo');
SELECT count(*) AS remembered FROM anon_auth.merged_guests;

SET client_min_messages = warning;
DROP SCHEMA app CASCADE;
DROP EXTENSION anon_auth CASCADE;
DROP ROLE regress_shop, regress_visitor;
