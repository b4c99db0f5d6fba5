--
-- Rotating and retiring master keys, as far as one session can test it.
-- t/032_master_key_rotation.pl tests crashes, other sessions, and files that
-- cannot be written.
--
-- This test uses its own master key file, since other databases of the server
-- use the common one.
--
COPY (VALUES ('# a comment'), ('3a662ff9b98b7463 EJHVaxgPMS5NH9NOgRnz4SKGbrjl2HV0jmiy2LV2mZM')) TO PROGRAM 'umask 077; cat >anon_auth.rotation.master_key';
SELECT current_setting('data_directory') || '/anon_auth.rotation.master_key' AS file \gset
SET anon_auth.master_key_file = :'file';
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
RESET client_min_messages;

CREATE VIEW master_keys AS
SELECT ordinality AS place, left(line, 16) AS id
FROM regexp_split_to_table(pg_read_file('anon_auth.rotation.master_key'), '\n') WITH ORDINALITY AS t (line, ordinality)
WHERE line ~ '^[0-9a-f]{16} ';
CREATE FUNCTION all_sealed_with(id text) RETURNS boolean LANGUAGE sql
AS 'SELECT bool_and(master_key_id = id) FROM anon_auth.signing_keys';

SELECT anon_auth.create_client('app', 'spa', '{https://app.example/}') \g /dev/null
SELECT anon_auth.import_signing_key('{"kty": "oct", "kid": "secret", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}');
SELECT anon_auth.create_signing_key() AS retired \gset
SELECT anon_auth.create_signing_key('RS256') AS signer \gset
SELECT anon_auth.retire_signing_key(:'retired');
SELECT id AS first FROM master_keys ORDER BY place LIMIT 1 \gset
SELECT all_sealed_with(:'first');

-- the file gets a new key and keeps the former ones, and all signing keys are
-- sealed with the new key, whatever their state
SELECT access_token, refresh_token FROM anon_auth.authenticate_anonymously('app') \gset
SELECT promotion_code FROM anon_auth.create_promotion_code(:'refresh_token') \gset
SELECT anon_auth.sign_jwt('{"by": "secret"}', 'secret') AS secret_token \gset
CREATE TABLE before AS SELECT kid, sealed_private_key, master_key_id FROM anon_auth.signing_keys;
SELECT count(*) AS keys_before FROM master_keys \gset
SELECT anon_auth.rotate_master_key() AS second \gset
SELECT :'second' ~ '^[0-9a-f]{16}$' AND :'second' <> :'first' AS another;
SELECT count(*) - :keys_before AS more, (array_agg(id ORDER BY place))[1] = :'second' AS new_one_first,
	   (array_agg(id ORDER BY place))[2] = :'first' AS former_one_second FROM master_keys;
SELECT all_sealed_with(:'second');
SELECT count(*) FROM anon_auth.signing_keys JOIN before USING (kid) WHERE signing_keys.sealed_private_key = before.sealed_private_key;

-- existing tokens remain valid, and a refresh returns a token of the new key
SELECT anon_auth.verify_jwt(:'access_token') ->> 'client_id' AS client_id;
SELECT anon_auth.verify_jwt(:'secret_token');
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"by": "secret"}', 'secret'));
SELECT refresh_token AS new_refresh_token FROM anon_auth.refresh_session('app', :'refresh_token') \gset
SELECT :'new_refresh_token' <> :'refresh_token' AS changed;
SELECT refresh_token = :'new_refresh_token' AS same_again FROM anon_auth.refresh_session('app', :'new_refresh_token');
SELECT refresh_token = :'new_refresh_token' AS same_again FROM anon_auth.refresh_session('app', :'refresh_token');
SELECT sub IS NOT NULL AS promoted FROM anon_auth.promote_anonymous_user('app', email => 'ada@example.com',
	password => 'correct horse', promotion_code => :'promotion_code');

-- resealing does nothing until the file has a new key before the current one
SELECT anon_auth.reseal_signing_keys();
BEGIN;
SELECT anon_auth.rotate_master_key() AS third \gset
SELECT all_sealed_with(:'third');
ROLLBACK;
SELECT id = :'third' AS file_is_not_rolled_back FROM master_keys ORDER BY place LIMIT 1;
SELECT all_sealed_with(:'second');
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"still": "signs"}'));
SELECT token IS NOT NULL AS challenge FROM anon_auth.create_challenge();
SELECT anon_auth.reseal_signing_keys();
SELECT all_sealed_with(:'third');

