--
-- A merge moves a guest's rows to an existing account in the transaction of the
-- promotion, and deletes the guest.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
DROP SCHEMA IF EXISTS app CASCADE;
DROP ROLE IF EXISTS regress_cart_owner, regress_visitor;
SELECT anon_auth.create_client('web', 'spa') \g /dev/null
CREATE ROLE regress_cart_owner LOGIN;
CREATE SCHEMA app;
GRANT USAGE, CREATE ON SCHEMA app TO regress_cart_owner;
UPDATE anon_auth.settings SET promotion_conflict = 'merge', password_attempts_per_minute_per_user = NULL,
	password_attempts_per_minute_per_user_per_ip = NULL;
RESET client_min_messages;

-- tables of various shapes
CREATE TABLE app.notes (id int PRIMARY KEY, author uuid REFERENCES anon_auth.users, editor uuid REFERENCES anon_auth.users ON DELETE SET NULL);
CREATE TABLE app.orders (user_id uuid REFERENCES anon_auth.users ON DELETE CASCADE, id int, PRIMARY KEY (user_id, id));
CREATE TABLE app.order_lines (user_id uuid, order_id int, line int, PRIMARY KEY (user_id, order_id, line),
	FOREIGN KEY (user_id, order_id) REFERENCES app.orders (user_id, id), FOREIGN KEY (user_id) REFERENCES anon_auth.users);
CREATE TABLE app.visits (user_id uuid NOT NULL REFERENCES anon_auth.users, at date NOT NULL) PARTITION BY HASH (user_id);
CREATE TABLE app.visits_0 PARTITION OF app.visits FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE app.visits_1 PARTITION OF app.visits FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE app.coupons (user_id uuid REFERENCES anon_auth.users DEFERRABLE INITIALLY DEFERRED, code text);
GRANT REFERENCES ON anon_auth.users TO regress_cart_owner;
GRANT USAGE ON SCHEMA anon_auth TO regress_cart_owner;
SET ROLE regress_cart_owner;
CREATE TABLE app."Carts" (user_id uuid UNIQUE REFERENCES anon_auth.users ON DELETE CASCADE, items int);
ALTER TABLE app."Carts" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
RESET ROLE;

CREATE FUNCTION app.fill(guest uuid) RETURNS void LANGUAGE sql AS $$
	INSERT INTO app.notes SELECT coalesce(max(id), 0) + 1, guest, guest FROM app.notes;
	INSERT INTO app.notes SELECT coalesce(max(id), 0) + 1, NULL, guest FROM app.notes;
	INSERT INTO app.orders VALUES (guest, (random() * 1e9)::int);
	INSERT INTO app.order_lines SELECT user_id, id, 1 FROM app.orders WHERE user_id = guest;
	INSERT INTO app.visits VALUES (guest, '2026-01-01'), (guest, '2026-01-02');
	INSERT INTO app.coupons VALUES (guest, 'welcome');
	INSERT INTO app."Carts" VALUES (guest, 3);
$$;
CREATE FUNCTION app.new_guest(OUT id uuid, OUT token text) LANGUAGE plpgsql AS $$
BEGIN
	SELECT sub, refresh_token INTO id, token FROM anon_auth.authenticate_anonymously('web');
	PERFORM app.fill(id);
END $$;
SET client_min_messages = error;
CREATE VIEW app.whose AS
	SELECT 'notes' AS rows, count(author) FILTER (WHERE author = u.id) + count(editor) FILTER (WHERE editor = u.id) AS n, u.id FROM app.notes, anon_auth.users u GROUP BY u.id
	UNION ALL SELECT 'orders', count(*), user_id FROM app.orders GROUP BY user_id
	UNION ALL SELECT 'order_lines', count(*), user_id FROM app.order_lines GROUP BY user_id
	UNION ALL SELECT 'visits', count(*), user_id FROM app.visits GROUP BY user_id
	UNION ALL SELECT 'coupons', count(*), user_id FROM app.coupons GROUP BY user_id
	UNION ALL SELECT 'Carts', count(*), user_id FROM app."Carts" GROUP BY user_id;
RESET client_min_messages;

-- the existing account
SELECT sub AS account FROM anon_auth.promote_anonymous_user('web', email => 'jo@example.com', password => 'correct horse',
	refresh_token => (SELECT refresh_token FROM anon_auth.authenticate_anonymously('web'))) \gset

