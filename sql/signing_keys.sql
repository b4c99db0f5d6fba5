--
-- Signing keys: creating, importing, sealing and publishing them.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
-- key_rotation.sql tests the lead time
UPDATE anon_auth.settings SET signing_key_lead_time = '0';
RESET client_min_messages;

-- the first key is created when it is needed
SELECT anon_auth.jwks();
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"a": "b"}'));
SELECT alg, state, kid = anon_auth.jwk_thumbprint(public_jwk) AS thumbprint FROM anon_auth.signing_keys;

-- each algorithm signs, verifies, and can be looked up in jwks()
CREATE FUNCTION header(token text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT convert_from(decode(rpad(translate(split_part(token, '.', 1), '-_', '+/'),
		(length(split_part(token, '.', 1)) + 3) / 4 * 4, '='), 'base64'), 'UTF8')::jsonb
$$;
CREATE TEMP TABLE signed AS
SELECT alg, kid, anon_auth.sign_jwt('{"a": 1}', kid) AS token
FROM (VALUES ('ES256'), ('EdDSA'), ('RS256'), ('PS256')) AS v (alg), LATERAL anon_auth.create_signing_key(alg) kid;
SELECT alg, anon_auth.verify_jwt(token) AS verified, header(token) - 'kid' AS header, header(token) ->> 'kid' = kid AS kid,
	   anon_auth.jws_verify(token, k) AS by_jwks
FROM signed JOIN jsonb_array_elements(anon_auth.jwks() -> 'keys') k ON k ->> 'kid' = kid ORDER BY alg;
DROP FUNCTION header(text);
SELECT k - '{kid,x,y,n}'::text[] AS published FROM jsonb_array_elements(anon_auth.jwks() -> 'keys') k ORDER BY k ->> 'alg', k ->> 'kty';

-- the newest active key signs; an inactive key does not; a retired key does not
-- even verify
SELECT kid FROM anon_auth.signing_keys WHERE alg = 'PS256' \gset
SELECT anon_auth.sign_jwt('{"n": 1}') AS token \gset
SELECT anon_auth.jws_verify(:'token', public_jwk) AS newest FROM anon_auth.signing_keys WHERE kid = :'kid';
UPDATE anon_auth.signing_keys SET state = 'retiring' WHERE kid = :'kid';
SELECT anon_auth.verify_jwt(:'token');
\set VERBOSITY sqlstate
SELECT anon_auth.sign_jwt('{}', :'kid');
\set VERBOSITY default
SELECT anon_auth.jws_verify(anon_auth.sign_jwt('{"n": 1}'), public_jwk) AS signs_by_default FROM anon_auth.signing_keys WHERE kid = :'kid';
UPDATE anon_auth.signing_keys SET state = 'retired' WHERE kid = :'kid';
SELECT anon_auth.verify_jwt(:'token');
SELECT count(*) FROM jsonb_array_elements(anon_auth.jwks() -> 'keys') k WHERE k ->> 'kid' = :'kid';

-- a key whose creation is rolled back does not sign, within the same statement
DO $$
DECLARE
	kid text;
BEGIN
	BEGIN
		kid := anon_auth.create_signing_key('EdDSA');
		RAISE INFO '%', anon_auth.verify_jwt(anon_auth.sign_jwt('{"undone": "not yet"}'));
		RAISE EXCEPTION 'undo';
	EXCEPTION WHEN OTHERS THEN
	END;
	RAISE INFO '%', anon_auth.verify_jwt(anon_auth.sign_jwt('{"undone": "now"}'));
	PERFORM anon_auth.sign_jwt('{}', kid);
EXCEPTION WHEN SQLSTATE 'AA017' THEN
	RAISE INFO 'AA017';
END
$$;

-- if no key is active, a login does not create one silently
BEGIN;
UPDATE anon_auth.signing_keys SET state = 'retired';
SELECT anon_auth.sign_jwt('{}');
ROLLBACK;

-- invalid arguments
SELECT anon_auth.create_signing_key('HS256');
SELECT anon_auth.create_signing_key('none');
SELECT anon_auth.create_signing_key('ES512');
SELECT anon_auth.create_signing_key(NULL);
SELECT anon_auth.sign_jwt('{}', 'unknown');
SELECT anon_auth.sign_jwt('[]');
SELECT anon_auth.sign_jwt(NULL);
SELECT anon_auth.sign_jwt('{}', typ => '');
SELECT anon_auth.sign_jwt(jsonb_build_object('a', repeat('x', 40000)));
SELECT anon_auth.sign_jwt(jsonb_build_object('a', repeat('9', 41)::numeric));
SELECT anon_auth.sign_jwt((repeat('{"a":', 33) || '1' || repeat('}', 33))::jsonb);
SELECT anon_auth.sign_jwt('{}', typ => repeat('x', 60000));
SELECT anon_auth.sign_jwt('{"exp": "tomorrow"}');
SELECT anon_auth.sign_jwt('{"nbf": -1}');
-- verify_jwt() accepts every token that sign_jwt() returns
SELECT what, length(token) BETWEEN size AND 65536 AS fits, anon_auth.verify_jwt(token) IS NOT NULL AS accepted
FROM (SELECT what, size, anon_auth.sign_jwt(claims) AS token
	FROM (VALUES ('bytes', 43000, jsonb_build_object('a', repeat('x', 32758))),
		('digits', 40, jsonb_build_object('a', repeat('9', 40)::numeric)),
		('levels', 32, (repeat('{"a":', 32) || '1' || repeat('}', 32))::jsonb),
		('members', 2000, (SELECT jsonb_object_agg('m' || i, i) FROM generate_series(1, 2000) i))) v (what, size, claims)) signed;

-- imported keys
SELECT anon_auth.import_signing_key('{"kty":"EC","crv":"P-256","kid":"mine","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}');
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"a": 1}', 'mine'));
SELECT anon_auth.import_signing_key('{"kty":"oct","kid":"shared","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}');
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"a": 1}', 'shared'));
SELECT kid, alg, public_jwk FROM anon_auth.signing_keys WHERE kid IN ('mine', 'shared') ORDER BY kid;
SELECT count(*) AS secret_in_jwks FROM jsonb_array_elements(anon_auth.jwks() -> 'keys') k WHERE k ->> 'kid' = 'shared';
SELECT anon_auth.import_signing_key('{"kty":"EC","crv":"P-256","kid":"mine","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}');
-- refused: only a public part; the private part of another key; an unusable
-- algorithm; a weak secret; not a JWK
SELECT anon_auth.import_signing_key('{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}');
SELECT anon_auth.import_signing_key('{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"}');
SELECT anon_auth.import_signing_key('{"kty":"EC","crv":"P-256","alg":"RS256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}');
SELECT anon_auth.import_signing_key('{"kty":"oct","k":"c2hvcnQ"}');
SELECT anon_auth.import_signing_key('{"kty":"oct"}');
SELECT anon_auth.import_signing_key('[]');
SELECT anon_auth.import_signing_key(NULL);

