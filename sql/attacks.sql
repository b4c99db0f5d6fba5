--
-- Attacks by an ordinary database user who can create objects in a schema that
-- is first in everybody's search_path. The extension must never run such an
-- object.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE ROLE regress_anon_auth_mallory LOGIN PASSWORD 'trap';
CREATE SCHEMA traps AUTHORIZATION regress_anon_auth_mallory;
CREATE TABLE traps.sprung (who name, what text);
ALTER TABLE traps.sprung OWNER TO regress_anon_auth_mallory;
RESET client_min_messages;

-- traps for every session that searches the schema traps before pg_catalog:
-- every operator that compares, adds or extracts, and functions with common
-- names, for the types that the extension uses
SET ROLE regress_anon_auth_mallory;
DO $do$
DECLARE
	of_type text;
	operator text;
	number integer := 0;
	trap text := $trap$
	BEGIN
		INSERT INTO traps.sprung VALUES (current_user, %L);
		RETURN NULL;
	END $trap$;
	function text;
BEGIN
	FOREACH of_type IN ARRAY '{text,uuid,bytea,bigint,integer,boolean,timestamptz,interval,jsonb,text[],uuid[],oid,name,double precision}'::text[] LOOP
		FOREACH operator IN ARRAY '{=,<>,<,>,<=,>=,||,+,-,~,!~,@>,&&,->,->>}'::text[] LOOP
			number := number + 1;
			EXECUTE format('CREATE FUNCTION traps.operator_%s(a %s, b %s) RETURNS boolean LANGUAGE plpgsql AS %L',
						   number, of_type, of_type, format(trap, of_type || operator || of_type));
			EXECUTE format('CREATE OPERATOR traps.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = traps.operator_%s)',
						   operator, of_type, of_type, number);
		END LOOP;
	END LOOP;
	FOREACH function IN ARRAY ARRAY['now()', 'clock_timestamp()', 'gen_random_uuid()', 'sha256(bytea)', 'jsonb_build_object(text, text)',
			'jsonb_build_object(VARIADIC text[])', 'format(text, text)', 'format(text, VARIADIC text[])', 'lower(text)', 'length(text)',
			'set_config(text, text, boolean)', 'current_setting(text)', 'current_setting(text, boolean)', 'to_jsonb(text)', 'cardinality(uuid[])',
			'cardinality(text[])', 'array_position(text[], text)', 'array_to_string(text[], text)', 'encode(bytea, text)', 'decode(text, text)',
			'date_trunc(text, timestamptz)', 'jsonb_typeof(jsonb)', 'quote_ident(text)', 'replace(text, text, text)', 'btrim(text)',
			'split_part(text, text, integer)', 'count(text)', 'to_regprocedure(text)', 'pg_has_role(text, text)'] LOOP
		EXECUTE format('CREATE FUNCTION traps.%s RETURNS text LANGUAGE plpgsql AS %L', function, format(trap, function));
	END LOOP;
END $do$;
GRANT USAGE ON SCHEMA traps TO PUBLIC;
RESET ROLE;

-- the traps work
SET search_path = traps, pg_catalog;
SELECT 'a'::text = 'b'::text AS is_null;
SELECT who OPERATOR(pg_catalog.=) :'USER' AS by_the_dba, what FROM traps.sprung;
TRUNCATE traps.sprung;

-- a DBA with this search_path installs the extension and calls all of it
SET client_min_messages = warning;
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
RESET client_min_messages;
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, promotion_conflict = 'merge', lockout_max_attempts = 3, purge_policy = 'cascade';
SELECT anon_auth.create_client('app', 'native') IS NOT NULL AS made;
CREATE TABLE public.notes (user_id uuid REFERENCES anon_auth.users (id) ON DELETE CASCADE, note text);
ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;
SELECT sub, access_token, refresh_token FROM anon_auth.authenticate_anonymously('app') \gset ada_
SELECT refresh_token FROM anon_auth.refresh_session('app', :'ada_refresh_token') \gset ada_
SELECT promotion_code FROM anon_auth.create_promotion_code(:'ada_refresh_token') \gset
SELECT sub, access_token, refresh_token FROM anon_auth.promote_anonymous_user('app', email => 'ada@example.com', password => 'correct horse', promotion_code => :'promotion_code') \gset ada_
SELECT token_type FROM anon_auth.authenticate('app', 'ada@example.com', 'correct horse');
SELECT token_type FROM anon_auth.authenticate('app', 'ada@example.com', 'wrong');
SELECT sub, refresh_token FROM anon_auth.authenticate_anonymously('app') \gset bob_
INSERT INTO public.notes VALUES (:'bob_sub', 'of bob');
SELECT token_type FROM anon_auth.promote_anonymous_user('app', email => 'ada@example.com', password => 'correct horse', refresh_token => :'bob_refresh_token');
SELECT anon_auth.use_access_token(:'ada_access_token') IS NOT NULL AS used, anon_auth.uid() IS NULL AS local, anon_auth.is_anonymous() IS NULL AS unknown;
SELECT anon_auth.userinfo(:'ada_access_token') IS NOT NULL AS userinfo, anon_auth.jwks() IS NOT NULL AS jwks, anon_auth.openid_configuration() IS NOT NULL AS configuration;
SELECT anon_auth.request_password_reset('ada@example.com');
SELECT pg_catalog.count(*) AS sent FROM anon_auth.take_outbox_messages();
SELECT anon_auth.rotate_signing_key() IS NOT NULL AS signing_key, anon_auth.rotate_master_key() IS NOT NULL AS master_key, anon_auth.reseal_signing_keys() IS NOT NULL AS resealed;
SELECT anon_auth.grant_client_api('regress_anon_auth_mallory');
SELECT anon_auth_http.challenge('{"purpose": "anonymous_request"}') IS NOT NULL AS challenge,
	   anon_auth_http.anonymous_user_signup('{"client_id": "app", "session_type": "refresh_token"}') IS NOT NULL AS sign_up,
	   anon_auth_http.token('grant_type=refresh_token&client_id=app&refresh_token=x') IS NOT NULL AS token;