-- with a wrong password no row moves and the guest stays
SELECT id AS guest, token AS guest_token FROM app.new_guest() \gset
SELECT count(*) AS rows FROM anon_auth.promote_anonymous_user('web', email => 'jo@example.com', password => 'wrong', refresh_token => :'guest_token');
SELECT rows, n FROM app.whose WHERE id = :'guest' ORDER BY rows;

-- a dry run reports the tables and changes nothing
SELECT * FROM anon_auth.merge_anonymous_user(:'guest', :'account', dry_run => true) ORDER BY table_name::text;
SELECT rows, n FROM app.whose WHERE id = :'guest' AND n > 0 ORDER BY rows;

-- with the right password the rows move
SELECT sub = :'account' AS logged_in, anon_auth.verify_jwt(access_token) -> 'is_anonymous' AS is_anonymous
FROM anon_auth.promote_anonymous_user('web', email => 'JO@example.com', password => 'correct horse', refresh_token => :'guest_token');
SELECT rows, n FROM app.whose WHERE id = :'account' ORDER BY rows;
SELECT count(*) AS guests_left FROM anon_auth.users WHERE id = :'guest';
SELECT type, payload - 'anonymous_user_id' - 'merged_into' AS payload,
	   payload ->> 'anonymous_user_id' = :'guest' AS tells_guest, payload ->> 'merged_into' = :'account' AS tells_account
FROM anon_auth.events WHERE (user_id = :'account' AND type = 'user.anonymous.merged') OR (user_id = :'guest' AND type = 'user.deleted') ORDER BY type;
-- events within a transaction are in order
SELECT string_agg(type, ' ' ORDER BY id) FROM (SELECT type, id FROM anon_auth.events WHERE created_at = (SELECT max(created_at) FROM anon_auth.events)) e;
\set VERBOSITY terse
SELECT anon_auth.refresh_session('web', :'guest_token');
\set VERBOSITY default

-- an error about a unique violation names table and constraint, and undoes the
-- merge
SELECT id AS guest, token AS guest_token FROM app.new_guest() \gset
SELECT anon_auth.promote_anonymous_user('web', email => 'jo@example.com', password => 'correct horse', refresh_token => :'guest_token');
\echo :LAST_ERROR_SQLSTATE
SELECT sum(n) FROM app.whose WHERE id = :'guest';
SELECT anon_auth.merge_anonymous_user(:'guest', :'account', true);

