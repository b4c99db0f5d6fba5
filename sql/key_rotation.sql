--
-- Rotating and retiring signing keys.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
-- the lead time has its own section below
UPDATE anon_auth.settings SET signing_key_lead_time = '0';
RESET client_min_messages;

CREATE VIEW keys AS
SELECT alg, state, retiring_since IS NOT NULL AS retiring, date_trunc('minute', verify_until - retiring_since) AS verifies,
	   kid IN (SELECT k ->> 'kid' FROM jsonb_array_elements(anon_auth.jwks() -> 'keys') k) AS published
FROM anon_auth.signing_keys ORDER BY created_at, kid;

-- the first rotation in a database without a key creates the first one
SELECT anon_auth.rotate_signing_key() AS first \gset
SELECT anon_auth.create_client('web', 'spa') \g /dev/null
SELECT anon_auth.create_client('slow', 'spa', access_token_lifetime_seconds => 7200) \g /dev/null
TABLE keys;

-- old tokens verify; the new key signs, with the same algorithm or another
SELECT access_token AS old_token, refresh_token AS old_session FROM anon_auth.authenticate_anonymously('web') \gset
SELECT anon_auth.rotate_signing_key('EdDSA') AS second \gset
SELECT anon_auth.verify_jwt(:'old_token') ->> 'client_id' AS old_token_verifies;
SELECT access_token AS new_token FROM anon_auth.refresh_session('web', :'old_session') \gset
SELECT kid = :'second' AS signs FROM anon_auth.signing_keys WHERE anon_auth.jws_verify(:'new_token', public_jwk);
SELECT anon_auth.rotate_signing_key() AS third \gset
TABLE keys;
SELECT anon_auth.verify_jwt(:'old_token') ->> 'client_id' AS old, anon_auth.verify_jwt(:'new_token') ->> 'client_id' AS new;

-- a retiring key does not sign
\set VERBOSITY sqlstate
SELECT anon_auth.sign_jwt('{}', :'first');

-- when its last token has expired, a retiring key neither verifies nor is in
-- jwks(), and the next rotation reports it
UPDATE anon_auth.signing_keys SET verify_until = retiring_since WHERE kid = :'first';
SELECT anon_auth.verify_jwt(:'old_token');
TABLE keys;
SELECT anon_auth.rotate_signing_key() IS NOT NULL AS rotated;
TABLE keys;

-- retire_signing_key() retires a key at once, but never the last one
SELECT anon_auth.retire_signing_key(:'second');
SELECT anon_auth.verify_jwt(:'new_token');
SELECT kid AS last FROM anon_auth.signing_keys WHERE state = 'active' \gset
SELECT anon_auth.retire_signing_key(:'last');
SELECT anon_auth.retire_signing_key('no such key');
SELECT anon_auth.retire_signing_key(NULL);
SELECT anon_auth.rotate_signing_key('HS256');
SELECT anon_auth.rotate_signing_key('RS512');
\set VERBOSITY default
TABLE keys;
SELECT anon_auth.sign_jwt('{}') IS NOT NULL AS still_signs;

-- a rotation that is rolled back, seen within the same statement
DO $$
DECLARE
	before text := anon_auth.sign_jwt('{"signed": "before"}');
BEGIN
	BEGIN
		PERFORM anon_auth.rotate_signing_key();
		RAISE INFO '%', anon_auth.verify_jwt(before);
		RAISE EXCEPTION 'undo';
	EXCEPTION WHEN raise_exception THEN
	END;
	RAISE INFO '%', anon_auth.verify_jwt(anon_auth.sign_jwt('{"signed": "after"}'));
END
$$;
SELECT count(*) FROM anon_auth.signing_keys;

-- the rotation after an imported secret creates a key pair
SELECT anon_auth.import_signing_key('{"kty": "oct", "kid": "secret", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}');
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"by": "secret"}'));
SELECT anon_auth.rotate_signing_key() AS kid \gset
SELECT alg FROM anon_auth.signing_keys WHERE kid = :'kid';


-- ---------------------------------------------------------------------------
-- A new key is published before it signs
-- ---------------------------------------------------------------------------

DELETE FROM anon_auth.signing_keys;
UPDATE anon_auth.settings SET signing_key_lead_time = DEFAULT;
SELECT signing_key_lead_time FROM anon_auth.settings;

-- let time pass for the keys
CREATE FUNCTION pass(passed interval) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	key record;
BEGIN
	FOR key IN SELECT kid, signs_from - passed AS signs_from, retiring_since - passed AS retiring_since,
		verify_until - passed AS verify_until FROM anon_auth.signing_keys
	LOOP
		UPDATE anon_auth.signing_keys SET signs_from = key.signs_from, retiring_since = key.retiring_since,
			verify_until = key.verify_until WHERE kid = key.kid;
	END LOOP;
END $$;
CREATE FUNCTION signer() RETURNS text LANGUAGE sql AS $$
	SELECT convert_from(decode(translate(header, '-_', '+/') || repeat('=', -length(header) & 3), 'base64'), 'UTF8')::jsonb ->> 'kid'
	FROM split_part(anon_auth.sign_jwt('{}'), '.', 1) header
