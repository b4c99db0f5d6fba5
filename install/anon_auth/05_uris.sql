-- ---------------------------------------------------------------------------
-- URIs in settings and clients.  The constraints of these tables call the functions,
-- so this file comes before the tables.  They raise errors instead of returning
-- false: the message of a violated constraint would show the whole row, and neither
-- the value nor the rule.
--
-- They belong to a superuser like the triggers, because superusers run them.
-- PUBLIC has EXECUTE on them: PostgreSQL checks it for a role that writes to the tables.
-- ---------------------------------------------------------------------------

CREATE FUNCTION anon_auth_internal.check_uri(setting text, uri text)
	RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_check_uri';
COMMENT ON FUNCTION anon_auth_internal.check_uri(text, text) IS
'Part of the constraints of settings and clients. Returns true if the value is allowed in a column: issuer, audience, brand_logo_uri, policy_uri, tos_uri, redirect_uris or post_logout_redirect_uris. NULL for NULL. An http or https URI must have the form in which browsers send it: scheme and host in lower case, an international domain name in Punycode, an IP address in its shortest form, no user name, no default port, no "." or ".." segments, and only characters of RFC 3986. Errors: 22023 not allowed, with the normal form as a hint, or another column.';

CREATE FUNCTION anon_auth_internal.check_uris(setting text, uris text[])
	RETURNS boolean
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'anon_auth_check_uris';
COMMENT ON FUNCTION anon_auth_internal.check_uris(text, text[]) IS
'Part of the constraints of clients. As check_uri(), for each element of an array. Errors: 22023 one of them is NULL or not allowed, or another column.';