-- the merge hook resolves the conflict, and runs as its owner
CREATE FUNCTION app.merge(guest_id uuid, user_id uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	RAISE INFO 'merging as %', current_user;
	UPDATE app."Carts" c SET items = c.items + g.items FROM app."Carts" g WHERE c.user_id = $2 AND g.user_id = $1;
	IF FOUND THEN
		DELETE FROM app."Carts" c WHERE c.user_id = $1;
	END IF;
END $$;
ALTER FUNCTION app.merge OWNER TO regress_cart_owner;
CREATE POLICY mine ON app."Carts" TO regress_cart_owner USING (true);
UPDATE anon_auth.settings SET merge = 'app.merge';
SELECT sub = :'account' AS logged_in FROM anon_auth.promote_anonymous_user('web', email => 'jo@example.com', password => 'correct horse', refresh_token => :'guest_token');
SELECT rows, n FROM app.whose WHERE id = :'account' ORDER BY rows;
SELECT items FROM app."Carts";

-- an error names the hook that refuses, and nothing is lost
CREATE FUNCTION app.refuse(guest_id uuid, user_id uuid) RETURNS void LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'not on Sundays'; END $$;
ALTER FUNCTION app.refuse OWNER TO regress_cart_owner;
UPDATE anon_auth.settings SET merge = 'app.refuse(uuid,uuid)';
SELECT id AS guest, token AS guest_token FROM app.new_guest() \gset
SELECT anon_auth.promote_anonymous_user('web', email => 'jo@example.com', password => 'correct horse', refresh_token => :'guest_token');
SELECT sum(n) FROM app.whose WHERE id = :'guest';
UPDATE anon_auth.settings SET merge = NULL;

-- a trigger that keeps rows, and one that raises an error
DELETE FROM app."Carts";
CREATE FUNCTION app.keep() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END $$;
CREATE TRIGGER keep BEFORE UPDATE ON app.visits_0 FOR EACH ROW EXECUTE FUNCTION app.keep();
CREATE TRIGGER keep BEFORE UPDATE ON app.visits_1 FOR EACH ROW EXECUTE FUNCTION app.keep();
SELECT anon_auth.promote_anonymous_user('web', email => 'jo@example.com', password => 'correct horse', refresh_token => :'guest_token');
CREATE OR REPLACE FUNCTION app.keep() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'visits are final'; END $$;
SELECT anon_auth.promote_anonymous_user('web', email => 'jo@example.com', password => 'correct horse', refresh_token => :'guest_token');
SELECT sum(n) FROM app.whose WHERE id = :'guest';
DROP FUNCTION app.keep CASCADE;

-- a malicious trigger runs with the privileges of its table's owner, cannot
-- change the session, and leaves nothing behind
CREATE FUNCTION app.spy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE INFO 'trigger runs as %', current_user;
	PERFORM set_config('search_path', 'evil', false);
	BEGIN
		EXECUTE 'SET ROLE postgres';
	EXCEPTION WHEN insufficient_privilege THEN
		RAISE INFO '%', SQLERRM;
	END;
	BEGIN
		CREATE TEMP TABLE left_behind ();
	EXCEPTION WHEN insufficient_privilege THEN
		RAISE INFO '%', SQLERRM;
	END;
	BEGIN
		PERFORM count(*) FROM anon_auth.passwords;
	EXCEPTION WHEN insufficient_privilege THEN
		RAISE INFO '%', SQLERRM;
	END;
	RETURN NEW;
END $$;
ALTER FUNCTION app.spy OWNER TO regress_cart_owner;
CREATE CONSTRAINT TRIGGER spy AFTER UPDATE ON app."Carts" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.spy();
INSERT INTO app."Carts" VALUES (:'guest', 1);
SELECT sub = :'account' AS logged_in FROM anon_auth.promote_anonymous_user('web', email => 'jo@example.com', password => 'correct horse', refresh_token => :'guest_token');
SHOW search_path;

-- constraints that the caller deferred are checked as the caller
CREATE TABLE app.later (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);
SELECT id AS guest FROM app.new_guest() \gset
BEGIN;
INSERT INTO app.later VALUES (1), (1);
DELETE FROM app."Carts";
SELECT count(*) FROM anon_auth.merge_anonymous_user(:'guest', :'account');
ROLLBACK;

-- arguments
\set VERBOSITY terse
SELECT anon_auth.merge_anonymous_user(:'account', :'guest');
SELECT anon_auth.merge_anonymous_user(:'guest', '00000000-0000-0000-0000-000000000000');
SELECT anon_auth.merge_anonymous_user(NULL, :'account');

-- if another owner's table has a foreign key to a table whose rows move, it
-- needs ON UPDATE CASCADE
CREATE TABLE app.parents (user_id uuid PRIMARY KEY REFERENCES anon_auth.users);
GRANT SELECT, REFERENCES ON app.parents TO regress_cart_owner;
SET ROLE regress_cart_owner;
CREATE TABLE app.children (user_id uuid REFERENCES anon_auth.users, CONSTRAINT children_parent_fkey FOREIGN KEY (user_id) REFERENCES app.parents);
RESET ROLE;
INSERT INTO app.parents VALUES (:'guest');
INSERT INTO app.children VALUES (:'guest');
DELETE FROM app."Carts";
\set VERBOSITY default
SELECT count(*) FROM anon_auth.merge_anonymous_user(:'guest', :'account');
ALTER TABLE app.children DROP CONSTRAINT children_parent_fkey,
	ADD CONSTRAINT children_parent_fkey FOREIGN KEY (user_id) REFERENCES app.parents ON UPDATE CASCADE;
SELECT * FROM anon_auth.merge_anonymous_user(:'guest', :'account') WHERE table_name IN ('app.parents'::regclass, 'app.children'::regclass);
SELECT count(*) FROM app.children WHERE user_id = :'account';

SET client_min_messages = warning;
DROP SCHEMA app CASCADE;
DROP EXTENSION anon_auth CASCADE;
DROP ROLE regress_cart_owner;
