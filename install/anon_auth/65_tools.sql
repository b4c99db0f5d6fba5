-- ---------------------------------------------------------------------------
-- Tools
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.sign_jwt(
	claims jsonb,
	kid text DEFAULT NULL,
	typ text DEFAULT 'JWT')
	RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_sign_jwt';
COMMENT ON FUNCTION anon_auth.sign_jwt(jsonb, text, text) IS
'Signs the claims unchanged and returns the JWT. Uses the key that signs now, or the active key named by kid, also during its lead time. Privileged: a role that can call it can impersonate any user. Errors: AA017 no such active key; 22023 bad argument; 54000 a token that verify_jwt() would reject: claims of more than 32768 bytes or 32 levels, a number of more than 40 characters, a token of more than 65536 bytes; F0000 no master key.';

CREATE FUNCTION anon_auth.verify_jwt(
	token text,
	audience text DEFAULT NULL)
	RETURNS jsonb
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_verify_jwt';
COMMENT ON FUNCTION anon_auth.verify_jwt(text, text) IS
'Returns the claims of a JWT that one of the keys of this database signed. Checks the signature, exp and nbf, and iss if present. If audience is given, the token must have an aud that contains it; otherwise an aud, if present, must contain settings.audience. Works on a standby. Errors: AA014 not valid, the detail gives the reason; 22023 no jwt.';

CREATE FUNCTION anon_auth.jws_verify(
	token text,
	jwk jsonb,
	algorithms text[] DEFAULT NULL)
	RETURNS boolean
	LANGUAGE c IMMUTABLE PARALLEL SAFE COST 1000
AS 'MODULE_PATHNAME', 'anon_auth_jws_verify';
COMMENT ON FUNCTION anon_auth.jws_verify(text, jsonb, text[]) IS
'Returns true if the key signed the compact JWS (RFC 7515). Supports HS, RS, PS and ES with 256, 384 and 512, and EdDSA with Ed25519, also by the name Ed25519 (RFC 9864); algorithms restricts them. Checks the signature only, not the claims. Never returns NULL: for a NULL or malformed token it returns false. Errors: AA016 bad JWK; 22023 NULL JWK, unknown algorithm in the list.';

CREATE FUNCTION anon_auth.jwk_thumbprint(jwk jsonb)
	RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'anon_auth_jwk_thumbprint';
COMMENT ON FUNCTION anon_auth.jwk_thumbprint(jsonb) IS
'Returns the SHA-256 thumbprint of a JWK (RFC 7638) as base64url; NULL for NULL. Errors: AA016 bad JWK.';
