--
-- jws_verify() and jwk_thumbprint(). The result is true or false for a token,
-- and an error for a bad key. The algorithm of the key cannot be circumvented.
--
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS anon_auth CASCADE;
CREATE EXTENSION anon_auth;
RESET client_min_messages;

CREATE FUNCTION base64url(data bytea) RETURNS text LANGUAGE sql AS
	$$ SELECT translate(rtrim(replace(encode(data, 'base64'), E'\n', ''), '='), '+/', '-_') $$;
CREATE FUNCTION base64url(data text) RETURNS text LANGUAGE sql AS
	$$ SELECT base64url(convert_to(data, 'UTF8')) $$;
\set ec '{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}'
\set token 'eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q'
\set payload_and_signature 'eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q'

-- jws_verify() is never NULL, which would pass a condition like IF NOT
-- jws_verify(...)
SELECT anon_auth.jws_verify(:'token', :'ec') AS good, anon_auth.jws_verify(NULL, :'ec') AS null_token, anon_auth.jws_verify('', :'ec') AS empty_token;

-- bad tokens are false
SELECT i, anon_auth.jws_verify(t, :'ec')
FROM (VALUES
	(1, 'a'), (2, 'a.b'), (3, 'a.b.c'), (4, 'a.b.c.d'), (5, '..'), (6, :'token' || '.'), (7, '.' || :'token'),
	(8, :'token' || '='), (9, :'token' || E'\n'), (10, ' ' || :'token'), (11, replace(:'token', '-', '+')),
	(12, split_part(:'token', '.', 1) || '.' || split_part(:'token', '.', 2) || '.'),
	-- the last character has unused bits, which must be zero
	(13, left(:'token', -1) || 'R'),
	(14, base64url('{"alg":"none"}') || '.' || split_part(:'token', '.', 2) || '.'),
	(15, base64url('{"alg":"none"}') || '.' || :'payload_and_signature'),
	(16, base64url('{"alg":"es256"}') || '.' || :'payload_and_signature'),
	(17, base64url('{"alg":"ES256","alg":"ES256"}') || '.' || :'payload_and_signature'),
	(18, base64url('{"alg":"ES256","crit":["exp"]}') || '.' || :'payload_and_signature'),
	(19, base64url('{}') || '.' || :'payload_and_signature'),
	(20, base64url('[]') || '.' || :'payload_and_signature'),
	(21, base64url('{"alg":["ES256"]}') || '.' || :'payload_and_signature'),
	(22, base64url('{"alg":"ES256"') || '.' || :'payload_and_signature'),
	(23, base64url('\xff7b7d'::bytea) || '.' || :'payload_and_signature'),
	(24, base64url(repeat('[', 10000)) || '.' || :'payload_and_signature'),
	(25, base64url('{"alg":"ES256","a":1e999999}') || '.' || :'payload_and_signature'),
	(26, base64url('{"alg":"ES256","a":"\u0000"}') || '.' || :'payload_and_signature'),
	(27, repeat('A', 70000) || '.' || :'payload_and_signature'),
	(28, base64url('{"alg":"ES384"}') || '.' || :'payload_and_signature')
) AS v (i, t) ORDER BY i;

-- HS256 with the public key's text as the secret
SELECT anon_auth.jws_verify(h || '.' || base64url(hmac), :'ec') AS confused
FROM (SELECT base64url('{"alg":"HS256"}') || '.' || base64url('{}') AS h) s,
	 LATERAL (SELECT sha256(convert_to(:'ec' || h, 'UTF8')) AS hmac) m;

-- the list of algorithms
SELECT anon_auth.jws_verify(:'token', :'ec', '{ES256}') AS in_list, anon_auth.jws_verify(:'token', :'ec', '{EdDSA}') AS not_in_list,
	   anon_auth.jws_verify(:'token', :'ec', '{}') AS empty_list, anon_auth.jws_verify(:'token', :'ec', NULL) AS no_list;
SELECT anon_auth.jws_verify(:'token', :'ec', '{ES256,none}');
SELECT anon_auth.jws_verify(:'token', :'ec', '{NULL}');

