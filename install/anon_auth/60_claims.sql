-- ---------------------------------------------------------------------------
-- The caller, for row-level security
--
-- Policies call these functions.  Most are not SECURITY DEFINER, which would make
-- each call more expensive: the C code switches to the owner where it must read a
-- table.
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth.use_access_token(
	token text,
	is_local boolean DEFAULT true,
	dpop text DEFAULT NULL,
	htm text DEFAULT NULL,
	htu text DEFAULT NULL)
	RETURNS uuid
	LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_use_access_token';
COMMENT ON FUNCTION anon_auth.use_access_token(text, boolean, text, text, text) IS
'Verifies an access token and makes its user the caller: uid(), claims() and related functions return its claims. Returns the sub. The caller is set until the end of the transaction or, if is_local is false, for the connection. Behind a transaction pooler, keep is_local true. Does not check whether the session has ended. A token that is bound to a key (clients.dpop required) needs dpop, a DPoP proof of this key for this token (ath) and for the request of method htm and URI htu; by default, POST and the token endpoint of the issuer. For other tokens, dpop is ignored. Works on a standby. Errors: AA014 bad token, or bound to another key; AA018 no room for a counter; AA026 and AA027 bad proof in dpop, or none although it is needed; 22023 no token.';

CREATE FUNCTION anon_auth.uid()
	RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_uid';
COMMENT ON FUNCTION anon_auth.uid() IS
'Returns the sub claim of the caller; NULL without a caller. In a policy, write (SELECT anon_auth.uid()). Errors: 22023 settings.trust_request_claims is on, and request.jwt.claims cannot be read.';

CREATE FUNCTION anon_auth.is_anonymous()
	RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_is_anonymous';
COMMENT ON FUNCTION anon_auth.is_anonymous() IS
'Returns true if the caller''s token was issued to a guest; NULL without a caller. Errors: 22023 settings.trust_request_claims is on, and request.jwt.claims cannot be read.';

CREATE FUNCTION anon_auth.has_role(role text)
	RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_has_role';
COMMENT ON FUNCTION anon_auth.has_role(text) IS
'Returns true if the roles claim of the caller has this role; NULL without a caller, or if role is NULL. set_roles() gives a user roles. A token keeps them until it expires. In a policy, write (SELECT anon_auth.has_role(''editor'')). Errors: 22023 settings.trust_request_claims is on, and request.jwt.claims cannot be read.';

CREATE FUNCTION anon_auth.key_bound()
	RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_key_bound';
COMMENT ON FUNCTION anon_auth.key_bound() IS
'Returns true if the caller''s access token is bound to a key (clients.dpop required) and the caller has shown the key with a DPoP proof; false for other tokens and without a caller. In a policy, write (SELECT anon_auth.key_bound()). Errors: 22023 settings.trust_request_claims is on, and request.jwt.claims cannot be read.';

CREATE FUNCTION anon_auth.session_id()
	RETURNS uuid
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_session_id';
COMMENT ON FUNCTION anon_auth.session_id() IS
'Returns the sid claim of the caller; NULL without a caller. Errors: 22023 settings.trust_request_claims is on, and request.jwt.claims cannot be read.';

CREATE FUNCTION anon_auth.claims()
	RETURNS jsonb
	LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_claims';
COMMENT ON FUNCTION anon_auth.claims() IS
'Returns all claims of the caller; NULL without a caller. Errors: 22023 settings.trust_request_claims is on, and request.jwt.claims cannot be read.';

CREATE FUNCTION anon_auth.session_alive()
	RETURNS boolean
	LANGUAGE c STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'anon_auth_session_alive';
COMMENT ON FUNCTION anon_auth.session_alive() IS
'Returns true if the caller''s session has not ended and the user is not disabled; false without a caller. An access token alone is valid until it expires. Reads one row. In a policy, write (SELECT anon_auth.session_alive()). Errors: 22023 settings.trust_request_claims is on, and request.jwt.claims cannot be read.';

-- Not part of client_api(): the limits per address do not hold for a role that can state
-- any address.  Not SECURITY DEFINER, because it only sets a parameter.
CREATE FUNCTION anon_auth.use_client_address(
	address inet,
	is_local boolean DEFAULT true)
	RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'anon_auth_use_client_address';
COMMENT ON FUNCTION anon_auth.use_client_address(inet, boolean) IS
'States the address of the user that the following calls are for: limits per address count it, and sessions keep it. It takes precedence over X-Forwarded-For and over the address of the connection. Lasts until the end of the transaction or, if is_local is false, for the connection; RESET anon_auth.client_address and DISCARD ALL end it, and a rollback undoes it. Behind a transaction pooler, keep is_local true. For the role of an application server only (grant_client_address()): a role that can call it can evade the limits per address. Works on a standby. Errors: 22023 no address, or a network.';