-- within one statement, partly rolled back
DO $$
DECLARE
	session anon_auth.token_response := anon_auth.authenticate_anonymously('app');
	token text;
BEGIN
	BEGIN
		PERFORM anon_auth.rotate_master_key();
		token := (anon_auth.refresh_session('app', session.refresh_token)).refresh_token;
		RAISE INFO 'in: %', token <> session.refresh_token;
		RAISE EXCEPTION 'undo';
	EXCEPTION WHEN raise_exception THEN
	END;
	RAISE INFO 'after: %', (anon_auth.refresh_session('app', token)).refresh_token = token;
	RAISE INFO '%', anon_auth.verify_jwt(anon_auth.sign_jwt('{"signed": "after"}'));
END
$$;
SELECT id AS fourth FROM master_keys ORDER BY place LIMIT 1 \gset
SELECT all_sealed_with(:'third');

-- refused: the current key, a key that is in use, an unknown key, an empty id
\set VERBOSITY sqlstate
SELECT anon_auth.retire_master_key(:'fourth');
SELECT anon_auth.retire_master_key(:'third');
SELECT anon_auth.retire_master_key('0123456789abcdef');
SELECT anon_auth.retire_master_key(NULL);
SELECT anon_auth.retire_master_key('');

-- refused: the change to another master key could still be rolled back
BEGIN;
SELECT anon_auth.reseal_signing_keys();
SELECT anon_auth.retire_master_key(:'third');
ROLLBACK;
BEGIN;
SAVEPOINT before;
DELETE FROM anon_auth.signing_keys;
RELEASE before;
SELECT anon_auth.retire_master_key(:'third');
ROLLBACK;

-- refused: read-only
BEGIN READ ONLY;
SELECT anon_auth.rotate_master_key();
ROLLBACK;
BEGIN READ ONLY;
SELECT anon_auth.reseal_signing_keys();
ROLLBACK;
BEGIN READ ONLY;
SELECT anon_auth.retire_master_key(:'first');
ROLLBACK;
\set VERBOSITY default
SELECT all_sealed_with(:'third');

-- a retired key invalidates the tokens that it made
SELECT refresh_token AS old_refresh_token FROM anon_auth.authenticate_anonymously('app') \gset
SELECT anon_auth.reseal_signing_keys();
SELECT anon_auth.rotate_master_key() AS fifth \gset
SELECT refresh_token AS kept_refresh_token FROM anon_auth.refresh_session('app', :'old_refresh_token') \gset
SELECT anon_auth.retire_master_key(id) FROM master_keys WHERE id <> :'fifth' \g /dev/null
SELECT count(*) FROM master_keys;
SELECT count(*) AS comments FROM regexp_matches(pg_read_file('anon_auth.rotation.master_key'), '^#', 'gn');
SELECT anon_auth.refresh_session('app', :'old_refresh_token');
SELECT refresh_token = :'kept_refresh_token' AS kept FROM anon_auth.refresh_session('app', :'kept_refresh_token');
SELECT anon_auth.verify_jwt(:'access_token') ->> 'client_id' AS client_id;
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"still": "signs"}', :'signer'));

-- a file has at most eight keys
SELECT count(anon_auth.rotate_master_key()) FROM generate_series(1, 7);
\set VERBOSITY sqlstate
SELECT anon_auth.rotate_master_key();
\set VERBOSITY default
SELECT count(*), count(DISTINCT id) FROM master_keys;
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"still": "signs"}'));
SELECT anon_auth.retire_master_key(:'fifth');
SELECT anon_auth.rotate_master_key() AS last \gset
SELECT anon_auth.retire_master_key(id) FROM master_keys WHERE id <> :'last' \g /dev/null
SELECT all_sealed_with(:'last');

-- if no key of the file opens a signing key, neither the table nor the file is
-- changed
INSERT INTO anon_auth.signing_keys (kid, alg, state, public_jwk, sealed_private_key, master_key_id, created_at, signs_from)
SELECT 'from a backup', 'ES256', 'retired', '{}', sealed_private_key, '0123456789abcdef', now(), now() FROM before LIMIT 1;
\set VERBOSITY sqlstate
SELECT anon_auth.rotate_master_key();
SELECT anon_auth.reseal_signing_keys();
\set VERBOSITY default
SELECT id = :'last' AS unchanged FROM master_keys;
DELETE FROM anon_auth.signing_keys WHERE kid = 'from a backup';

SET client_min_messages = warning;
DROP VIEW master_keys;
DROP FUNCTION all_sealed_with(text);
DROP TABLE before;
DROP EXTENSION anon_auth;
