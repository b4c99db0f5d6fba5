--
-- export_account() and export_user(): everything about a user, and nothing secret.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
DROP ROLE IF EXISTS regress_visitor, regress_shop;
CREATE ROLE regress_visitor;
CREATE ROLE regress_shop LOGIN;
SELECT anon_auth.create_client('web', 'spa', '{https://app.example/}') \g /dev/null
SELECT anon_auth.grant_client_api('regress_visitor') \g /dev/null
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1;
CREATE SCHEMA test_export;
GRANT ALL ON SCHEMA test_export TO regress_shop;
SELECT anon_auth.reset_counters() \g /dev/null
RESET client_min_messages;

SELECT anon_auth.create_user('Jo@Export.example', username => 'jo', password => 'correct horse', roles => '{editor}', verified => true) AS jo \gset
SELECT anon_auth.create_user('max@export.example', username => 'max', password => 'correct horse') AS max \gset
SELECT access_token AS jo_token FROM anon_auth.authenticate('web', 'jo', 'correct horse', '{"model": "Pixel 9"}') \gset
SELECT access_token AS max_token FROM anon_auth.authenticate('web', 'max', 'correct horse') \gset
SELECT anon_auth.request_login_code('web', 'max@export.example') IS NOT NULL AS sent;
SELECT count(*) FROM anon_auth.change_password('battery staple', 'correct horse', :'jo_token');
SELECT anon_auth.request_login_code('web', 'jo@export.example') IS NOT NULL AS sent;
SELECT anon_auth.request_password_reset('jo@export.example');
-- a row in each other table, also of another user
BEGIN;
SET LOCAL ROLE anon_auth_owner;
INSERT INTO anon_auth.user_identities SELECT u, 'https://provider.example', u::text, u, '{"name": "Jo at the provider"}', 'used', now(), now() FROM unnest(ARRAY[:'jo', :'max']::uuid[]) u;
INSERT INTO anon_auth.passkeys SELECT u, uuid_send(u), u, 'ES256', '{"kty": "EC"}', 0, true, true, '{internal}', 'My phone', 'used', now(), now() FROM unnest(ARRAY[:'jo', :'max']::uuid[]) u;
UPDATE anon_auth.users SET identity_routes = ARRAY[id], passkey_routes = ARRAY[id];
INSERT INTO anon_auth.removed_device_keys SELECT u, 'kid-of-' || left(u::text, 8), 'thumbprint', 'used', now(), u, 'ES256', '{"kty": "EC"}' FROM unnest(ARRAY[:'jo', :'max']::uuid[]) u;
INSERT INTO anon_auth.device_keys SELECT u, 'device-key', 'thumbprint' || u, u, 'ES256', '{"kty": "EC"}', 'used', now(), now() FROM unnest(ARRAY[:'jo', :'max']::uuid[]) u;
INSERT INTO anon_auth.merged_guests SELECT u, u, now() FROM unnest(ARRAY[:'jo', :'max']::uuid[]) u;
INSERT INTO anon_auth.authorization_codes (route, code_hash, user_id, client_id, redirect_uri, code_challenge, nonce, authenticated_at, expires_at)
	SELECT u, sha256(u::text::bytea), u, 'web', 'https://app.example/', repeat('c', 43), 'the nonce', now(), now() + '1 minute' FROM unnest(ARRAY[:'jo', :'max']::uuid[]) u;
COMMIT;

SET ROLE regress_visitor;
SELECT anon_auth.export_account(:'jo_token') AS export \gset
RESET ROLE;

-- a member for each table that has users, and each has the row
SELECT relname AS missing FROM pg_class c
WHERE c.relnamespace = 'anon_auth'::regnamespace AND c.relkind IN ('r', 'p') AND NOT :'export'::jsonb ? CASE relname WHEN 'users' THEN 'user' ELSE relname END
ORDER BY 1;
SELECT string_agg(key, ' ' ORDER BY key) AS empty FROM jsonb_each(:'export') WHERE value IN ('[]', 'null', '{}');
-- the columns that are left out; all others are exported
SELECT c.relname, a.attname AS left_out FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'anon_auth'::regnamespace AND c.relkind IN ('r', 'p') AND :'export'::jsonb ? CASE relname WHEN 'users' THEN 'user' ELSE relname END
	AND NOT CASE relname WHEN 'users' THEN :'export'::jsonb -> 'user' ELSE :'export'::jsonb -> relname -> 0 END ? a.attname
