--
-- Users delete their account, with a period in which they can cancel that.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
DROP SCHEMA IF EXISTS app CASCADE;
DROP ROLE IF EXISTS regress_visitor, regress_shop;
CREATE ROLE regress_visitor;
CREATE ROLE regress_shop LOGIN;
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/}') \g /dev/null
SELECT anon_auth.grant_client_api('regress_visitor') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
CREATE SCHEMA app AUTHORIZATION regress_shop;
GRANT USAGE ON SCHEMA anon_auth TO regress_shop;
GRANT REFERENCES (id) ON anon_auth.users TO regress_shop;
SET ROLE regress_shop;
CREATE TABLE app.notes (user_id uuid REFERENCES anon_auth.users ON DELETE CASCADE, note text);
CREATE TABLE app.invoices (user_id uuid REFERENCES anon_auth.users, amount int);
CREATE TABLE app.announced (user_id uuid, notes bigint);
RESET ROLE;
CREATE FUNCTION app.new_account(name text) RETURNS SETOF anon_auth.token_response LANGUAGE sql AS $$
	SELECT p.* FROM anon_auth.authenticate_anonymously('web') g, anon_auth.promote_anonymous_user('web', email => name || '@example.com',
		username => name, password => 'correct horse', refresh_token => g.refresh_token) p
$$;
CREATE FUNCTION app.logs_in(name text) RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM anon_auth.authenticate('web', name, 'correct horse') $$;
-- let time pass
CREATE PROCEDURE app.pass(id uuid, by interval) LANGUAGE plpgsql AS $$
DECLARE
	account anon_auth.users;
BEGIN
	SELECT * INTO account FROM anon_auth.users u WHERE u.id = pass.id;
	account.delete_at := account.delete_at - by;
	account.purge_from := account.purge_from - by;
	UPDATE anon_auth.users u SET delete_at = account.delete_at, purge_from = account.purge_from WHERE u.id = pass.id;
END
$$;
SELECT anon_auth.reset_counters() \g /dev/null
RESET client_min_messages;

SELECT * FROM app.new_account('jo') \gset jo_
SELECT anon_auth.request_verification('email', :'jo_access_token') IS NOT NULL AS sent;
SELECT code FROM anon_auth.take_outbox_messages() \gset
SELECT anon_auth.verify_login_id(:'code', 'email', :'jo_access_token');
SELECT * FROM anon_auth.authenticate('web', 'jo', 'correct horse') \gset other_
INSERT INTO app.notes VALUES (:'jo_sub', 'a note'), (:'jo_sub', 'another one');

-- ---- scheduled, and cancelled ----

SET ROLE regress_visitor;
SELECT anon_auth.cancel_account_deletion(:'jo_access_token') AS cancelled;
SELECT anon_auth.delete_account(:'jo_access_token') AS delete_at \gset
SELECT :'delete_at'::timestamptz BETWEEN now() + interval '30 days' - interval '1 minute' AND now() + interval '30 days' AS in_30_days;
SELECT (anon_auth.userinfo(:'jo_access_token') ->> 'delete_at')::timestamptz = :'delete_at' AS in_userinfo;
-- again: the same time
SELECT anon_auth.delete_account(:'jo_access_token') = :'delete_at' AS same;
-- the other session has ended
SELECT is_current FROM anon_auth.list_sessions(:'jo_access_token');
\set VERBOSITY terse
SELECT anon_auth.refresh_session('web', :'other_refresh_token');
RESET ROLE;
SELECT type, login_id_type, recipient, code IS NULL AS notice, client_id FROM anon_auth.take_outbox_messages();
SELECT type, client_id, payload = jsonb_build_object('delete_at', floor(extract(epoch FROM :'delete_at'::timestamptz))) AS has_time
FROM anon_auth.events WHERE user_id = :'jo_sub' AND type LIKE 'user.deletion%';
-- not yet
SELECT accounts, skipped_accounts FROM anon_auth.purge();
-- the owner logs in as before; that cancels nothing
SELECT access_token FROM anon_auth.authenticate('web', 'jo', 'correct horse') \gset
SELECT anon_auth.userinfo(:'access_token') ? 'delete_at' AS scheduled;
SELECT anon_auth.cancel_account_deletion(:'access_token') AS cancelled, anon_auth.cancel_account_deletion(:'access_token') AS again;
SELECT anon_auth.userinfo(:'access_token') ? 'delete_at' AS scheduled;
SELECT type, client_id, payload FROM anon_auth.events WHERE user_id = :'jo_sub' AND type = 'user.deletion_unscheduled';
SELECT delete_at FROM anon_auth.users WHERE id = :'jo_sub';

