-- ---------------------------------------------------------------------------
-- Who is calling, for row-level security.
--
-- These are cheap enough for a policy, hence not SECURITY DEFINER: the C code
-- becomes the owner where it must read a table.
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.use_access_token(
	token text,
	is_local boolean DEFAULT true)
	RETURNS uuid
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_use_access_token';
REVOKE ALL ON FUNCTION anon_auth.use_access_token(text, boolean) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.use_access_token(text, boolean) IS
'Verifies an access token and makes its claims those of uid(), claims() and the others: until the end of the transaction, or with is_local false of the connection. Returns the sub. Behind a transaction pooler keep is_local true. Errors: AA014 bad token; 22023 no token.';

CREATE FUNCTION anon_auth.uid()
	RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_uid';
REVOKE ALL ON FUNCTION anon_auth.uid() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.uid() IS
'The sub claim of the caller; NULL for nobody. In a policy, write (SELECT anon_auth.uid()).';

CREATE FUNCTION anon_auth.is_anonymous()
	RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_is_anonymous';
REVOKE ALL ON FUNCTION anon_auth.is_anonymous() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.is_anonymous() IS
'Whether the caller''s token was issued to a guest; NULL for nobody.';

CREATE FUNCTION anon_auth.session_id()
	RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_session_id';
REVOKE ALL ON FUNCTION anon_auth.session_id() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.session_id() IS
'The sid claim of the caller; NULL for nobody.';

CREATE FUNCTION anon_auth.claims()
	RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_claims';
REVOKE ALL ON FUNCTION anon_auth.claims() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.claims() IS
'All claims of the caller; NULL for nobody.';

CREATE FUNCTION anon_auth.session_alive()
	RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_session_alive';
REVOKE ALL ON FUNCTION anon_auth.session_alive() FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.session_alive() IS
'Whether the caller''s session has not ended and the user is not disabled: an access token alone lives until it expires. Reads one row; in a policy, write (SELECT anon_auth.session_alive()).';

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
REVOKE ALL ON FUNCTION anon_auth.sign_jwt(jsonb, text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.sign_jwt(jsonb, text, text) IS
'Signs any claims with an active signing key, the newest one unless kid names another. Privileged: whoever may call it can be any user. Errors: AA017 no such active key; 22023 bad argument; 54000 claims too large; F0000 no master key.';

CREATE FUNCTION anon_auth.verify_jwt(
	token text,
	audience text DEFAULT NULL)
	RETURNS jsonb
	LANGUAGE c STABLE PARALLEL RESTRICTED SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_verify_jwt';
REVOKE ALL ON FUNCTION anon_auth.verify_jwt(text, text) FROM PUBLIC;
COMMENT ON FUNCTION anon_auth.verify_jwt(text, text) IS
'The claims of a JWT that one of our keys has signed. Checks the signature, exp and nbf, iss where there is one, and that aud names audience (when NULL: where there is an aud, that it names settings.audience). Works on a standby. Errors: AA014 refused, the detail says why.';

CREATE FUNCTION anon_auth.jws_verify(
	token text,
	jwk jsonb,
	algorithms text[] DEFAULT NULL)
	RETURNS boolean
	LANGUAGE c IMMUTABLE PARALLEL SAFE COST 1000
AS 'MODULE_PATHNAME', 'anon_auth_jws_verify';
COMMENT ON FUNCTION anon_auth.jws_verify(text, jsonb, text[]) IS
'Whether a key signed a compact JWS (RFC 7515): HS, RS, PS and ES with 256, 384 and 512, and EdDSA with Ed25519; algorithms narrows that. Looks at the signature only, not at claims. Never NULL: a NULL or malformed token is false. Errors: AA016 bad JWK; 22023 NULL JWK, unknown algorithm in the list.';

CREATE FUNCTION anon_auth.jwk_thumbprint(jwk jsonb)
	RETURNS text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'anon_auth_jwk_thumbprint';
COMMENT ON FUNCTION anon_auth.jwk_thumbprint(jsonb) IS
'The SHA-256 thumbprint of a JWK (RFC 7638), as base64url. Errors: AA016 bad JWK.';