SELECT pg_catalog.count(*) IS NOT NULL AS examined FROM anon_auth.doctor();
SELECT pg_catalog.count(*) AS counted FROM anon_auth.stats;
SELECT anon_auth.disable_user(:'ada_sub'), anon_auth.enable_user(:'ada_sub');
SELECT anon_auth.revoke_sessions(:'ada_sub') IS NOT NULL AS revoked;
SELECT anon_auth.delete_user(:'ada_sub');
SELECT anon_auth.purge() IS NOT NULL AS purged;

-- the extension called no trap
TABLE traps.sprung;
RESET search_path;

-- Mallory calls the client functions, with the traps in the search_path
SET ROLE regress_anon_auth_mallory;
SET search_path = traps, pg_temp, pg_catalog;
SELECT sub, refresh_token FROM anon_auth.authenticate_anonymously('app'::pg_catalog.text) \gset mallory_
SELECT refresh_token FROM anon_auth.refresh_session('app', :'mallory_refresh_token') \gset mallory_
SELECT token_type FROM anon_auth.promote_anonymous_user('app', username => 'mallory', password => 'correct horse', refresh_token => :'mallory_refresh_token');
TABLE traps.sprung;

-- a deferred trigger of Mallory's that runs in the middle of a merge changes
-- search_path for everything after it
RESET search_path;
CREATE TABLE traps.bait ();
CREATE FUNCTION traps.lead_astray() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_catalog.set_config('search_path', 'traps, pg_catalog', false);
	INSERT INTO traps.sprung VALUES (current_user, 'deferred trigger');
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER due AFTER INSERT ON traps.bait DEFERRABLE INITIALLY DEFERRED
	FOR EACH ROW EXECUTE FUNCTION traps.lead_astray();
SELECT refresh_token FROM anon_auth.authenticate_anonymously('app') \gset guest_
BEGIN;
INSERT INTO traps.bait DEFAULT VALUES;
SELECT token_type FROM anon_auth.promote_anonymous_user('app', username => 'mallory', password => 'correct horse', refresh_token => :'guest_refresh_token');
COMMIT;
SHOW search_path;
TABLE traps.sprung;
TRUNCATE traps.sprung;
CREATE FUNCTION traps.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'done: ' || statement;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || statement;
END
$$;
RESET ROLE;

