--
-- Hooks: functions of the application that the settings name.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
DROP SCHEMA IF EXISTS app CASCADE;
DROP ROLE IF EXISTS regress_hook_owner;
CREATE EXTENSION anon_auth;
SELECT anon_auth.create_client('web', 'spa', id_token => 'always') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
CREATE ROLE regress_hook_owner LOGIN;
CREATE SCHEMA app;
GRANT USAGE ON SCHEMA app TO regress_hook_owner;
RESET client_min_messages;

-- ---- setting a hook ----
CREATE FUNCTION app.before(user_id uuid, client_id text, device_info jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	RAISE INFO 'before % as %, path %', device_info, current_user, current_setting('search_path');
END $$;
ALTER FUNCTION app.before OWNER TO regress_hook_owner;
CREATE FUNCTION app.set_returning(uuid, text, jsonb) RETURNS SETOF integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION app.not_json(jsonb) RETURNS text LANGUAGE sql AS 'SELECT ''x''';
UPDATE anon_auth.settings SET before_sign_up = 'app.nope';
\set VERBOSITY terse
UPDATE anon_auth.settings SET before_sign_up = 'before';
UPDATE anon_auth.settings SET before_sign_up = 'app.before.more';
UPDATE anon_auth.settings SET before_sign_up = '';
UPDATE anon_auth.settings SET before_sign_up = 'app.set_returning';
UPDATE anon_auth.settings SET access_token_claims = 'app.not_json';
UPDATE anon_auth.settings SET access_token_claims = 'app.before';
-- a superuser's function is refused, since members of anon_auth_owner can also
-- set hooks
ALTER FUNCTION app.before OWNER TO CURRENT_USER;
UPDATE anon_auth.settings SET before_sign_up = 'app.before';
ALTER FUNCTION app.before OWNER TO regress_hook_owner;
UPDATE anon_auth.settings SET before_sign_up = NULL, access_token_claims = NULL;
\set VERBOSITY default
UPDATE anon_auth.settings SET before_sign_up = 'app.before(uuid, text, jsonb)'::regprocedure;
SELECT before_sign_up FROM anon_auth.settings;
ALTER FUNCTION app.before OWNER TO CURRENT_USER;
SELECT anon_auth.authenticate_anonymously('web');
ALTER FUNCTION app.before OWNER TO regress_hook_owner;

-- ---- before_sign_up: runs as its owner, with the future user's data ----
SELECT sub IS NOT NULL AS signed_up FROM anon_auth.authenticate_anonymously('web', device_info => '{"model": "x"}');
-- it does not run at a later login
SELECT refresh_token FROM anon_auth.authenticate_anonymously('web') \gset
SELECT sub IS NOT NULL AS came_back FROM anon_auth.authenticate_anonymously('web', refresh_token => :'refresh_token');

CREATE OR REPLACE FUNCTION app.before(user_id uuid, client_id text, device_info jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	CASE device_info ->> 'do'
		WHEN 'refuse' THEN RAISE EXCEPTION 'no guests on Sundays' USING DETAIL = 'It is Sunday.', HINT = 'Come back tomorrow.';
		WHEN 'own code' THEN RAISE EXCEPTION 'pay first' USING ERRCODE = 'PT402';
		WHEN 'fail' THEN PERFORM 1 / 0;
		WHEN 'set role' THEN SET ROLE postgres;
		WHEN 'set' THEN PERFORM set_config('app.left_behind', 'yes', false), set_config('search_path', 'evil', false), set_config('request.jwt.claims', '{"sub": "somebody"}', false);
		WHEN 'temp' THEN CREATE TEMP TABLE left_behind ();
		WHEN 'read' THEN PERFORM count(*) FROM anon_auth.passwords;
		WHEN 'call' THEN PERFORM anon_auth.create_signing_key();
		WHEN 'recurse' THEN PERFORM anon_auth.authenticate_anonymously('web');
		WHEN 'later' THEN INSERT INTO app.log VALUES ('later');
		ELSE INSERT INTO app.log VALUES (device_info::text);
	END CASE;
END $$;
CREATE TABLE app.log (message text);
GRANT INSERT ON app.log TO regress_hook_owner;
CREATE FUNCTION app.guest(what text) RETURNS boolean LANGUAGE sql AS $$
	SELECT sub IS NOT NULL FROM anon_auth.authenticate_anonymously('web', device_info => jsonb_build_object('do', what)) $$;
SELECT count(*) AS users FROM anon_auth.users \gset
SELECT app.guest('refuse');
\echo :LAST_ERROR_SQLSTATE
SELECT app.guest('own code');
\echo :LAST_ERROR_SQLSTATE
SELECT app.guest('fail');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) - :users AS guests_made FROM anon_auth.users;
-- it gets no other role's privileges, and leaves nothing behind
\set VERBOSITY terse
SELECT app.guest('set role');
SELECT app.guest('temp');
SELECT app.guest('read');
SELECT app.guest('call');
SELECT app.guest('recurse');
\set VERBOSITY default
SELECT app.guest('set');
SELECT current_setting('app.left_behind', true) AS left_behind, current_setting('search_path') AS path, current_setting('request.jwt.claims', true) AS claims;
CREATE FUNCTION app.at_commit() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE INFO 'at commit as %', current_user; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON app.log DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.at_commit();
\set VERBOSITY terse
SELECT app.guest('later');
\set VERBOSITY default
DROP TRIGGER at_commit ON app.log;
SELECT app.guest('log this');
TABLE app.log;
UPDATE anon_auth.settings SET before_sign_up = NULL;

-- ---- access_token_claims ----
CREATE FUNCTION app.claims(claims jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN CASE current_setting('test.claims')
		WHEN 'add' THEN '{"plan": "free", "a \"name\"": {"x": [1, null]}}'::jsonb
		WHEN 'all' THEN claims || '{"plan": "gold"}'
		WHEN 'none' THEN NULL
		WHEN 'empty' THEN '{}'
		WHEN 'array' THEN '[]'
		WHEN 'fail' THEN to_jsonb(1 / (claims -> 'exp' IS NULL)::integer)
		ELSE jsonb_build_object(current_setting('test.claims'), 'x') END;
END $$;
ALTER FUNCTION app.claims OWNER TO regress_hook_owner;
UPDATE anon_auth.settings SET access_token_claims = 'app.claims';
CREATE FUNCTION app.token(how text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT set_config('test.claims', how, false);
	SELECT anon_auth.verify_jwt(access_token) - '{aud,exp,iat,iss,jti,sid,sub,auth_time,client_id,is_anonymous,role,roles}'::text[] - ARRAY(SELECT 'https://authgear.com/claims/user/' || c FROM unnest('{roles,is_verified,is_anonymous,can_reauthenticate}'::text[]) c)
		FROM anon_auth.authenticate_anonymously('web') $$;
SELECT how, app.token(how) AS claims_added FROM unnest('{add,all,none,empty}'::text[]) how;
SELECT app.token('array');
SELECT app.token('role');
\set VERBOSITY terse
SELECT app.token('sub');
SELECT app.token('nbf');
SELECT app.token('amr');
SELECT app.token('https://authgear.com/claims/user/is_admin');
SELECT app.token('fail');
\set VERBOSITY default
-- ID tokens do not have the claims
SELECT set_config('test.claims', 'add', false);
SELECT anon_auth.verify_jwt(id_token, 'web') ? 'plan' AS in_id_token FROM anon_auth.authenticate_anonymously('web');
UPDATE anon_auth.settings SET access_token_claims = NULL;

-- claims that verify_jwt() would refuse make the login fail; others result in a
-- valid token
CREATE FUNCTION app.large(claims jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
	size integer := split_part(current_setting('test.claims'), ' ', 2);
BEGIN
	RETURN CASE split_part(current_setting('test.claims'), ' ', 1)
		WHEN 'digits' THEN jsonb_build_object('n', repeat('9', size)::numeric)
		WHEN 'fraction' THEN jsonb_build_object('n', ('0.' || repeat('1', size - 2))::numeric)
		WHEN 'levels' THEN (repeat('{"a":', size) || '1' || repeat('}', size))::jsonb
		WHEN 'members' THEN (SELECT jsonb_object_agg('m' || i, i) FROM generate_series(1, size) i)
		WHEN 'bytes' THEN jsonb_build_object('s', repeat('x', size)) END;
END $$;
ALTER FUNCTION app.large OWNER TO regress_hook_owner;
UPDATE anon_auth.settings SET access_token_claims = 'app.large';
\set VERBOSITY terse
CREATE FUNCTION app.login_with(what text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	tokens anon_auth.token_response;
	detail text;
BEGIN
	PERFORM set_config('test.claims', what, true);
	SELECT * INTO tokens FROM anon_auth.authenticate_anonymously('web');
	PERFORM anon_auth.use_access_token(tokens.access_token);
	RETURN CASE WHEN anon_auth.uid() = tokens.sub THEN 'a token that works' ELSE 'a useless token' END;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(': ', SQLSTATE, SQLERRM, detail);
END $$;
SELECT what, app.login_with(what)
FROM unnest('{digits 40,digits 41,digits 50,digits 300,fraction 40,fraction 41,levels 32,levels 33,levels 40,members 2000,members 5000,bytes 20000,bytes 32768,bytes 71680,bytes 2000000}'::text[]) what;
\set VERBOSITY default
UPDATE anon_auth.settings SET access_token_claims = NULL;

-- an error names the hook that was called, even if the hook has changed the
-- settings
CREATE FUNCTION app.changes_settings(user_id uuid, client_id text, device_info jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	FOR i IN 1..100 LOOP
		UPDATE anon_auth.settings SET issuer = 'https://auth.example/' || repeat('x', 10 * i);
		PERFORM anon_auth.openid_configuration();
	END LOOP;
	RAISE EXCEPTION 'no guests while I change the settings';
END $$;
CREATE FUNCTION app.changes_claims(claims jsonb) RETURNS jsonb LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	FOR i IN 1..100 LOOP
		UPDATE anon_auth.settings SET issuer = 'https://auth.example/' || repeat('x', 10 * i);
		PERFORM anon_auth.openid_configuration();
	END LOOP;
	RETURN '[]';
END $$;
ALTER FUNCTION app.changes_settings OWNER TO anon_auth_owner;
ALTER FUNCTION app.changes_claims OWNER TO anon_auth_owner;
UPDATE anon_auth.settings SET before_sign_up = 'app.changes_settings';
SELECT anon_auth.authenticate_anonymously('web');
UPDATE anon_auth.settings SET before_sign_up = NULL, access_token_claims = 'app.changes_claims';
SELECT anon_auth.authenticate_anonymously('web');
UPDATE anon_auth.settings SET access_token_claims = NULL;

-- ---- after_promotion: sees the account, and is part of the transaction ----
CREATE TABLE app.welcome (user_id uuid REFERENCES anon_auth.users, client_id text, is_anonymous boolean);
CREATE FUNCTION app.after(id uuid, client text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO app.welcome SELECT u.id, client, u.is_anonymous FROM anon_auth.users u WHERE u.id = $1;
	IF EXISTS (SELECT 1 FROM anon_auth.login_ids l WHERE l.user_id = $1 AND l.value = 'unwelcome') THEN
		RAISE EXCEPTION 'not you';
	END IF;
END $$;
GRANT USAGE ON SCHEMA app TO anon_auth_owner;
GRANT INSERT ON app.welcome TO anon_auth_owner;
ALTER FUNCTION app.after OWNER TO anon_auth_owner;
UPDATE anon_auth.settings SET after_promotion = 'app.after';
SELECT sub, refresh_token FROM anon_auth.authenticate_anonymously('web') \gset
SELECT anon_auth.promote_anonymous_user('web', username => 'unwelcome', password => 'correct horse', refresh_token => :'refresh_token');
SELECT is_anonymous, (SELECT count(*) FROM app.welcome) AS welcomed FROM anon_auth.users WHERE id = :'sub';
SELECT sub = :'sub' AS promoted FROM anon_auth.promote_anonymous_user('web', username => 'ada', password => 'correct horse', refresh_token => :'refresh_token');
SELECT user_id = :'sub' AS is_ada, client_id, is_anonymous FROM app.welcome;

-- the error for a missing hook names it
DROP FUNCTION app.after;
SELECT refresh_token FROM anon_auth.authenticate_anonymously('web') \gset
SELECT anon_auth.promote_anonymous_user('web', username => 'bob', password => 'correct horse', refresh_token => :'refresh_token');

SET client_min_messages = warning;
DROP SCHEMA app CASCADE;
DROP EXTENSION anon_auth CASCADE;
DROP ROLE regress_hook_owner;
