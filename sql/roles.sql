--
-- Roles of users: in tokens, in userinfo, and for policies.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
DROP ROLE IF EXISTS regress_visitor;
CREATE ROLE regress_visitor;
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/}', id_token => 'always') \g /dev/null
SELECT anon_auth.grant_client_api('regress_visitor') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
CREATE FUNCTION roles(token text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', c -> 'roles', c -> 'https://authgear.com/claims/user/roles') FROM anon_auth.verify_jwt(token) c
$$;
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT anon_auth.reset_counters() \g /dev/null
RESET client_min_messages;

-- a guest without roles, then with some; the next refresh has them, and userinfo at once
SELECT * FROM anon_auth.authenticate_anonymously('web') \gset guest_
SELECT roles(:'guest_access_token'), anon_auth.verify_jwt(:'guest_id_token', 'web') -> 'https://authgear.com/claims/user/roles' AS id_token;
SELECT anon_auth.set_roles(:'guest_sub', '{editor,beta,editor}');
SELECT roles, updated_at > created_at AS updated FROM anon_auth.users;
SELECT roles(:'guest_access_token') AS still, anon_auth.userinfo(:'guest_access_token') -> 'https://authgear.com/claims/user/roles' AS userinfo;
SELECT * FROM anon_auth.refresh_session('web', :'guest_refresh_token') \gset guest_
SELECT roles(:'guest_access_token'), anon_auth.verify_jwt(:'guest_id_token', 'web') -> 'https://authgear.com/claims/user/roles' AS id_token;
-- promotion keeps them
SELECT * FROM anon_auth.promote_anonymous_user('web', username => 'jo', password => 'correct horse', refresh_token => :'guest_refresh_token') \gset jo_
SELECT roles(:'jo_access_token') AS promotion, roles(access_token) AS login FROM anon_auth.authenticate('web', 'jo', 'correct horse');
-- a merge does not give a guest's roles to the account
SELECT * FROM anon_auth.authenticate_anonymously('web') \gset guest_
SELECT anon_auth.set_roles(:'guest_sub', '{admin}');
SELECT count(*) FROM anon_auth.merge_anonymous_user(:'guest_sub', :'jo_sub');
SELECT roles FROM anon_auth.users;

-- for policies
SET ROLE regress_visitor;
SELECT anon_auth.has_role('editor') IS NULL AS nobody;
BEGIN;
SELECT anon_auth.use_access_token(:'jo_access_token') = :'jo_sub' AS jo;
SELECT r, anon_auth.has_role(r) FROM unnest('{editor,beta,admin,edit,EDITOR,"",NULL}'::text[]) AS r;
COMMIT;
SELECT anon_auth.set_roles(:'jo_sub', '{admin}');
RESET ROLE;
SELECT provolatile, proparallel FROM pg_proc WHERE oid = 'anon_auth.has_role(text)'::regprocedure;
-- with PostgREST's claims only if the settings trust them
BEGIN;
SELECT set_config('request.jwt.claims', (anon_auth.verify_jwt(:'jo_access_token') || '{"roles": ["admin"]}')::text, true) IS NOT NULL AS forged;
SELECT anon_auth.has_role('admin') AS untrusted;
UPDATE anon_auth.settings SET trust_request_claims = true;
SELECT anon_auth.has_role('admin') AS trusted;
ROLLBACK;

-- no roles
SELECT anon_auth.set_roles(:'jo_sub', '{}');
SELECT roles(access_token) FROM anon_auth.authenticate('web', 'jo', 'correct horse');
-- the same roles are no change
SELECT anon_auth.set_roles(:'jo_sub', '{}');
SELECT payload FROM anon_auth.events WHERE type = 'user.roles_set' AND user_id = :'jo_sub' ORDER BY id;

-- the hook for claims can neither set nor remove them
CREATE ROLE regress_hook_owner LOGIN;
GRANT CREATE ON SCHEMA public TO regress_hook_owner;
SET ROLE regress_hook_owner;
CREATE FUNCTION public.add_roles(claims jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"roles": ["admin"]}'::jsonb $$;
CREATE FUNCTION public.add_authgear_roles(claims jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '{"https://authgear.com/claims/user/roles": ["admin"]}'::jsonb $$;
RESET ROLE;
UPDATE anon_auth.settings SET access_token_claims = 'public.add_roles';
SELECT attempt($$SELECT anon_auth.authenticate('web', 'jo', 'correct horse')$$);
UPDATE anon_auth.settings SET access_token_claims = 'public.add_authgear_roles';
SELECT attempt($$SELECT anon_auth.authenticate('web', 'jo', 'correct horse')$$);
UPDATE anon_auth.settings SET access_token_claims = NULL;

-- refused
SELECT roles, attempt(format('SELECT anon_auth.set_roles(%L, %L)', :'jo_sub', roles)) FROM unnest(ARRAY['{a,NULL}', '{""}', '{a b}', '{"a,b"}', '{ä}', '{' || repeat('r', 65) || '}', '{' || repeat('r', 64) || '}', '{{a,b},{c,d}}', NULL,
	(SELECT array_agg('role' || i)::text FROM generate_series(1, 33) i)]) AS u (roles);
SELECT attempt(format('SELECT anon_auth.set_roles(%L, %L)', :'jo_sub', (SELECT array_agg('role' || i) FROM generate_series(1, 32) i))) AS many;
SELECT attempt(format('SELECT anon_auth.set_roles(%L, ''{a}'')', user_id)) FROM unnest('{00000000-0000-7000-8000-000000000000,NULL}'::uuid[]) AS u (user_id);
SELECT left(attempt(format('UPDATE anon_auth.users SET roles = %L', roles)), 5) AS attempt FROM unnest(ARRAY['{a,NULL}', '{""}', '{a b}', NULL]) AS u (roles);

SET client_min_messages = warning;
DROP FUNCTION roles(text), attempt(text), add_roles, add_authgear_roles;
DROP EXTENSION anon_auth CASCADE;
DROP OWNED BY regress_visitor, regress_hook_owner;
DROP ROLE regress_visitor, regress_hook_owner;