-- ---- the login must be recent ----

UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 hour';
SELECT anon_auth.delete_account(:'access_token');
-- but not to cancel
SELECT access_token FROM anon_auth.authenticate('web', 'jo', 'correct horse') \gset
SELECT anon_auth.delete_account(:'access_token') IS NOT NULL AS scheduled;
UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 hour';
SELECT anon_auth.cancel_account_deletion(:'access_token') AS cancelled;

-- ---- purge() deletes due accounts ----

SET ROLE regress_shop;
CREATE FUNCTION app.announce(id uuid) RETURNS void LANGUAGE sql AS $$
	INSERT INTO app.announced SELECT id, count(*) FROM app.notes WHERE user_id = id
$$;
RESET ROLE;
UPDATE anon_auth.settings SET before_deletion = 'app.announce';
SELECT access_token FROM anon_auth.authenticate('web', 'jo', 'correct horse') \gset
SELECT anon_auth.delete_account(:'access_token') IS NOT NULL AS scheduled;
CALL app.pass(:'jo_sub', '29 days');
SELECT accounts, skipped_accounts FROM anon_auth.purge();
CALL app.pass(:'jo_sub', '1 day');
-- due, but not deleted yet: the login works
SELECT app.logs_in('jo');
SELECT accounts, skipped_accounts FROM anon_auth.purge(dry_run => true);
SELECT count(*) AS announced FROM app.announced;
SELECT accounts, skipped_accounts, has_more FROM anon_auth.purge();
SELECT user_id = :'jo_sub' AS jo, notes FROM app.announced;
SELECT (SELECT count(*) FROM anon_auth.users) AS users, (SELECT count(*) FROM app.notes) AS notes, (SELECT count(*) FROM anon_auth.sessions) AS sessions,
	(SELECT count(*) FROM anon_auth.login_ids) AS login_ids, (SELECT count(*) FROM anon_auth.outbox) AS outbox;
SELECT app.logs_in('jo');
SELECT anon_auth.userinfo(:'access_token');
SELECT type, client_id, payload FROM anon_auth.events WHERE user_id = :'jo_sub' AND type = 'user.deleted';
-- the address is free
SELECT * FROM app.new_account('jo') \gset jo_

-- a foreign key without an action keeps an account, not the others
SELECT * FROM app.new_account('max') \gset max_
INSERT INTO app.invoices VALUES (:'jo_sub', 100);
INSERT INTO app.notes VALUES (:'max_sub', 'of max');
SELECT anon_auth.delete_account(:'jo_access_token') IS NOT NULL AS jo, anon_auth.delete_account(:'max_access_token') IS NOT NULL AS max;
CALL app.pass(:'jo_sub', '31 days');
CALL app.pass(:'max_sub', '31 days');
SELECT accounts, skipped_accounts, has_more FROM anon_auth.purge();
SELECT count(*) FILTER (WHERE id = :'jo_sub') AS jo, count(*) FILTER (WHERE id = :'max_sub') AS max FROM anon_auth.users;
-- it is tried again after a day, and its user can still cancel
SELECT accounts, skipped_accounts FROM anon_auth.purge();
SELECT finding, what ~ '^1 accounts' AS one FROM anon_auth.doctor() WHERE finding = 'overdue_deletions';
CALL app.pass(:'jo_sub', '1 day');
SELECT finding, what ~ '^1 accounts' AS one FROM anon_auth.doctor() WHERE finding = 'overdue_deletions';
SELECT accounts, skipped_accounts FROM anon_auth.purge();
SELECT anon_auth.cancel_account_deletion(:'jo_access_token') AS cancelled;
SELECT finding FROM anon_auth.doctor() WHERE finding = 'overdue_deletions';
CALL app.pass(:'jo_sub', '2 days');
SELECT accounts, skipped_accounts FROM anon_auth.purge();
-- so does a hook that refuses
DELETE FROM app.invoices;
SELECT anon_auth.delete_account(:'jo_access_token') IS NOT NULL AS scheduled;
CALL app.pass(:'jo_sub', '30 days');
CREATE OR REPLACE FUNCTION app.announce(id uuid) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not before the export'; END $$;
SELECT accounts, skipped_accounts FROM anon_auth.purge();
SELECT anon_auth.delete_user(:'jo_sub');
UPDATE anon_auth.settings SET before_deletion = NULL;
-- an account that was disabled is deleted, too
SELECT anon_auth.disable_user(:'jo_sub');
SELECT anon_auth.delete_account(:'jo_access_token');
CALL app.pass(:'jo_sub', '1 day');
SELECT accounts, skipped_accounts FROM anon_auth.purge();