-- attacks from a new session
\set dba :USER
\c -reuse-previous=on "user=regress_anon_auth_mallory password=trap"
SELECT traps.try(statement) AS result FROM unnest(ARRAY[
	-- before the library is loaded, which DDL does
	'SET anon_auth.master_key_file = ''/dev/null''',
	'SELECT set_config(''anon_auth.master_key_file'', ''/dev/null'', true)',
	'SET anon_auth.no_such_setting = 1',
	'SET anon_auth.verified_claims = ''{"sub": "00000000-0000-0000-0000-000000000001"}''',
	-- the extension itself
	'DROP EXTENSION anon_auth',
	'ALTER EXTENSION anon_auth UPDATE',
	'ALTER EXTENSION anon_auth DROP TABLE anon_auth.users',
	'ALTER FUNCTION anon_auth.uid() RESET ALL',
	'CREATE OR REPLACE FUNCTION anon_auth.uid() RETURNS uuid LANGUAGE sql AS ''SELECT NULL::uuid''',
	'CREATE FUNCTION anon_auth.uid(text) RETURNS uuid LANGUAGE sql AS ''SELECT NULL::uuid''',
	'CREATE FUNCTION anon_auth_http.challenge(integer) RETURNS text LANGUAGE sql AS ''SELECT NULL::text''',
	'CREATE FUNCTION traps.steal() RETURNS text LANGUAGE c AS ''anon_auth'', ''anon_auth_sign_jwt''',
	'LOAD ''anon_auth''',
	'COMMENT ON FUNCTION anon_auth.uid() IS ''mine''',
	-- its tables
	'LOCK TABLE anon_auth.users',
	'CREATE TABLE traps.child () INHERITS (anon_auth.users)',
	'CREATE TABLE traps.alike (LIKE anon_auth.users); DROP TABLE traps.alike',
	'CREATE TABLE traps.theirs (id uuid REFERENCES anon_auth.users (id))',
	'CREATE TRIGGER mine AFTER INSERT ON anon_auth.users FOR EACH ROW EXECUTE FUNCTION anon_auth.uid()',
	'CREATE RULE mine AS ON INSERT TO anon_auth.users DO ALSO NOTHING',
	'CREATE POLICY mine ON anon_auth.users USING (true)',
	'ALTER TABLE anon_auth.users DISABLE ROW LEVEL SECURITY',
	'CREATE INDEX ON anon_auth.users (id)',
	'CREATE STATISTICS traps.mine ON id, is_anonymous FROM anon_auth.users',
	'CREATE PUBLICATION mine FOR TABLE anon_auth.users',
	'TRUNCATE anon_auth.users',
	'CREATE VIEW traps.view WITH (security_invoker) AS SELECT * FROM anon_auth.users; SELECT * FROM traps.view',
	'CREATE MATERIALIZED VIEW traps.stored AS SELECT * FROM anon_auth.login_ids',
	'SELECT * FROM anon_auth.stats',
	'SET row_security = off; SELECT * FROM anon_auth.users',
	'SELECT stavalues1 FROM pg_statistic',
	-- the keys
	'SELECT pg_read_file(''anon_auth.master_key'')',
	'SELECT pg_read_binary_file(''anon_auth.master_key'')',
	'SELECT pg_stat_file(''anon_auth.master_key'')',
	'SELECT pg_ls_dir(''.'')',
	'SELECT lo_import(''anon_auth.master_key'')',
	'COPY traps.sprung FROM ''/etc/passwd''',
	'COPY traps.sprung FROM PROGRAM ''cat anon_auth.master_key''',
	-- now the library is loaded; before that, the setting is a placeholder that
	-- anybody can read
	'SELECT current_setting(''anon_auth.master_key_file'')',
	'ALTER ROLE regress_anon_auth_mallory SET anon_auth.master_key_file = ''/dev/null''',
	-- other people
	'CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION anon_auth.uid()',
	'SELECT anon_auth.merge_anonymous_user(NULL, NULL)',
	'SELECT anon_auth.take_outbox_messages()',
	'SELECT anon_auth.purge()',
	'SELECT anon_auth.doctor()',
	'SELECT anon_auth.use_access_token(''x'')',
	'SET session_replication_role = replica']) statement;
\set VERBOSITY sqlstate
SET ROLE :"dba";
SET SESSION AUTHORIZATION :"dba";
COPY anon_auth.passwords TO STDOUT;
COPY (SELECT secret_hash FROM anon_auth.sessions) TO STDOUT;
ALTER SYSTEM SET anon_auth.master_key_file = '/dev/null';
\set VERBOSITY default
\c - :dba
SELECT DISTINCT who FROM traps.sprung ORDER BY 1;

-- roles without SELECT on the tables cannot learn their contents from the
-- planner's statistics
ANALYZE anon_auth.users, anon_auth.login_ids;
SET ROLE regress_anon_auth_mallory;
SELECT count(*) AS statistics FROM pg_stats WHERE schemaname LIKE 'anon_auth%';
RESET ROLE;

-- CREATE EXTENSION does not adopt existing objects
\set SHOW_CONTEXT never
SET client_min_messages = warning;
DROP EXTENSION anon_auth CASCADE;
RESET client_min_messages;
CREATE SCHEMA anon_auth_http AUTHORIZATION regress_anon_auth_mallory;
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth_http;
DROP SCHEMA anon_auth_http;
DROP EXTENSION anon_auth;
CREATE SCHEMA anon_auth AUTHORIZATION regress_anon_auth_mallory;
CREATE EXTENSION anon_auth;
SET ROLE regress_anon_auth_mallory;
CREATE TABLE anon_auth.users (id uuid);
RESET ROLE;
CREATE EXTENSION anon_auth;
CREATE EXTENSION anon_auth SCHEMA traps;
SELECT count(*) AS installed FROM pg_extension WHERE extname = 'anon_auth';
SET client_min_messages = warning;
DROP SCHEMA anon_auth CASCADE;
CREATE EXTENSION anon_auth;

DROP TABLE public.notes;
SET client_min_messages = warning;
DROP SCHEMA traps CASCADE;
DROP OWNED BY regress_anon_auth_mallory;
DROP ROLE regress_anon_auth_mallory;
