--
-- purge(): guests that nobody can log in to, and expired rows.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
DROP SCHEMA IF EXISTS app CASCADE;
SELECT anon_auth.create_client('web', 'spa') \g /dev/null
CREATE SCHEMA app;

-- named guests, whose timestamps can be set back
CREATE TABLE app.guests (name text PRIMARY KEY, id uuid, token text);
CREATE PROCEDURE app.sign_up(VARIADIC names text[]) LANGUAGE sql AS $$
	INSERT INTO app.guests SELECT n, t.sub, t.refresh_token
	FROM unnest(names) n, LATERAL anon_auth.authenticate_anonymously('web', device_info => jsonb_build_object('n', n)) t;
$$;
CREATE FUNCTION app.id(name text) RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT id FROM app.guests g WHERE g.name = $1 $$;
CREATE FUNCTION app.back(t timestamptz, by interval) RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN t - by; END$$;
CREATE PROCEDURE app.age(name text, by interval) LANGUAGE plpgsql AS $$
DECLARE
	guest uuid := app.id(name);
BEGIN
	UPDATE anon_auth.sessions SET created_at = app.back(created_at, by), last_used_at = app.back(last_used_at, by),
		expires_at = app.back(expires_at, by), purge_from = app.back(purge_from, by) WHERE user_id = guest;
	UPDATE anon_auth.users SET last_seen_at = app.back(last_seen_at, by), purge_from = app.back(purge_from, by) WHERE id = guest;
	UPDATE anon_auth.device_keys SET last_used_at = app.back(last_used_at, by) WHERE user_id = guest;
END
$$;
RESET client_min_messages;

-- nothing is due
CALL app.sign_up('alive', 'expired', 'logged out', 'refreshed', 'keyed', 'promoted');
UPDATE anon_auth.users SET device_kid = 'keyed_device', purge_from = last_seen_at WHERE id = app.id('keyed');
INSERT INTO anon_auth.device_keys SELECT substr(encode(sha256('keyed_device'), 'hex'), 1, 32)::uuid, 'keyed_device', 'a thumbprint', app.id('keyed'), 'ES256', '{}', '', now(), now();
SELECT * FROM anon_auth.purge();

-- a guest without a key is deleted with its last session, and immediately after
-- a logout
SELECT anon_auth.revoke(token) FROM app.guests WHERE name = 'logged out';
SELECT guests, sessions, has_more FROM anon_auth.purge(dry_run => true);
SELECT name FROM app.guests JOIN anon_auth.users USING (id) ORDER BY name;
SELECT guests, sessions, has_more FROM anon_auth.purge();
SELECT name FROM app.guests JOIN anon_auth.users USING (id) ORDER BY name;
SELECT app.id('logged out') AS logged_out \gset
SELECT count(*) FROM anon_auth.events WHERE type = 'user.deleted' AND payload = '{"reason": "purged"}' AND user_id = :'logged_out';

-- refreshed sessions are examined and kept; an expired session of a regular
-- user is deleted alone
SELECT sub = app.id('promoted') AS promoted FROM anon_auth.promote_anonymous_user('web', email => 'a@example.com', password => 'correct horse', refresh_token => (SELECT token FROM app.guests WHERE name = 'promoted'));
CALL app.age('expired', '31 days');
CALL app.age('promoted', '31 days');
CALL app.age('keyed', '31 days');
UPDATE anon_auth.sessions SET purge_from = now() - interval '1 day' WHERE user_id = app.id('refreshed');
UPDATE anon_auth.users SET purge_from = now() - interval '1 day' WHERE id = app.id('refreshed');
SELECT guests, sessions, has_more FROM anon_auth.purge();
SELECT name FROM app.guests JOIN anon_auth.users USING (id) ORDER BY name;
SELECT app.id('refreshed') AS refreshed \gset
SELECT u.purge_from = s.expires_at AND s.purge_from = s.expires_at AS looked_at FROM anon_auth.users u JOIN anon_auth.sessions s ON s.user_id = u.id WHERE u.id = :'refreshed';

-- a guest with a key is kept until guest_retention has passed
SELECT app.id('keyed') AS keyed \gset
SELECT count(*) AS sessions FROM anon_auth.sessions WHERE user_id = :'keyed';
UPDATE anon_auth.settings SET guest_retention = '90 days';
SELECT guests FROM anon_auth.purge();
CALL app.age('keyed', '60 days');
UPDATE anon_auth.users SET last_seen_at = now() - interval '10 days' WHERE id = app.id('keyed');
SELECT guests FROM anon_auth.purge();
SELECT purge_from = last_seen_at AS looked_at FROM anon_auth.users WHERE id = :'keyed';
-- a refresh counts as a use of the guest
INSERT INTO anon_auth.sessions (user_id, id, client_id, secret_hash, created_at, authenticated_at, last_used_at, expires_at, purge_from, session_type)
	SELECT app.id('keyed'), gen_random_uuid(), 'web', sha256('x'), now() - interval '100 days', now() - interval '100 days', now() - interval '5 days',
		now() + interval '1 day', now() + interval '1 day', 'refresh_token';
