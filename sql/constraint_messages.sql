--
-- The error of a violated constraint of settings or clients has the values of the
-- columns that the constraint names, and its rule, but not the rest of the row.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
RESET client_min_messages;
\set SHOW_CONTEXT never
SELECT anon_auth.create_client('app', 'native');
UPDATE anon_auth.settings SET brand_name = 'recognisable', brand_color = '#abcdef';
UPDATE anon_auth.clients SET name = 'recognisable';

-- as psql shows them
UPDATE anon_auth.settings SET signing_key_lead_time = '-1 s';
UPDATE anon_auth.settings SET event_retention = '-1 day';
UPDATE anon_auth.settings SET guest_retention = '1 second';
UPDATE anon_auth.settings SET issuer = 'https://app.example', cookie_prefix = '__Host-', cookie_domain = 'app.example';
UPDATE anon_auth.clients SET access_token_lifetime_seconds = 1;
INSERT INTO anon_auth.clients (client_id, name, application_type) VALUES ('with space', 'recognisable', 'spa');
INSERT INTO anon_auth.settings (brand_name, promotion_conflict) VALUES ('recognisable', 'ask');
SELECT anon_auth.create_client('site', 'spa', access_token_lifetime_seconds => 600, refresh_token_lifetime_seconds => 599);
UPDATE anon_auth.settings SET issuer = NULL;
UPDATE anon_auth.clients SET name = NULL;
-- a long value is cut
UPDATE anon_auth.settings SET default_locale = repeat('ü', 150);

-- every CHECK
CREATE FUNCTION violation(statement text, OUT code text, OUT object text, OUT detail text, OUT hint text, OUT shows_other_columns boolean)
	LANGUAGE plpgsql AS $$
DECLARE
	message text;
	context text;
	schema_name text;
	table_name text;
	constraint_name text;
BEGIN
	EXECUTE statement;
EXCEPTION WHEN check_violation THEN
	GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT,
		context = PG_EXCEPTION_CONTEXT, schema_name = SCHEMA_NAME, table_name = TABLE_NAME, constraint_name = CONSTRAINT_NAME;
	object := concat_ws('.', schema_name, table_name, constraint_name);
	shows_other_columns := concat(message, detail, hint, context) LIKE ANY ('{%recognisable%,%#abcdef%,%Failing row%}');
END
$$;
CREATE TABLE changes (n integer GENERATED ALWAYS AS IDENTITY, of_table text, change text);
COPY changes (of_table, change) FROM stdin;
settings	audience = ''
settings	brand_color = 'red'
settings	verification_code_lifetime_seconds = 1
settings	code_link_uri = 'https://app.example/verify'
settings	cookie_prefix = 'a b'
settings	default_locale = 'e'
settings	email_domain_blocklist = '{a.example}', email_domain_allowlist = '{b.example}'
settings	email_domain_blocklist = '{@a.example}'
settings	event_types = '{user.craeted}'
settings	lockout_maximum_seconds = 1
settings	login_id_types = '{}'
settings	login_id_verification = 'x'
settings	max_sessions_per_user = 0
settings	username_excluded_keywords = '{NULL}'
settings	page_client_id = ''
settings	page_login_methods = '{}'
settings	passkey_origins = '{https://app.example/}'
settings	passkey_origins = '{https://app.example:443}'
settings	passkey_origins = '{http://localhost:80,https://app.example}'
settings	passkey_origins = '{android:apk-key-hash:abc}'
settings	passkey_rp_id = 'https://app.example'
settings	passkey_rp_id = '192.0.2.1'
settings	passkey_rp_id = 'app.0x7f'
settings	passkey_rp_name = ''
settings	passkey_user_verification = 'always'
settings	page_login_methods = '{fax}'
settings	page_login_methods = '{code}', login_id_types = '{username}'
settings	page_texts = '[]'
settings	password_hash_memory_kib = 1
settings	password_min_length = 0
settings	phone_country_code_allowlist = '{Germany}'
settings	promotion_conflict = 'ask'
settings	device_key_after_promotion = 'ask'
settings	purge_policy = 'all'
settings	guest_sign_ups_per_minute = 0
settings	event_retention = '1 minute'
settings	session_idle_timeout_seconds = 1
settings	account_deletion_grace = '-1 day'
settings	reauthentication_max_age = '0'
settings	signing_key_lead_time = '31 days'
settings	singleton = false
settings	token_role = ''
settings	trusted_proxy_hops = -1
clients	access_token_lifetime_seconds = 86401
clients	application_type = 'web'
clients	client_id = ''
clients	max_concurrent_sessions = 2
clients	id_token = 'never'
clients	redirect_uris = '{NULL}'
clients	refresh_token_idle_timeout_seconds = 1
clients	refresh_token_lifetime_seconds = 1
clients	refresh_token_rotation_grace_seconds = -1
\.
CREATE VIEW violations AS SELECT c.n, v.* FROM changes c, violation(format('UPDATE anon_auth.%I SET %s', c.of_table, c.change)) v;
CREATE VIEW checks AS
	SELECT format('anon_auth.%s.%s', r.relname, c.conname) AS object, obj_description(c.oid, 'pg_constraint') AS rule
	FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
	WHERE c.conrelid IN ('anon_auth.settings'::regclass, 'anon_auth.clients'::regclass) AND c.contype = 'c';
\pset format unaligned
\pset tuples_only
SELECT code, object, left(detail, 120), left(hint, 120) FROM violations ORDER BY n;
\pset tuples_only off
-- they show no other columns, and their hint is the comment of the constraint
SELECT count(*) FILTER (WHERE shows_other_columns) AS with_other_columns, count(*) FILTER (WHERE hint IS DISTINCT FROM rule) AS without_rule,
	count(*) = (SELECT count(*) FROM changes) AS all_violate_a_check
