-- Users of another system, with the password hashes that they have there.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
CREATE SCHEMA test_import;
SET search_path = test_import, public;
UPDATE anon_auth.settings SET password_hash_memory_kib = 8192, password_hash_passes = 1, promotion_conflict = 'error',
	password_attempts_per_minute_per_user = NULL, password_attempts_per_minute_per_ip = NULL;
SELECT anon_auth.create_signing_key() IS NOT NULL AS key, anon_auth.create_client('web', 'spa', '{https://app.example/}') IS NOT NULL AS client;
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	result text;
BEGIN
	EXECUTE statement INTO result;
	RETURN coalesce(result, 'no row');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE, SQLERRM, detail);
END
$$;
CREATE FUNCTION stored(login_id text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	id uuid := (SELECT l.user_id FROM anon_auth.login_ids l WHERE l.original_value = login_id);
BEGIN
	RETURN (SELECT left(p.password_hash, 12) FROM anon_auth.passwords p WHERE p.user_id = id);
END $$;
CREATE FUNCTION set_hash(login_id text, hash text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	id uuid := (SELECT l.user_id FROM anon_auth.login_ids l WHERE l.original_value = login_id);
BEGIN
	UPDATE anon_auth.passwords p SET password_hash = hash WHERE p.user_id = id;
END $$;
CREATE FUNCTION base64(bytes bytea) RETURNS text LANGUAGE sql AS $$ SELECT translate(rtrim(encode(bytes, 'base64'), '='), E'\n', '') $$;

-- ---- published hashes, each with its password ----
CREATE TABLE vectors (number integer GENERATED ALWAYS AS IDENTITY, source text, password text, hash text);
INSERT INTO vectors (source, password, hash) VALUES
	('crypt_blowfish 2a', 'U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW'),
	('crypt_blowfish 2a', 'U*U*', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK'),
	('crypt_blowfish 2a, 72 bytes count', '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored', '$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui'),
	('crypt_blowfish as 2b', 'U*U*U', '$2b$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a'),
	('crypt_blowfish as 2y', 'U*U*U', '$2y$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a'),
	('bcrypt of SHA-512, as Go makes it', 'password 0', '$bcrypt-sha512$$2a$05$ofypTpzxCzEIV4tzqDiaOO9H8fiPCHn1AVWbzMDMTrR8qc4gyXuhW'),
	('bcrypt of SHA-512 with a byte 0 within', 'password 3', '$bcrypt-sha512$$2a$05$LrEFfV970XoGQqbmbqU0N.a1zWaXPa1S/93maK8Nv5V6sQgd/WuEq'),
	('bcrypt of SHA-512 with a byte 0 within', 'password 7', '$bcrypt-sha512$$2a$05$fzDYOQ9U6CVlWHt29Nzq8e6vqysynPRYQZiZlZ8Thjrxk.5m0GFQS'),
	('RFC 7914, section 12', 'pleaseletmein', format('$scrypt$ln=14,r=8,p=1$%s$%s', base64('SodiumChloride'), base64('\x7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887'))),
	('RFC 7914, section 12', 'password', format('$scrypt$ln=10,r=8,p=16$%s$%s', base64('NaCl'), base64('\xfdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640'))),
	('Firebase scrypt', 'user1password', '$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=='),
	('Argon2 reference, id', 'password', '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc'),
	('Argon2 reference, i', 'password', '$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA'),
	('argon2 of Debian, four lanes', 'correct horse', '$argon2id$v=19$m=4096,t=3,p=4$c29tZXNhbHQxMjM0NTY3OA$6/Vj3/MZsG8uQ4wgx22ZlVLDsihSZ09Yfm1yM0dXhVY');
SELECT count(anon_auth.import_user(gen_random_uuid(), email => format('user%s@import.example', number), password_hash => hash, verified => true)) AS imported FROM vectors;
SELECT number, source, (SELECT count(*) FROM anon_auth.authenticate('web', format('user%s@import.example', number), 'x' || password)) AS wrong FROM vectors ORDER BY number;
SELECT count(*) AS still_imported FROM vectors WHERE stored(format('user%s@import.example', number)) ~ '^[$]imported[$]';
SELECT number, (SELECT count(*) FROM anon_auth.authenticate('web', format('user%s@import.example', number), password)) AS logs_in FROM vectors ORDER BY number;
-- the first login has replaced each hash, and the password still works
SELECT stored(format('user%s@import.example', number)), count(*) FROM vectors GROUP BY 1;
SELECT number, (SELECT count(*) FROM anon_auth.authenticate('web', format('user%s@import.example', number), password)) AS logs_in FROM vectors ORDER BY number;

-- ---- hashes that are refused ----
SELECT hash, try(format('SELECT anon_auth.import_user(gen_random_uuid(), username => %L, password_hash => %L)', 'nobody', hash)) AS refused FROM unnest(ARRAY[
	'', 'secret', '5f4dcc3b5aa765d61d8327deb882cf99', '$1$salt$qJH7.N4xYta3aEG/dfqo/0', '$imported$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW',
	'$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe', '$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', '$2a$16$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW',
	'$2a$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', '$2a$05$CCCCCCCCCCCCCCCCCCCC*.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', '$bcrypt-sha512$', '$bcrypt-sha512$$2a$16$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW',
	'$scrypt$ln=14,r=8,p=1$TmFDbA$', '$scrypt$ln=14,r=8,p=1$TmFDbA$AAAA', '$scrypt$ln=14,r=8,p=0$TmFDbA$AAAAAAAAAAAAAAAAAAAAAAAA', '$scrypt$r=8,p=1$TmFDbA$AAAAAAAAAAAAAAAAAAAAAAAA', '$scrypt$ln=14,r=8,p=1$TmFDbA$AAAAAAAAAAAAAAAAAAAAAAAA$', '$scrypt$ln=14,r=8,p=1$TmFDbA$AAAAAAAAAAAAAAAAAAAA*AAA',
	'$scrypt$ln=19,r=8,p=1$TmFDbA$AAAAAAAAAAAAAAAAAAAAAAAA', '$scrypt$ln=31,r=99999999,p=1$TmFDbA$AAAAAAAAAAAAAAAAAAAAAAAA', '$scrypt$ln=14,r=8,p=99999999$TmFDbA$AAAAAAAAAAAAAAAAAAAAAAAA', '$scrypt$ln=99999999,r=8,p=1$TmFDbA$AAAAAAAAAAAAAAAAAAAAAAAA',
	'$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==$42xEC+ixf3L2lw==$lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==', '$fbscrypt$v=2,n=14,r=8,p=1,sk=Bw==$42xEC+ixf3L2lw==$lSrf',
	'$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ', '$argon2id$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc', '$argon2d$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc',
	'$argon2id$v=19$m=262145,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc', '$argon2id$v=19$m=65536,t=17,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc']) hash;

-- written into the table by hand, they open nothing, and take no time
SELECT set_hash('user1@import.example', '$imported$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW') \g /dev/null
SELECT count(*) AS logs_in FROM anon_auth.authenticate('web', 'user1@import.example', 'U*U');
SELECT set_hash('user1@import.example', '$imported$scrypt$ln=31,r=8,p=1$TmFDbA$AAAAAAAAAAAAAAAAAAAAAAAA') \g /dev/null
SELECT count(*) AS logs_in FROM anon_auth.authenticate('web', 'user1@import.example', 'U*U');
SELECT set_hash('user1@import.example', '$imported$1$x') \g /dev/null
SELECT count(*) AS logs_in FROM anon_auth.authenticate('web', 'user1@import.example', 'U*U');

-- ---- accounts ----
SELECT anon_auth.import_user('00000000-0000-4000-8000-000000000001', 'Ada@import.example', '+85221234567', 'ada', verified => true,
	standard_attributes => '{"name": "Ada", "email": "old@import.example"}', custom_attributes => '{"plan": "pro"}', created_at => '2020-02-02T02:02:02Z');
SELECT is_anonymous, is_disabled, is_verified, has_password, created_at = '2020-02-02T02:02:02Z' AS keeps_its_time, standard_attributes, custom_attributes FROM anon_auth.users WHERE id = '00000000-0000-4000-8000-000000000001';
SELECT type, value, verified_at IS NOT NULL AS verified FROM anon_auth.login_ids WHERE user_id = '00000000-0000-4000-8000-000000000001' ORDER BY type;
SELECT type, payload FROM anon_auth.events WHERE user_id = '00000000-0000-4000-8000-000000000001';
-- without a password it gets one by a reset, and a disabled account does not log in
SELECT anon_auth.request_password_reset('ada@import.example');
SELECT code FROM anon_auth.take_outbox_messages() \gset
SELECT anon_auth.reset_password('ada@import.example', :'code', 'correct horse');
SELECT sub FROM anon_auth.authenticate('web', 'ada', 'correct horse');
SELECT anon_auth.import_user('00000000-0000-4000-8000-000000000002', username => 'bob', password_hash => hash, is_disabled => true) FROM vectors WHERE number = 1;
SELECT count(*) AS disabled FROM anon_auth.authenticate('web', 'bob', 'U*U');
-- conflicts, and what is malformed
SELECT arguments, try(format('SELECT anon_auth.import_user(%s)', arguments)) AS refused FROM unnest(ARRAY[
	$$'00000000-0000-4000-8000-000000000001'$$, $$'00000000-0000-4000-8000-000000000001', 'ada@import.example'$$, $$'00000000-0000-4000-8000-000000000001', 'ada@import.example', verified => true$$, $$'00000000-0000-4000-8000-000000000001', 'ada2@import.example', username => 'ada'$$, $$gen_random_uuid(), 'ada@import.example'$$, $$gen_random_uuid(), 'new@import.example', username => 'ADA'$$, $$gen_random_uuid(), 'ada@'$$, $$gen_random_uuid(), phone_number => '12'$$,
	$$NULL$$, $$gen_random_uuid(), verified => NULL$$, $$gen_random_uuid(), is_disabled => NULL$$, $$gen_random_uuid(), standard_attributes => '[]'$$, $$gen_random_uuid(), custom_attributes => '1'$$]) arguments;
-- a verified address is taken from an account that only claims it, and an unverified one is not
SELECT sub AS eve FROM anon_auth.sign_up('web', email => 'carl@import.example', password => 'correct horse') \gset
SELECT try($$SELECT anon_auth.import_user(gen_random_uuid(), email => 'carl@import.example')$$) AS claimed_twice;
SELECT anon_auth.import_user('00000000-0000-4000-8000-000000000003', email => 'carl@import.example', verified => true);
SELECT user_id FROM anon_auth.login_ids WHERE value = 'carl@import.example';
SELECT type FROM anon_auth.events WHERE user_id = :'eve' ORDER BY id DESC LIMIT 1;

-- ---- many users, and the dry run ----
CREATE TABLE legacy (user_id uuid, "E-Mail" text, hash text, confirmed boolean);
INSERT INTO legacy SELECT ('00000000-0000-4000-8000-1000000000' || lpad(i::text, 2, '0'))::uuid, format('legacy%s@import.example', i % 9), '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', true FROM generate_series(1, 10) i;
UPDATE legacy SET "E-Mail" = 'legacy' WHERE user_id::text ~ '03$';
UPDATE legacy SET hash = 'md5' WHERE user_id::text ~ '04$';
SELECT * FROM anon_auth.import_users('legacy');
SET client_min_messages = error;
CREATE VIEW legacy_users AS SELECT user_id, "E-Mail" AS email, hash AS password_hash, confirmed AS verified FROM legacy ORDER BY user_id;
SET client_min_messages = warning;
SELECT * FROM anon_auth.import_users('legacy_users', dry_run => true);
SELECT count(*) AS imported FROM anon_auth.login_ids WHERE value ~ '^legacy';
SELECT * FROM anon_auth.import_users('legacy_users');
SELECT count(*) AS imported FROM anon_auth.login_ids WHERE value ~ '^legacy';
SELECT count(*) AS all_of_them_exist FROM anon_auth.import_users('legacy_users') WHERE error = '23505' AND message ~ 'exists already';
SELECT * FROM anon_auth.import_users(NULL);
SELECT * FROM anon_auth.import_users('legacy_users', NULL);
CREATE VIEW nobody AS SELECT 'x'::text AS username;
SELECT * FROM anon_auth.import_users('nobody');
SELECT source, try(format('SELECT anon_auth.import_users(%s)', source)) AS refused FROM unnest(ARRAY[$$'missing'$$, $$'-'$$, '0', '4294967295', $$'pg_class_oid_index'$$, $$'pg_toast.pg_toast_1255'$$]) source;
CREATE SEQUENCE numbers;
SELECT try($$SELECT anon_auth.import_users('numbers')$$) AS refused;
CREATE TABLE no_columns ();
SELECT * FROM anon_auth.import_users('no_columns');
-- roles
CREATE VIEW with_roles AS SELECT ('00000000-0000-4000-8000-20000000000' || i)::uuid AS user_id, 'roles' || i AS username, r::text[] AS roles
	FROM (VALUES (1, '{editor,beta,beta}'), (2, '{a b}'), (3, NULL), (4, '{NULL}')) v (i, r);
SELECT * FROM anon_auth.import_users('with_roles');
SELECT standard_attributes ->> 'preferred_username' AS username, roles FROM anon_auth.users WHERE standard_attributes ->> 'preferred_username' ~ '^roles' ORDER BY 1;
DROP SCHEMA test_import CASCADE;