$$;
CREATE VIEW lead AS
SELECT chr(64 + row_number() OVER (ORDER BY created_at)::integer) AS key, state, kid = signer() AS signs,
	   date_trunc('minute', signs_from - now() + interval '5 seconds') AS signs_in,
	   date_trunc('minute', retiring_since - now() + interval '5 seconds') AS stops_in,
	   date_trunc('minute', verify_until - retiring_since) AS verifies,
	   kid IN (SELECT k ->> 'kid' FROM jsonb_array_elements(anon_auth.jwks() -> 'keys') k) AS published
FROM anon_auth.signing_keys ORDER BY created_at;

-- the first key signs at once; the next ones are published first, and sign
-- without another call
SELECT anon_auth.create_signing_key() AS a \gset
SELECT anon_auth.rotate_signing_key() AS b \gset
SELECT key, state, signs, stops_in, verifies, published FROM lead;
SELECT key, severity, finding FROM anon_auth.doctor() d, (SELECT 'lead time' AS key) k WHERE finding ~ 'signing_key';
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"n": 1}', :'b')) AS signs_if_named;
SELECT pass('2 minutes');
SELECT key, state, signs, published FROM lead;

-- a rotation during the lead time of another: each key has its turn
UPDATE anon_auth.settings SET signing_key_lead_time = '10 minutes';
SELECT anon_auth.rotate_signing_key('EdDSA') AS c \gset
SELECT pass('5 minutes');
SELECT anon_auth.rotate_signing_key() AS d \gset
SELECT * FROM lead;
SELECT alg FROM anon_auth.signing_keys WHERE kid = :'d';
SELECT pass('6 minutes');
SELECT key, state, signs FROM lead;
SELECT pass('5 minutes');
SELECT key, state, signs FROM lead;

-- a key that is created or imported is published first as well
SELECT anon_auth.create_signing_key() AS e \gset
SELECT anon_auth.import_signing_key('{"kty":"EC","crv":"P-256","kid":"imported","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}');
SELECT key, state, signs, signs_in FROM lead WHERE key >= 'D';
SELECT pass('11 minutes');
SELECT key, state, signs FROM lead WHERE key >= 'D';

-- immediately: the new key signs at once, also in place of a key whose lead time
-- has not passed; the others still verify until they are retired
SELECT anon_auth.rotate_signing_key() AS g \gset
SELECT anon_auth.sign_jwt('{"by": "imported"}') AS leaked \gset
SELECT anon_auth.rotate_signing_key(immediately => true) AS h \gset
SELECT key, state, signs, stops_in, published FROM lead WHERE key >= 'D';
SELECT anon_auth.verify_jwt(:'leaked');
SELECT anon_auth.retire_signing_key('imported');
\set VERBOSITY sqlstate
SELECT anon_auth.verify_jwt(:'leaked');
SELECT anon_auth.rotate_signing_key(immediately => NULL);
\set VERBOSITY default

-- if the key that signs is retired, its successor signs at once
DELETE FROM anon_auth.signing_keys;
SELECT anon_auth.create_signing_key() AS a \gset
SELECT anon_auth.rotate_signing_key() AS b \gset
SELECT anon_auth.retire_signing_key(:'a');
SELECT key, state, signs, signs_in, published FROM lead;

-- if the successor is retired, the key that it was to replace remains active
SELECT anon_auth.rotate_signing_key() AS c \gset
SELECT anon_auth.rotate_signing_key() AS d \gset
SELECT anon_auth.retire_signing_key(:'d');
SELECT * FROM lead;
SELECT anon_auth.retire_signing_key(:'c');
SELECT * FROM lead;
\set VERBOSITY sqlstate
SELECT anon_auth.retire_signing_key(:'b');
\set VERBOSITY default

-- a rotation that is rolled back publishes nothing, and changes no key
BEGIN;
SELECT anon_auth.rotate_signing_key() IS NOT NULL AS rotated;
ROLLBACK;
SELECT key, state, signs, stops_in, published FROM lead WHERE published;

-- 0: a new key signs at once; other values are refused
UPDATE anon_auth.settings SET signing_key_lead_time = '0';
SELECT anon_auth.rotate_signing_key() IS NOT NULL AS rotated;
SELECT key, state, signs, signs_in, stops_in FROM lead WHERE published;
SELECT finding, what FROM anon_auth.doctor() WHERE finding ~ 'signing_key';
\set VERBOSITY terse
UPDATE anon_auth.settings SET signing_key_lead_time = '-1 second';
UPDATE anon_auth.settings SET signing_key_lead_time = '31 days';
UPDATE anon_auth.settings SET signing_key_lead_time = NULL;
\set VERBOSITY default

-- a lifetime that grows during the lead time exceeds what the former key verifies
UPDATE anon_auth.settings SET signing_key_lead_time = DEFAULT;
SELECT anon_auth.rotate_signing_key() IS NOT NULL AS rotated;
UPDATE anon_auth.clients SET access_token_lifetime_seconds = 86400 WHERE client_id = 'slow';
SELECT fix FROM anon_auth.doctor() WHERE finding = 'signing_key_verifies_too_short' \gset
SELECT regexp_replace(:'fix', '''.*', '') AS fix;
:fix
SELECT verify_until - retiring_since AS verifies FROM anon_auth.signing_keys WHERE retiring_since > now() ORDER BY 1;
SELECT count(*) FROM anon_auth.doctor() WHERE finding = 'signing_key_verifies_too_short';

SET client_min_messages = warning;
DROP VIEW lead;
DROP FUNCTION signer();
DROP FUNCTION pass(interval);
SET client_min_messages = warning;
DROP VIEW keys;
DROP EXTENSION anon_auth;