UPDATE anon_auth.users SET last_seen_at = now() - interval '100 days', purge_from = now() - interval '100 days' WHERE id = app.id('keyed');
SELECT guests FROM anon_auth.purge();
SELECT u.purge_from = s.last_used_at AS looked_at FROM anon_auth.users u JOIN anon_auth.sessions s ON s.user_id = u.id WHERE u.id = :'keyed';
DELETE FROM anon_auth.sessions WHERE user_id = app.id('keyed');
UPDATE anon_auth.users SET last_seen_at = now() - interval '10 days', purge_from = now() - interval '10 days' WHERE id = app.id('keyed');
CALL app.age('keyed', '81 days');
SELECT guests FROM anon_auth.purge();
SELECT name FROM app.guests JOIN anon_auth.users USING (id) ORDER BY name;
SELECT count(*) AS keys FROM anon_auth.device_keys;
\set VERBOSITY terse
UPDATE anon_auth.settings SET guest_retention = '59 minutes';
\set VERBOSITY default

-- guests with rows of the application
CREATE TABLE app.carts (user_id uuid REFERENCES anon_auth.users ON DELETE CASCADE);
CREATE TABLE app.orders (user_id uuid REFERENCES anon_auth.users);
CREATE TABLE app.order_notes (author uuid REFERENCES anon_auth.users ON DELETE SET NULL);
CALL app.sign_up('with cart', 'with order', 'with note', 'with all', 'with nothing');
INSERT INTO app.carts VALUES (app.id('with cart')), (app.id('with all'));
INSERT INTO app.orders VALUES (app.id('with order')), (app.id('with all'));
INSERT INTO app.order_notes VALUES (app.id('with note')), (app.id('with all'));
SELECT anon_auth.revoke(token) FROM app.guests WHERE name LIKE 'with %';
SELECT guests, skipped_guests FROM anon_auth.purge();
SELECT name FROM app.guests JOIN anon_auth.users USING (id) ORDER BY name;
-- skipped guests are not examined again for a day
SELECT guests, skipped_guests FROM anon_auth.purge();
SELECT count(*) FROM anon_auth.users WHERE is_anonymous AND purge_from BETWEEN now() + interval '23 hours' AND now() + interval '1 day';
UPDATE anon_auth.users SET purge_from = now() - interval '1 second' WHERE id IN (SELECT id FROM app.guests WHERE name LIKE 'with %');
UPDATE anon_auth.settings SET purge_policy = 'cascade';
SELECT guests, skipped_guests FROM anon_auth.purge();
SELECT name FROM app.guests JOIN anon_auth.users USING (id) ORDER BY name;
SELECT count(*) AS carts FROM app.carts;
SELECT count(author) AS authors, count(*) AS notes FROM app.order_notes;

-- a guest that cannot be deleted does not stop the others
CREATE FUNCTION app.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'carts are for ever'; END $$;
CREATE TRIGGER refuse BEFORE DELETE ON app.carts FOR EACH ROW EXECUTE FUNCTION app.refuse();
CALL app.sign_up('with cart for ever', 'first', 'second');
INSERT INTO app.carts VALUES (app.id('with cart for ever'));
SELECT anon_auth.revoke(token) FROM app.guests WHERE name IN ('with cart for ever', 'first', 'second');
SELECT guests, skipped_guests FROM anon_auth.purge();
SELECT app.id('with cart for ever') AS with_cart_for_ever \gset
SELECT count(*) FROM app.carts WHERE user_id = :'with_cart_for_ever';
SELECT guests, skipped_guests FROM anon_auth.purge();

-- neither does a guest whose deletion fails with query_canceled
CREATE OR REPLACE FUNCTION app.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'carts are for ever' USING ERRCODE = 'query_canceled'; END $$;
UPDATE anon_auth.users SET purge_from = now() - interval '1 second' WHERE id = app.id('with cart for ever');
CALL app.sign_up('third');
SELECT anon_auth.revoke(token) FROM app.guests WHERE name = 'third';
SELECT guests, skipped_guests FROM anon_auth.purge();

-- neither does a guest whose deletion exhausts the lock table
CREATE OR REPLACE FUNCTION app.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM pg_advisory_xact_lock(i) FROM generate_series(1, 10000000) i; RETURN OLD; END $$;
UPDATE anon_auth.users SET purge_from = now() - interval '1 second' WHERE id = app.id('with cart for ever');
CALL app.sign_up('fourth');
SELECT anon_auth.revoke(token) FROM app.guests WHERE name = 'fourth';
SELECT guests, skipped_guests FROM anon_auth.purge();
SELECT purge_from - now() BETWEEN interval '4 minutes' AND interval '6 minutes' AS soon FROM anon_auth.users WHERE id = (SELECT app.id('with cart for ever'));
-- after a temporary failure (concurrent DDL, a lock, a full disk) the guest is
-- examined again soon; after any other, in a day
CREATE OR REPLACE FUNCTION app.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM FROM app.was_dropped; RETURN OLD; END $$;
UPDATE anon_auth.users SET purge_from = now() - interval '1 second' WHERE id = app.id('with cart for ever');
SELECT guests, skipped_guests FROM anon_auth.purge();
SELECT purge_from - now() BETWEEN interval '4 minutes' AND interval '6 minutes' AS soon FROM anon_auth.users WHERE id = (SELECT app.id('with cart for ever'));
CREATE OR REPLACE FUNCTION app.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'this guest stays'; END $$;
UPDATE anon_auth.users SET purge_from = now() - interval '1 second' WHERE id = app.id('with cart for ever');
SELECT guests, skipped_guests FROM anon_auth.purge();
SELECT purge_from - now() > interval '23 hours' AS tomorrow FROM anon_auth.users WHERE id = (SELECT app.id('with cart for ever'));