ORDER BY 1, a.attnum;
-- nothing secret, and nothing of the other user
SELECT string_agg(DISTINCT key, ' ') AS secret FROM jsonb_path_query(:'export', '$.** ? (@.type() == "object")') o, jsonb_each_text(o) WHERE key ~ 'hash|secret|sealed|nonce|challenge' OR value LIKE '\\x%';
SELECT :'export' ~ :'max' AS other_id, :'export' ~ 'max@' AS other_address, :'export' ~ 'argon2' AS hash;
SELECT :'export'::jsonb -> 'user' -> 'roles' AS roles, :'export'::jsonb #>> '{sessions,0,device_info,model}' AS device, jsonb_path_query_array(:'export', '$.login_ids[*].original_value') AS login_ids,
	(SELECT jsonb_agg(type ORDER BY type) FROM jsonb_path_query(:'export', '$.outbox[*].type') AS type) AS outbox, (SELECT jsonb_agg(type ORDER BY type) FROM jsonb_path_query(:'export', '$.events[*].type') AS type) AS events;
SELECT client_id, payload FROM anon_auth.events WHERE user_id = :'jo' AND type = 'account.exported';

-- a guest, also as the caller of the transaction
SELECT access_token AS guest_token, sub AS guest FROM anon_auth.authenticate_anonymously('web') \gset
BEGIN;
SELECT anon_auth.use_access_token(:'guest_token') IS NOT NULL AS guest;
SELECT e #>> '{user,id}' = :'guest' AS guest, jsonb_array_length(e -> 'sessions') AS sessions, e -> 'login_ids' AS login_ids FROM anon_auth.export_account() e;
COMMIT;

-- the administrator's export has the rows of linked tables, read as their owners, through row security
SET ROLE regress_shop;
CREATE TABLE test_export.orders (t integer, buyer uuid, seller uuid, item text);
CREATE TABLE test_export."Notes" (author uuid, note text);
CREATE TABLE test_export.empty (user_id uuid);
CREATE TABLE test_export.unrelated (user_id uuid);
ALTER TABLE test_export."Notes" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE FUNCTION test_export.reader() RETURNS text LANGUAGE sql AS 'SELECT current_user::text';
INSERT INTO test_export.orders VALUES (1, :'jo', NULL, 'a tent'), (2, :'max', :'jo', 'a boat'), (3, :'jo', :'jo', 'itself'), (4, :'max', NULL, 'of Max');
RESET ROLE;
INSERT INTO test_export."Notes" VALUES (:'jo', 'of Jo'), (:'max', 'of Max');
INSERT INTO test_export.unrelated VALUES (:'jo');
ALTER TABLE test_export.orders ADD FOREIGN KEY (buyer) REFERENCES anon_auth.users, ADD FOREIGN KEY (seller) REFERENCES anon_auth.users;
ALTER TABLE test_export."Notes" ADD FOREIGN KEY (author) REFERENCES anon_auth.users;
ALTER TABLE test_export.empty ADD FOREIGN KEY (user_id) REFERENCES anon_auth.users;
SELECT replace(replace(jsonb_pretty(anon_auth.export_user(:'jo') -> 'linked_tables'), :'jo', 'Jo'), :'max', 'Max') AS linked_tables;
SELECT (anon_auth.export_user(:'jo') - 'linked_tables' - 'events') = (anon_auth.export_account(:'jo_token') - 'events') AS the_same;
SELECT client_id, count(*) FROM anon_auth.events WHERE user_id = :'jo' AND type = 'account.exported' GROUP BY 1 ORDER BY 1;

-- refused
\set VERBOSITY terse
SELECT anon_auth.export_user('00000000-0000-7000-8000-000000000000');
SELECT anon_auth.export_user(NULL);
SELECT anon_auth.export_account('x');
SELECT anon_auth.export_account();
BEGIN READ ONLY;
SELECT anon_auth.export_account(:'jo_token');
ROLLBACK;
SET ROLE regress_visitor;
SELECT anon_auth.export_user(:'jo');
RESET ROLE;
SELECT anon_auth.revoke_sessions(:'jo');
SELECT anon_auth.export_account(:'jo_token');
REVOKE SELECT ON test_export.orders FROM regress_shop;
SELECT anon_auth.export_user(:'jo');

SET client_min_messages = warning;
DROP SCHEMA test_export CASCADE;
DROP EXTENSION anon_auth CASCADE;
DROP OWNED BY regress_visitor, regress_shop;
DROP ROLE regress_visitor, regress_shop;
