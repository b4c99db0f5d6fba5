--
-- Each finding of doctor() is provoked and shown, and its fix removes it.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
DROP SCHEMA IF EXISTS app CASCADE;
DROP ROLE IF EXISTS regress_doctor_visitor, regress_doctor_owner, regress_doctor_pupil;
CREATE EXTENSION anon_auth;
CREATE SCHEMA app;
CREATE ROLE regress_doctor_visitor LOGIN;
CREATE ROLE regress_doctor_owner LOGIN;
SELECT anon_auth.create_client('web', 'spa') \g /dev/null
SELECT anon_auth.grant_client_api('regress_doctor_visitor') \g /dev/null
RESET client_min_messages;
-- findings about this server's own configuration are not tested
SET log_min_duration_statement = -1;
SET log_statement = 'none';
SET log_parameter_max_length_on_error = 0;
CREATE VIEW app.findings AS SELECT severity, finding, what, fix FROM anon_auth.doctor() WHERE finding NOT IN ('autovacuum_off', 'master_key_in_data_directory');
-- run the fixes of one kind of finding
CREATE FUNCTION app.mend(code text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	sql text;
	kid text := (SELECT kid FROM anon_auth.signing_keys ORDER BY created_at DESC LIMIT 1);
BEGIN
	FOR sql IN SELECT fix FROM app.findings WHERE finding = code LOOP
		EXECUTE replace(replace(sql, 'CONCURRENTLY ', ''), 'https://your.site', 'https://site.example');
	END LOOP;
	RETURN QUERY SELECT what FROM app.findings WHERE finding = code;
END $$;
\pset format unaligned

-- the only findings are the default issuer and the place of the master key file
SELECT * FROM app.findings;
SELECT why FROM anon_auth.doctor() WHERE finding = 'default_issuer';
SELECT app.mend('default_issuer');
UPDATE anon_auth.settings SET issuer = 'http://localhost:8080';
SELECT severity, finding, what, why, regexp_replace(replace(regexp_replace(fix, '''' || current_setting('data_directory') || '/[^'']+', '''DATA/anon_auth.master_key'), (SELECT system_identifier::text FROM pg_control_system()), 'ID'), '-o ''[^'']+''', '-o ''USER''', 'g') AS fix
	FROM anon_auth.doctor() WHERE finding = 'master_key_in_data_directory' \gx

-- ---- tables ----
CREATE TABLE app."Carts" (owner uuid REFERENCES anon_auth.users ON DELETE CASCADE);
CREATE TABLE app.orders (id int, user_id uuid REFERENCES anon_auth.users, editor uuid);
CREATE INDEX ON app.orders (user_id, id);
ALTER TABLE app.orders ADD CONSTRAINT orders_editor_fkey FOREIGN KEY (editor) REFERENCES anon_auth.users ON DELETE SET NULL NOT VALID;
CREATE INDEX ON app.orders (id, editor);
CREATE TABLE app.visits (user_id uuid REFERENCES anon_auth.users ON DELETE CASCADE) PARTITION BY HASH (user_id);
CREATE TABLE app.visits_0 PARTITION OF app.visits FOR VALUES WITH (MODULUS 1, REMAINDER 0);
GRANT SELECT ON app.orders TO regress_doctor_visitor;
SELECT * FROM app.findings;
UPDATE anon_auth.settings SET purge_policy = 'cascade';
SELECT severity, finding FROM app.findings WHERE finding = 'restricting_foreign_key';
SELECT app.mend('unindexed_foreign_key');
SELECT app.mend('restricting_foreign_key');
SELECT app.mend('unvalidated_foreign_key');
SELECT app.mend('table_without_row_security');
-- foreign keys as they can be created while event triggers are disabled
ALTER EVENT TRIGGER anon_auth_guard_objects DISABLE;
CREATE TABLE app.kinds (user_id uuid REFERENCES anon_auth.users ON DELETE CASCADE, kind boolean);
CREATE INDEX ON app.kinds (user_id, kind);
UPDATE pg_constraint SET conkey = '{1,2}', confkey = '{1,2}' WHERE conname = 'kinds_user_id_fkey';
CREATE DOMAIN app.user_id AS uuid;
CREATE TABLE app.refs (user_id uuid CONSTRAINT by_domain REFERENCES anon_auth.users ON DELETE CASCADE);
CREATE INDEX ON app.refs (user_id);
UPDATE pg_attribute SET atttypid = 'app.user_id'::regtype WHERE attrelid = 'app.refs'::regclass AND attname = 'user_id';
SELECT * FROM app.findings;
SELECT app.mend('foreign_key_not_uuid');
SELECT app.mend('event_trigger_off');
CREATE TABLE app.touched (user_id uuid REFERENCES anon_auth.users ON DELETE CASCADE);
CREATE INDEX ON app.touched (user_id);
CREATE FUNCTION app.touched() RETURNS trigger LANGUAGE plpgsql SET search_path = 'App', app AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER touched AFTER UPDATE ON app.touched FOR EACH ROW EXECUTE FUNCTION app.touched();
SELECT * FROM app.findings;
SELECT app.mend('temporary_tables_searched_first');
SELECT set_config('search_path', 'app,x;DROP/**/TABLE/**/app.touched', false);
ALTER FUNCTION app.touched() SET search_path FROM CURRENT;
RESET search_path;
SELECT fix FROM app.findings;
DROP TABLE app.refs, app.touched;
CREATE FUNCTION app.deleted() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE INFO 'a user is deleted'; RETURN NULL; END $$;
CREATE TRIGGER on_delete AFTER DELETE ON anon_auth.users FOR EACH ROW EXECUTE FUNCTION app.deleted();
CREATE TRIGGER on_update AFTER UPDATE ON anon_auth.users FOR EACH ROW EXECUTE FUNCTION app.deleted();
SELECT * FROM app.findings;
SELECT anon_auth.delete_user(sub) FROM anon_auth.authenticate_anonymously('web');
SELECT app.mend('trigger_on_users');
SELECT anon_auth.delete_user(sub) FROM anon_auth.authenticate_anonymously('web');
DROP FUNCTION app.deleted CASCADE;
DROP TABLE app."Carts", app.orders, app.visits, app.kinds;
UPDATE anon_auth.settings SET purge_policy = 'skip';
SELECT * FROM app.findings;

-- ---- keys ----
-- let the lead time of new keys pass
CREATE FUNCTION app.pass() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	key record;
BEGIN
	FOR key IN SELECT kid, signs_from - interval '1 minute' AS signs_from, retiring_since - interval '1 minute' AS retiring_since
		FROM anon_auth.signing_keys
	LOOP
		UPDATE anon_auth.signing_keys SET signs_from = key.signs_from, retiring_since = key.retiring_since WHERE kid = key.kid;
	END LOOP;
END $$;
UPDATE anon_auth.signing_keys SET created_at = now() - interval '91 days', kid = 'old';
SELECT * FROM app.findings;
-- a rotated key signs until the lead time has passed, and is no finding
SELECT app.mend('old_signing_key');
SELECT app.pass();
UPDATE anon_auth.signing_keys SET verify_until = now() - interval '3 days' WHERE state = 'retiring';
SELECT finding, what FROM app.findings;
SELECT app.mend('signing_key_past_retirement');
SELECT anon_auth.create_signing_key('PS256') IS NOT NULL AS made;
SELECT app.pass();
SELECT * FROM app.findings;
SELECT app.mend('postgrest_without_ps256');
SELECT app.pass();
SELECT finding FROM app.findings;
SELECT anon_auth.import_signing_key('{"kty": "oct", "kid": "secret", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}');
SELECT app.pass();
SELECT finding, what, fix FROM app.findings;
SELECT app.mend('symmetric_signing_key');
SELECT app.pass();
UPDATE anon_auth.signing_keys SET master_key_id = '0123456789abcdef', kid = 'moved' WHERE state = 'active';
SELECT * FROM app.findings;
UPDATE anon_auth.signing_keys SET state = 'retired';
SELECT * FROM app.findings;
SELECT app.mend('no_signing_key');

-- ---- passkeys ----
CREATE VIEW app.of_passkeys AS SELECT severity, finding, what, fix FROM app.findings WHERE finding LIKE 'passkey%';
-- the default issuer, http://localhost, can have passkeys
UPDATE anon_auth.settings SET issuer = DEFAULT;
SELECT * FROM app.of_passkeys;
UPDATE anon_auth.settings SET issuer = 'http://127.0.0.1:3000';
SELECT * FROM app.of_passkeys;
SELECT app.mend('passkey_rp_id_is_address');
SELECT passkey_rp_id, passkey_origins FROM anon_auth.settings;
UPDATE anon_auth.settings SET issuer = 'http://[::1]', passkey_rp_id = NULL, passkey_origins = NULL;
SELECT fix FROM app.of_passkeys;
UPDATE anon_auth.settings SET issuer = 'https://192.0.2.1:8443/auth', passkey_origins = '{https://app.example}';
SELECT * FROM app.of_passkeys;
SELECT app.mend('passkey_rp_id_is_address');
-- the RP ID is a domain above all origins, at a dot
UPDATE anon_auth.settings SET issuer = 'https://auth.site.example:8443/auth', passkey_rp_id = 'site.example',
	passkey_origins = '{https://site.example,https://auth.site.example:8443,https://app.site.example,android:apk-key-hash:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}';
SELECT * FROM app.of_passkeys;
UPDATE anon_auth.settings SET passkey_origins = NULL;
SELECT * FROM app.of_passkeys;
UPDATE anon_auth.settings SET passkey_origins = '{https://website.example,https://site.example.com,https://app.site.example}';
SELECT * FROM app.of_passkeys;
UPDATE anon_auth.settings SET passkey_origins = NULL, passkey_rp_id = 'example';
SELECT * FROM app.of_passkeys;
SELECT app.mend('passkey_origin_outside_rp_id');
SELECT passkey_rp_id FROM anon_auth.settings;
UPDATE anon_auth.settings SET passkey_rp_id = 'other.example';
SELECT what FROM app.of_passkeys;
-- origins that no browser has
UPDATE anon_auth.settings SET passkey_rp_id = 'site.example', passkey_origins = '{https://192.0.2.1:8443,https://-,https://app.site.example}';
SELECT * FROM app.of_passkeys;
SELECT app.mend('passkey_origin_unusable');
SELECT passkey_origins FROM anon_auth.settings;
UPDATE anon_auth.settings SET passkey_rp_id = DEFAULT, passkey_origins = DEFAULT;

-- ---- rights ----
-- a monitoring role is no finding, unless it has the client API
SELECT anon_auth.grant_monitoring('regress_doctor_owner');
SELECT * FROM app.findings;
SET ROLE regress_doctor_owner;
SELECT outbox_messages FROM anon_auth.stats;
SELECT count(*) > 0 AS found FROM anon_auth.doctor();
RESET ROLE;
DROP OWNED BY regress_doctor_owner;
SELECT anon_auth.grant_monitoring('regress_doctor_visitor');
SELECT * FROM app.findings;
SELECT app.mend('function_privilege');
REVOKE ALL ON anon_auth.stats FROM regress_doctor_visitor;
REVOKE ALL ON FUNCTION anon_auth_internal.estimated_rows(regclass), anon_auth_internal.counter_statistics() FROM regress_doctor_visitor;
GRANT SELECT, UPDATE ON anon_auth.users TO regress_doctor_visitor;
GRANT REFERENCES (id) ON anon_auth.users TO regress_doctor_owner;
GRANT REFERENCES (id) ON anon_auth.users TO PUBLIC;
GRANT EXECUTE ON FUNCTION anon_auth.delete_user(uuid) TO PUBLIC;
GRANT EXECUTE ON FUNCTION anon_auth.purge(integer, boolean), anon_auth.take_outbox_messages, anon_auth.revoke_sessions TO regress_doctor_owner;
GRANT CREATE ON SCHEMA anon_auth, anon_auth_internal TO regress_doctor_visitor;
GRANT CREATE ON SCHEMA anon_auth TO PUBLIC;
ALTER ROLE regress_doctor_visitor BYPASSRLS;
ALTER TABLE anon_auth.passwords DISABLE ROW LEVEL SECURITY;
SELECT * FROM app.findings;
SELECT app.mend('table_privilege');
SELECT app.mend('references_privilege');
SELECT app.mend('function_privilege');
SELECT app.mend('schema_privilege');
SELECT app.mend('powerful_client_role');
SELECT app.mend('no_row_security');

-- ---- the owner ----
ALTER FUNCTION anon_auth.uid() OWNER TO regress_doctor_owner;
SELECT * FROM app.findings;
SELECT app.mend('wrong_owner');
-- on a cluster, only on this node
SET citus.enable_ddl_propagation = off;
REASSIGN OWNED BY anon_auth_owner TO regress_doctor_owner;
SELECT severity, finding, regexp_replace(what, '[0-9]+', 'N') AS what, (SELECT count(*) FROM regexp_matches(fix, 'ALTER [^;]* OWNER TO anon_auth_owner;', 'g')) =
	(SELECT count(*) FROM anon_auth_internal.extension_objects() WHERE NOT of_superuser) AS all_mended FROM app.findings WHERE finding = 'wrong_owner';
SELECT app.mend('wrong_owner');
-- the shards
REASSIGN OWNED BY regress_doctor_owner TO anon_auth_owner;
RESET citus.enable_ddl_propagation;
SELECT finding FROM app.findings;
ALTER FUNCTION anon_auth_internal.settings_changed() OWNER TO regress_doctor_owner;
SELECT * FROM app.findings;
SELECT app.mend('trigger_not_of_superuser');
ALTER EVENT TRIGGER anon_auth_guard_objects DISABLE;
SELECT * FROM app.findings;
SELECT app.mend('event_trigger_off');
GRANT anon_auth_owner TO regress_doctor_owner;
CREATE ROLE regress_doctor_pupil IN ROLE regress_doctor_owner;
SELECT * FROM app.findings;
SELECT app.mend('owner_member');
DROP ROLE regress_doctor_pupil;
SELECT finding FROM app.findings;

-- ---- settings ----
UPDATE anon_auth.settings SET token_role = 'regress_doctor_visitor', issuer = 'http://site.example', trust_request_claims = true,
	guest_sign_ups_per_minute_per_ip = NULL, password_attempts_per_minute_per_user = NULL, password_attempts_per_minute_per_user_per_ip = NULL,
	password_hash_memory_kib = 1048576, password_hash_concurrency = 100;
CREATE FUNCTION app.claims(jsonb) RETURNS jsonb LANGUAGE sql SET search_path = app AS 'SELECT $1';
ALTER FUNCTION app.claims OWNER TO regress_doctor_owner;
UPDATE anon_auth.settings SET access_token_claims = 'app.claims';
ALTER FUNCTION app.claims OWNER TO CURRENT_USER;
SELECT finding, severity, fix FROM app.findings;
ALTER FUNCTION app.claims OWNER TO anon_auth_owner;
SELECT severity, finding, what, fix FROM app.findings WHERE finding LIKE '%_hook';
ALTER FUNCTION app.claims OWNER TO regress_doctor_owner;
SELECT app.mend('temporary_tables_searched_first');
SELECT app.mend('issuer_without_tls');
SELECT app.mend('request_claims_trusted');
SELECT app.mend('unlimited_sign_ups');
SELECT app.mend('unlimited_passwords');
SELECT app.mend('password_hash_memory');
SELECT * FROM app.findings;
DROP FUNCTION app.claims;
SELECT * FROM app.findings;
SELECT app.mend('no_hook');
UPDATE anon_auth.settings SET issuer = 'http://localhost:8080';
SELECT anon_auth.create_client('far', 'spa', '{https://app.example/}') \g /dev/null
SELECT * FROM app.findings;
SELECT app.mend('local_issuer');
UPDATE anon_auth.clients SET redirect_uris = '{http://localhost.app.example/cb}', post_logout_redirect_uris = '{http://app.example/bye}' WHERE client_id = 'far';
SELECT what, fix FROM app.findings;
SELECT app.mend('redirect_uri_without_tls') FROM generate_series(1, 2);
UPDATE anon_auth.clients SET redirect_uris = '{http://localhost:3000/cb,http://app.localhost/cb,http://127.0.0.1/cb,http://[::1]:8080/cb,com.example.app:/cb,https://app.example/*,myapp://cb}' WHERE client_id = 'far';
SELECT finding, what, fix FROM app.findings;
SELECT app.mend('redirect_uri_wildcard');
SELECT app.mend('redirect_uri_scheme');
UPDATE anon_auth.clients SET redirect_uris = '{https://app.example/}', post_logout_redirect_uris = '{}' WHERE client_id = 'far';
SET log_statement = 'all';
SET log_parameter_max_length_on_error = -1;
SELECT * FROM app.findings;
SET log_parameter_max_length = 0;
SET log_parameter_max_length_on_error = 0;
SELECT * FROM app.findings;

-- ---- operations ----
SELECT sub AS guest FROM anon_auth.authenticate_anonymously('web') \gset
UPDATE anon_auth.sessions SET purge_from = now() - interval '49 hours';
SELECT * FROM app.findings;
SELECT fix FROM app.findings WHERE finding = 'purge_overdue' \gexec
SELECT what FROM app.findings WHERE finding = 'purge_overdue';
UPDATE anon_auth.users SET purge_from = now() - interval '49 hours';
SELECT finding FROM app.findings;
SELECT fix FROM app.findings WHERE finding = 'purge_overdue' \gexec
SELECT what FROM app.findings WHERE finding = 'purge_overdue';
INSERT INTO anon_auth.outbox (route, id, user_id, type, login_id_type, recipient, sealed_code, created_at, expires_at) VALUES (:'guest', gen_random_uuid(), :'guest', 'password_reset', 'email', 'a@example.com', '\x00', now() - interval '1 hour', now());
SELECT finding, fix FROM app.findings;
-- the fix takes no messages: they would be lost
SELECT app.mend('outbox_not_drained') IS NOT NULL AS still_there;
SELECT count(*) FROM anon_auth.take_outbox_messages();
SELECT what FROM app.findings WHERE finding = 'outbox_not_drained';
ALTER TABLE anon_auth.sessions SET (autovacuum_enabled = off);
SELECT what, fix FROM anon_auth.doctor() WHERE finding = 'autovacuum_off' AND what LIKE '%sessions';

UPDATE pg_class SET reltuples = 2e6 WHERE oid = 'anon_auth.users_keyed_guests_idx'::regclass;
UPDATE pg_class SET reltuples = 2e7 WHERE oid = 'anon_auth.events'::regclass;
SELECT * FROM app.findings WHERE finding LIKE '%_kept';
SELECT app.mend('guests_kept');
SELECT app.mend('events_kept');
SET application_name = 'PostgREST 14.17';
SELECT * FROM app.findings WHERE finding = 'client_addresses_unknown';
SELECT app.mend('client_addresses_unknown');
RESET application_name;

-- ---- in a bad state ----
SELECT database_id FROM anon_auth.settings \gset
UPDATE anon_auth.settings SET database_id = '00000000-0000-4000-8000-000000000000';
\c -
SET log_statement = 'none';
SELECT finding, severity FROM app.findings WHERE severity = 'error';
UPDATE anon_auth.settings SET database_id = :'database_id';
DELETE FROM anon_auth.settings;
SELECT finding, severity, fix FROM app.findings;
SELECT app.mend('no_settings');
-- the new settings row has another database id, with which the signing key
-- cannot be opened
UPDATE anon_auth.settings SET token_role = 'regress_doctor_visitor', database_id = :'database_id';
BEGIN READ ONLY;
SELECT finding FROM app.findings ORDER BY finding;
COMMIT;
SET ROLE regress_doctor_visitor;
SELECT * FROM anon_auth.doctor();
SELECT * FROM anon_auth.stats;
RESET ROLE;

-- ---- stats ----
VACUUM ANALYZE anon_auth.users, anon_auth.sessions, anon_auth.passwords;
SELECT count(anon_auth.authenticate_anonymously('web')) FROM generate_series(1, 9);
SELECT sub FROM anon_auth.promote_anonymous_user('web', username => 'ada', password => 'correct horse', refresh_token => (SELECT refresh_token FROM anon_auth.authenticate_anonymously('web'))) \g /dev/null
UPDATE anon_auth.users SET purge_from = now() - interval '3 hours' WHERE id IN (SELECT id FROM anon_auth.users WHERE is_anonymous LIMIT 4);
SELECT anon_auth.create_user('no.password@example.com') \g /dev/null
VACUUM ANALYZE anon_auth.users, anon_auth.sessions, anon_auth.passwords;
SELECT users, guests_without_key, guests_with_key, regular_users, sessions, sign_ups_24h, promotions_24h, purgeable_guests, purgeable_sessions,
	   date_trunc('hour', now() - oldest_unpurged) AS oldest, outbox_messages FROM anon_auth.stats \gx
SELECT events_24h FROM anon_auth.stats;

-- session settings of the caller do not keep doctor() from finding its parts
SELECT count(*) AS findings FROM anon_auth.doctor() \gset
SET quote_all_identifiers = on;
SELECT count(*) >= :findings AS found FROM anon_auth.doctor();
RESET quote_all_identifiers;
SET force_parallel_mode = on;
SELECT count(*) = :findings AS same FROM anon_auth.doctor();
RESET force_parallel_mode;

SET client_min_messages = warning;
DROP SCHEMA app CASCADE;
DROP EXTENSION anon_auth CASCADE;
DROP ROLE regress_doctor_visitor, regress_doctor_owner;
