-- Signing and verifying, compared with the library's own functions on the same
-- bytes.

-- The claims of an access token.
CREATE TABLE claims AS
SELECT anon_auth.verify_jwt(access_token) AS claims FROM anon_auth.authenticate_anonymously('app');

CREATE TABLE keys AS
SELECT 'HS256' AS alg, anon_auth.import_signing_key(jsonb_build_object('kty', 'oct', 'alg', 'HS256', 'kid', 'shared',
	'k', rtrim(encode('a secret of more than 32 characters', 'base64'), '='))) AS kid;
-- The newest key signs: ES256, the default.
INSERT INTO keys SELECT alg, anon_auth.create_signing_key(alg) FROM unnest('{RS256,EdDSA,ES256}'::text[]) AS a (alg);
-- Store the token like a parameter: neither compressed nor out of line.
CREATE TABLE tokens (alg text, kid text, token text, signing_input text, jwk jsonb);
ALTER TABLE tokens ALTER token SET STORAGE PLAIN, ALTER signing_input SET STORAGE PLAIN;
INSERT INTO tokens
SELECT alg, kid, token, substring(token FROM '^(.*)[.]') AS signing_input,
	(SELECT k FROM jsonb_array_elements(anon_auth.jwks() -> 'keys') AS j (k) WHERE k ->> 'kid' = kid) AS jwk
FROM keys, claims, LATERAL anon_auth.sign_jwt(claims, kid, 'at+jwt') AS s (token);

DO $$
DECLARE
	t tokens;
BEGIN
	FOR t IN SELECT * FROM tokens WHERE alg <> 'HS256' ORDER BY alg LOOP
		CALL compare('sign_jwt ' || t.alg, CASE t.alg WHEN 'RS256' THEN 1.05 ELSE 1.25 END,
			CASE t.alg WHEN 'RS256' THEN 200 ELSE 1000 END,
			format('SELECT count(anon_auth.sign_jwt(claims, %L, ''at+jwt'')) FROM claims, generate_series(1, $1)', t.kid),
			format('SELECT floor_sign(%L, %L, $1)', t.alg, t.signing_input));
		CALL compare('verify_jwt ' || t.alg, 1.15, 1000,
			format('SELECT count(anon_auth.verify_jwt(token)) FROM tokens, generate_series(1, $1) WHERE alg = %L', t.alg),
			format('SELECT floor_verify(%L, %L, $1)', t.alg, t.signing_input));
		CALL compare('jws_verify ' || t.alg, 1.15, 1000,
			format('SELECT count(anon_auth.jws_verify(token, jwk)) FROM tokens, generate_series(1, $1) WHERE alg = %L', t.alg),
			format('SELECT floor_verify(%L, %L, $1)', t.alg, t.signing_input));
	END LOOP;
END $$;
