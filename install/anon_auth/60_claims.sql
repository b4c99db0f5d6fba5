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
COMMENT ON FUNCTION anon_auth.use_access_token(text, boolean) IS
'Verifies an access token and makes its claims those of uid(), claims() and the others: until the end of the transaction, or with is_local false of the connection. Returns the sub. Behind a transaction pooler keep is_local true. Errors: AA014 bad token; 22023 no token.';

CREATE FUNCTION anon_auth.uid()
	RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_uid';
COMMENT ON FUNCTION anon_auth.uid() IS
'The sub claim of the caller; NULL for nobody. In a policy, write (SELECT anon_auth.uid()). Errors: 22023 settings.trust_request_claims is on, and request.jwt.claims cannot be read.';

CREATE FUNCTION anon_auth.is_anonymous()
	RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_is_anonymous';
COMMENT ON FUNCTION anon_auth.is_anonymous() IS
'Whether the caller''s token was issued to a guest; NULL for nobody. Errors: 22023 settings.trust_request_claims is on, and request.jwt.claims cannot be read.';

CREATE FUNCTION anon_auth.session_id()
	RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_session_id';
COMMENT ON FUNCTION anon_auth.session_id() IS
'The sid claim of the caller; NULL for nobody. Errors: 22023 settings.trust_request_claims is on, and request.jwt.claims cannot be read.';

CREATE FUNCTION anon_auth.claims()
	RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_claims';
COMMENT ON FUNCTION anon_auth.claims() IS
'All claims of the caller; NULL for nobody. Errors: 22023 settings.trust_request_claims is on, and request.jwt.claims cannot be read.';

CREATE FUNCTION anon_auth.session_alive()
	RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_session_alive';
COMMENT ON FUNCTION anon_auth.session_alive() IS
'Whether the caller''s session has not ended and the user is not disabled: an access token alone lives until it expires. Reads one row; in a policy, write (SELECT anon_auth.session_alive()). Errors: 22023 settings.trust_request_claims is on, and request.jwt.claims cannot be read.';