-- a table that its owner cannot read keeps its guests, and no others
CREATE ROLE regress_purge_owner LOGIN;
GRANT USAGE ON SCHEMA app TO regress_purge_owner;
CREATE TABLE app.closed (user_id uuid REFERENCES anon_auth.users);
ALTER TABLE app.closed OWNER TO regress_purge_owner;
REVOKE ALL ON app.closed FROM regress_purge_owner;
CALL app.sign_up('fifth');
SELECT anon_auth.revoke(token) FROM app.guests WHERE name = 'fifth';
SELECT guests, skipped_guests FROM anon_auth.purge();
SELECT guests, skipped_guests FROM anon_auth.purge();
DROP TABLE app.closed;
UPDATE anon_auth.users SET purge_from = now() - interval '1 second' WHERE id = app.id('fifth');
SELECT guests, skipped_guests FROM anon_auth.purge();

-- batches
CALL app.sign_up('b1', 'b2', 'b3', 'b4', 'b5');
SELECT anon_auth.revoke(token) FROM app.guests WHERE name LIKE 'b_';
SELECT guests, has_more FROM anon_auth.purge(2);
SELECT guests, has_more FROM anon_auth.purge(2);
SELECT guests, has_more FROM anon_auth.purge(2);

-- disabled guests, and guests whose sessions an administrator revoked
CALL app.sign_up('banned', 'revoked');
SELECT anon_auth.disable_user(app.id('banned'));
SELECT anon_auth.revoke_sessions(app.id('revoked'));
SELECT guests FROM anon_auth.purge();

-- expired rows
INSERT INTO anon_auth.authorization_codes SELECT gen_random_uuid(), sha256('x'), app.id('promoted'), 'web', 'https://a.example', repeat('A', 43), NULL, now(), NULL, now() + make_interval(mins => m) FROM unnest(ARRAY[-1, 1]) m;
INSERT INTO anon_auth.removed_device_keys SELECT gen_random_uuid(), 'removed_' || m, 'a thumbprint', '', now() - make_interval(mins => m) FROM unnest(ARRAY[1, 9, 11]) m;
SELECT authorization_codes, removed_device_keys, events FROM anon_auth.purge();
UPDATE anon_auth.events SET created_at = now() - interval '1 year' WHERE user_id = app.id('alive');
SELECT app.id('alive') AS alive \gset
SELECT count(*) AS old FROM anon_auth.events WHERE user_id = :'alive' \gset
UPDATE anon_auth.settings SET event_retention = '300 days';
SELECT events = :old AND :old > 0 AS deleted FROM anon_auth.purge();

-- deletions write events only if such events are kept
UPDATE anon_auth.settings SET event_types = '{user.created}';
CALL app.sign_up('unheard');
SELECT anon_auth.revoke(token) FROM app.guests WHERE name = 'unheard';
SELECT guests FROM anon_auth.purge();
SELECT app.id('unheard') AS unheard \gset
SELECT type FROM anon_auth.events WHERE user_id = :'unheard';

-- a trigger that runs during purge() may call another function that returns a row
CREATE TABLE app.audited (user_id uuid REFERENCES anon_auth.users ON DELETE CASCADE);
CREATE FUNCTION app.call_create_challenge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM token FROM anon_auth.create_challenge();
	EXECUTE (SELECT string_agg('SELECT user_id FROM app.audited', ' UNION ALL ') FROM generate_series(1, 150));
	RETURN NULL;
END $$;
CREATE TRIGGER audit BEFORE DELETE ON app.audited FOR EACH STATEMENT EXECUTE FUNCTION app.call_create_challenge();
CALL app.sign_up('audited');
SELECT anon_auth.revoke(token) FROM app.guests WHERE name = 'audited';
SELECT guests, skipped_guests, has_more FROM anon_auth.purge();
DROP TABLE app.audited;

-- arguments
\set VERBOSITY terse
SELECT anon_auth.purge(0);
SELECT anon_auth.purge(100001);
SELECT anon_auth.purge(NULL);
SELECT anon_auth.purge(1, NULL);
BEGIN READ ONLY;
SELECT anon_auth.purge();
ROLLBACK;

SET client_min_messages = warning;
DROP SCHEMA app CASCADE;
DROP EXTENSION anon_auth CASCADE;
DROP ROLE regress_purge_owner;