-- a sealed key opens only under its kid and with unchanged bytes
\c
BEGIN;
UPDATE anon_auth.signing_keys SET kid = 'renamed' WHERE kid = 'mine';
\set VERBOSITY terse
SELECT anon_auth.sign_jwt('{}', 'renamed');
\set VERBOSITY default
ROLLBACK;
UPDATE anon_auth.signing_keys SET sealed_private_key = set_byte(sealed_private_key, 30, get_byte(sealed_private_key, 30) # 1) WHERE kid = 'mine';
\set VERBOSITY terse
SELECT anon_auth.sign_jwt('{}', 'mine');
-- verification needs no private part
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"a": 1}', kid)) FROM anon_auth.signing_keys WHERE alg = 'EdDSA';

-- claims that verify_jwt() checks
SELECT kid FROM anon_auth.signing_keys WHERE alg = 'EdDSA' \gset
\set VERBOSITY default
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt(jsonb_build_object('exp', extract(epoch FROM now())::bigint - 1), :'kid'));
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"exp": "tomorrow"}', :'kid'));
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt(jsonb_build_object('nbf', extract(epoch FROM now())::bigint + 60), :'kid'));
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"iss": "https://evil.example"}', :'kid'));
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"aud": "somebody"}', :'kid'));
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"aud": "somebody"}', :'kid'), 'somebody');
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"aud": ["somebody", "else"]}', :'kid'), 'else');
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"a": 1}', :'kid'), 'somebody');
SELECT anon_auth.verify_jwt(anon_auth.sign_jwt('{"iss": "http://localhost", "aud": "http://localhost"}', :'kid'));
SELECT anon_auth.verify_jwt(NULL);
SELECT anon_auth.verify_jwt('');