FROM violations LEFT JOIN checks USING (object);
-- functions raise the errors of these CHECKs (22023)
SELECT object, rule FROM checks WHERE object NOT IN (SELECT object FROM violations) ORDER BY object;
SELECT object FROM checks WHERE rule IS NULL;

-- a role that can only write sees the values that it sets and those that it can read
UPDATE anon_auth.settings SET cookie_domain = 'recognisable.example';
CREATE ROLE regress_writer;
GRANT USAGE ON SCHEMA anon_auth TO regress_writer;
GRANT UPDATE ON anon_auth.settings TO regress_writer;
GRANT INSERT, UPDATE ON anon_auth.clients TO regress_writer;
CREATE POLICY regress_writer ON anon_auth.settings TO regress_writer USING (true);
CREATE POLICY regress_writer ON anon_auth.clients TO regress_writer USING (true);
SET ROLE regress_writer;
UPDATE anon_auth.settings SET signing_key_lead_time = '-1 s';
UPDATE anon_auth.settings SET cookie_prefix = '__Host-';
UPDATE anon_auth.settings SET cookie_prefix = NULL, cookie_domain = '.';
UPDATE anon_auth.settings SET issuer = 'app.example';
INSERT INTO anon_auth.clients (client_id, name, application_type) VALUES ('site', 'Site', 'web');
UPDATE anon_auth.clients SET access_token_lifetime_seconds = 86400, name = 'App';
UPDATE anon_auth.clients SET access_token_lifetime_seconds = 300;
RESET ROLE;
-- without row security, without and with SELECT on a column; and with row security, which can hide the row
ALTER ROLE regress_writer BYPASSRLS;
SET ROLE regress_writer;
UPDATE anon_auth.settings SET cookie_prefix = '__Host-';
RESET ROLE;
GRANT SELECT (cookie_domain) ON anon_auth.settings TO regress_writer;
SET ROLE regress_writer;
UPDATE anon_auth.settings SET cookie_prefix = '__Host-';
RESET ROLE;
ALTER ROLE regress_writer NOBYPASSRLS;
SET ROLE regress_writer;
UPDATE anon_auth.settings SET cookie_prefix = '__Host-';
RESET ROLE;
DROP OWNED BY regress_writer;
DROP ROLE regress_writer;
-- so does a member of the owner role, whom row security does not concern
SET ROLE anon_auth_owner;
UPDATE anon_auth.settings SET cookie_prefix = '__Host-';
-- the owner role can change the comment, but not the hint that superusers read
COMMENT ON CONSTRAINT settings_token_role_check ON anon_auth.settings IS 'Run DROP ROLE.';
RESET ROLE;
UPDATE anon_auth.settings SET token_role = '';
UPDATE anon_auth.settings SET cookie_domain = NULL;

-- also when ordinary triggers do not fire
SET session_replication_role = replica;
UPDATE anon_auth.settings SET token_role = '';
UPDATE anon_auth.clients SET max_concurrent_sessions = 9;
RESET session_replication_role;

-- NULL satisfies a condition
UPDATE anon_auth.settings SET cookie_prefix = NULL, brand_color = NULL, guest_sign_ups_per_minute_per_ip = NULL, event_types = NULL;

-- A trigger of the administrator changes the row first.  PostgreSQL itself checks the
-- administrator's constraints: their functions may depend on the search_path.
CREATE FUNCTION at_least_one() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.password_min_length := greatest(NEW.password_min_length, 1);
	RETURN NEW;
END
$$;
CREATE TRIGGER settings_zero BEFORE UPDATE ON anon_auth.settings FOR EACH ROW EXECUTE FUNCTION at_least_one();
UPDATE anon_auth.settings SET password_min_length = 0 RETURNING password_min_length;
DROP TRIGGER settings_zero ON anon_auth.settings;
CREATE FUNCTION of_search_path(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN current_schema() = 'public' AND $1 <> 'No'; END $$;
ALTER TABLE anon_auth.clients ADD CONSTRAINT clients_a_check CHECK (public.of_search_path(name)), ADD COLUMN name_length integer GENERATED ALWAYS AS (length(name)) STORED NOT NULL;
COMMENT ON CONSTRAINT clients_a_check ON anon_auth.clients IS 'a rule';
UPDATE anon_auth.clients SET name = 'Yes' RETURNING name_length;
SELECT code, object, hint, detail LIKE 'Failing row contains (%)%' AS of_postgresql FROM violation('UPDATE anon_auth.clients SET name = ''No''');
ALTER TABLE anon_auth.clients DROP CONSTRAINT clients_a_check, DROP COLUMN name_length;

-- other uses of the trigger function
CREATE TABLE clients (name text CONSTRAINT clients_name_check CHECK (name <> ''));
CREATE TRIGGER explain AFTER UPDATE ON clients FOR EACH ROW EXECUTE FUNCTION anon_auth_internal.explain_constraints();
CREATE TRIGGER explain_before BEFORE INSERT ON clients FOR EACH ROW EXECUTE FUNCTION anon_auth_internal.explain_constraints();
INSERT INTO clients VALUES ('');
INSERT INTO clients VALUES ('a');
UPDATE clients SET name = 'b';
SELECT anon_auth_internal.explain_constraints();

DROP VIEW violations, checks;
DROP TABLE changes, clients;
DROP FUNCTION violation, at_least_one, of_search_path;
