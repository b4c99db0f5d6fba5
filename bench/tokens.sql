-- Signing and verifying, against the library's own functions on the same bytes.

CREATE FUNCTION floor_sign(alg text, message text, calls integer) RETURNS void LANGUAGE c STRICT AS 'anon_auth_floor';
CREATE FUNCTION floor_verify(alg text, message text, calls integer) RETURNS void LANGUAGE c STRICT AS 'anon_auth_floor';

-- What an access token has in it.
CREATE TABLE claims AS
SELECT anon_auth.verify_jwt(access_token) AS claims FROM anon_auth.authenticate_anonymously('app');

CREATE TABLE keys AS SELECT alg, anon_auth.create_signing_key(alg) AS kid FROM unnest('{ES256,EdDSA,RS256}'::text[]) AS a (alg);
CREATE TABLE tokens AS
SELECT alg, kid, token, substring(token FROM '^(.*)[.]') AS signing_input,
	(SELECT k FROM jsonb_array_elements(anon_auth.jwks() -> 'keys') AS j (k) WHERE k ->> 'kid' = kid) AS jwk
FROM keys, claims, LATERAL anon_auth.sign_jwt(claims, kid, 'at+jwt') AS s (token);

-- The statement is executed with $1: how many calls.
INSERT INTO operations (operation, side, calls, goal, statement)
SELECT format('%s %s', function, alg), side, CASE WHEN alg = 'RS256' AND function = 'sign_jwt' THEN 200 ELSE 1000 END, goal, statement
FROM tokens,
	LATERAL (VALUES
		('sign_jwt', 'ours', CASE alg WHEN 'RS256' THEN 1.05 ELSE 1.25 END,
		 format('SELECT count(anon_auth.sign_jwt(claims, %L, ''at+jwt'')) FROM claims, generate_series(1, $1)', kid)),
		('sign_jwt', 'floor', NULL,
		 format('SELECT floor_sign(%L, %L, $1)', alg, signing_input)),
		('verify_jwt', 'ours', 1.15,
		 format('SELECT count(anon_auth.verify_jwt(token)) FROM tokens, generate_series(1, $1) WHERE alg = %L', alg)),
		('verify_jwt', 'floor', NULL,
		 format('SELECT floor_verify(%L, %L, $1)', alg, signing_input)),
		('jws_verify', 'ours', 1.15,
		 format('SELECT count(anon_auth.jws_verify(token, jwk)) FROM tokens, generate_series(1, $1) WHERE alg = %L', alg)),
		('jws_verify', 'floor', NULL,
		 format('SELECT floor_verify(%L, %L, $1)', alg, signing_input))) AS o (function, side, goal, statement);