-- ---- without a grace period ----

UPDATE anon_auth.settings SET account_deletion_grace = '0';
SELECT * FROM app.new_account('kim') \gset kim_
SELECT * FROM anon_auth.authenticate('web', 'kim', 'correct horse') \gset other_
INSERT INTO app.invoices VALUES (:'kim_sub', 5);
SELECT anon_auth.delete_account(:'kim_access_token');
DELETE FROM app.invoices;
UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 hour';
SELECT anon_auth.delete_account(:'kim_access_token');
BEGIN;
SELECT access_token FROM anon_auth.authenticate('web', 'kim', 'correct horse') \gset
SELECT anon_auth.use_access_token(:'access_token') = :'kim_sub' AS kim;
SELECT anon_auth.delete_account() <= clock_timestamp() AS deleted_now;
COMMIT;
SELECT count(*) AS users FROM anon_auth.users;
SELECT anon_auth.userinfo(:'other_access_token');
SELECT type, client_id, payload FROM anon_auth.events WHERE user_id = :'kim_sub' AND type LIKE 'user.delet%';
UPDATE anon_auth.settings SET account_deletion_grace = DEFAULT;

-- ---- guests: at once, without a recent login ----

SELECT * FROM anon_auth.authenticate_anonymously('web') \gset guest_
INSERT INTO app.notes VALUES (:'guest_sub', 'of a guest');
UPDATE anon_auth.users SET device_kid = 'keyed_device' WHERE id = :'guest_sub';
INSERT INTO anon_auth.device_keys SELECT substr(encode(sha256('keyed_device'), 'hex'), 1, 32)::uuid, 'keyed_device', 'a thumbprint', :'guest_sub', 'ES256', '{}', '', now(), now();
UPDATE anon_auth.sessions SET authenticated_at = now() - interval '1 hour';
SELECT anon_auth.cancel_account_deletion(:'guest_access_token') AS cancelled;
SELECT anon_auth.delete_account(:'guest_access_token') <= clock_timestamp() AS deleted_now;
SELECT (SELECT count(*) FROM anon_auth.users) AS users, (SELECT count(*) FROM app.notes) AS notes, (SELECT count(*) FROM anon_auth.device_keys) AS device_keys,
	(SELECT count(*) FROM anon_auth.removed_device_keys WHERE kid = 'keyed_device' AND user_id IS NULL) AS removed;
SELECT anon_auth.delete_account(:'guest_access_token');
SELECT type, client_id, payload FROM anon_auth.events WHERE user_id = :'guest_sub' AND type LIKE 'user.delet%';

-- ---- refused ----

SELECT anon_auth.delete_account();
SELECT anon_auth.delete_account('no token');
SELECT anon_auth.cancel_account_deletion();
BEGIN READ ONLY;
SELECT anon_auth.delete_account();
ROLLBACK;
-- a guest cannot have a schedule
SELECT sub FROM anon_auth.authenticate_anonymously('web') \gset guest_
UPDATE anon_auth.users SET delete_at = now() WHERE id = :'guest_sub';

SET client_min_messages = warning;
DROP EXTENSION anon_auth CASCADE;
DROP SCHEMA app CASCADE;
DROP OWNED BY regress_visitor, regress_shop;
DROP ROLE regress_visitor, regress_shop;