-- Ed25519 (RFC 9864) is another name of EdDSA, and of no other algorithm.  The first
-- token is that of RFC 8037, A.4.
\set ed '{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'
\set ed_token 'eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg'
SELECT i, anon_auth.jws_verify(:'ed_token', :'ed'::jsonb || jwk::jsonb, algorithms::text[])
FROM (VALUES
	(1, '{}', NULL), (2, '{"alg":"EdDSA"}', NULL), (3, '{"alg":"Ed25519"}', NULL), (4, '{}', '{Ed25519}'), (5, '{"alg":"Ed25519"}', '{ES256,EdDSA}'),
	(6, '{"alg":"ed25519"}', NULL), (7, '{"alg":"ES256"}', NULL), (8, '{"alg":"Ed25519 "}', NULL), (9, '{"alg":null}', NULL), (10, '{"alg":"unknown"}', NULL),
	(11, '{"alg":["Ed25519"]}', NULL), (12, '{}', '{ES256}')
) AS v (i, jwk, algorithms) ORDER BY i;
SELECT anon_auth.jws_verify(base64url('{"alg":"Ed25519"}') || '.' || :'payload_and_signature', :'ec') AS other_key,
	   anon_auth.jws_verify(base64url('{"alg":"Ed25519"}') || '.' || split_part(:'ed_token', '.', 2) || '.' || split_part(:'ed_token', '.', 3), :'ed') AS other_header;
SELECT anon_auth.jws_verify(:'ed_token', :'ed', '{ed25519}');

-- the members use, key_ops and alg of the key are respected
SELECT anon_auth.jws_verify(:'token', :'ec'::jsonb || '{"alg": "ES256", "use": "sig", "key_ops": ["verify"]}') AS agrees,
	   anon_auth.jws_verify(:'token', :'ec'::jsonb || '{"alg": "ES384"}') AS other_alg;
SELECT anon_auth.jws_verify(:'token', :'ec'::jsonb || '{"use": "enc"}');
SELECT anon_auth.jws_verify(:'token', :'ec'::jsonb || '{"key_ops": ["sign"]}');

-- a key with a very long member is refused
SELECT anon_auth.jws_verify(:'token', :'ec'::jsonb || jsonb_build_object('a', repeat('x', 20000)));

-- bad keys are errors
CREATE FUNCTION attempt(jwk jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	RETURN anon_auth.jwk_thumbprint(jwk);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ' ' || detail;
END
$$;
SELECT i, attempt(jwk2) FROM (VALUES
	(1, 'null'), (2, '[]'), (3, '{}'), (4, '{"kty":"XYZ"}'), (5, '{"kty":1}'), (6, '{"kty":"EC"}'),
	(7, (:'ec'::jsonb - 'y')::text), (8, (:'ec'::jsonb || '{"x":1}')::text), (9, (:'ec'::jsonb || '{"crv":"P-384"}')::text), (10, (:'ec'::jsonb || '{"crv":"secp256k1"}')::text),
	-- off the curve; the point at infinity; padded; too short
	(11, (:'ec'::jsonb || '{"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1"}')::text),
	(12, (:'ec'::jsonb || '{"y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5bA"}')::text),
	(13, (:'ec'::jsonb || '{"x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}')::text),
	(14, (:'ec'::jsonb || '{"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU="}')::text),
	(15, (:'ec'::jsonb || '{"x":"f83O"}')::text),
	(16, '{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}'),
	-- Ed25519 points of small order, with which anybody could sign
	(17, '{"kty":"OKP","crv":"Ed25519","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}'),
	(18, '{"kty":"OKP","crv":"Ed25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}'),
	(19, '{"kty":"OKP","crv":"Ed25519","x":"7P___________________________________________38"}'),
	-- RSA: too small, even, e = 1, leading zero
	(20, '{"kty":"RSA","e":"AQAB","n":"' || base64url(decode('c1' || repeat('ab', 126) || '01', 'hex')) || '"}'),
	(21, '{"kty":"RSA","e":"AQAB","n":"' || base64url(decode('c1' || repeat('ab', 254) || '02', 'hex')) || '"}'),
	(22, '{"kty":"RSA","e":"AQ","n":"' || base64url(decode('c1' || repeat('ab', 254) || '01', 'hex')) || '"}'),
	(23, '{"kty":"RSA","e":"AQAB","n":"' || base64url(decode('00c1' || repeat('ab', 254) || '01', 'hex')) || '"}'),
	(24, '{"kty":"RSA","e":"AQAB"}'),
	(25, '{"kty":"oct","k":"c2hvcnQ"}'), (26, '{"kty":"oct"}'), (27, '{"kty":"oct","k":"not base64url!"}')
) AS v (i, jwk), LATERAL (SELECT v.jwk::jsonb) AS c (jwk2) ORDER BY i;
SELECT anon_auth.jws_verify(:'token', NULL);
SELECT anon_auth.jws_verify(NULL, '{}');
SELECT anon_auth.jwk_thumbprint(NULL) IS NULL AS strict;

-- the trivial forgery for a key of small order is refused
SELECT anon_auth.jws_verify(base64url('{"alg":"EdDSA"}') || '.' || base64url('{}') || '.' || base64url(decode('01' || repeat('00', 63), 'hex')),
	'{"kty":"OKP","crv":"Ed25519","x":"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}');
DROP FUNCTION attempt(jsonb), base64url(text), base64url(bytea);
