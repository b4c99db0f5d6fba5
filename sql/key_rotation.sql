--
-- Rotating and retiring signing keys.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
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

SET client_min_messages = warning;
DROP VIEW keys;
DROP EXTENSION anon_auth;
